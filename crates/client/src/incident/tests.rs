use super::*;
use crate::measure::tests::{exchange, some_beginning};
use crate::outcome::{Exchange, Kind};
use crate::told::{Names, some_episode};

/// An incident with everything there can be in one.
pub(crate) fn some_incident() -> Incident {
    Incident {
        sentence: "server-2 crashed.".into(),
        told_by: Teller::Balancer,
        cause: "crashed".into(),
        why: Some("its connections were reset".into()),
        begin_ms: Ms(ms(10)),
        end_ms: Ms(ms(20)),
        failed: 1,
        masked: Some(2),
        failed_attempts: Some(3),
        first_failed_attempt_ms: Some(Ms(ms(10))),
        ejected_ms: Some(Ms(ms(15))),
        endpoints: vec!["10.0.0.2:80".into()],
        absent: vec!["server-2".into()],
        longest_gap_ms: Ms(ms(5)),
        added_latency_ms: Ms(ms(3)),
        rebalanced_ms: Some(Ms(ms(20))),
        recovered_ms: Some(Ms(ms(20))),
    }
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A run of so many seconds at 100 requests a second, over three servers of which `who` says who answers in a second, and
/// `took` how long that takes.
fn timeline(
    seconds: u64,
    who: impl Fn(u64) -> &'static [&'static str],
    took: impl Fn(u64) -> Duration,
) -> Timeline {
    let begin = some_beginning();
    let mut timeline = Timeline::default();
    for number in 0..seconds * 100 {
        let at = ms(number * 10);
        let servers = who(number / 100);
        let server = servers[usize::try_from(number).unwrap() % servers.len()].to_owned();
        timeline
            .record(at, &Exchange { server: Some(server), ..exchange(begin, at, took(number / 100), None) });
    }
    timeline
}

const ALL: &[&str] = &["a", "b", "c"];

/// What is found where the balancer tells all of its attempts, and of no incident.
fn find(troubles: Troubles, timeline: &Timeline, reported: Vec<Reported>) -> Found {
    find_with(troubles, timeline, reported, Vec::new())
}

/// The same of a client that ran late at these moments, by so much.
fn find_with(
    troubles: Troubles,
    timeline: &Timeline,
    reported: Vec<Reported>,
    late: Vec<(Duration, Duration)>,
) -> Found {
    let mut names = Names::default();
    names.call("10.0.0.2:80".into(), "server-2".into());
    let elapsed = timeline.width() * u32::try_from(timeline.columns().len()).unwrap();
    super::find(Sources { troubles, timeline, elapsed, told: true, reported, late, names: &names })
}

/// The only incident in what was found, in which nothing was merely slow.
fn the_only(found: Found) -> Incident {
    assert_eq!(found.slowness, None);
    let [incident] = found.incidents.try_into().expect("one incident");
    incident
}

fn failed_at(endpoint: &str, end: &str) -> Trouble {
    Trouble::FailedAttempt(endpoint.into(), end.into())
}

fn told_of(begin: Duration, end: Option<Duration>) -> Reported {
    Reported { episode: some_episode(1, 0, None), begin, end }
}

#[test]
fn a_calm_run_has_no_incidents() {
    assert_eq!(find(Troubles::default(), &timeline(20, |_| ALL, |_| ms(2)), Vec::new()), Found::default());
}

#[test]
fn a_server_that_is_gone_for_some_seconds_is_an_incident_with_an_end() {
    let timeline = timeline(20, |second| if (5..9).contains(&second) { &["a", "c"] } else { ALL }, |_| ms(2));
    let incident = the_only(find(Troubles::default(), &timeline, Vec::new()));
    assert_eq!(incident.absent, ["b"]);
    assert_eq!(incident.begin_ms, Ms(ms(5_000)));
    assert_eq!(
        incident.rebalanced_ms, None,
        "in no whole second was it spread otherwise over those who were there"
    );
    assert_eq!(incident.recovered_ms.map(|Ms(recovered)| recovered.as_secs()), Some(8));
    assert_eq!((incident.cause.as_str(), incident.told_by), ("absent", Teller::Client));
    assert!(
        incident.sentence.starts_with("b answered nothing from +5.000 s to +9.000 s, and no request failed"),
        "{}",
        incident.sentence
    );
}

