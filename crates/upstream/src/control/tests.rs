//! What ejects an endpoint, what brings it back, and who gets requests meanwhile.

use proptest::prelude::*;

use super::*;
use crate::endpoint::{Endpoint, FULL_SHARE};
use crate::evidence::{ConnectFailure, ResponseFailure};
use crate::health::Source;
use crate::lease::Outcome;
use crate::picker::{Picker, Tried, Unavailable, Want};

const MS: Duration = Duration::from_millis(1);
const REFUSED: Evidence = Evidence::ConnectFailed(ConnectFailure::Refused);
const RESET: Evidence = Evidence::ResponseFailed(ResponseFailure::Reset);
const FAILED: ProbeResult = ProbeResult::Failed(ProbeFailure::TimedOut);
const GET: Want = Want { key: None, pin: None, trial: true, plain_only: false };
const POST: Want = Want { key: None, pin: None, trial: false, plain_only: false };

/// A set under a virtual clock.
struct Set {
    upstream: Upstream,
    control: Control,
    picker: Picker,
    rng: fastrand::Rng,
    now: Instant,
}

impl Set {
    /// Endpoints that have passed their first probe.
    fn of(count: u8) -> Self {
        let mut set = Self::with(count, Settings::default());
        set.probe_all(ProbeResult::Passed);
        set.news();
        set
    }

    fn with(count: u8, settings: Settings) -> Self {
        Self::from_spec("server:8080", count, settings)
    }

    #[expect(clippy::disallowed_methods, reason = "any moment does as the beginning of a virtual clock")]
    fn from_spec(spec: &str, count: u8, settings: Settings) -> Self {
        let now = Instant::now();
        let (upstream, control) = Upstream::new(spec.parse().unwrap(), settings, now);
        let picker = Picker::new(&upstream);
        // A second after the epoch, so that stamps are not all the same.
        let mut set =
            Self { upstream, control, picker, rng: fastrand::Rng::with_seed(3), now: now + 1_000 * MS };
        set.resolve(0, count);
        set.control.tick(set.now);
        set
    }

    fn resolve(&mut self, first: u8, count: u8) {
        let addresses: Vec<SocketAddr> = (first..first + count).map(address).collect();
        self.control.resolved(0, Ok(&addresses), self.now);
    }

    fn id(&self, index: u8) -> EndpointId {
        self.control.find(address(index)).unwrap()
    }

    fn endpoint(&self, index: u8) -> Arc<Endpoint> {
        Arc::clone(self.upstream.snapshot().endpoint(self.id(index)).unwrap())
    }

    fn probe(&mut self, index: u8, result: ProbeResult) {
        self.control.probed(self.id(index), result, MS, self.now);
    }

    fn probe_all(&mut self, result: ProbeResult) {
        let ids: Vec<_> = self.control.members.keys().copied().collect();
        for id in ids {
            self.control.probed(id, result, MS, self.now);
        }
    }

    fn pass_time(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(wake) = self.control.next_wake().filter(|&wake| wake <= end) {
            self.now = wake;
            self.control.tick(self.now);
        }
        self.now = end;
    }

    fn pick(&mut self, want: &Want) -> Result<u8, Unavailable> {
        self.lease(want).map(|lease| index_of(&lease))
    }

    fn lease(&mut self, want: &Want) -> Result<crate::Lease, Unavailable> {
        self.picker.pick(want, &Tried::default(), &mut || self.rng.u64(..), self.now)
    }

    /// A request that its endpoint answers like this.
    fn serve(&mut self, want: &Want, status: u16) -> Result<u8, Unavailable> {
        self.serve_by(want, |_| status)
    }

    /// A request whose answer depends on who gets it.
    fn serve_by(&mut self, want: &Want, status: impl Fn(u8) -> u16) -> Result<u8, Unavailable> {
        let mut lease = self.lease(want)?;
        let (index, id) = (index_of(&lease), lease.endpoint().id());
        let status = status(index);
        lease.head_received(status, 2 * MS, self.now);
        if lease.endpoint().report(Evidence::Status(status)) {
            self.control.evidence(id, Evidence::Status(status), self.now);
        }
        if let Some(evidence) = lease.finish(Outcome::Success, self.now) {
            self.control.evidence(id, evidence, self.now);
        }
        Ok(index)
    }

