//! A child never outlives the process that started it, not even when that one is killed and cannot say goodbye.
//!
//! The starter puts its own process id into [`VARIABLE`]; the child asks the kernel to end it when its parent does. It asks
//! for itself because the other place for it, between fork and exec, is out of reach for safe code.

use std::env;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// Holds the process id of the parent without which this process must not live. Not a setting: whoever starts children
/// sets it, nobody else.
pub const VARIABLE: &str = "EVENKEEL_PARENT";

/// Binds this process to its parent if it was started with [`VARIABLE`]. Says why where the parent is gone already.
///
/// The signal is SIGKILL: it also ends a child that is stopped, or that hangs.
pub(crate) fn bind() -> Result<(), String> {
    let Some(value) = env::var_os(VARIABLE) else { return Ok(()) };
    let parent = value.to_str().and_then(|text| text.parse().ok()).and_then(Pid::from_raw);
    let Some(parent) = parent else {
        return Err(format!("{VARIABLE}: `{}` is not a process id; remove it", value.display()));
    };
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| format!("{VARIABLE}: the kernel refuses to watch process {parent}: {error}"))?;
    // It may have ended before the kernel was asked; then nobody will signal.
    if getppid() == Some(parent) {
        Ok(())
    } else {
        Err(format!("{VARIABLE}: process {parent} is not (or no longer) the parent of this one"))
    }
}
