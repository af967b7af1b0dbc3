//! Where there are several upstreams, whose servers they are is said.

use super::*;
use crate::records::mishap::tests::{mishap, server_of};

/// 16:58:57.4 in UTC.
const BEGIN: u64 = 1_795_625_937_400;

fn of(upstream: &str, number: u8) -> Server {
    Server { upstream: Some(upstream.into()), ..server_of(number) }
}

/// One server of `web`, two of `api`, one of them the same as that of `web`.
fn set() -> Incidents {
    let mut incidents = Incidents::new(true);
    for server in [of("web", 1), of("api", 1), of("api", 2)] {
        for news in [News::Added, News::Healthy] {
            incidents.happened(&server, Fact::News(news), BEGIN);
        }
    }
    incidents
}

fn in_vain(upstream: &str, after: u64) -> Mishap {
    let mishap = mishap("GET", BEGIN + after, 503, End::Failed(Failed::NoServer), vec![]);
    Mishap { upstream: Some(upstream.into()), ..mishap }
}

fn down(incidents: &mut Incidents, server: &Server, after: u64) {
    let refused = Fact::Probed(ProbeResult::Failed(ProbeFailure::Refused));
    incidents.happened(server, refused, BEGIN + after);
    incidents.happened(server, Fact::News(News::Vanished), BEGIN + after);
}

fn of_nobody(incidents: &Incidents) -> Vec<IncidentView> {
    incidents.views().into_iter().filter(|view| view.cause == "all_down").collect()
}

#[test]
fn no_server_of_one_upstream_is_told_while_the_other_serves() {
    let mut incidents = set();
    down(&mut incidents, &of("api", 1), 0);
    incidents.passed(&in_vain("api", 50));
    assert!(of_nobody(&incidents).is_empty(), "one of its servers serves");
    down(&mut incidents, &of("api", 2), 100);
    incidents.passed(&in_vain("api", 200));
    incidents.passed(&in_vain("web", 250));
    incidents.tick(BEGIN + 1_500);
    let told = of_nobody(&incidents);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!((told[0].upstream.as_deref(), told[0].counts.failed), (Some("api"), 1));
    assert!(
        told[0].sentence.starts_with("No server of api was left at 16:58:57.5 UTC. "),
        "{}",
        told[0].sentence
    );
    incidents.happened(&of("api", 2), Fact::News(News::Healthy), BEGIN + 2_000);
    assert_eq!(of_nobody(&incidents)[0].ended_ms, Some(BEGIN + 2_000));
}

#[test]
fn two_upstreams_without_a_server_are_two_incidents() {
    let mut incidents = set();
    for server in [of("api", 1), of("api", 2), of("web", 1)] {
        down(&mut incidents, &server, 0);
    }
    incidents.tick(BEGIN + 1_000);
    incidents.happened(&of("web", 1), Fact::News(News::Healthy), BEGIN + 3_000);
    let told = of_nobody(&incidents);
    let of = |upstream: &str| told.iter().find(|view| view.upstream.as_deref() == Some(upstream)).unwrap();
    assert_eq!(told.len(), 2);
    assert_eq!((of("api").ended_ms, of("web").ended_ms), (None, Some(BEGIN + 3_000)));
}

#[test]
fn the_sentence_says_of_which_upstream_a_server_is() {
    let mut incidents = set();
    incidents.happened(&of("web", 1), Fact::News(News::Draining), BEGIN);
    let told = incidents.views();
    assert_eq!((told.len(), told[0].upstream.as_deref()), (1, Some("web")));
    let sentence = &told[0].sentence;
    assert!(sentence.starts_with("server-1 of web was told by a person to drain at "), "{sentence}");
}

#[test]
fn no_server_of_an_upstream_is_over_when_the_upstream_is_taken_out_of_the_settings() {
    let mut incidents = set();
    for server in [of("api", 1), of("api", 2)] {
        down(&mut incidents, &server, 0);
    }
    incidents.tick(BEGIN + 1_000);
    for server in [of("api", 1), of("api", 2)] {
        incidents.happened(&server, Fact::News(News::Removed), BEGIN + 2_000);
    }
    assert_eq!(of_nobody(&incidents)[0].ended_ms, None, "its name may be found again");
    incidents.upstream_is_gone(Some("api"), BEGIN + 2_000);
    let told = of_nobody(&incidents);
    assert_eq!(told[0].ended_ms, Some(BEGIN + 2_000));
    assert_eq!(
        told[0].sentence,
        "No server of api was left at 16:58:57.4 UTC. No request came in vain. The upstream was taken out of the settings at \
         16:58:59.4 (2.0 s in all)."
    );
}

#[test]
fn no_server_was_left_ends_though_the_upstream_is_called_otherwise_by_then() {
    let mut incidents = Incidents::new(true);
    let (alone, of_default) = (server_of(1), of("default", 1));
    for news in [News::Added, News::Healthy] {
        incidents.happened(&alone, Fact::News(news), BEGIN);
    }
    down(&mut incidents, &alone, 0);
    incidents.tick(BEGIN + 1_000);
    incidents.called(&alone, &of_default);
    assert_eq!(of_nobody(&incidents)[0].upstream.as_deref(), Some("default"));
    incidents.happened(&of_default, Fact::News(News::Healthy), BEGIN + 3_000);
    let told = of_nobody(&incidents);
    assert_eq!((told.len(), told[0].ended_ms), (1, Some(BEGIN + 3_000)));
}
