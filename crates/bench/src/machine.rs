//! The machine that was measured on.

use std::{fs, thread};

use serde::{Deserialize, Serialize};

/// A machine, as far as speed depends on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// What the processor calls itself.
    pub(crate) processor: String,
    /// Whether it has instructions for SHA-256.
    pub(crate) sha_instructions: bool,
    /// How many cores this program may use.
    pub(crate) cores: usize,
    /// The kernel's release.
    pub(crate) kernel: String,
    /// How many tasks were running or waiting in the minute before: from 1 on, figures are disturbed.
    pub(crate) load_before: f64,
}

impl Machine {
    /// This one.
    pub(crate) fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let processor = read("/proc/cpuinfo");
        Self {
            processor: field(&processor, "model name").unwrap_or("unknown").to_owned(),
            sha_instructions: has_sha(&processor),
            cores: thread::available_parallelism().map_or(1, usize::from),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            load_before: load(&read("/proc/loadavg")),
        }
    }
}

/// The value of the first line of this name.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}

fn has_sha(processor: &str) -> bool {
    let flags = field(processor, "flags").or_else(|| field(processor, "Features")).unwrap_or_default();
    flags.split_whitespace().any(|flag| matches!(flag, "sha_ni" | "sha2"))
}

fn load(averages: &str) -> f64 {
    averages.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_for_sha_are_seen_on_both_architectures() {
        let amd64 = "processor\t: 0\nmodel name\t: A processor\nflags\t\t: fpu sse2 sha_ni\n";
        assert!(has_sha(amd64));
        assert_eq!(field(amd64, "model name"), Some("A processor"));
        assert!(has_sha("Features\t: fp asimd sha1 sha2\n"));
        assert!(!has_sha("flags\t\t: fpu sse2\n"));
    }

    #[test]
    fn the_load_is_that_of_the_last_minute() {
        assert!((load("0.25 1.50 2.00 1/100 4711\n") - 0.25).abs() < 1e-9);
    }
}