#[test]
fn a_server_that_does_not_come_back_is_no_recovery() {
    let timeline = timeline(20, |second| if second >= 15 { &["a", "c"] } else { ALL }, |_| ms(2));
    let incident = the_only(find(Troubles::default(), &timeline, Vec::new()));
    assert_eq!(incident.recovered_ms, None);
    assert!(incident.sentence.ends_with("It was not over when the run ended."), "{}", incident.sentence);
}

#[test]
fn the_load_is_spread_again_after_it_was_not_and_never_at_the_moment_of_the_failure() {
    let begin = some_beginning();
    let mut timeline = Timeline::default();
    // Server b dies at 5.3 s, with an attempt on it.
    for number in 0..2_000_u64 {
        let at = number * 10;
        let servers = if (5_300..12_000).contains(&at) { &["a", "c"] } else { ALL };
        let server = servers[usize::try_from(number).unwrap() % servers.len()].to_owned();
        timeline.record(ms(at), &Exchange { server: Some(server), ..exchange(begin, ms(at), ms(2), None) });
    }
    let mut troubles = Troubles::default();
    troubles.note(ms(5_310), failed_at("10.0.0.2:80", "reset"));
    let incident = the_only(find(troubles, &timeline, Vec::new()));
    assert_eq!((incident.begin_ms, incident.rebalanced_ms), (Ms(ms(5_310)), Some(Ms(ms(6_000)))));
}

#[test]
fn seconds_in_which_every_server_is_slow_are_the_machines_and_no_incident() {
    let timeline = timeline(20, |_| ALL, |second| if second == 7 { ms(502) } else { ms(2) });
    let found = find(Troubles::default(), &timeline, Vec::new());
    assert_eq!(found.incidents, []);
    let told = found.slowness.unwrap();
    assert!(
        told.starts_with("For 1.00 s altogether, first from +7.000 s, everything was slow: p99 up to 50"),
        "{told}"
    );
    assert!(told.ends_with("not a server."), "{told}");
    let late = vec![(ms(3_200), ms(90)), (ms(7_400), ms(120)), (ms(7_800), ms(60))];
    let told = find_with(Troubles::default(), &timeline, Vec::new(), late).slowness.unwrap();
    assert!(told.ends_with("not a server. The client itself ran up to 120 ms late then."), "{told}");
}

#[test]
fn a_slow_second_beside_a_failed_attempt_belongs_to_it() {
    let timeline = timeline(20, |_| ALL, |second| if second == 7 { ms(502) } else { ms(2) });
    let mut troubles = Troubles::default();
    troubles.note(ms(6_900), failed_at("10.0.0.2:80", "timeout"));
    let incident = the_only(find(troubles, &timeline, Vec::new()));
    let added = incident.added_latency_ms.0;
    assert!((ms(490)..ms(510)).contains(&added), "{added:?}");
    assert_eq!(incident.begin_ms, Ms(ms(6_900)));
}

#[test]
fn one_servers_answers_that_were_a_little_late_are_nothing_to_tell_of() {
    let begin = some_beginning();
    let mut timeline = timeline(20, |_| ALL, |_| ms(2));
    for number in 0..50 {
        timeline.record(ms(9_500 + number), &exchange(begin, ms(9_500 + number), ms(300), None));
    }
    assert_eq!(find(Troubles::default(), &timeline, Vec::new()), Found::default());
}

#[test]
fn a_single_answer_that_took_seconds_is_told_of_with_who_it_came_from() {
    let begin = some_beginning();
    let mut timeline = timeline(20, |_| ALL, |_| ms(2));
    timeline.record(ms(9_500), &exchange(begin, ms(9_500), ms(4_000), None));
    let incident = the_only(find(Troubles::default(), &timeline, Vec::new()));
    assert_eq!((incident.begin_ms, incident.cause.as_str()), (Ms(ms(9_000)), "answers late"));
    assert!(
        incident.sentence.starts_with("Answers from server-1 took up to 4.00 s around +9.000 s"),
        "{}",
        incident.sentence
    );
}

#[test]
fn what_is_usual_is_not_moved_by_what_is_not() {
    // A third of the run is slow, and one server is away in that time.
    let unusual = |second: u64| (6..12).contains(&second);
    let timeline = timeline(
        20,
        |second| if unusual(second) { &["a", "c"] } else { ALL },
        |second| if unusual(second) { ms(300) } else { ms(2) },
    );
    let incident = the_only(find(Troubles::default(), &timeline, Vec::new()));
    assert_eq!(incident.begin_ms, Ms(ms(6_000)));
    assert!(incident.added_latency_ms.0 > ms(290));
}

