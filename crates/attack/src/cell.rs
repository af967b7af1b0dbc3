//! The memory that the balancer may have: a control group of its own, of either version, which the kernel ends when it takes more.
//!
//! Without the right to make one the memory is only looked at: then what passes the limit is told and not stopped.

use std::{
    ffi::OsStr,
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What it may have, in bytes.
pub(crate) const LIMIT: u64 = 64 << 20;

/// Where version 1 and version 2 have their groups.
const PLACES: [(&str, Version); 2] =
    [("/sys/fs/cgroup/memory", Version::One), ("/sys/fs/cgroup", Version::Two)];

/// A place for one process at a time. Dropping it removes the group.
#[derive(Debug)]
pub(crate) enum Cell {
    /// The kernel keeps it.
    Group { directory: PathBuf, version: Version },
    /// There is none, for this reason.
    Open(String),
}

/// Of control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

impl Cell {
    /// Makes a control group where that is possible.
    pub(crate) fn make() -> Self {
        let mut reason = "the kernel has no control groups for memory".to_owned();
        for (place, version) in PLACES {
            let controller = match version {
                Version::One => "memory.limit_in_bytes",
                Version::Two => "cgroup.subtree_control",
            };
            if !Path::new(place).join(controller).exists() {
                continue;
            }
            let directory = Path::new(place).join(format!("evenkeel-attack-{}", std::process::id()));
            match limited(&directory, version) {
                Ok(()) => return Self::Group { directory, version },
                Err(error) => {
                    let _ = fs::remove_dir(&directory);
                    reason = format!("{}: {error}", directory.display());
                }
            }
        }
        Self::Open(reason)
    }

    /// A command that runs `program` in here, and no longer than this process.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let inside: [&OsStr; 4] =
            [OsStr::new("--pdeathsig"), OsStr::new("TERM"), OsStr::new("--"), program.as_os_str()];
        match self {
            Self::Group { directory, .. } => {
                let mut command = Command::new("/bin/sh");
                command.args(["-c", "echo $$ >\"$0\" && exec setpriv \"$@\""]);
                command.arg(directory.join("cgroup.procs")).args(inside);
                command
            }
            Self::Open(_) => {
                let mut command = Command::new("setpriv");
                command.args(inside);
                command
            }
        }
    }

    /// How many processes the kernel has ended in here so far.
    pub(crate) fn killed(&self) -> u64 {
        let Self::Group { directory, version } = self else { return 0 };
        let file = match version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        kills(&fs::read_to_string(directory.join(file)).unwrap_or_default())
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = LIMIT >> 20;
        match self {
            Self::Group { .. } => write!(f, "The balancer runs in a control group of {limit} MiB."),
            Self::Open(reason) => write!(
                f,
                "NOTE: no control group ({reason}): the limit of {limit} MiB is not enforced; the most that the balancer had is \
                 held against it."
            ),
        }
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        if let Self::Group { directory, .. } = self {
            // It is empty: each set has ended before. What cannot be removed stays, empty.
            let _ = fs::remove_dir(directory);
        }
    }
}

fn limited(directory: &Path, version: Version) -> std::io::Result<()> {
    let limit = LIMIT.to_string();
    if version == Version::Two
        && let Some(parent) = directory.parent()
    {
        fs::write(parent.join("cgroup.subtree_control"), "+memory")?;
    }
    fs::create_dir(directory)?;
    match version {
        Version::One => fs::write(directory.join("memory.limit_in_bytes"), limit),
        Version::Two => {
            // A kernel without swap has no such file, and needs none.
            let _ = fs::write(directory.join("memory.swap.max"), "0");
            fs::write(directory.join("memory.max"), limit)
        }
    }
}

fn kills(text: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_ended_is_counted_in_both_versions() {
        assert_eq!(kills("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"), 2);
        assert_eq!(kills("low 0\nhigh 0\nmax 14\noom 1\noom_kill 1\noom_group_kill 0\n"), 1);
        assert_eq!(kills(""), 0);
    }
}