    /// What a worker sees and reports.
    fn see(&mut self, index: u8, evidence: Evidence) {
        if self.endpoint(index).report(evidence) {
            self.control.evidence(self.id(index), evidence, self.now);
        }
    }

    fn health(&self, index: u8) -> Health {
        self.control.members[&self.id(index)].observed.health()
    }

    fn is_ejected(&self, index: u8) -> bool {
        matches!(self.health(index), Health::Ejected { .. })
    }

    fn news(&mut self) -> Vec<&'static str> {
        self.control.take_changes().map(|change| change.news.name()).collect()
    }

    fn eject_by_traffic(&mut self, index: u8) {
        (0..3).for_each(|_| self.see(index, RESET));
        assert!(self.is_ejected(index));
    }
}

fn address(index: u8) -> SocketAddr {
    ([172, 18, 0, index + 2], 8080).into()
}

fn index_of(lease: &crate::Lease) -> u8 {
    match lease.endpoint().address() {
        SocketAddr::V4(address) => address.ip().octets()[3] - 2,
        SocketAddr::V6(_) => unreachable!("all addresses here are IPv4"),
    }
}

#[test]
fn a_new_address_serves_after_its_first_passed_probe() {
    let mut set = Set::with(1, Settings::default());
    assert_eq!(set.pick(&POST), Err(Unavailable::AllUnreachable));
    set.probe(0, FAILED);
    assert_eq!(set.pick(&POST), Err(Unavailable::AllUnreachable));
    set.probe(0, ProbeResult::Passed);
    assert_eq!(set.pick(&POST), Ok(0));
    assert_eq!(set.news(), ["added", "healthy"]);
}

#[test]
fn without_probes_a_new_address_serves_at_once() {
    let mut settings = Settings::default();
    settings.probes.enabled = false;
    let mut set = Set::with(1, settings);
    assert_eq!(set.pick(&POST), Ok(0));
}

#[test]
fn the_second_failed_probe_ejects() {
    let mut set = Set::of(3);
    set.pass_time(5_000 * MS);
    set.probe(0, FAILED);
    assert!(!set.is_ejected(0));
    set.probe(0, FAILED);
    let by_probes = Health::Ejected { cause: Cause::Unreachable, by: Source::Probes, until: set.now };
    assert_eq!(set.health(0), by_probes);
}

#[test]
fn a_failed_probe_does_not_outweigh_traffic_that_succeeds() {
    let mut set = Set::of(1);
    set.serve(&GET, 200).unwrap();
    set.pass_time(900 * MS);
    (0..5).for_each(|_| set.probe(0, FAILED));
    assert!(!set.is_ejected(0));
    set.pass_time(200 * MS);
    set.probe(0, FAILED);
    assert!(set.is_ejected(0));
}

#[test]
fn two_passed_probes_bring_back_what_probes_ejected_and_one_does_where_nothing_serves() {
    for (count, needed) in [(2, 2), (1, 1)] {
        let mut set = Set::of(count);
        (0..2).for_each(|_| set.probe(0, FAILED));
        for _ in 0..needed {
            assert!(set.is_ejected(0));
            set.probe(0, ProbeResult::Passed);
        }
        assert_eq!(set.health(0), Health::Healthy);
    }
}

#[test]
fn third_failure_in_a_row_ejects() {
    for (evidence, cause) in [(REFUSED, Cause::Unreachable), (RESET, Cause::Misbehaving)] {
        let mut set = Set::of(3);
        (0..2).for_each(|_| set.see(0, evidence));
        assert!(!set.is_ejected(0));
        set.see(0, evidence);
        assert!(
            matches!(set.health(0), Health::Ejected { cause: why, by: Source::Traffic, .. } if why == cause)
        );
    }
}

