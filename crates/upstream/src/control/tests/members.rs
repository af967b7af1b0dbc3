//! Who is a member, and when it is probed.

use super::*;

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
fn beyond_the_bound_nobody_waits_for_ever() {
    let mut set = Set::with(0, Settings::default());
    let addresses: Vec<SocketAddr> = (0..1_000_u32).map(|n| (n.to_be_bytes(), 80).into()).collect();
    set.control.resolved(0, Ok(&addresses), set.now);
    let mut probed = std::collections::BTreeSet::new();
    // All of them fail, so that the first ones are due again before the last ones have had their turn.
    for _ in 0..400 {
        for due in set.control.probes_due(set.now, &mut || 0) {
            probed.insert(due.address);
            set.control.probed(due.endpoint, FAILED, MS, set.now);
        }
        set.pass_time(5 * MS);
    }
    assert_eq!(probed.len(), addresses.len());
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
