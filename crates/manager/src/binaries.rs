//! Where the other binaries are: beside the manager's own. Under `cargo run` they may not be built yet, or be older than the
//! sources, so there the manager has cargo build them first.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output as Said, Stdio},
};

use evenkeel_service::exit;

use crate::{
    Trouble,
    output::Output,
    plan::{Kind, Member, Plan},
};

/// The directory with the binaries of the set.
#[derive(Debug)]
pub(crate) struct Binaries {
    directory: PathBuf,
}

/// Finds all of them, built if cargo is at hand.
pub(crate) fn find(output: Output) -> Result<Binaries, Trouble> {
    let own = env::current_exe().map_err(|error| {
        Trouble::unavailable(format!("manager: cannot tell where it was started from: {error}"))
    })?;
    let directory = own.parent().unwrap_or(Path::new(".")).to_owned();
    if let Some(cargo) = Cargo::running_us() {
        output.say("cargo builds what is not up to date");
        cargo.build(&directory)?;
    }
    Binaries::of(directory)
}

impl Binaries {
    fn of(directory: PathBuf) -> Result<Self, Trouble> {
        let binaries = Self { directory };
        let missing = [Kind::Server, Kind::Balancer, Kind::Client]
            .into_iter()
            .find(|kind| !binaries.path(*kind).is_file());
        match missing {
            None => Ok(binaries),
            Some(kind) => Err(Trouble::unavailable(format!(
                "manager: {} is not there; `cargo build --release` makes all binaries, side by side",
                binaries.path(kind).display()
            ))),
        }
    }

    /// A command that runs this member in an environment of its own variables and nothing else, except that what all
    /// binaries share (`EVENKEEL_LOG`) is passed on.
    pub(crate) fn command(&self, member: &Member) -> Command {
        let mut command = Command::new(self.path(member.kind));
        let shared = env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"EVENKEEL_"));
        command.env_clear().envs(shared).envs(&member.variables).stdin(Stdio::null());
        command
    }

    /// Has every member judge its own settings. What it says is passed on in the names that the manager takes.
    pub(crate) fn check(&self, plan: &Plan) -> Result<(), Trouble> {
        let mut lines = Vec::new();
        for member in &plan.members {
            let checked = self.command(member).arg("--check").output();
            let Said { status, stderr, .. } = checked.map_err(|error| {
                Trouble::unavailable(format!(
                    "manager: {} cannot be run: {error}",
                    self.path(member.kind).display()
                ))
            })?;
            if !status.success() {
                lines.extend(String::from_utf8_lossy(&stderr).lines().map(|line| in_our_names(line, member)));
                if status.code() != Some(i32::from(exit::USAGE)) {
                    lines.push(format!("manager: {} --check ended with {status}", member.kind.binary()));
                }
            }
        }
        if lines.is_empty() { Ok(()) } else { Err(Trouble::usage(lines)) }
    }

    fn path(&self, kind: Kind) -> PathBuf {
        self.directory.join(kind.binary())
    }
}

/// `SERVER_BIND: …` as the manager was given it: `MANAGER_SERVER_2_BIND: …`.
fn in_our_names(line: &str, member: &Member) -> String {
    let prefix = member.kind.prefix();
    let mut renamed = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(prefix) {
        let inside_a_word = rest[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
        renamed.push_str(&rest[..at]);
        renamed.push_str(if inside_a_word { prefix } else { &member.handed_as });
        rest = &rest[at + prefix.len()..];
    }
    renamed + rest
}

/// The cargo that runs this process.
struct Cargo {
    program: PathBuf,
    /// Its manifest's directory: `crates/manager`.
    manifest: PathBuf,
}

impl Cargo {
    /// What `cargo run` says about itself to what it runs. Only for our own package: another cargo's word (of a test that
    /// starts the manager, say) is not about us.
    fn running_us() -> Option<Self> {
        (env::var_os("CARGO_PKG_NAME")? == env!("CARGO_PKG_NAME")).then_some(())?;
        Some(Self {
            program: env::var_os("CARGO")?.into(),
            manifest: env::var_os("CARGO_MANIFEST_DIR")?.into(),
        })
    }

    /// Builds the workspace's default members in the profile whose output directory this is.
    fn build(&self, directory: &Path) -> Result<(), Trouble> {
        let profile = match directory.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(name) => name,
        };
        let built = Command::new(&self.program)
            .args(["build", "--locked", "--bins", "--profile", profile])
            .current_dir(self.manifest.join("../.."))
            .status();
        match built {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Trouble::unavailable(format!(
                "manager: cargo build ended with {status}; its reasons are above"
            ))),
            Err(error) => Err(Trouble::unavailable(format!(
                "manager: {} cannot be run: {error}",
                self.program.display()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs};

    use super::*;

    fn second_server() -> Member {
        Member {
            name: "server-2".to_owned(),
            kind: Kind::Server,
            handed_as: "MANAGER_SERVER_2_".to_owned(),
            variables: BTreeMap::from([("SERVER_NAME".to_owned(), "two".to_owned())]),
            addresses: None,
        }
    }

    #[test]
    fn a_problem_is_told_in_the_names_the_manager_takes() {
        assert_eq!(
            in_our_names("SERVER_BNID: is not a setting; did you mean SERVER_BIND?", &second_server()),
            "MANAGER_SERVER_2_BNID: is not a setting; did you mean MANAGER_SERVER_2_BIND?"
        );
        assert_eq!(
            in_our_names("OBSERVER_X and nothing else", &second_server()),
            "OBSERVER_X and nothing else"
        );
    }

    #[test]
    fn a_missing_binary_is_named_with_what_makes_it() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("server"), "").unwrap();
        let Trouble { status, lines } = Binaries::of(directory.path().to_owned()).unwrap_err();
        assert_eq!(status, exit::UNAVAILABLE);
        assert!(lines[0].contains("/balancer is not there; `cargo build --release` makes"), "{lines:?}");
    }

    #[test]
    fn a_child_sees_its_own_variables_only() {
        let binaries = Binaries { directory: "/nowhere".into() };
        let command = binaries.command(&second_server());
        let names: Vec<_> = command.get_envs().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
        assert!(names.contains(&"SERVER_NAME".to_owned()));
        assert!(names.iter().all(|name| name == "SERVER_NAME" || name.starts_with("EVENKEEL_")), "{names:?}");
    }
}
