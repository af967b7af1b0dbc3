//! The exit statuses of every binary (the numbers of BSD's `sysexits.h` where it has one).

/// The command line or a setting is wrong.
pub const USAGE: u8 = 64;
/// Something the component needs is not there: a target that never became ready, an address in use.
pub const UNAVAILABLE: u8 = 69;
/// A bug: a part that the process cannot do without has failed.
pub const BROKEN: u8 = 70;
