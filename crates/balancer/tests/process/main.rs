//! The balancer as a process among others: whoever reads its log may go away, and it is asked to leave while clients are
//! there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[expect(dead_code, reason = "these tests need only a part of it")]
#[path = "../harness/mod.rs"]
mod harness;

mod busy;
mod full_line;
mod handed_over;
mod lacking;
mod leaving;
mod names;
mod probes;
mod readers;
mod repetition;
mod settings_file;
mod side_by_side;
mod signals;
mod weights;
