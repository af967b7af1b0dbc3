//! What ejects an endpoint, and what does not.

use proptest::prelude::*;

use super::*;

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
fn silence_ejects_nobody_while_probes_pass() {
    let mut set = Set::of(3);
    for _ in 0..100 {
        set.see(0, Evidence::Silent);
        assert!(!set.endpoint(0).is_plain());
        set.probe(0, ProbeResult::Passed);
        set.pass_time(100 * MS);
        assert!(set.endpoint(0).is_plain());
    }
}

#[test]
fn who_answers_nothing_at_all_while_others_answer_the_same_is_out_although_probes_pass() {
    let mut set = Set::of(3);
    set.serve_on(0);
    for _ in 0..50 {
        set.see(0, Evidence::Outpaced);
        set.pass_time(50 * MS);
        set.probe(0, ProbeResult::Passed);
    }
    assert!(!set.is_ejected(0), "it may be slow");
    for _ in 0..12 {
        set.see(0, Evidence::Outpaced);
        set.pass_time(50 * MS);
    }
    assert!(set.is_ejected(0));
}

#[test]
fn who_answers_slowly_is_never_out_however_often_others_are_faster() {
    let mut set = Set::of(3);
    for _ in 0..20 {
        (0..20).for_each(|_| set.see(0, Evidence::Outpaced));
        set.pass_time(2_000 * MS);
        set.serve_on(0);
    }
    assert!(!set.is_ejected(0));
}

#[test]
fn what_was_outpaced_before_it_recovered_is_not_held_against_it() {
    let mut set = Set::of(3);
    set.serve_on(0);
    set.pass_time(2_000 * MS);
    (0..6).for_each(|_| set.see(0, Evidence::Outpaced));
    set.serve_on(0);
    set.pass_time(1_000 * MS);
    let _stream = set.lease_on_any(0);
    set.pass_time(60_000 * MS);
    assert!(!set.is_ejected(0), "a stream that is silent for long says nothing");
}

#[test]
fn ordinary_errors_do_not_crowd_out_wrong_digests() {
    let mut set = Set::of(3);
    for _ in 0..3 {
        assert!(!set.is_ejected(0));
        (0..40).for_each(|_| {
            set.see(0, Evidence::Status(500));
            set.serve_on(0);
        });
        set.see(0, Evidence::WrongDigest);
    }
    assert!(set.is_ejected(0));
}

const CLIENT_FAULTS: [Evidence; 5] = [
    RESET,
    Evidence::ResponseFailed(ResponseFailure::TimedOut),
    Evidence::WrongDigest,
    Evidence::MissingDigest,
    Evidence::Status(500),
];

#[test]
fn one_client_ejects_nobody() {
    for evidence in CLIENT_FAULTS {
        let mut set = Set::of(3);
        (1..3).for_each(|peer| set.serve_on(peer));
        for _ in 0..200 {
            set.see_by(0, evidence, client(7));
            set.pass_time(10 * MS);
            (1..3).for_each(|peer| set.serve_on(peer));
            set.probe(0, ProbeResult::Passed);
        }
        assert!(!set.is_ejected(0), "{evidence}");
    }
}

#[test]
fn a_second_client_a_proof_or_a_failed_probe_makes_it_count() {
    type Step = fn(&mut Set, Evidence);
    let corroborated: [Step; 3] = [
        |set, evidence| set.see_by(0, evidence, client(8)),
        |set, evidence| set.examined(0, evidence, client(7), Standing::Proven),
        |set, evidence| {
            set.probe(0, FAILED);
            set.see_by(0, evidence, client(7));
        },
    ];
    for evidence in CLIENT_FAULTS {
        for step in corroborated {
            let mut set = Set::of(3);
            for _ in 0..6 {
                set.see_by(0, evidence, client(7));
                set.pass_time(10 * MS);
                (1..3).for_each(|peer| set.serve_on(peer));
            }
            assert!(!set.is_ejected(0), "{evidence}");
            step(&mut set, evidence);
            assert!(set.is_ejected(0), "{evidence}");
        }
    }
}

#[test]
fn what_is_refuted_is_struck_out() {
    for evidence in CLIENT_FAULTS {
        let mut set = Set::of(3);
        for number in 0..200 {
            set.see_by(0, evidence, client(number));
            set.examined(0, evidence, client(number), Standing::Refuted);
            set.pass_time(10 * MS);
            (1..3).for_each(|peer| set.serve_on(peer));
        }
        assert!(!set.is_ejected(0), "{evidence}");
    }
}

#[test]
fn traffic_takes_out_half_of_the_set_at_most() {
    for (count, out) in [(2, 1), (3, 1), (4, 2), (7, 3)] {
        let mut set = Set::of(count);
        for _ in 0..10 {
            (0..count).for_each(|index| (0..5).for_each(|_| set.see(index, RESET)));
        }
        let ejected = (0..count).filter(|&index| set.is_ejected(index)).count();
        assert_eq!(ejected, out, "of {count}");
    }
}

#[test]
fn an_ejection_drops_idle_connections() {
    let mut set = Set::of(2);
    let generation = set.endpoint(0).generation();
    set.eject_by_traffic(0);
    assert!(set.endpoint(0).generation() > generation);
}

#[test]
fn changes_are_told_in_words() {
    let mut set = Set::of(2);
    set.eject_by_traffic(0);
    let words: Vec<_> = set.control.take_changes().map(|change| change.to_string()).collect();
    let suspect = "server:8080 172.18.0.2 is suspect: connection reset";
    assert_eq!(words, [suspect, "server:8080 172.18.0.2 misbehaves (connection reset); ejected for 1 s"]);
}

#[test]
fn an_ejection_says_how_long_it_lasts_and_how_many_there_were() {
    let mut set = Set::of(3);
    set.eject_by_traffic(0);
    set.pass_time(1_000 * MS);
    set.probe(0, ProbeResult::Passed);
    set.see(0, REFUSED);
    (0..2).for_each(|_| set.probe(1, FAILED));
    let mut news: Vec<_> = set.control.take_changes().map(|change| change.news.to_string()).collect();
    news.retain(|news| news.contains("ejected"));
    assert_eq!(
        news,
        [
            "misbehaves (connection reset); ejected for 1 s",
            "cannot be reached (connection refused); ejected for 2 s, 2 times so far",
            "stopped answering probes; ejected until probes pass",
        ]
    );
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
