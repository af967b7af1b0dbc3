//! What the balancer has of memory and descriptors, looked at again and again.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{Result, pass};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// What a process has at a moment; for the peak, the most that it ever had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holds {
    /// Resident, in bytes.
    pub(crate) memory: u64,
    /// Open.
    pub(crate) descriptors: usize,
}

/// By so many the ordinary client's own connections, and those to servers, make the number of descriptors vary.
const ORDINARY: usize = 8;

impl Holds {
    /// Whether all is closed again that was opened since `before`.
    pub(crate) fn is_back_at(self, before: Self) -> bool {
        self.descriptors <= before.descriptors + ORDINARY
    }
}

/// A thread that looks.
#[derive(Debug)]
pub(crate) struct Watch {
    pid: u32,
    enough: Arc<AtomicBool>,
    most: Arc<AtomicUsize>,
    looker: JoinHandle<u64>,
}

impl Watch {
    /// Begins to look at a process.
    pub(crate) fn start(pid: u32) -> Self {
        let (enough, most) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (told, counted) = (enough.clone(), most.clone());
        let looker = thread::spawn(move || {
            let mut memory = 0;
            while !told.load(Relaxed) {
                // It may have ended: then the last that was seen is the most that will be.
                memory = status(pid, "VmHWM:").unwrap_or(memory);
                counted.fetch_max(descriptors(pid).unwrap_or_default(), Relaxed);
                pass(LOOK);
            }
            status(pid, "VmHWM:").unwrap_or(memory)
        });
        Self { pid, enough, most, looker }
    }

    /// What it has now.
    pub(crate) fn now(&self) -> Result<Holds> {
        Ok(Holds { memory: status(self.pid, "VmRSS:")?, descriptors: descriptors(self.pid)? })
    }

    /// Ends looking: the most there was, and what there is.
    pub(crate) fn end(self) -> (Holds, Result<Holds>) {
        let now = self.now();
        self.enough.store(true, Relaxed);
        let memory = self.looker.join().unwrap_or_default();
        (Holds { memory, descriptors: self.most.load(Relaxed) }, now)
    }
}

fn status(pid: u32, name: &str) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    kibibytes(&text, name).ok_or_else(|| "the balancer has ended".into())
}

/// In bytes. A process that has ended and is not yet waited for has no such line.
fn kibibytes(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|count| count << 10)
}

fn descriptors(pid: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_kibibytes() {
        let status = "Name:\tbalancer\nVmHWM:\t   12345 kB\nVmRSS:\t   2048 kB\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(2 << 20));
        assert_eq!(kibibytes("State:\tZ (zombie)\n", "VmRSS:"), None);
    }

    #[test]
    fn the_most_is_kept_and_what_is_there_is_told() {
        let watch = Watch::start(std::process::id());
        let now = watch.now().unwrap();
        assert!(now.memory > 0 && now.descriptors > 2);
        let (peak, after) = watch.end();
        assert!(peak.memory >= after.unwrap().memory / 2);
    }
}
