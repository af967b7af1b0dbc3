//! What client and balancer say about a run, put on one clock: troubles for the incidents, fates for the proof.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;

use crate::incident::{self, Incident, Trouble, Troubles};
use crate::measure::Measurements;
use crate::observe::Observer;
use crate::outcome::{Exchange, Failure, Kind, Phase};
use crate::proof::{Attempt, Collector, Entry, Fate, Listener, Proof, Reconciler};

/// Hears the senders and the collector of one run.
#[derive(Debug)]
pub(crate) struct Witness {
    began: Timestamp,
    troubles: RefCell<Troubles>,
    reconciler: RefCell<Option<Reconciler>>,
    observer: Rc<Observer>,
    over: Cell<bool>,
}

impl Witness {
    /// Nothing is heard yet of the run that began at this time of day. Fates are kept where there is a `reconciler`.
    pub(crate) fn new(began: Timestamp, reconciler: Option<Reconciler>, observer: Rc<Observer>) -> Self {
        Self {
            began,
            troubles: RefCell::default(),
            reconciler: RefCell::new(reconciler),
            observer,
            over: Cell::new(false),
        }
    }

    /// An exchange ended at a moment of the run; its request may be `repeatable` (idempotent).
    pub(crate) fn saw(&self, at: Duration, exchange: &Exchange, repeatable: bool) {
        if exchange.outcome.is_err() {
            self.troubles.borrow_mut().note(at, Trouble::Failure);
        }
        if let Some(reconciler) = &mut *self.reconciler.borrow_mut() {
            reconciler.sent(exchange.sequence, repeatable, fate(exchange));
        }
    }

    /// All exchanges have ended.
    pub(crate) fn close(&self) {
        self.over.set(true);
    }

    /// What the ledgers come to, with what the collector has found; `None` where no fates were kept.
    pub(crate) fn reconcile(&self, collector: Collector) -> Option<Proof> {
        let mut reconciler = self.reconciler.take()?;
        collector.finish(&mut reconciler);
        Some(reconciler.conclude())
    }

    /// The incidents of the finished run.
    pub(crate) fn incidents(&self, measurements: &Measurements, proof: Option<&Proof>) -> Vec<Incident> {
        let told = proof.is_some_and(|proof| proof.failed_attempts.is_some());
        incident::find(self.troubles.take(), &measurements.timeline, measurements.elapsed(), told)
    }

    /// A time of day in milliseconds since 1970, counted from the run's beginning.
    fn moment(&self, at: u64) -> Duration {
        let began = u64::try_from(self.began.as_millisecond()).unwrap_or_default();
        Duration::from_millis(at.saturating_sub(began))
    }
}

impl Listener for Witness {
    fn told(&self, entry: Entry) {
        let mut troubles = self.troubles.borrow_mut();
        match entry {
            Entry::Passage(passage) => {
                if let Some(reconciler) = &mut *self.reconciler.borrow_mut() {
                    reconciler.passed(&passage);
                }
                let at = self.moment(passage.at);
                let well = passage.whole && passage.status.is_some_and(|status| status < 500);
                let failed: Vec<_> = passage.attempts.into_iter().filter(Attempt::has_failed).collect();
                self.observer.told(failed.len(), well);
                if well && !failed.is_empty() {
                    troubles.note(at, Trouble::Masked);
                }
                for attempt in failed {
                    troubles.note(at, Trouble::FailedAttempt(attempt.endpoint));
                }
            }
            Entry::Happening(happening) if happening.event == "ejected" => {
                troubles.note(self.moment(happening.at), Trouble::Ejected(happening.endpoint));
            }
            Entry::Happening(_) => {}
        }
    }

    fn is_over(&self) -> bool {
        self.over.get()
    }

    fn awaited(&self) -> u64 {
        self.reconciler.borrow().as_ref().map_or(0, Reconciler::awaited)
    }
}

/// What `Proxy-Status` says where a balancer has more connections than it can serve (RFC 9209 §2.3.12): it answers the
/// connection and reads none of its requests.
const CONNECTION_LIMIT: &str = "error=connection_limit_reached";

