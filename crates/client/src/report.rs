//! What a run came to, as one value: `text` prints it for people, `json` for programs, `html` draws it. It knows nothing of how it
//! was put together: `conclusion` does that.
//!
//! Field names and units are the JSON format's (docs/report.md describes it): every duration is in milliseconds and says
//! so in its name, every moment counts from the run's beginning.

mod html;
mod text;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::incident::Incident;
use crate::measure::Tally;
use crate::ms::Ms;
use crate::outcome::{Kind, Phase};
use crate::proof::Proof;
use crate::words;

/// A run against one target.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The run's name.
    pub(crate) run: String,
    /// Where it was sent.
    pub(crate) target: String,
    /// The time of day at its beginning (RFC 3339).
    pub(crate) began: String,
    /// How long it was.
    pub(crate) lasted_ms: Ms,
    /// Whether it was ended before its time.
    pub(crate) stopped: bool,
    /// What was set, in the order of the settings' table; all others are at their defaults.
    pub(crate) settings: Vec<InForce>,
    /// The most requests at a time.
    pub(crate) concurrency: usize,
    /// What the mix was drawn from.
    pub(crate) seed: u64,
    /// How many requests of which fate.
    pub(crate) requests: Requests,
    /// How long they took.
    pub(crate) latency: LatencyReport,
    /// How TLS came about on new connections; nothing where it is not spoken. Those of warming up are among them.
    pub(crate) handshakes: Vec<Handshakes>,
    /// Who answered.
    pub(crate) servers: Vec<Server>,
    /// What was sent.
    pub(crate) mix: Vec<MixEntry>,
    /// Ways of failing, the most frequent first.
    pub(crate) failures: Vec<FailureKind>,
    /// The first failures, whole.
    pub(crate) first_failures: Vec<FailedRequest>,
    /// The longest stretch without any right answer.
    pub(crate) longest_gap: Stretch,
    /// Stretches in which something was wrong, each told in a sentence.
    pub(crate) incidents: Vec<Incident>,
    /// What there is to say of seconds in which everything was slow, and no server to blame.
    pub(crate) slowness: Option<String>,
    /// The slowest right answer, with the way of its request.
    pub(crate) slowest: Option<SlowestRequest>,
    /// What the ledgers come to; `None` where no proof was attempted.
    pub(crate) proof: Option<Proof>,
    /// What a reader has to know before believing the figures, in sentences.
    pub(crate) notes: Vec<String>,
    /// What had to be achieved, and whether it was.
    pub(crate) objectives: Vec<Checked>,
    /// Whether all of it was, and nothing contradicts.
    pub(crate) passed: bool,
    /// The run in columns.
    pub(crate) timeline: TimelineReport,
}

/// Requests by their fate.
#[derive(Debug, Serialize)]
pub(crate) struct Requests {
    /// Sent; each was either answered rightly or failed.
    pub(crate) sent: u64,
    /// Answered rightly.
    pub(crate) right: u64,
    /// Not answered rightly.
    pub(crate) failed: u64,
    /// Of the failed ones, those that got a whole response that a less careful client would have believed.
    pub(crate) wrong: u64,
    /// Begun more than 10 ms after their moment.
    pub(crate) late: u64,
    /// Due, but not sent within the timeout or before the run ended, because every sender was busy.
    pub(crate) dropped: u64,
    /// Of those sent, the ones whose latency does not count because they warmed up.
    pub(crate) unmeasured: u64,
    /// Sent in a second, over the whole run.
    pub(crate) per_second: f64,
    /// Body bytes received.
    pub(crate) received_bytes: u64,
}

/// Latencies by what they are of.
#[derive(Debug, Serialize)]
pub(crate) struct LatencyReport {
    /// Of right answers, from the intended moment.
    pub(crate) right: Quantiles,
    /// Of failed requests, from the intended moment.
    pub(crate) failed: Quantiles,
    /// Of right answers, from the actual moment of sending.
    pub(crate) service: Quantiles,
    /// From sending to the response head, of right answers.
    pub(crate) head: Quantiles,
    /// Of opening connections.
    pub(crate) connect: Quantiles,
}

/// How a set of durations is spread. All zero when `count` is.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) count: u64,
    pub(crate) mean_ms: Ms,
    pub(crate) p50_ms: Ms,
    pub(crate) p90_ms: Ms,
    pub(crate) p99_ms: Ms,
    pub(crate) p999_ms: Ms,
    pub(crate) max_ms: Ms,
}