#[test]
fn a_success_between_two_failures_ends_the_row() {
    let mut set = Set::of(2);
    for _ in 0..10 {
        set.see(0, REFUSED);
        set.probe(0, ProbeResult::Passed);
        while set.serve(&POST, 200) != Ok(0) {}
    }
    assert!(!set.is_ejected(0));
}

#[test]
fn failures_among_successes_eject_when_they_are_many() {
    for (successes, ejected) in [(10, true), (100, false)] {
        let mut set = Set::of(3);
        for _ in 0..8 {
            set.see(0, RESET);
            set.probe(0, ProbeResult::Passed);
            (0..successes * 3).for_each(|_| {
                set.serve(&POST, 200).unwrap();
            });
        }
        assert_eq!(set.control.members[&set.id(0)].observed.ejections() > 0, ejected, "{successes}");
    }
}

#[test]
fn the_last_one_that_serves_is_never_ejected_by_traffic_but_it_is_by_probes() {
    let mut set = Set::of(2);
    set.eject_by_traffic(0);
    (0..50).for_each(|_| set.see(1, RESET));
    assert!(!set.is_ejected(1));
    (0..2).for_each(|_| set.probe(1, FAILED));
    assert!(set.is_ejected(1));
}

#[test]
fn a_lack_of_local_resources_says_nothing_about_an_endpoint() {
    let mut set = Set::of(2);
    (0..50).for_each(|_| set.see(0, Evidence::ConnectFailed(ConnectFailure::Local)));
    (0..50).for_each(|_| set.probe(0, ProbeResult::Failed(ProbeFailure::Local)));
    assert!(set.endpoint(0).is_plain());
}

#[test]
fn one_server_that_answers_500_to_everything_is_out_within_ten() {
    for status in [500, 503] {
        let mut set = Set::of(3);
        (0..300).for_each(|_| {
            set.serve(&POST, 200).unwrap();
        });
        for _ in 0..100 {
            set.serve_by(&POST, |index| if index == 0 { status } else { 200 }).unwrap();
        }
        assert!(set.is_ejected(0));
        let counted = set.endpoint(0).failures(crate::FailureClass::Status);
        assert!(counted <= 10, "{counted}");
    }
}

#[test]
fn a_status_that_all_servers_send_ejects_nobody() {
    for percent_bad in [1, 10, 30, 60, 90, 100] {
        let mut set = Set::of(3);
        (0..300).for_each(|_| {
            set.serve(&POST, 200).unwrap();
        });
        for _ in 0..20_000 {
            let status = if set.rng.u32(0..100) < percent_bad { 503 } else { 200 };
            set.now += MS / 10;
            set.serve(&POST, status).unwrap();
        }
        let ejected = (0..3).filter(|&index| set.is_ejected(index)).count();
        assert_eq!(ejected, 0, "{percent_bad} %");
    }
}

#[test]
fn three_wrong_digests_in_a_minute_eject_whatever_succeeds_between() {
    let mut set = Set::of(3);
    for seen in 1..=3 {
        assert!(!set.is_ejected(0), "after {}", seen - 1);
        set.see(0, Evidence::WrongDigest);
        (0..500).for_each(|_| {
            set.serve(&POST, 200).unwrap();
        });
        set.pass_time(20_000 * MS);
    }
    assert_eq!(set.control.members[&set.id(0)].observed.ejections(), 1);
}

#[test]
fn silence_that_repeats_ejects_although_probes_pass() {
    let mut set = Set::of(3);
    for _ in 0..5 {
        assert!(!set.is_ejected(0));
        set.see(0, Evidence::Silent);
        set.probe(0, ProbeResult::Passed);
    }
    assert!(set.is_ejected(0));
}

#[test]
fn a_suspect_gets_nothing_new_while_another_serves_and_a_passed_probe_clears_it() {
    let mut set = Set::of(2);
    set.see(0, Evidence::IdleClosed);
    assert!((0..10).all(|_| set.pick(&POST) == Ok(1)));
    set.probe(0, ProbeResult::Passed);
    assert!((0..10).any(|_| set.pick(&POST) == Ok(0)));
    assert_eq!(set.news(), ["suspect", "cleared"]);
}

