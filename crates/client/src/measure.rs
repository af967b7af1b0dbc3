//! What is kept of a run: counts, histograms, a time line and the first failures, in memory that does not grow
//! with the run.
//!
//! ```text
//! Exchange ──▶ Measurements ──┬─ Latencies   right / failed, from the intended moment; service time beside it
//!                             ├─ Failures    by kind with first and last moment; the first ones whole
//!                             ├─ Servers     by X-Server
//!                             └─ Timeline    by second, later by two, by four …
//! ```
//! Nothing here reads a clock: every moment comes in with the exchange.

mod failures;
mod handshakes;
mod latency;
mod servers;
mod timeline;

use std::time::{Duration, Instant};

pub(crate) use failures::{Failures, Noted};
pub(crate) use handshakes::Handshakes;
pub(crate) use latency::Latency;
pub(crate) use servers::{Servers, Tally};
pub(crate) use timeline::{Column, Timeline};

use crate::outcome::Exchange;

/// A request of an open loop that begins so much after its moment is called late.
pub(crate) const LATE: Duration = Duration::from_millis(10);

/// The latencies of a run, each of its own kind of moment.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    /// Requests answered rightly, from the intended moment.
    pub(crate) right: Latency,
    /// Failed requests, from the intended moment: a refused connection is fast, and must not make the rest look fast.
    pub(crate) failed: Latency,
    /// Requests answered rightly, from the actual moment of sending.
    pub(crate) service: Latency,
    /// From the moment of sending to the response head, of requests answered rightly.
    pub(crate) head: Latency,
    /// Opening connections that were opened.
    pub(crate) connect: Latency,
}

/// Everything measured in one run.
#[derive(Debug)]
pub(crate) struct Measurements {
    begin: Instant,
    end: Instant,
    /// Requests answered rightly.
    pub(crate) right: u64,
    /// Requests not answered rightly.
    pub(crate) failed: u64,
    /// Failed requests to which a whole response came that a less careful client would have believed.
    pub(crate) wrong: u64,
    /// Requests begun later than [`LATE`] after their moment.
    pub(crate) late: u64,
    /// Requests whose latency does not count, because they warmed up.
    pub(crate) unmeasured: u64,
    /// Body bytes received.
    pub(crate) received: u64,
    /// Requests and failures by entry of the workload.
    pub(crate) entries: Vec<Tally>,
    /// How long things took.
    pub(crate) latencies: Latencies,
    /// How TLS came about.
    pub(crate) handshakes: Handshakes,
    /// What went wrong.
    pub(crate) failures: Failures,
    /// Who answered.
    pub(crate) servers: Servers,
    /// What happened when.
    pub(crate) timeline: Timeline,
    last_right: Instant,
    gap: Gap,
}

/// A stretch without any right answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    /// When it began, from the run's beginning.
    pub(crate) begin: Duration,
    /// How long it was.
    pub(crate) lasted: Duration,
}

impl Measurements {
    /// An empty record of a run that begins at `now` with so many kinds of requests, keeping the first
    /// `failures_kept` failures whole.
    pub(crate) fn new(entries: usize, failures_kept: usize, now: Instant) -> Self {
        Self {
            begin: now,
            end: now,
            right: 0,
            failed: 0,
            wrong: 0,
            late: 0,
            unmeasured: 0,
            received: 0,
            entries: vec![Tally::default(); entries],
            latencies: Latencies::default(),
            handshakes: Handshakes::default(),
            failures: Failures::new(failures_kept),
            servers: Servers::default(),
            timeline: Timeline::default(),
            last_right: now,
            gap: Gap { begin: Duration::ZERO, lasted: Duration::ZERO },
        }
    }

    /// Counts one finished request.
    pub(crate) fn record(&mut self, exchange: &Exchange) {
        let right = exchange.outcome.is_ok();
        self.end = self.end.max(exchange.ended);
        self.received += exchange.received;
        self.late += u64::from(exchange.delay() > LATE);
        self.unmeasured += u64::from(!exchange.measured);
        if let Some(shaken) = exchange.handshake {
            self.handshakes.record(shaken);
        }
        self.entries[exchange.entry].count(right);
        self.servers.count(exchange.server.as_deref(), right);
        self.timeline.record(self.since_begin(exchange.ended), exchange);
        match &exchange.outcome {
            Ok(()) => {
                self.right += 1;
                self.close_gap(exchange.ended);
            }
            Err(failure) => {
                self.failed += 1;
                self.wrong += u64::from(failure.kind.is_wrong_answer());
                self.failures.note(self.since_begin(exchange.ended), exchange, failure);
            }
        }
        if exchange.measured {
            self.latencies.record(exchange);
        }
    }

    /// Ends the run at `now`: a stretch without answers that lasts until then counts as well.
    pub(crate) fn finish(&mut self, now: Instant) {
        self.end = self.end.max(now);
        self.close_gap(self.end);
    }

    /// Requests sent, each of which was either answered rightly or failed.
    pub(crate) fn sent(&self) -> u64 {
        self.right + self.failed
    }

