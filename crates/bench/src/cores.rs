//! Which core does what: the one who is measured has one for itself, servers and load share another.

use std::fs;

use crate::Result;

/// Two cores, or one twice, and perhaps another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cores {
    /// Of proxies.
    pub(crate) proxy: usize,
    /// Of servers and load.
    pub(crate) load: usize,
    /// Of a proxy with two workers, beside that of proxies: a third core, or the one of the load.
    pub(crate) second: usize,
}

impl Cores {
    /// The first two that this process may use.
    pub(crate) fn choose() -> Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let allowed = allowed.and_then(|list| parse(list.trim())).unwrap_or_default();
        let proxy = *allowed.first().ok_or("/proc/self/status names no core")?;
        let load = allowed.get(1).copied().unwrap_or(proxy);
        Ok(Self { proxy, load, second: allowed.get(2).copied().unwrap_or(load) })
    }

    /// Whether all have to share one core: then figures depend on who gets it when.
    pub(crate) fn are_one(self) -> bool {
        self.proxy == self.load
    }
}

/// Reads `0-2,5`.
fn parse(list: &str) -> Option<Vec<usize>> {
    let mut cores = Vec::new();
    for part in list.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        cores.extend(from.parse::<usize>().ok()?..=to.parse().ok()?);
    }
    Some(cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_cores_has_numbers_and_ranges() {
        assert_eq!(parse("0-2,5"), Some(vec![0, 1, 2, 5]));
        assert_eq!(parse("3"), Some(vec![3]));
        assert_eq!(parse(""), None);
    }
}
