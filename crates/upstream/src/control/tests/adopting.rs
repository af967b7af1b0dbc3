//! Other settings, while endpoints have a past.

use super::*;
use crate::policy::PolicySettings;

impl Set {
    fn adopt(&mut self, spec: &str, settings: Settings) {
        self.control.adopt(spec.parse().unwrap(), settings, self.now);
    }

    fn found(&mut self, name: usize, indices: &[u8]) {
        let addresses: Vec<SocketAddr> = indices.iter().copied().map(address).collect();
        self.control.resolved(name, Ok(&addresses), self.now);
    }

    fn serving(&self) -> Vec<SocketAddr> {
        let snapshot = self.upstream.snapshot();
        let usable = snapshot.endpoints().iter().filter(|endpoint| endpoint.is_usable());
        usable.map(|endpoint| endpoint.address()).collect()
    }
}

#[test]
fn who_is_named_still_keeps_its_past_whatever_else_changes() {
    let mut set = Set::of(3);
    let ids = [0, 1, 2].map(|index| set.id(index));
    set.eject_by_traffic(1);
    set.news();
    let mut settings = Settings::default();
    settings.probes.interval = 5_000 * MS;
    set.adopt("other:8080,server:8080", settings);
    set.found(1, &[0, 1, 2]);
    assert_eq!([0, 1, 2].map(|index| set.id(index)), ids);
    assert!(set.is_ejected(1));
    assert!(set.news().is_empty());
}

#[test]
fn servers_that_are_no_longer_named_serve_on_until_a_named_one_can() {
    let mut set = Set::of(2);
    set.adopt("other:8080", Settings::default());
    set.pass_time(60_000 * MS);
    assert_eq!(set.serving(), [address(0), address(1)]);
    set.found(0, &[7]);
    set.pass_time(1_000 * MS);
    assert_eq!(set.serving(), [address(0), address(1)], "nobody has heard of the new one yet");
    set.probe(7, ProbeResult::Passed);
    set.pass_time(200 * MS);
    assert_eq!(set.serving(), [address(7)]);
    assert_eq!(set.news(), ["added", "healthy", "vanished", "vanished", "removed", "removed"]);
}

#[test]
fn of_some_names_that_go_the_servers_go_at_once_where_others_serve() {
    let mut set = Set::from_spec("server:8080,other:8080", 1, Settings::default());
    set.found(1, &[5]);
    set.probe_all(ProbeResult::Passed);
    let lease = set.lease_on(5);
    set.adopt("server:8080", Settings::default());
    assert_eq!(set.serving(), [address(0)]);
    set.pass_time(1_000 * MS);
    assert_eq!(set.control.find(address(5)), Some(lease.endpoint().id()), "it has a request yet");
    let _ = lease.finish(Outcome::Success, set.now);
    set.pass_time(1_000 * MS);
    assert_eq!(set.control.find(address(5)), None);
}

#[test]
fn a_server_under_another_host_is_another_server() {
    let mut set = Set::of(1);
    let before = set.id(0);
    set.adopt("other:8080", Settings::default());
    set.found(0, &[0]);
    assert_ne!(set.id(0), before);
    assert_eq!(set.control.host(set.id(0)), Some("other"));
    assert_eq!(set.serving(), [address(0)], "the one from before");
    set.probe(0, ProbeResult::Passed);
    set.pass_time(200 * MS);
    assert_eq!(set.serving(), [address(0)]);
    assert_eq!(set.control.describe(set.now).len(), 1);
    assert_ne!(set.control.find(address(0)), Some(before));
}

#[test]
fn a_weight_is_taken_from_the_settings_unless_a_person_has_given_another() {
    let mut set = Set::of(2);
    let weight = |weight| Weight::new(weight).unwrap();
    set.control.command(set.id(1), Command::Weight(weight(9)), set.now).unwrap();
    set.adopt("server:8080;weight=3", Settings::default());
    let weights: Vec<_> = set.control.describe(set.now).iter().map(|state| state.weight).collect();
    assert_eq!(weights, [weight(3), weight(9)]);
}

#[test]
fn the_policy_the_limits_and_a_backup_are_those_of_the_new_settings() {
    let mut set = Set::from_spec("server:8080,other:8080", 1, Settings::default());
    set.found(1, &[1]);
    set.probe_all(ProbeResult::Passed);
    let mut settings = Settings { policy: PolicySettings::RoundRobin, ..Settings::default() };
    settings.admission.per_endpoint = 1;
    settings.admission.queue = 0;
    set.adopt("server:8080,other:8080;backup", settings);
    let lease = set.lease(&POST).unwrap();
    assert_eq!(index_of(&lease), 0, "the other is a backup now");
    set.adopt("server:8080,other:8080", Settings { policy: PolicySettings::RoundRobin, ..settings_of_one() });
    let turns: Vec<_> = (0..2).map(|_| set.pick(&POST)).collect();
    assert_eq!(turns, [Ok(1), Ok(1)], "the first is at its limit of one");
    assert!(set.upstream.queue().join(set.now).is_err(), "nobody may wait");
}

fn settings_of_one() -> Settings {
    let mut settings = Settings::default();
    settings.admission.per_endpoint = 1;
    settings.admission.queue = 0;
    settings
}

#[test]
fn without_probes_what_only_probes_had_against_somebody_is_void() {
    let mut set = Set::of(2);
    for _ in 0..5 {
        set.probe(0, FAILED);
    }
    assert!(set.is_ejected(0));
    let mut settings = Settings::default();
    settings.probes.enabled = false;
    set.adopt("server:8080", settings);
    assert_eq!(set.serving(), [address(0), address(1)]);
}

#[test]
fn of_an_upstream_that_is_no_more_everybody_goes_when_nothing_is_in_flight() {
    let mut set = Set::of(2);
    let lease = set.lease_on(1);
    set.control.retire(set.now);
    assert!(set.pick(&POST).is_err());
    set.pass_time(1_000 * MS);
    assert_eq!(set.control.describe(set.now).len(), 1);
    let _ = lease.finish(Outcome::Success, set.now);
    set.pass_time(1_000 * MS);
    assert!(set.control.describe(set.now).is_empty());
}
