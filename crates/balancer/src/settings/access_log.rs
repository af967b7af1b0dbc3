//! The access log, as a person says it.

use std::path::PathBuf;

/// What is logged, and where to.
#[derive(Clone, Debug)]
pub(crate) struct AccessLogSettings {
    pub(crate) format: Format,
    /// One in so many of the requests that went as usual; none of them when 0. The others are all logged.
    pub(crate) sample: u64,
    /// Standard output where there is none.
    pub(crate) path: Option<PathBuf>,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people: `name=value`.
    Text,
    /// For programs: an object a line.
    Json,
}
