//! Columns in which everything was slow and nothing else was wrong: told once for the whole run, and blamed on nobody.

use std::time::Duration;

use super::usual::Usual;
use crate::measure::Column;
use crate::words;

/// Slow columns that no server explains.
#[derive(Debug, Default)]
pub(super) struct Slowness {
    columns: u32,
    first: Duration,
    p99: Duration,
    usual: Duration,
    /// By how much the client itself ran late in them.
    late: Duration,
    /// Whether more than one server answered in each of them.
    several: bool,
}

impl Slowness {
    /// Notes a slow column that begins at this moment, in which the client itself ran so late. One server alone that was slow for a moment is no sign of anything.
    pub(super) fn note(&mut self, begin: Duration, column: &Column, usual: &Usual, late: Duration) {
        let several = column.servers.len() > 1;
        if several && usual.slow_servers(column) < 2 {
            return;
        }
        if self.columns == 0 {
            (self.first, self.usual, self.several) = (begin, usual.p99(), true);
        }
        self.columns += 1;
        self.several &= several;
        self.late = self.late.max(late);
        self.p99 = self.p99.max(column.latency.at(0.99));
    }

    /// What there is to say of them, given whether the balancer told all of its attempts; columns are so wide.
    pub(super) fn told(&self, told: bool, width: Duration) -> Option<String> {
        if self.columns == 0 {
            return None;
        }
        let verdict = match (self.several, told) {
            (true, true) => {
                "No attempt failed, and several servers were slow at once: the machine, or something that they share, not a server."
            }
            (true, false) => {
                "Several servers were slow at once, which speaks for the machine, not for a server."
            }
            (false, _) => "Whether it was the machine or the server cannot be told where only one answers.",
        };
        let late = if self.late.is_zero() {
            String::new()
        } else {
            format!(" The client itself ran up to {} late then.", words::duration(self.late))
        };
        Some(format!(
            "For {} altogether, first from {}, everything was slow: p99 up to {}, where {} is usual. {verdict}{late}",
            words::duration(width * self.columns),
            words::moment(self.first),
            words::duration(self.p99),
            words::duration(self.usual),
        ))
    }
}