/// TLS handshakes of one kind, and how long they took.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Handshakes {
    /// `TLS 1.3` or `TLS 1.2`.
    pub(crate) version: &'static str,
    /// Whether they went on from an earlier one.
    pub(crate) resumed: bool,
    /// The handshake alone, from its beginning on an open connection.
    #[serde(flatten)]
    pub(crate) took: Quantiles,
}

impl Handshakes {
    /// What they are called in a table.
    fn name(self) -> String {
        format!("{}, {}", self.version, if self.resumed { "resumed" } else { "whole" })
    }
}

/// A setting that was set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct InForce {
    /// The variable.
    pub(crate) name: String,
    /// Its value, unless it may be a secret.
    pub(crate) value: String,
}

/// A right answer that took longer than all others.
#[derive(Debug, Serialize)]
pub(crate) struct SlowestRequest {
    /// Its `X-Request-Id`.
    pub(crate) id: String,
    /// Method and path.
    pub(crate) request: String,
    /// When it ended.
    pub(crate) at_ms: Ms,
    /// From the intended moment to its end.
    pub(crate) after_ms: Ms,
    /// The `X-Server` of the answer.
    pub(crate) server: Option<String>,
    /// What the balancer calls that server.
    pub(crate) called: Option<String>,
    /// The attempts that it took, in order; `None` where the balancer did not tell.
    pub(crate) way: Option<Vec<Step>>,
    /// The same in the balancer's words, where it had any.
    pub(crate) words: Option<String>,
}

/// An attempt on the way of a request.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    /// Where it went.
    pub(crate) endpoint: String,
    /// What the balancer calls the server there.
    pub(crate) called: Option<String>,
    /// What it was for.
    pub(crate) why: String,
    /// How it ended.
    pub(crate) end: String,
    /// The status that the server answered with, if it did.
    pub(crate) status: Option<u16>,
}

/// What one server answered.
#[derive(Debug, Serialize)]
pub(crate) struct Server {
    /// Its `X-Server`; `None` for responses that name nobody and for requests without a response.
    pub(crate) name: Option<String>,
    /// What the balancer calls it; `None` where it does not.
    pub(crate) called: Option<String>,
    /// Where it answers, as the balancer has it; `None` where that is not known.
    pub(crate) address: Option<String>,
    /// Its requests.
    #[serde(flatten)]
    pub(crate) tally: Tally,
}

/// What became of one kind of request.
#[derive(Debug, Serialize)]
pub(crate) struct MixEntry {
    /// Method and path.
    pub(crate) request: String,
    /// Its requests.
    #[serde(flatten)]
    pub(crate) tally: Tally,
}

/// One way of failing.
#[derive(Debug, Serialize)]
pub(crate) struct FailureKind {
    /// How.
    pub(crate) kind: Kind,
    /// Where in the exchange.
    pub(crate) phase: Phase,
    /// How many.
    pub(crate) count: u64,
    /// The first one.
    pub(crate) first_ms: Ms,
    /// The last one.
    pub(crate) last_ms: Ms,
}

/// One failed request.
#[derive(Debug, Serialize)]
pub(crate) struct FailedRequest {
    /// When it failed.
    pub(crate) at_ms: Ms,
    /// Its `X-Request-Id`.
    pub(crate) id: String,
    /// Method and path.
    pub(crate) request: String,
    /// How.
    pub(crate) kind: Kind,
    /// Where in the exchange.
    pub(crate) phase: Phase,
    /// The status, where there was a response.
    pub(crate) status: Option<u16>,
    /// Who answered, where that was said.
    pub(crate) server: Option<String>,
    /// What the balancer calls that server.
    pub(crate) called: Option<String>,
    /// From the intended moment to the failure.
    pub(crate) after_ms: Ms,
    /// What else is known.
    pub(crate) detail: String,
}

/// A stretch of the run.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Stretch {
    /// When it began.
    pub(crate) begin_ms: Ms,
    /// How long it was.
    pub(crate) lasted_ms: Ms,
}

/// The run in columns of equal length.
#[derive(Debug, Serialize)]
pub(crate) struct TimelineReport {
    /// How long a column is.
    pub(crate) column_ms: Ms,
    /// The columns, none left out.
    pub(crate) columns: Vec<ColumnReport>,
}

