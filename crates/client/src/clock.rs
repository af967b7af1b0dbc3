//! The one place that asks what time it is. Everything that measures is handed its moments.

use std::time::Instant;

use jiff::Timestamp;

/// This moment, on the runtime's clock.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The time of day, to be put beside what other processes wrote down.
pub(crate) fn wall() -> Timestamp {
    Timestamp::now()
}