/// An exchange as the reconciliation sees it.
fn fate(exchange: &Exchange) -> Fate {
    match &exchange.outcome {
        Ok(()) => Fate::Right,
        Err(Failure { kind: Kind::Status(503), detail, .. }) if detail.contains(CONNECTION_LIMIT) => {
            Fate::TurnedAway
        }
        Err(Failure { kind: Kind::Status(status), .. }) => Fate::Refused(*status),
        Err(Failure { phase: Phase::Resolve | Phase::Connect, .. }) => Fate::FailedAtHome,
        Err(_) => Fate::Broken { head: exchange.head.is_some() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tests::{exchange, some_beginning};
    use crate::observe::Metrics;
    use crate::proof::{Line, Verdict};

    fn witness() -> Witness {
        let began = "2026-11-23T12:00:00Z".parse().unwrap();
        Witness::new(began, Some(Reconciler::new("r")), Metrics::default().of(&"http://balancer:8080"))
    }

    fn told(witness: &Witness, line: &str) {
        match Line::parse(line.as_bytes()).unwrap() {
            Line::Passage(passage) => witness.told(Entry::Passage(passage)),
            Line::Happening(happening) => witness.told(Entry::Happening(happening)),
            Line::Heading(_) => panic!("a heading is the collector's"),
        }
    }

    /// Milliseconds since 1970 of a moment of the run.
    fn at(moment: u64) -> u64 {
        1_795_435_200_000 + moment
    }

    #[test]
    fn what_client_and_balancer_say_of_one_moment_is_one_incident() {
        let witness = witness();
        let begin = some_beginning();
        let ms = Duration::from_millis;
        let mut measurements = Measurements::new(1, 0, begin);
        let failed = exchange(begin, ms(5_300), ms(2), Some(Kind::Status(502)));
        measurements.record(&failed);
        witness.saw(ms(5_300), &failed, true);
        told(
            &witness,
            &format!(
                r#"{{"n":1,"run":"r","id":"r-00000001","status":200,"whole":true,"at":{},"attempts":[
                    {{"n":1,"endpoint":"b:1","end":"reset","status":null}},
                    {{"n":2,"endpoint":"a:1","end":"answered","status":200}}]}}"#,
                at(5_010)
            ),
        );
        told(&witness, &format!(r#"{{"n":2,"at":{},"event":"ejected","endpoint":"b:1"}}"#, at(5_040)));
        told(&witness, &format!(r#"{{"n":3,"at":{},"event":"healthy","endpoint":"b:1"}}"#, at(9_000)));
        let proof = witness.reconciler.take().unwrap().conclude();
        let incidents = witness.incidents(&measurements, Some(&proof));
        let [incident] = incidents.as_slice() else { panic!("one incident, not {incidents:?}") };
        assert_eq!((incident.begin_ms.0, incident.end_ms.0), (ms(5_010), ms(5_300)));
        assert_eq!((incident.failed, incident.masked, incident.failed_attempts), (1, Some(1), Some(1)));
        assert_eq!(incident.ejected_ms.map(|moment| moment.0), Some(ms(5_040)));
    }

    #[test]
    fn a_failure_before_anything_was_sent_needs_no_explanation_and_any_other_does() {
        let fate_of = |phase, kind, head| {
            let mut exchange = exchange(some_beginning(), Duration::from_secs(1), Duration::ZERO, Some(kind));
            exchange.outcome = Err(Failure::new(phase, kind, ""));
            exchange.head = if head { exchange.head } else { None };
            fate(&exchange)
        };
        assert_eq!(fate_of(Phase::Connect, Kind::Refused, false), Fate::FailedAtHome);
        assert_eq!(fate_of(Phase::Wait, Kind::Closed, false), Fate::Broken { head: false });
        assert_eq!(fate_of(Phase::Verify, Kind::WrongDigest, true), Fate::Broken { head: true });
        assert_eq!(fate_of(Phase::Verify, Kind::Status(504), true), Fate::Refused(504));
    }

    #[test]
    fn a_connection_beyond_the_balancers_limit_is_turned_away_and_any_other_503_is_an_answer() {
        let fate_of = |proxy_status: &str| {
            let kind = Kind::Status(503);
            let mut exchange = exchange(some_beginning(), Duration::from_secs(1), Duration::ZERO, Some(kind));
            exchange.outcome = Err(Failure::new(Phase::Verify, kind, proxy_status));
            fate(&exchange)
        };
        assert_eq!(fate_of("evenkeel-1a2b3c; error=connection_limit_reached"), Fate::TurnedAway);
        assert_eq!(fate_of("evenkeel-1a2b3c; error=destination_unavailable"), Fate::Refused(503));
    }

    #[test]
    fn the_balancer_is_awaited_until_it_has_told() {
        let witness = witness();
        let right = exchange(some_beginning(), Duration::from_secs(1), Duration::ZERO, None);
        witness.saw(Duration::from_secs(1), &right, true);
        assert_eq!((witness.awaited(), witness.is_over()), (1, false));
        witness.close();
        let passage = r#"{"n":1,"run":"r","id":"r-00000000","status":200,"whole":true,"at":1,"attempts":[]}"#;
        told(&witness, passage);
        assert_eq!((witness.awaited(), witness.is_over()), (0, true));
        let proof = witness.reconciler.take().unwrap().conclude();
        assert_eq!(proof.verdict, Verdict::Contradicted, "no journal has it");
    }
}