/// One column: the requests that ended in it.
#[derive(Debug, Serialize)]
pub(crate) struct ColumnReport {
    /// How many.
    #[serde(flatten)]
    pub(crate) tally: Tally,
    /// Half of the right answers were at least as fast.
    pub(crate) p50_ms: Ms,
    /// 99 % of the right answers were at least as fast.
    pub(crate) p99_ms: Ms,
    /// The slowest right answer.
    pub(crate) max_ms: Ms,
    /// Right answers by server.
    pub(crate) servers: BTreeMap<String, u64>,
}

/// An objective and whether it was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Checked {
    /// As it was written.
    pub(crate) objective: String,
    /// What was measured, in words.
    pub(crate) measured: String,
    /// Whether that meets it.
    pub(crate) met: bool,
}

/// The reports of all targets, as JSON has them.
#[derive(Debug, Serialize)]
pub(crate) struct Reports {
    /// The name and version of the format.
    pub(crate) format: &'static str,
    /// Whether every run passed, and every target was measured.
    pub(crate) passed: bool,
    /// A report for each target, in the order of measuring.
    pub(crate) runs: Vec<Report>,
}

impl Reports {
    /// The reports of the runs that took place, of so many that should have.
    pub(crate) fn new(runs: Vec<Report>, wanted: usize) -> Self {
        let passed = runs.len() == wanted && runs.iter().all(|report| report.passed);
        Self { format: "evenkeel-client-report/1", passed, runs }
    }

    /// All of it for programs.
    pub(crate) fn json(&self) -> String {
        // Strings, numbers and maps with string keys always have a JSON form.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// All of it as a page that needs nothing but itself.
    pub(crate) fn html(&self) -> String {
        html::page(self)
    }

    /// The runs side by side, where there are several.
    pub(crate) fn comparison(&self) -> Option<String> {
        (self.runs.len() > 1).then(|| text::comparison(&self.runs))
    }
}

/// Who answered, where nobody says so: the balancer itself, or nobody at all.
const NOBODY: &str = "(none named)";

impl Report {
    /// What a server that calls itself `id` is called in this report.
    fn called<'a>(&'a self, id: &'a str) -> &'a str {
        let known = self.servers.iter().find(|server| server.name.as_deref() == Some(id));
        known.and_then(|server| server.called.as_deref()).unwrap_or(id)
    }

    /// What the server at an address is called in this report.
    fn at<'a>(&'a self, address: &'a str) -> &'a str {
        let known = self.servers.iter().find(|server| server.address.as_deref() == Some(address));
        known.and_then(|server| server.called.as_deref()).unwrap_or(address)
    }

    /// The servers by what they are called, those of one name in one row: its name, its address and its requests.
    fn rows(&self) -> Vec<(String, Option<&str>, Tally)> {
        let mut rows: Vec<(String, Option<&str>, Tally)> = Vec::new();
        for server in &self.servers {
            let name = server.name.as_deref().map_or(NOBODY, |id| self.called(id));
            let name = words::Tame(name).to_string();
            if let Some((_, _, tally)) = rows.iter_mut().find(|(other, _, _)| *other == name) {
                tally.right += server.tally.right;
                tally.failed += server.tally.failed;
            } else {
                rows.push((name, server.address.as_deref(), server.tally));
            }
        }
        // What came from nobody is last, as in the list of servers.
        rows.sort_by(|(one, _, _), (other, _, _)| (one == NOBODY, one).cmp(&(other == NOBODY, other)));
        rows
    }
}

impl Requests {
    /// Requests that were due.
    pub(crate) fn due(&self) -> u64 {
        self.sent + self.dropped
    }

    /// Says so where most requests did not have their moment: then the rate was not the one that was asked for, and what
    /// was measured is a target with all senders busy.
    pub(crate) fn rate_not_kept(&self) -> Option<String> {
        ((self.late + self.dropped) * 2 > self.due()).then(|| {
            format!(
                "Most requests were late: of {}, {} begun more than 10 ms after their moment and {} never. The rate was not kept; \
                 the target is too slow for it, or CLIENT_CONCURRENCY too low.",
                words::count(self.due()),
                words::count(self.late),
                words::count(self.dropped),
            )
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
