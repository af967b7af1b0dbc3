//! Who gets requests, by the state of the endpoints.

use super::*;

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
    assert_eq!(lease.down(), Down::No);
    let other = set.lease(&POST).unwrap();
    set.resolve(index_of(&lease), 1);
    assert_eq!(other.down(), Down::No, "vanished, but it finishes what it has");
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
    set.see(2, Evidence::Silent);
    set.probe(2, FAILED);
    assert!((0..10).all(|_| set.pick(&pinned) == Ok(2)), "elsewhere nobody knows the session");
    assert!(set.picker.keeps(key.pin(address(2))));
    set.probe(2, FAILED);
    assert!(!set.picker.keeps(key.pin(address(2))));
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
fn a_suspicion_is_confirmed_by_a_failed_probe() {
    let mut set = Set::of(2);
    let lease = set.lease(&POST).unwrap();
    let index = index_of(&lease);
    set.see(index, Evidence::Silent);
    assert_eq!(lease.down(), Down::No, "a slow server is not a dead one");
    set.start_probes();
    set.probe(index, FAILED);
    assert_eq!(lease.down(), Down::Confirmed);
    let other = set.lease(&POST).unwrap();
    set.see(index_of(&other), Evidence::Silent);
    set.start_probes();
    set.probe(index_of(&other), FAILED);
    let third = set.lease(&POST).unwrap();
    assert_eq!(third.down(), Down::No, "it was down when it was chosen");
    set.probe(index, FAILED);
    assert_eq!(lease.down(), Down::Ejected(Cause::Unreachable));
}

#[test]
fn a_failed_probe_without_a_suspicion_confirms_nothing() {
    let mut set = Set::of(2);
    let lease = set.lease(&POST).unwrap();
    set.probe(index_of(&lease), FAILED);
    assert_eq!(lease.down(), Down::No);
    set.see(index_of(&lease), Evidence::Silent);
    assert_eq!(lease.down(), Down::No, "that probe was sent before");
}

#[test]
fn a_lease_knows_when_its_endpoint_is_accused() {
    let mut set = Set::of(3);
    let lease = set.lease(&POST).unwrap();
    set.see(index_of(&lease), Evidence::Silent);
    assert!(!lease.is_accused(), "it is slow, which says nothing about its answers");
    set.eject_by_traffic(index_of(&lease));
    assert!(lease.is_accused());
    assert!(!set.lease(&POST).unwrap().is_accused());
}

#[test]
fn a_second_500_in_a_row_accuses_until_one_succeeds() {
    let mut set = Set::of(3);
    set.see(0, Evidence::Status(500));
    let lease = set.lease_on(0);
    assert!(!lease.is_accused());
    set.see(0, Evidence::Status(500));
    assert!(lease.is_accused());
    let _ = lease.finish(Outcome::Success, set.now);
    set.pass_time(200 * MS);
    assert!(!set.lease_on(0).is_accused());
}