#[test]
fn when_all_are_suspect_they_serve() {
    let mut set = Set::of(2);
    (0..2).for_each(|index| set.see(index, Evidence::IdleClosed));
    assert!(set.pick(&POST).is_ok());
}

#[test]
fn a_suspect_is_probed_at_once_although_a_usual_probe_hangs() {
    let mut set = Set::of(2);
    set.pass_time(2_000 * MS);
    let due = set.control.probes_due(set.now, &mut || 0);
    assert_eq!(due.len(), 2);
    assert_eq!(set.control.probes_due(set.now, &mut || 0), []);
    set.pass_time(10 * MS);
    set.see(0, Evidence::IdleClosed);
    let due = set.control.probes_due(set.now, &mut || 0);
    assert_eq!((due.len(), due[0].endpoint, due[0].timeout), (1, set.id(0), 200 * MS));
}

#[test]
fn without_probes_a_suspicion_passes() {
    let mut settings = Settings::default();
    settings.probes.enabled = false;
    let mut set = Set::with(2, settings);
    set.see(0, Evidence::IdleClosed);
    set.pass_time(500 * MS);
    assert!(!set.endpoint(0).is_plain());
    set.pass_time(800 * MS);
    assert!(set.endpoint(0).is_plain());
}

#[test]
fn a_suspicion_whose_message_was_lost_is_noticed_all_the_same() {
    let mut set = Set::of(2);
    set.pass_time(2_000 * MS);
    set.control.probes_due(set.now, &mut || 0);
    set.probe_all(ProbeResult::Passed);
    assert!(set.endpoint(0).suspect() && !set.endpoint(0).suspect());
    set.pass_time(100 * MS);
    assert_eq!(set.control.probes_due(set.now, &mut || 0)[0].endpoint, set.id(0));
}

#[test]
fn a_passed_probe_never_ends_an_ejection_by_traffic_but_begins_its_probation() {
    let mut set = Set::of(3);
    set.eject_by_traffic(0);
    (0..10).for_each(|_| set.probe(0, ProbeResult::Passed));
    assert!(set.is_ejected(0));
    set.pass_time(1_000 * MS);
    set.probe(0, FAILED);
    assert!(set.is_ejected(0));
    set.probe(0, ProbeResult::Passed);
    assert!(matches!(set.health(0), Health::Probation { passed: 0, .. }));
}

#[test]
fn probation_takes_single_gets_and_ends_after_three_good_ones() {
    let mut set = Set::of(3);
    set.eject_by_traffic(0);
    set.pass_time(1_000 * MS);
    set.probe(0, ProbeResult::Passed);
    assert!((0..20).all(|_| set.serve(&POST, 200) != Ok(0)), "no POST is risked");
    let trial = set.lease(&GET).unwrap();
    assert!(trial.is_trial() && index_of(&trial) == 0);
    assert!((0..20).all(|_| set.serve(&GET, 200) != Ok(0)), "one at a time");
    drop(trial);
    set.pass_time(100 * MS);
    for _ in 0..3 {
        assert_ne!(set.health(0), Health::Healthy);
        assert_eq!(set.serve(&GET, 200), Ok(0));
    }
    assert_eq!(set.health(0), Health::Healthy);
}

#[test]
fn a_failed_trial_ejects_for_twice_as_long() {
    let mut set = Set::of(3);
    set.eject_by_traffic(0);
    for seconds in [2, 4, 8, 16, 32, 60, 60] {
        set.pass_time(61_000 * MS);
        set.probe(0, ProbeResult::Passed);
        assert_eq!(set.serve(&GET, 500), Ok(0));
        let Health::Ejected { until, .. } = set.health(0) else { panic!("not ejected") };
        assert_eq!(until - set.now, Duration::from_secs(seconds));
    }
}

