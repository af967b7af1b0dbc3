//! What client and balancer say about a run, put on one clock: troubles for the incidents, fates for the proof.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;

use crate::incident::{self, Found, Reported, Sources, Trouble, Troubles};
use crate::measure::Measurements;
use crate::observe::Observer;
use crate::outcome::{Exchange, Failure, Kind, Phase};
use crate::proof::{Attempt, Collector, Entry, Fate, Listener, Proof, Reconciler};
use crate::request;
use crate::slowest::Slowest;
use crate::told::{Asker, Episode, Episodes, Names};

/// Hears the senders and the collector of one run.
#[derive(Debug)]
pub(crate) struct Witness {
    run: String,
    began: Timestamp,
    troubles: RefCell<Troubles>,
    reconciler: RefCell<Option<Reconciler>>,
    observer: Rc<Observer>,
    /// What servers are called.
    pub(crate) names: RefCell<Names>,
    /// What the balancer tells of them.
    pub(crate) episodes: RefCell<Episodes>,
    /// Moments at which the client itself ran late, and by how much.
    late: RefCell<Vec<(Duration, Duration)>>,
    /// The slowest answers.
    pub(crate) slowest: RefCell<Slowest>,
    over: Cell<bool>,
}

/// The client ran late when it was so much behind: less is the noise of any machine.
const LATE: Duration = Duration::from_millis(20);

/// How many such moments are kept; the first ones.
const LATE_MOMENTS: usize = 1024;

/// How often the balancer is asked what it tells of its servers.
const ASKED_EVERY: Duration = Duration::from_secs(1);

impl Witness {
    /// Nothing is heard yet of this run, which began at this time of day. Fates are kept where there is a `reconciler`.
    pub(crate) fn new(
        run: &str,
        began: Timestamp,
        reconciler: Option<Reconciler>,
        observer: Rc<Observer>,
    ) -> Self {
        Self {
            run: run.to_owned(),
            began,
            troubles: RefCell::default(),
            reconciler: RefCell::new(reconciler),
            observer,
            names: RefCell::default(),
            episodes: RefCell::default(),
            late: RefCell::default(),
            slowest: RefCell::default(),
            over: Cell::new(false),
        }
    }

    /// An exchange ended at a moment of the run; its request may be `repeatable` (idempotent).
    pub(crate) fn saw(&self, at: Duration, exchange: &Exchange, repeatable: bool) {
        if let Err(failure) = &exchange.outcome {
            self.troubles.borrow_mut().note(at, Trouble::Failure(failure.kind));
        }
        self.slowest.borrow_mut().saw(at, exchange);
        if let Some(reconciler) = &mut *self.reconciler.borrow_mut() {
            reconciler.sent(exchange.sequence, repeatable, fate(exchange));
            // Only a ledger says where a request was answered.
            if let Some(server) = &exchange.server {
                self.names.borrow_mut().answered_from(exchange.sequence, server);
            }
        }
    }

