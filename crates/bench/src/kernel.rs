//! What the kernel has counted for a process: time on a core, memory, children.

use std::{fs, time::Duration};

use crate::Result;

/// The time that a process and its children have had on a core, in user mode and in the kernel, all threads together
/// (`utime` and `stime` of `/proc/PID/stat`, see proc(5)).
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let ticks_a_second = rustix::param::clock_ticks_per_second();
    let mut ticks = 0;
    for pid in family(pid)? {
        ticks += Stat::read(pid)?.ticks;
    }
    Ok(Duration::from_secs_f64(ticks as f64 / ticks_a_second as f64))
}

/// The memory that a process and its children have in use, in bytes.
pub(crate) fn resident(pid: u32) -> Result<u64> {
    let mut bytes = 0;
    for pid in family(pid)? {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        bytes += resident_of(&status).ok_or_else(|| format!("/proc/{pid}/status has no VmRSS"))?;
    }
    Ok(bytes)
}

/// The process and its children: nginx works in those.
fn family(pid: u32) -> Result<Vec<u32>> {
    let mut family = vec![pid];
    for entry in fs::read_dir("/proc")? {
        let Some(other) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // It may have ended since.
        if Stat::read(other).is_ok_and(|stat| stat.parent == pid) {
            family.push(other);
        }
    }
    Ok(family)
}

/// A line of `/proc/PID/stat`, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// `utime` and `stime`.
    ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> Result<Self> {
        let line = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        Self::parse(&line).ok_or_else(|| format!("/proc/{pid}/stat is not as expected: {line}").into())
    }

    fn parse(line: &str) -> Option<Self> {
        // The name stands in parentheses and may hold anything, even those.
        let (_, fields) = line.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Self { parent: fields.get(1)?.parse().ok()?, ticks: number(11)? + number(12)? })
    }
}

fn resident_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_parent_are_found_behind_any_name() {
        let line = "4711 (a) b (c) S 42 4711 1 0 -1 4194560 1 2 3 4 150 25 7 8 20 0 1 0 100 1000 10 1 1 1";
        assert_eq!(Stat::parse(line), Some(Stat { parent: 42, ticks: 175 }));
        assert_eq!(Stat::parse("4711 (short) S 42"), None);
    }

    #[test]
    fn memory_is_told_in_kibibytes() {
        assert_eq!(resident_of("Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t1\n"), Some(2 << 20));
        assert_eq!(resident_of("Name:\tx\n"), None);
    }

    #[test]
    fn this_process_has_had_time_and_memory() {
        let own = std::process::id();
        assert!(resident(own).unwrap() > 4096);
        assert!(cpu_time(own).is_ok());
        assert!(family(own).unwrap().contains(&own));
    }
}