    /// How long the run was.
    pub(crate) fn elapsed(&self) -> Duration {
        self.end.saturating_duration_since(self.begin)
    }

    /// How long the run has been going at `now`.
    pub(crate) fn so_far(&self, now: Instant) -> Duration {
        self.since_begin(now)
    }

    /// The longest stretch without any right answer.
    pub(crate) fn longest_gap(&self) -> Gap {
        self.gap
    }

    fn since_begin(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.begin)
    }

    fn close_gap(&mut self, now: Instant) {
        let lasted = now.saturating_duration_since(self.last_right);
        self.timeline.gap(self.since_begin(now), lasted);
        if lasted > self.gap.lasted {
            self.gap = Gap { begin: self.since_begin(self.last_right), lasted };
        }
        self.last_right = self.last_right.max(now);
    }
}

impl Latencies {
    fn record(&mut self, exchange: &Exchange) {
        if let Some(connect) = exchange.connect {
            self.connect.record(connect);
        }
        if exchange.outcome.is_err() {
            self.failed.record(exchange.latency());
            return;
        }
        self.right.record(exchange.latency());
        self.service.record(exchange.service_time());
        if let Some(head) = exchange.head {
            self.head.record(head.saturating_duration_since(exchange.begun));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::outcome::{Failure, Kind, Phase};

    /// An exchange that ended `at` after `begin` and took `took`, for tests of what is made of it.
    pub(crate) fn exchange(begin: Instant, at: Duration, took: Duration, failed: Option<Kind>) -> Exchange {
        let ended = begin + at;
        let sent = ended.checked_sub(took).unwrap();
        Exchange {
            sequence: 0,
            entry: 0,
            measured: true,
            intended: sent,
            begun: sent,
            connect: None,
            handshake: None,
            head: Some(ended),
            ended,
            status: Some(200),
            server: Some("server-1".into()),
            received: 10,
            outcome: failed.map_or(Ok(()), |kind| Err(Failure::new(Phase::Wait, kind, "why"))),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some beginning; it never looks at the clock again"
    )]
    pub(crate) fn some_beginning() -> Instant {
        // Far enough from the clock's own zero that a test may look back.
        Instant::now() + Duration::from_hours(1)
    }

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn every_request_is_either_right_or_failed() {
        let begin = some_beginning();
        let mut measured = Measurements::new(1, 10, begin);
        measured.record(&exchange(begin, ms(10), ms(5), None));
        measured.record(&exchange(begin, ms(20), ms(5), Some(Kind::Refused)));
        measured.record(&exchange(begin, ms(30), ms(5), Some(Kind::WrongDigest)));
        assert_eq!((measured.sent(), measured.right, measured.failed, measured.wrong), (3, 1, 2, 1));
        assert_eq!(measured.entries[0], Tally { right: 1, failed: 2 });
    }

    #[test]
    fn a_failure_does_not_enter_the_latency_of_right_answers() {
        let begin = some_beginning();
        let mut measured = Measurements::new(1, 10, begin);
        measured.record(&exchange(begin, ms(900), ms(800), None));
        measured.record(&exchange(begin, ms(901), ms(1), Some(Kind::Refused)));
        assert!(measured.latencies.right.at(0.0) >= ms(790));
        assert_eq!(measured.latencies.failed.count(), 1);
    }

    #[test]
    fn latency_counts_from_the_intended_moment_and_service_time_from_the_actual_one() {
        let begin = some_beginning();
        let mut measured = Measurements::new(1, 10, begin);
        let mut late = exchange(begin, ms(500), ms(400), None);
        late.begun += ms(380);
        measured.record(&late);
        assert!(measured.latencies.right.max() >= ms(399));
        assert!(measured.latencies.service.max() <= ms(21));
        assert_eq!(measured.late, 1);
    }

    #[test]
    fn warming_up_counts_requests_but_not_their_latency() {
        let begin = some_beginning();
        let mut measured = Measurements::new(1, 10, begin);
        measured.record(&Exchange { measured: false, ..exchange(begin, ms(500), ms(400), None) });
        assert_eq!((measured.right, measured.unmeasured, measured.latencies.right.count()), (1, 1, 0));
    }

    #[test]
    fn the_longest_gap_lies_between_right_answers_and_failures_do_not_end_it() {
        let begin = some_beginning();
        let mut measured = Measurements::new(1, 10, begin);
        measured.record(&exchange(begin, ms(100), ms(5), None));
        measured.record(&exchange(begin, ms(400), ms(5), Some(Kind::Refused)));
        measured.record(&exchange(begin, ms(700), ms(5), None));
        measured.finish(begin + ms(900));
        assert_eq!(measured.longest_gap(), Gap { begin: ms(100), lasted: ms(600) });
    }

    #[test]
    fn a_run_that_ends_in_silence_has_its_gap_at_the_end() {
        let begin = some_beginning();
        let mut measured = Measurements::new(1, 10, begin);
        measured.record(&exchange(begin, ms(100), ms(5), None));
        measured.finish(begin + ms(5_100));
        assert_eq!(measured.longest_gap(), Gap { begin: ms(100), lasted: ms(5_000) });
    }
}