#[test]
fn what_was_long_ago_is_forgotten() {
    let mut set = Set::of(3);
    set.eject_by_traffic(0);
    set.pass_time(1_000 * MS);
    set.probe(0, ProbeResult::Passed);
    (0..3).for_each(|_| assert_eq!(set.serve(&GET, 200), Ok(0)));
    set.pass_time(11_000 * MS);
    set.eject_by_traffic(0);
    let Health::Ejected { until, .. } = set.health(0) else { panic!("not ejected") };
    assert_eq!(until - set.now, Duration::from_secs(1));
}

#[test]
fn those_that_misbehave_serve_when_nothing_else_does() {
    let mut set = Set::of(2);
    set.eject_by_traffic(0);
    (0..2).for_each(|_| set.probe(1, FAILED));
    assert_eq!(set.pick(&POST), Ok(0));
    (0..2).for_each(|_| set.probe(0, FAILED));
    assert_eq!(set.pick(&POST), Err(Unavailable::AllUnreachable), "now it does not even answer");
}

#[test]
fn a_second_attempt_does_not_fail_open() {
    let mut set = Set::of(2);
    set.eject_by_traffic(0);
    let mut tried = Tried::default();
    tried.add(set.id(1));
    let picked = set.picker.pick(&POST, &tried, &mut || 0, set.now);
    assert_eq!(picked.map(|lease| index_of(&lease)), Err(Unavailable::NoneUntried));
}

#[test]
fn a_503_to_a_probe_is_a_farewell_without_fall() {
    let mut set = Set::of(2);
    let generation = set.endpoint(0).generation();
    set.probe(0, ProbeResult::Draining);
    assert!((0..10).all(|_| set.pick(&POST) == Ok(1)));
    assert!(set.endpoint(0).generation() > generation, "its idle connections are dropped");
    set.probe(0, ProbeResult::Passed);
    assert!((0..10).any(|_| set.pick(&POST) == Ok(0)));
    assert_eq!(set.news(), ["leaving", "stays"]);
}

#[test]
fn who_is_leaving_still_serves_when_it_is_the_last() {
    let mut set = Set::of(1);
    set.probe(0, ProbeResult::Draining);
    assert_eq!(set.pick(&POST), Ok(0));
}

#[test]
fn a_command_to_drain_is_obeyed_until_it_is_revoked() {
    let mut set = Set::of(1);
    set.control.command(set.id(0), Command::Drain, set.now).unwrap();
    set.probe(0, ProbeResult::Passed);
    assert_eq!(set.pick(&POST), Err(Unavailable::AllUnreachable));
    set.control.command(set.id(0), Command::Activate, set.now).unwrap();
    assert_eq!(set.pick(&POST), Ok(0));
    assert_eq!(set.control.command(EndpointId(99), Command::Drain, set.now), Err(UnknownEndpoint));
}

#[test]
fn a_new_weight_changes_the_shares() {
    let mut set = Set::of(2);
    let three = Command::Weight(Weight::new(3).unwrap());
    set.control.command(set.id(0), three, set.now).unwrap();
    let first = (0..400).filter(|_| set.pick(&POST) == Ok(0)).count();
    assert_eq!(first, 300);
}

#[test]
fn a_lease_is_not_down_because_its_endpoint_drains() {
    let mut set = Set::of(2);
    let lease = set.lease(&POST).unwrap();
    set.control.command(lease.endpoint().id(), Command::Drain, set.now).unwrap();
    assert!(!lease.is_down());
    let other = set.lease(&POST).unwrap();
    set.resolve(index_of(&lease), 1);
    assert!(!other.is_down(), "vanished, but it finishes what it has");
}

#[test]
fn a_hedge_does_not_wake_a_backup() {
    let mut set = Set::from_spec("a:8080,b:8080;backup", 1, Settings::default());
    set.control.resolved(1, Ok(&[address(1)]), set.now);
    set.probe_all(ProbeResult::Passed);
    let mut tried = Tried::default();
    tried.add(set.id(0));
    let hedge = Want { plain_only: true, ..POST };
    let picked = set.picker.pick(&hedge, &tried, &mut || 0, set.now);
    assert_eq!(picked.map(|lease| index_of(&lease)), Err(Unavailable::NoneUntried));
    let retry = set.picker.pick(&POST, &tried, &mut || 0, set.now);
    assert_eq!(retry.map(|lease| index_of(&lease)), Ok(1));
}

