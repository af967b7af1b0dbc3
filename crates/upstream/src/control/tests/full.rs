//! A server that takes no more connections because its line is full, and one that is cut off.

use super::*;

/// No connection in time.
const UNCONNECTED: ProbeResult = ProbeResult::Failed(ProbeFailure::TimedOut);

impl Set {
    /// Servers that usually take so long, and for some time now had nothing to do.
    fn that_take(count: u8, usual: Duration) -> Self {
        let mut set = Self::of(count);
        for index in 0..count {
            set.lease_on_any(index).head_received(Response::Good, usual, set.now);
        }
        set.pass_time(10_000 * MS);
        set
    }

    /// A probe that is half a second long, a second after the one before.
    fn probe_unconnected(&mut self, index: u8) {
        self.pass_time(500 * MS);
        self.start_probes();
        self.pass_time(500 * MS);
        self.probe(index, UNCONNECTED);
    }

    /// The same, while it answers a request.
    fn probe_unconnected_beside_an_answer(&mut self, index: u8) {
        self.pass_time(500 * MS);
        self.start_probes();
        self.pass_time(250 * MS);
        self.lease_on_any(index).head_received(Response::Good, 250 * MS, self.now);
        self.pass_time(250 * MS);
        self.probe(index, UNCONNECTED);
    }
}

#[test]
fn who_answers_requests_and_takes_no_connections_is_not_ejected() {
    for count in [1, 3] {
        let mut set = Set::that_take(count, 250 * MS);
        let _work = set.lease_on_any(0);
        (0..10).for_each(|_| set.probe_unconnected_beside_an_answer(0));
        assert!(set.endpoint(0).is_plain());
        assert_eq!(set.news().len(), 0);
    }
}

#[test]
fn who_had_a_full_line_is_given_time_until_it_is_asked_again() {
    let mut set = Set::that_take(3, 250 * MS);
    let _work = set.lease_on_any(0);
    set.probe_unconnected_beside_an_answer(0);
    // Three seconds: four usual times and two seconds.
    (0..2).for_each(|_| set.probe_unconnected(0));
    assert!(!set.is_ejected(0));
    set.probe_unconnected(0);
    assert!(!set.is_ejected(0), "one probe in a row has failed");
    set.probe_unconnected(0);
    assert!(matches!(set.health(0), Health::Ejected { cause: Cause::Unreachable, by: Source::Probes, .. }));
}

#[test]
fn a_connect_that_waits_beside_answers_shows_a_full_line() {
    let mut set = Set::that_take(3, 250 * MS);
    let work = set.lease_on_any(0);
    let begun = set.now;
    assert!(!work.finds_line_full(begun, set.now), "nobody was answered");
    set.pass_time(100 * MS);
    set.lease_on_any(0).head_received(Response::Good, 100 * MS, set.now);
    assert!(work.finds_line_full(begun, set.now));
    (0..2).for_each(|_| set.probe_unconnected(0));
    assert!(!set.is_ejected(0));
}

#[test]
fn who_is_cut_off_at_work_is_ejected_by_two_probes() {
    let mut set = Set::that_take(3, 250 * MS);
    let _work = set.lease_on_any(0);
    (0..2).for_each(|_| set.probe_unconnected(0));
    assert!(matches!(set.health(0), Health::Ejected { cause: Cause::Unreachable, by: Source::Probes, .. }));
}

#[test]
fn the_only_one_is_ejected_by_two_probes_unless_it_could_be_at_work() {
    for (usual, is_ejected) in [(2, true), (250, true), (1_000, false)] {
        let mut set = Set::that_take(1, usual * MS);
        let mut work = set.lease_on_any(0);
        work.head_received(Response::Good, usual * MS, set.now);
        (0..2).for_each(|_| set.probe_unconnected(0));
        assert_eq!(set.is_ejected(0), is_ejected, "usually {usual} ms");
        (0..4).for_each(|_| set.probe_unconnected(0));
        assert!(set.is_ejected(0));
    }
}

#[test]
fn who_has_nothing_to_do_has_no_line() {
    let mut set = Set::that_take(1, 1_000 * MS);
    set.probe_unconnected_beside_an_answer(0);
    (0..3).for_each(|_| set.probe_unconnected(0));
    assert!(set.is_ejected(0));
}
