//! What brings an endpoint back.

use super::*;

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
    assert_eq!(set.control.take_changes().count(), 0, "and nothing is made up about why");
}

#[test]
fn a_suspicion_that_is_noticed_before_its_message_is_told_by_what_the_message_says() {
    let mut set = Set::of(2);
    set.pass_time(2_000 * MS);
    set.probe_all(ProbeResult::Passed);
    set.control.take_changes().for_each(drop);
    assert!(set.endpoint(0).report(Evidence::Silent, set.now));
    set.pass_time(100 * MS);
    set.control.evidence(set.id(0), Testimony::alleged(Evidence::Silent, client(1)), set.now);
    set.control.evidence(set.id(0), Testimony::alleged(Evidence::IdleClosed, client(2)), set.now);
    let news: Vec<_> = set.control.take_changes().map(|change| change.news).collect();
    assert!(matches!(news[..], [News::Suspect(Evidence::Silent)]), "{news:?}");
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
    assert!(trial.is_trial() && trial.is_accused() && index_of(&trial) == 0);
    assert!((0..20).all(|_| set.serve(&GET, 200) != Ok(0)), "one at a time");
    drop(trial);
    set.pass_time(100 * MS);
    assert!(
        (0..20).all(|_| set.serve(&GET, 200) != Ok(0)),
        "one that showed nothing is not repeated at once"
    );
    set.pass_time(900 * MS);
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