    /// At this moment the client itself got to run so much later than it wanted to.
    pub(crate) fn ran_late(&self, at: Duration, by: Duration) {
        let mut late = self.late.borrow_mut();
        if by >= LATE && late.len() < LATE_MOMENTS {
            late.push((at, by));
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

    /// Asks the balancer again and again for what it tells of its servers, until the run is over.
    pub(crate) async fn ask(&self, asker: &Asker) {
        while !self.is_over() {
            self.ask_once(asker).await;
            tokio::time::sleep(ASKED_EVERY).await;
        }
    }

    /// Asks for what the balancer tells now.
    pub(crate) async fn ask_once(&self, asker: &Asker) {
        for (address, name) in asker.names().await {
            self.names.borrow_mut().call(address, name);
        }
        if let Some(episodes) = asker.episodes().await {
            self.episodes.borrow_mut().take(episodes);
        }
        for (id, words) in asker.ways().await {
            if let Some(sequence) = request::sequence(&self.run, &id) {
                self.slowest.borrow_mut().told(sequence, words);
            }
        }
    }

    /// The incidents of the finished run.
    pub(crate) fn incidents(&self, measurements: &Measurements, proof: Option<&Proof>) -> Found {
        let elapsed = measurements.elapsed();
        let began = self.began_ms();
        let ended = began + u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let reported = self.episodes.borrow().within(began, ended).into_iter().map(|episode| Reported {
            begin: self.moment(episode.begun_ms),
            end: episode.ended_ms.filter(|over| *over <= ended).map(|over| self.moment(over)),
            episode,
        });
        incident::find(Sources {
            troubles: self.troubles.take(),
            timeline: &measurements.timeline,
            elapsed,
            told: proof.is_some_and(|proof| proof.failed_attempts.is_some()),
            reported: reported.collect(),
            late: self.late.take(),
            names: &self.names.borrow(),
        })
    }

    /// What happened so far, at most so much, the last first, each with when it began: the balancer's incidents, or what the
    /// client found itself where that tells of none.
    pub(crate) fn lately(&self, most: usize) -> Vec<(Duration, String)> {
        let told = self.reported();
        if told.is_empty() {
            return incident::so_far(&self.troubles.borrow(), &self.names.borrow(), most);
        }
        told.into_iter().rev().take(most).map(|(at, episode)| (at, episode.sentence)).collect()
    }

    /// The incidents that the balancer has told of so far, each with when it began, the oldest first.
    pub(crate) fn reported(&self) -> Vec<(Duration, Episode)> {
        let within = self.episodes.borrow().within(self.began_ms(), u64::MAX);
        within.into_iter().map(|episode| (self.moment(episode.begun_ms), episode)).collect()
    }

    /// The beginning of the run in milliseconds since 1970.
    pub(crate) fn began_ms(&self) -> u64 {
        u64::try_from(self.began.as_millisecond()).unwrap_or_default()
    }

    /// A time of day in milliseconds since 1970, counted from the run's beginning.
    fn moment(&self, at: u64) -> Duration {
        Duration::from_millis(at.saturating_sub(self.began_ms()))
    }

    /// The balancer tells which way a request of this run went.
    fn went(&self, id: &str, way: &[Attempt]) {
        let Some(sequence) = request::sequence(&self.run, id) else { return };
        self.slowest.borrow_mut().went(sequence, way);
        if let Some(answered) = way.iter().find(|attempt| attempt.end == "answered") {
            self.names.borrow_mut().answered_at(sequence, &answered.endpoint);
        }
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
                self.went(&passage.id, &passage.attempts);
                let at = self.moment(passage.at);
                let well = passage.whole && passage.status.is_some_and(|status| status < 500);
                let failed: Vec<_> = passage.attempts.into_iter().filter(Attempt::has_failed).collect();
                self.observer.told(failed.len(), well);
                if well && !failed.is_empty() {
                    troubles.note(at, Trouble::Masked);
                }
                for attempt in failed {
                    troubles.note(at, Trouble::FailedAttempt(attempt.endpoint, attempt.end));
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
        // That a certificate is refused may be told only when a request was on its way (RFC 8446 §4.4.2), which nobody has then
        // read.
        Err(
            Failure { phase: Phase::Resolve | Phase::Connect | Phase::Handshake, .. }
            | Failure { kind: Kind::ClientCertificate, .. },
        ) => Fate::FailedAtHome,
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
        Witness::new("r", began, Some(Reconciler::new("r")), Metrics::default().of(&"http://balancer:8080"))
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
        let so_far = witness.lately(5);
        let begin = "1 attempt failed at b:1 from +5.010 s to +5.300 s (reset).";
        assert!(
            matches!(so_far.as_slice(), [(at, said)] if *at == ms(5_010) && said.starts_with(begin)),
            "{so_far:?}"
        );
        let incidents = witness.incidents(&measurements, Some(&proof)).incidents;
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
        assert_eq!(fate_of(Phase::Handshake, Kind::Expired, false), Fate::FailedAtHome);
        assert_eq!(fate_of(Phase::Wait, Kind::ClientCertificate, false), Fate::FailedAtHome);
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
