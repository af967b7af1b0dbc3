//! What a run came to, as one value: `text` prints it for people, `json` for programs, `html` draws it.
//!
//! Field names and units are the JSON format's (REPORT.md describes it): every duration is in milliseconds and says
//! so in its name, every moment counts from the run's beginning.

mod html;
mod text;

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::incident::Incident;
use crate::measure::{Latencies, Latency, Measurements, Noted, Tally};
use crate::outcome::{Kind, Phase};
use crate::proof::{Proof, Verdict};
use crate::request::request_id;
use crate::run::Finished;
use crate::settings::Settings;
use crate::slo::{Checked, Slo};
use crate::target::Target;
use crate::words;

/// A duration that JSON shows in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ms(pub(crate) Duration);

impl Serialize for Ms {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Whole microseconds: what is measured is no finer.
        serializer.serialize_f64(self.0.as_micros() as f64 / 1e3)
    }
}

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
    /// The most requests at a time.
    pub(crate) concurrency: usize,
    /// What the mix was drawn from.
    pub(crate) seed: u64,
    /// How many requests of which fate.
    pub(crate) requests: Requests,
    /// How long they took.
    pub(crate) latency: LatencyReport,
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
    /// Stretches in which something was wrong.
    pub(crate) incidents: Vec<Incident>,
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

/// What one server answered.
#[derive(Debug, Serialize)]
pub(crate) struct Server {
    /// Its `X-Server`; `None` for responses that name nobody and for requests without a response.
    pub(crate) name: Option<String>,
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
    pub(crate) servers: std::collections::BTreeMap<String, u64>,
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

impl Report {
    /// What the finished run called `run` came to.
    pub(crate) fn new(run: &str, target: &Target, settings: &Settings, finished: Finished) -> Self {
        let measured = &finished.measurements;
        let entries = settings.mix.entries();
        let gap = measured.longest_gap();
        let mut report = Self {
            run: run.to_owned(),
            target: target.to_string(),
            began: format!("{:.3}", finished.began),
            lasted_ms: Ms(measured.elapsed()),
            stopped: finished.stopped,
            concurrency: settings.concurrency,
            seed: settings.seed,
            requests: requests(measured, finished.dropped),
            latency: latency(&measured.latencies),
            servers: servers(measured),
            mix: entries
                .iter()
                .zip(&measured.entries)
                .map(|(entry, &tally)| MixEntry { request: entry.to_string(), tally })
                .collect(),
            failures: failure_kinds(measured),
            first_failures: measured
                .failures
                .noted()
                .iter()
                .map(|noted| failed_request(run, &entries[noted.entry].to_string(), noted))
                .collect(),
            longest_gap: Stretch { begin_ms: Ms(gap.begin), lasted_ms: Ms(gap.lasted) },
            timeline: timeline(measured),
            incidents: finished.incidents,
            proof: finished.proof,
            notes: Vec::new(),
            objectives: Vec::new(),
            passed: false,
        };
        report.notes.extend(report.requests.rate_not_kept());
        report.judge(&settings.slo);
        report
    }

    /// A run that sent nothing achieved nothing, and one that its ledgers contradict did not happen as it looks.
    fn judge(&mut self, slo: &Slo) {
        self.objectives = slo.check(self);
        let contradicted = self.proof.as_ref().is_some_and(|proof| proof.verdict == Verdict::Contradicted);
        self.passed =
            self.requests.right > 0 && !contradicted && self.objectives.iter().all(|objective| objective.met);
    }
}

impl Requests {
    /// Requests that were due.
    pub(crate) fn due(&self) -> u64 {
        self.sent + self.dropped
    }

    /// Says so where most requests did not have their moment: then the rate was not the one that was asked for, and what
    /// was measured is a target with all senders busy.
    fn rate_not_kept(&self) -> Option<String> {
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

fn requests(measured: &Measurements, dropped: u64) -> Requests {
    let seconds = measured.elapsed().as_secs_f64();
    Requests {
        sent: measured.sent(),
        right: measured.right,
        failed: measured.failed,
        wrong: measured.wrong,
        late: measured.late,
        dropped,
        unmeasured: measured.unmeasured,
        per_second: if seconds > 0.0 { measured.sent() as f64 / seconds } else { 0.0 },
        received_bytes: measured.received,
    }
}

fn latency(latencies: &Latencies) -> LatencyReport {
    LatencyReport {
        right: quantiles(&latencies.right),
        failed: quantiles(&latencies.failed),
        service: quantiles(&latencies.service),
        head: quantiles(&latencies.head),
        connect: quantiles(&latencies.connect),
    }
}

fn quantiles(latency: &Latency) -> Quantiles {
    Quantiles {
        count: latency.count(),
        mean_ms: Ms(latency.mean()),
        p50_ms: Ms(latency.at(0.5)),
        p90_ms: Ms(latency.at(0.9)),
        p99_ms: Ms(latency.at(0.99)),
        p999_ms: Ms(latency.at(0.999)),
        max_ms: Ms(latency.max()),
    }
}

fn servers(measured: &Measurements) -> Vec<Server> {
    let named = measured.servers.named().map(|(name, tally)| Server { name: Some(name.to_owned()), tally });
    let nameless = measured.servers.nameless();
    let nameless = (nameless.sum() > 0).then_some(Server { name: None, tally: nameless });
    named.chain(nameless).collect()
}

fn failure_kinds(measured: &Measurements) -> Vec<FailureKind> {
    let kinds = measured.failures.by_kind().into_iter();
    kinds
        .map(|(kind, phase, spell)| FailureKind {
            kind,
            phase,
            count: spell.count,
            first_ms: Ms(spell.first),
            last_ms: Ms(spell.last),
        })
        .collect()
}

fn failed_request(run: &str, request: &str, noted: &Noted) -> FailedRequest {
    FailedRequest {
        at_ms: Ms(noted.at),
        id: request_id(run, noted.sequence),
        request: request.to_owned(),
        kind: noted.failure.kind,
        phase: noted.failure.phase,
        status: noted.status,
        server: noted.server.clone(),
        after_ms: Ms(noted.after),
        detail: noted.failure.detail.clone(),
    }
}

fn timeline(measured: &Measurements) -> TimelineReport {
    let columns = measured.timeline.columns().iter();
    TimelineReport {
        column_ms: Ms(measured.timeline.width()),
        columns: columns
            .map(|column| ColumnReport {
                tally: column.tally,
                p50_ms: Ms(column.latency.at(0.5)),
                p99_ms: Ms(column.latency.at(0.99)),
                max_ms: Ms(column.latency.max()),
                servers: column.servers.clone(),
            })
            .collect(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
