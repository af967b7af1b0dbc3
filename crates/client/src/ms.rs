//! Durations as the report's JSON has them.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// A duration that JSON shows in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ms(pub(crate) Duration);

impl Serialize for Ms {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Whole microseconds: what is measured is no finer.
        serializer.serialize_f64(self.0.as_micros() as f64 / 1e3)
    }
}
