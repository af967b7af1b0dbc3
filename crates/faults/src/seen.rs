//! What a run came to: what the clients saw and what the servers did, put side by side.

use std::time::{Duration, Instant};

use crate::{
    Result,
    journal::Executions,
    load::{Bond, Load, Method, Outcome, Record, Span},
    set::Set,
    stage::Stage,
    witness::Testimony,
};

/// All requests of a run, all executions, and what the client says that ran beside it.
#[derive(Debug)]
pub(crate) struct Seen {
    records: Vec<Record>,
    executions: Executions,
    testimony: Option<Testimony>,
}

impl Seen {
    /// Ends the load, then the witness, and reads the journals.
    pub(crate) fn of(load: Load, set: &Set, stage: &Stage) -> Result<Self> {
        let records = load.end()?;
        let testimony = set.testimony()?;
        let executions = Executions::read(&stage.journals, &stage.run)?;
        let missing = records.iter().find(|one| {
            one.method != Method::Get
                && matches!(one.outcome, Outcome::Right { .. })
                && !executions.contains(&one.id)
        });
        match missing {
            Some(one) => {
                Err(format!("{} was answered, yet no journal has it: nothing is proved", one.id).into())
            }
            None => Ok(Self { records, executions, testimony }),
        }
    }

    /// Requests that were begun and not answered rightly.
    pub(crate) fn lost(&self, method: Method) -> Vec<&Record> {
        self.records.iter().filter(|one| one.method == method && one.is_lost()).collect()
    }

    /// How often no connection could be opened, so that nothing was begun.
    pub(crate) fn refusals(&self) -> usize {
        self.records.iter().filter(|one| one.outcome == Outcome::Refused).count()
    }

    /// Answers that looked whole and were not right.
    pub(crate) fn wrong(&self) -> Vec<&Record> {
        self.records.iter().filter(|one| matches!(one.outcome, Outcome::Wrong(_))).collect()
    }

    /// Requests with these methods that servers executed twice, each named.
    pub(crate) fn duplicates(&self, methods: &[Method]) -> Vec<String> {
        self.executions.duplicates(methods)
    }

    /// Executions for each request that was begun: 1 where nothing is repeated.
    pub(crate) fn executions_per_request(&self) -> f64 {
        let begun = self.records.iter().filter(|one| one.outcome != Outcome::Refused).count();
        self.executions.count() as f64 / begun.max(1) as f64
    }

    /// How many clients were given a session.
    pub(crate) fn sessions(&self) -> usize {
        self.records.iter().filter(|one| one.bond == Bond::Begun).count()
    }

    /// Requests whose answers took the client's session away, or its cookie.
    pub(crate) fn breaches(&self, is_one: impl Fn(&Bond) -> bool) -> Vec<&Record> {
        self.records.iter().filter(|one| is_one(&one.bond)).collect()
    }

    /// What the witness says; there is none before a peer, which keeps no ledger.
    pub(crate) fn testimony(&self) -> Option<&Testimony> {
        self.testimony.as_ref()
    }

    /// The requests that ended in a span.
    pub(crate) fn ended_in(&self, span: Span) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(move |one| (span.from..span.until).contains(&one.ended()))
    }

    /// Right answers a second.
    pub(crate) fn rate(&self, span: Span) -> f64 {
        let right = self.ended_in(span).filter(|one| matches!(one.outcome, Outcome::Right { .. })).count();
        right as f64 / span.length().as_secs_f64().max(1e-3)
    }

    /// The request that took longest of those that ran in a span, answered or not. Without a method: of both.
    pub(crate) fn slowest(&self, method: Option<Method>, span: Span) -> Option<&Record> {
        self.running_in(method, span).max_by_key(|one| one.took)
    }

    /// The time below which 99 of 100 requests stayed that ran in a span.
    pub(crate) fn p99(&self, span: Span) -> Duration {
        let mut times: Vec<_> = self.running_in(None, span).map(|one| one.took).collect();
        times.sort_unstable();
        times.get((times.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
    }

    /// What half of the requests with this method that ran in a span took at most.
    pub(crate) fn median(&self, method: Method, span: Span) -> Duration {
        let mut times: Vec<_> = self.running_in(Some(method), span).map(|one| one.took).collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or_default()
    }

    /// How long after a moment the next right answer came, from a certain server or from any.
    pub(crate) fn first_right_after(&self, moment: Instant, server: Option<&str>) -> Option<Duration> {
        let right = self.records.iter().filter(|one| match &one.outcome {
            Outcome::Right { server: from } => server.is_none_or(|server| from == server),
            _ => false,
        });
        right
            .map(Record::ended)
            .filter(|ended| *ended > moment)
            .min()
            .map(|ended| ended.duration_since(moment))
    }

    /// Which part of the right answers in a span came from one server, from 0 to 1.
    pub(crate) fn share(&self, server: &str, span: Span) -> f64 {
        let (mut all, mut own) = (0_u32, 0_u32);
        for one in self.ended_in(span) {
            if let Outcome::Right { server: from } = &one.outcome {
                all += 1;
                own += u32::from(from == server);
            }
        }
        f64::from(own) / f64::from(all.max(1))
    }

    fn running_in(&self, method: Option<Method>, span: Span) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(move |one| {
            method.is_none_or(|method| method == one.method)
                && one.outcome != Outcome::Refused
                && one.ended() >= span.from
                && one.began < span.until
        })
    }
}

/// Whether requests can have been in flight together: whether there is a moment at which all of them ran.
pub(crate) fn ran_together(records: &[&Record]) -> bool {
    let last_begin = records.iter().map(|one| one.began).max();
    let first_end = records.iter().map(|one| one.ended()).min();
    last_begin <= first_end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(start: Instant, began: u64, took: u64, server: &str) -> Record {
        Record {
            id: String::new(),
            method: Method::Get,
            began: start + Duration::from_millis(began),
            took: Duration::from_millis(took),
            outcome: Outcome::Right { server: server.to_owned() },
            bond: Bond::Kept,
        }
    }

    #[test]
    fn requests_ran_together_only_if_one_moment_is_common_to_all() {
        let start = Instant::now();
        let [first, second, third] =
            [(0, 10), (5, 10), (12, 10)].map(|(from, took)| record(start, from, took, "a"));
        assert!(ran_together(&[&first, &second]));
        assert!(ran_together(&[&second, &third]));
        assert!(!ran_together(&[&first, &second, &third]));
        assert!(ran_together(&[]));
    }

    #[test]
    fn a_slow_request_counts_in_every_span_it_ran_in_and_an_answer_where_it_came() {
        let start = Instant::now();
        let span = |from, until| Span {
            from: start + Duration::from_millis(from),
            until: start + Duration::from_millis(until),
        };
        let records = vec![record(start, 0, 1500, "a"), record(start, 1000, 10, "b")];
        let seen = Seen { records, executions: Executions::default(), testimony: None };
        assert_eq!(seen.slowest(None, span(0, 500)).unwrap().took, Duration::from_millis(1500));
        assert!((seen.rate(span(1000, 2000)) - 2.0).abs() < 1e-9);
        assert!((seen.share("b", span(1000, 1100)) - 1.0).abs() < 1e-9);
        let after = start + Duration::from_millis(1100);
        assert_eq!(seen.first_right_after(after, None), Some(Duration::from_millis(400)));
        assert_eq!(seen.first_right_after(after, Some("b")), None);
    }
}
