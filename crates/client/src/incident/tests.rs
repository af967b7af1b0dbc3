use super::*;
use crate::measure::tests::{exchange, some_beginning};
use crate::outcome::Exchange;

/// An incident with everything there can be in one.
pub(crate) fn some_incident() -> Incident {
    Incident {
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

#[test]
fn a_calm_run_has_no_incidents() {
    assert_eq!(find(Troubles::default(), &timeline(20, |_| ALL, |_| ms(2)), ms(20_000), true), []);
}

#[test]
fn a_server_that_is_gone_for_some_seconds_is_an_incident_with_an_end() {
    let timeline = timeline(20, |second| if (5..9).contains(&second) { &["a", "c"] } else { ALL }, |_| ms(2));
    let incidents = find(Troubles::default(), &timeline, ms(20_000), true);
    let [incident] = incidents.as_slice() else { panic!("one incident, not {incidents:?}") };
    assert_eq!(incident.absent, ["b"]);
    assert_eq!((incident.begin_ms, incident.rebalanced_ms), (Ms(ms(5_000)), Some(Ms(ms(5_000)))));
    assert_eq!(incident.recovered_ms.map(|Ms(recovered)| recovered.as_secs()), Some(8));
}

#[test]
fn a_server_that_does_not_come_back_is_no_recovery() {
    let timeline = timeline(20, |second| if second >= 15 { &["a", "c"] } else { ALL }, |_| ms(2));
    let incidents = find(Troubles::default(), &timeline, ms(20_000), true);
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0].recovered_ms, None);
}

#[test]
fn slow_seconds_are_an_incident_and_say_how_much_slower() {
    let timeline = timeline(20, |_| ALL, |second| if second == 7 { ms(502) } else { ms(2) });
    let incidents = find(Troubles::default(), &timeline, ms(20_000), true);
    assert_eq!(incidents.len(), 1);
    let added = incidents[0].added_latency_ms.0;
    assert!((ms(490)..ms(510)).contains(&added), "{added:?}");
}

#[test]
fn a_single_answer_that_took_seconds_is_told_of() {
    let begin = some_beginning();
    let mut timeline = timeline(20, |_| ALL, |_| ms(2));
    timeline.record(ms(9_500), &exchange(begin, ms(9_500), ms(4_000), None));
    let incidents = find(Troubles::default(), &timeline, ms(20_000), true);
    let [incident] = incidents.as_slice() else { panic!("one incident, not {incidents:?}") };
    assert_eq!(incident.begin_ms, Ms(ms(9_000)));
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
    let incidents = find(Troubles::default(), &timeline, ms(20_000), true);
    let [incident] = incidents.as_slice() else { panic!("one incident, not {incidents:?}") };
    assert_eq!((incident.begin_ms, incident.rebalanced_ms), (Ms(ms(6_000)), Some(Ms(ms(6_000)))));
    assert!(incident.added_latency_ms.0 > ms(290));
}

#[test]
fn moments_close_together_are_one_incident_in_whatever_order_they_come() {
    let mut troubles = Troubles::default();
    troubles.note(ms(9_000), Trouble::Failure);
    troubles.note(ms(5_000), Trouble::FailedAttempt("10.0.0.2:80".into()));
    troubles.note(ms(6_500), Trouble::Failure);
    troubles.note(ms(5_040), Trouble::Ejected("10.0.0.2:80".into()));
    troubles.note(ms(5_020), Trouble::Masked);
    let incidents = find(troubles, &timeline(20, |_| ALL, |_| ms(2)), ms(20_000), true);
    let [first, second] = incidents.as_slice() else { panic!("two incidents, not {incidents:?}") };
    assert_eq!((first.begin_ms, first.end_ms), (Ms(ms(5_000)), Ms(ms(6_500))));
    assert_eq!((first.failed, first.masked, first.failed_attempts), (1, Some(1), Some(1)));
    assert_eq!((first.first_failed_attempt_ms, first.ejected_ms), (Some(Ms(ms(5_000))), Some(Ms(ms(5_040)))));
    assert_eq!(first.endpoints, ["10.0.0.2:80"]);
    assert_eq!((second.begin_ms, second.failed), (Ms(ms(9_000)), 1));
}