#[test]
fn backups_serve_only_when_the_others_are_gone() {
    let mut set = Set::from_spec("a:8080,b:8080;backup", 1, Settings::default());
    set.control.resolved(1, Ok(&[address(1)]), set.now);
    set.probe_all(ProbeResult::Passed);
    assert!((0..10).all(|_| set.pick(&POST) == Ok(0)));
    set.see(0, Evidence::IdleClosed);
    assert_eq!(set.pick(&POST), Ok(1));
}

#[test]
fn a_pinned_session_goes_where_it_was_even_while_that_drains() {
    let key = crate::PinKey::new([9; 16]);
    let settings = Settings { stickiness: Some(key.clone()), ..Settings::default() };
    let mut set = Set::with(3, settings);
    set.probe_all(ProbeResult::Passed);
    let pinned = Want { pin: Some(key.pin(address(2))), ..POST };
    assert!((0..10).all(|_| set.pick(&pinned) == Ok(2)));
    set.control.command(set.id(2), Command::Drain, set.now).unwrap();
    assert!((0..10).all(|_| set.pick(&pinned) == Ok(2)));
    (0..2).for_each(|_| set.probe(2, FAILED));
    assert!((0..10).all(|_| set.pick(&pinned).is_ok_and(|index| index != 2)), "an ejected endpoint re-pins");
}

#[test]
fn a_full_endpoint_is_passed_over_and_when_all_are_full_the_request_waits() {
    let mut settings = Settings::default();
    settings.admission.per_endpoint = 2;
    let mut set = Set::with(2, settings);
    set.probe_all(ProbeResult::Passed);
    let leases: Vec<_> = (0..4).map(|_| set.lease(&POST).unwrap()).collect();
    assert_eq!(set.pick(&POST), Err(Unavailable::AllBusy));
    drop(leases);
    assert!(set.pick(&POST).is_ok());
}

#[test]
fn a_lease_that_is_dropped_gives_its_place_back() {
    let mut set = Set::of(1);
    let lease = set.lease(&POST).unwrap();
    assert_eq!(set.endpoint(0).in_flight(), 1);
    drop(lease);
    assert_eq!(set.endpoint(0).in_flight(), 0);
    set.serve(&POST, 200).unwrap();
    assert_eq!((set.endpoint(0).in_flight(), set.endpoint(0).successes()), (0, 1));
}

#[test]
fn a_lease_knows_when_its_endpoint_went_down() {
    let mut set = Set::of(2);
    let lease = set.lease(&POST).unwrap();
    assert!(!lease.is_down());
    set.see(index_of(&lease), Evidence::Silent);
    assert!(lease.is_down());
    let other = set.lease(&POST).unwrap();
    set.see(index_of(&other), Evidence::Silent);
    let third = set.lease(&POST).unwrap();
    assert!(!third.is_down(), "it was suspect when it was chosen");
}

#[test]
fn state_is_kept_by_address() {
    let mut set = Set::of(3);
    let ids = [0, 1, 2].map(|index| set.id(index));
    set.eject_by_traffic(1);
    set.resolve(0, 3);
    set.control.resolved(0, Ok(&[address(2), address(1), address(0)]), set.now);
    assert_eq!([0, 1, 2].map(|index| set.id(index)), ids);
    assert!(set.is_ejected(1));
}

#[test]
fn a_failed_or_empty_lookup_keeps_what_is_known() {
    let mut set = Set::of(3);
    set.control.resolved(0, Err(LookupFailed), set.now);
    set.control.resolved(0, Ok(&[]), set.now);
    assert_eq!(set.upstream.snapshot().endpoints().len(), 3);
}

#[test]
fn what_vanished_gets_nothing_new_and_goes_when_nothing_is_in_flight() {
    let mut set = Set::of(1);
    let lease = set.lease(&POST).unwrap();
    set.resolve(1, 1);
    set.probe_all(ProbeResult::Passed);
    assert!((0..10).all(|_| set.pick(&POST) == Ok(1)));
    set.pass_time(1_000 * MS);
    assert_eq!(set.control.describe(set.now).len(), 2);
    drop(lease);
    set.pass_time(200 * MS);
    assert_eq!(set.control.describe(set.now).len(), 1);
    assert_eq!(set.news().last(), Some(&"removed"));
}