#[test]
fn moments_close_together_are_one_incident_in_whatever_order_they_come() {
    let mut troubles = Troubles::default();
    troubles.note(ms(9_000), Trouble::Failure(Kind::Status(502)));
    troubles.note(ms(5_000), failed_at("10.0.0.2:80", "reset"));
    troubles.note(ms(6_500), Trouble::Failure(Kind::Status(502)));
    troubles.note(ms(5_040), Trouble::Ejected("10.0.0.2:80".into()));
    troubles.note(ms(5_020), Trouble::Masked);
    let incidents = find(troubles, &timeline(20, |_| ALL, |_| ms(2)), Vec::new()).incidents;
    let [first, second] = incidents.as_slice() else { panic!("two incidents, not {incidents:?}") };
    assert_eq!((first.begin_ms, first.end_ms), (Ms(ms(5_000)), Ms(ms(6_500))));
    assert_eq!((first.failed, first.masked, first.failed_attempts), (1, Some(1), Some(1)));
    assert_eq!((first.first_failed_attempt_ms, first.ejected_ms), (Some(Ms(ms(5_000))), Some(Ms(ms(5_040)))));
    assert_eq!(first.endpoints, ["10.0.0.2:80"]);
    assert_eq!(
        first.sentence,
        "1 attempt failed at server-2 (10.0.0.2:80) from +5.000 s to +6.500 s (reset). The balancer took it out at +5.040 s. \
         1 request was answered rightly all the same. 1 request failed from +5.000 s to +6.500 s (status 502). \
         All was as usual again from +6.500 s."
    );
    assert_eq!((second.begin_ms, second.failed), (Ms(ms(9_000)), 1));
    assert!(second.sentence.contains("The balancer tells of no attempt that failed."), "{}", second.sentence);
}

#[test]
fn what_the_balancer_tells_is_told_in_its_sentence_and_claims_what_it_explains() {
    let timeline = timeline(20, |second| if (5..9).contains(&second) { &["a", "c"] } else { ALL }, |_| ms(2));
    let mut troubles = Troubles::default();
    troubles.note(ms(4_990), failed_at("10.0.0.2:80", "reset"));
    troubles.note(ms(5_100), Trouble::Failure(Kind::Status(502)));
    troubles.note(ms(15_000), Trouble::Failure(Kind::Status(502)));
    let found = find(troubles, &timeline, vec![told_of(ms(5_050), Some(ms(9_000)))]);
    let [first, second] = found.incidents.try_into().unwrap();
    assert_eq!((first.sentence.as_str(), first.told_by), ("server-2 crashed, number 1.", Teller::Balancer));
    assert_eq!((first.begin_ms, first.end_ms), (Ms(ms(5_050)), Ms(ms(9_000))));
    assert_eq!((first.failed, first.failed_attempts, first.recovered_ms), (1, Some(1), Some(Ms(ms(9_000)))));
    assert_eq!((second.begin_ms, second.told_by), (Ms(ms(15_000)), Teller::Client));
}

#[test]
fn trouble_at_another_endpoint_is_not_explained_by_an_incident_that_goes_on() {
    let mut troubles = Troubles::default();
    troubles.note(ms(12_000), failed_at("10.0.0.3:80", "reset"));
    let timeline = timeline(20, |_| ALL, |_| ms(2));
    let found = find(troubles, &timeline, vec![told_of(ms(5_000), None)]);
    let tellers: Vec<_> = found.incidents.iter().map(|incident| incident.told_by).collect();
    assert_eq!(tellers, [Teller::Balancer, Teller::Client]);
    assert_eq!(found.incidents[0].recovered_ms, None);
}

#[test]
fn a_slow_second_within_an_incident_of_the_balancers_is_explained() {
    let timeline = timeline(20, |_| ALL, |second| if second == 7 { ms(502) } else { ms(2) });
    let incident = the_only(find(Troubles::default(), &timeline, vec![told_of(ms(6_000), Some(ms(8_000)))]));
    assert!(incident.added_latency_ms.0 > ms(490));
}