#[test]
fn an_address_that_returns_is_unproven() {
    let mut set = Set::of(2);
    let lease = set.lease(&POST).unwrap();
    let held = index_of(&lease);
    set.resolve(1 - held, 1);
    set.resolve(0, 2);
    assert_eq!(set.health(held), Health::Unproven);
    drop(lease);
    set.probe(held, ProbeResult::Passed);
    assert!((0..10).any(|_| set.pick(&POST) == Ok(held)));
}

#[test]
fn an_ejection_drops_idle_connections() {
    let mut set = Set::of(2);
    let generation = set.endpoint(0).generation();
    set.eject_by_traffic(0);
    assert!(set.endpoint(0).generation() > generation);
}

#[test]
fn look_ups_are_more_frequent_while_nothing_serves() {
    let mut set = Set::with(1, Settings::default());
    assert_eq!(set.control.resolution_interval(), 250 * MS);
    set.probe(0, ProbeResult::Passed);
    assert_eq!(set.control.resolution_interval(), 1_000 * MS);
}

#[test]
fn a_thousand_dead_servers_are_not_probed_all_at_once() {
    let mut set = Set::with(0, Settings::default());
    let addresses: Vec<SocketAddr> = (0..1_000_u32).map(|n| (n.to_be_bytes(), 80).into()).collect();
    set.control.resolved(0, Ok(&addresses), set.now);
    assert_eq!(set.control.probes_due(set.now, &mut || 0).len(), 64);
    assert_eq!(set.control.probes_due(set.now, &mut || 0), []);
}

#[test]
fn a_probe_whose_result_never_comes_is_started_again() {
    let mut set = Set::of(1);
    set.pass_time(1_500 * MS);
    assert_eq!(set.control.probes_due(set.now, &mut || 0).len(), 1);
    set.pass_time(1_200 * MS);
    assert_eq!(set.control.probes_due(set.now, &mut || 0), []);
    set.pass_time(400 * MS);
    assert_eq!(set.control.probes_due(set.now, &mut || 0).len(), 1);
}

#[test]
fn slow_start_raises_the_share_step_by_step() {
    let settings = Settings { slow_start: Some(10_000 * MS), ..Settings::default() };
    let mut set = Set::with(1, settings);
    set.probe(0, ProbeResult::Passed);
    let mut last = 0;
    for _ in 0..10 {
        set.pass_time(1_100 * MS);
        let share = set.endpoint(0).share();
        assert!(share > last || share == FULL_SHARE, "{share} after {last}");
        last = share;
    }
    assert_eq!(last, FULL_SHARE);
}

#[test]
fn changes_are_told_in_words() {
    let mut set = Set::of(2);
    set.eject_by_traffic(0);
    let words: Vec<_> = set.control.take_changes().map(|change| change.to_string()).collect();
    let suspect = "server:8080 172.18.0.2 is suspect: connection reset";
    assert_eq!(words, [suspect, "server:8080 172.18.0.2 misbehaves (connection reset); ejected, 1 so far"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_traffic_shows_somebody_serves(
        steps in prop::collection::vec((0..3_u8, 0..8_u8), 0..200),
    ) {
        let mut set = Set::of(3);
        for (index, what) in steps {
            let evidence = match what {
                0 => REFUSED,
                1 => RESET,
                2 => Evidence::WrongDigest,
                3 => Evidence::Silent,
                4 => Evidence::IdleClosed,
                5 => Evidence::Status(500),
                6 => Evidence::MissingDigest,
                _ => Evidence::Succeeded,
            };
            set.see(index, evidence);
            set.pass_time(7 * MS);
            prop_assert!((0..3).any(|index| set.health(index) == Health::Healthy));
            prop_assert!(set.pick(&POST).is_ok());
        }
    }
}
