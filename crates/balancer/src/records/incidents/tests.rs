//! For every cause: the facts in, the sentence out.

use std::time::Duration;

use evenkeel_upstream::attempt::Why;
use evenkeel_upstream::{Cause as Charge, ConnectFailure, Evidence, Response, ResponseFailure, Source};

use super::tally::Counts;
use super::*;
use crate::records::mishap::tests::{attempt, mishap, server_of};

/// 16:58:57.4 in UTC.
const BEGIN: u64 = 1_795_625_937_400;

const GOOD: TrailOutcome = TrailOutcome::Responded(Response::Good, 200);
const RESET: TrailOutcome = TrailOutcome::ResponseFailed(ResponseFailure::Reset);
const REFUSED: ProbeResult = ProbeResult::Failed(ProbeFailure::Refused);
const TIMED_OUT: ProbeResult = ProbeResult::Failed(ProbeFailure::TimedOut);

/// Three servers that serve.
struct Set {
    incidents: Incidents,
    lines: Vec<String>,
}

impl Set {
    fn new() -> Self {
        let mut set = Self { incidents: Incidents::new(true), lines: Vec::new() };
        for number in 1..=3 {
            set.news(number, 0, News::Added);
            set.news(number, 0, News::Healthy);
        }
        set
    }

    /// Something is new about a server, so many milliseconds after the beginning.
    fn news(&mut self, server: u8, after: u64, news: News) {
        self.incidents.happened(&server_of(server), Fact::News(news), BEGIN + after);
    }

    fn probed(&mut self, server: u8, after: u64, result: ProbeResult) {
        self.incidents.happened(&server_of(server), Fact::Probed(result), BEGIN + after);
    }

    /// A request that went to one server, where it failed `after` the beginning, and was answered by another.
    fn moved(&mut self, method: &str, server: u8, after: u64, outcome: TrailOutcome) {
        let other = server % 3 + 1;
        let attempts =
            vec![attempt(Why::First, server, 0, 10, outcome), attempt(Why::Moved, other, 12, 1, GOOD)];
        self.incidents.passed(&mishap(method, BEGIN + after - 10, 200, End::Answered, attempts));
    }

    /// A request that failed with its first attempt.
    fn failed(&mut self, method: &str, server: u8, after: u64, status: u16, outcome: TrailOutcome) {
        let attempts = vec![attempt(Why::First, server, 0, 10, outcome)];
        let end = End::Failed(Failed::Tried);
        self.incidents.passed(&mishap(method, BEGIN + after - 10, status, end, attempts));
    }

    /// Lets time pass until so many milliseconds after the beginning.
    fn pass(&mut self, until: u64) {
        let lines = self.incidents.tick(BEGIN + until);
        self.lines.extend(lines.into_iter().map(|line| line.text));
    }

    /// The only incident.
    fn only(&self) -> IncidentView {
        let views = self.incidents.views();
        assert_eq!(views.len(), 1, "{views:#?}");
        views[0].clone()
    }
}

fn ejected(cause: Charge, by: Source, lasts: Option<u64>) -> News {
    News::Ejected { cause, by, after: None, lasts: lasts.map(Duration::from_secs), times: 1 }
}

fn by_probes() -> News {
    ejected(Charge::Unreachable, Source::Probes, None)
}

#[test]
fn a_crash_says_what_moved_and_what_could_not_and_when_it_was_back() {
    let mut set = Set::new();
    for _ in 0..3 {
        set.moved("GET", 2, 0, RESET);
    }
    set.failed("POST", 2, 0, 502, RESET);
    set.failed("POST", 2, 5, 502, RESET);
    set.news(2, 1, News::Suspect(Evidence::ResponseFailed(ResponseFailure::Reset)));
    set.probed(2, 3, REFUSED);
    set.pass(400);
    set.news(2, 1_100, by_probes());
    assert_eq!(set.only().ended_ms, None);
    set.news(2, 12_800, News::Healthy);
    set.pass(15_800);
    let incident = set.only();
    assert_eq!(incident.cause, "crashed");
    assert_eq!(
        incident.sentence,
        "server-2 crashed at 16:58:57.4 UTC. 5 requests were on it: 3 GETs moved (+12 ms), 2 POSTs got 502, because they may \
         have been executed. Ejected after 1.1 s, back at 16:59:10.2 (12.8 s in all)."
    );
    assert_eq!(incident.counts, Counts { on_it: 5, moved: 3, answered: 3, failed: 2, doubled: 0 });
    assert_eq!((incident.begun_ms, incident.ended_ms), (BEGIN, Some(BEGIN + 12_800)));
    assert_eq!(incident.slowest_added_ms, Some(12.0));
    assert_eq!(set.lines, ["server-2 crashed at 16:58:57.4 UTC", incident.sentence.as_str()]);
    assert!(incident.steps[0].text.contains("connection reset"), "{:?}", incident.steps);
}

#[test]
fn a_crash_that_was_over_before_it_could_be_ejected_is_one_all_the_same() {
    let mut set = Set::new();
    set.news(1, 0, News::Suspect(Evidence::IdleClosed));
    set.probed(1, 2, REFUSED);
    set.news(1, 400, News::Cleared);
    set.pass(4_000);
    let incident = set.only();
    assert_eq!(
        incident.sentence,
        "server-1 crashed at 16:58:57.4 UTC. No request was on it. Back at 16:58:57.8 (400 ms in all)."
    );
    assert_eq!(incident.ended_ms, Some(BEGIN + 400));
    assert_eq!(set.incidents.back_ms(&server_of(1).place()), Some(BEGIN + 400));
}

#[test]
fn a_server_that_dies_in_docker_leaves_a_ghost_that_says_how() {
    let mut set = Set::new();
    set.news(2, 0, News::Suspect(Evidence::IdleClosed));
    set.news(2, 700, News::Vanished);
    set.news(2, 800, News::Removed);
    set.pass(6_000);
    let incident = set.only();
    assert_eq!(
        incident.sentence,
        "server-2 crashed at 16:58:57.4 UTC. No request was on it. No longer listed since 16:58:58.1."
    );
    assert_eq!(incident.ended_ms, Some(BEGIN + 700));
    let gone = set.incidents.gone();
    assert_eq!(
        (gone[0].server.as_str(), gone[0].left, gone[0].words.as_str()),
        ("server-2", "crashed", "crashed at 16:58:57 UTC")
    );
    // It comes back under another address.
    let back = Server { address: "10.0.0.9:80".parse().unwrap(), ..server_of(2) };
    set.incidents.happened(&back, Fact::News(News::Added), BEGIN + 60_000);
    set.incidents.happened(&back, Fact::News(News::Healthy), BEGIN + 60_100);
    set.pass(70_000);
    assert!(set.incidents.gone().is_empty());
    let incident = set.only();
    assert!(incident.sentence.ends_with("Back at 16:59:57.5 (1 min 0 s in all)."), "{}", incident.sentence);
    assert_eq!(incident.address.as_deref(), Some("10.0.0.9:80"));
}

#[test]
fn a_server_that_is_back_elsewhere_before_it_is_gone_leaves_no_ghost() {
    let mut set = Set::new();
    let back = Server { address: "10.0.0.9:80".parse().unwrap(), ..server_of(2) };
    set.moved("GET", 2, 0, RESET);
    set.news(2, 10, News::Suspect(Evidence::IdleClosed));
    set.incidents.happened(&back, Fact::News(News::Added), BEGIN + 900);
    set.news(2, 900, News::Vanished);
    set.incidents.happened(&back, Fact::News(News::Healthy), BEGIN + 950);
    set.news(2, 1_000, News::Removed);
    set.pass(5_000);
    assert!(set.incidents.gone().is_empty());
    let incident = set.only();
    assert_eq!(
        incident.sentence,
        "server-2 crashed at 16:58:57.4 UTC. 1 request was on it: 1 GET moved (+12 ms). Back at 16:58:58.4 (1.0 s in all)."
    );
    assert!(incident.ended_ms.is_some());
}

#[test]
fn ghosts_are_forgotten_after_five_minutes() {
    let mut set = Set::new();
    set.news(2, 0, News::Vanished);
    set.news(2, 10, News::Removed);
    set.pass(299_000);
    assert_eq!(set.incidents.gone()[0].left, "removed");
    set.pass(301_000);
    assert!(set.incidents.gone().is_empty());
    let incident = set.only();
    assert_eq!(incident.sentence, "server-2 was no longer listed from 16:58:57.4 UTC on.");
    assert!(!incident.alarm);
}

#[test]
fn a_stop_that_was_announced_is_no_alarm() {
    let mut set = Set::new();
    set.news(3, 0, News::Leaving);
    set.news(3, 3_000, News::Suspect(Evidence::IdleClosed));
    set.news(3, 3_200, News::Vanished);
    set.news(3, 3_300, News::Removed);
    set.pass(5_000);
    let incident = set.only();
    assert_eq!(
        incident.sentence,
        "server-3 was stopped at 16:58:57.4 UTC. No request was lost. No longer listed since 16:59:00.6."
    );
    assert!(!incident.alarm && incident.ended_ms.is_some());
    assert_eq!(set.incidents.gone()[0].left, "stopped");
}

#[test]
fn servers_stopped_in_turn_are_one_restart() {
    let mut set = Set::new();
    for number in 1..=3 {
        let begin = u64::from(number) * 5_000;
        set.news(number, begin, News::Leaving);
        set.news(number, begin + 1_000, by_probes());
        set.news(number, begin + 4_000, News::Healthy);
        set.pass(begin + 4_500);
    }
    set.moved("GET", 3, 15_500, RESET);
    set.pass(30_000);
    let incident = set.only();
    assert_eq!(incident.cause, "rolling_restart");
    assert_eq!(
        incident.sentence,
        "server-1, server-2 and server-3 were restarted one after the other from 16:59:02.4 UTC on. 1 request met it: 1 GET \
         moved (+12 ms). 3 of 3 serve again."
    );
    assert_eq!((incident.server, incident.alarm), (None, false));
    assert!(incident.ended_ms.is_some());
}

#[test]
fn a_paused_server_was_silent_and_said_so_with_its_timeouts() {
    let mut set = Set::new();
    set.news(2, 0, News::Suspect(Evidence::Silent));
    set.probed(2, 200, TIMED_OUT);
    set.probed(2, 500, TIMED_OUT);
    set.news(2, 500, by_probes());
    let silent = Try { silent: true, ..attempt(Why::First, 2, 0, 520, TrailOutcome::Overtaken) };
    let attempts = vec![silent, attempt(Why::Moved, 3, 520, 2, GOOD)];
    set.incidents.passed(&mishap("GET", BEGIN - 10, 200, End::Answered, attempts));
    let timed_out = TrailOutcome::ResponseFailed(ResponseFailure::TimedOut);
    let late = vec![attempt(Why::First, 2, 0, 30_000, timed_out)];
    set.incidents.passed(&mishap("POST", BEGIN + 10, 504, End::Failed(Failed::Tried), late));
    set.news(2, 40_000, News::Healthy);
    set.pass(50_000);
    let incident = set.only();
    assert_eq!(
        incident.sentence,
        "server-2 was silent from 16:58:57.4 UTC on (1 timeout). 2 requests met it: 1 GET moved (+520 ms), 1 POST got 504, \
         because it may have been executed. Ejected after 500 ms, serving again at 16:59:37.4 (40.0 s in all)."
    );
    assert_eq!(incident.cause, "silent");
}

#[test]
fn a_server_without_its_network_was_cut_off() {
    let mut set = Set::new();
    set.news(2, 0, News::Suspect(Evidence::Silent));
    set.news(2, 900, News::Vanished);
    set.pass(2_000);
    assert_eq!(set.only().cause, "cut_off");
    set.news(2, 1_000, News::Removed);
    set.pass(10_000);
    assert_eq!(
        set.only().sentence,
        "server-2 was cut off from the network at 16:58:57.4 UTC. No request was lost. No longer listed since 16:58:58.3."
    );
}

#[test]
fn a_server_that_corrupts_is_ejected_for_longer_each_time() {
    let mut set = Set::new();
    for round in 0..3_u64 {
        let begin = round * 5_000;
        for _ in 0..4 {
            set.moved("GET", 1, begin, TrailOutcome::WrongDigest);
        }
        set.news(1, begin + 50, ejected(Charge::Misbehaving, Source::Traffic, Some(1 << round)));
        set.news(1, begin + 4_000, News::Probation);
        set.news(1, begin + 4_100, News::Healthy);
        set.pass(begin + 4_500);
    }
    set.pass(30_000);
    let incident = set.only();
    assert_eq!(
        incident.sentence,
        "server-1 sent wrong bytes from 16:58:57.4 UTC on (12 answers did not match their digest). 12 requests met it: 12 GETs moved \
         (+12 ms). Ejected 3 times (1 s, 2 s, 4 s), serving again at 16:59:11.5 (14.1 s in all)."
    );
    assert_eq!(incident.counts, Counts { on_it: 12, moved: 12, answered: 12, failed: 0, doubled: 0 });
}

#[test]
fn a_server_at_which_requests_waited_in_vain_has_not_crashed_though_it_closed_what_was_idle() {
    let mut set = Set::new();
    let timed_out = TrailOutcome::ResponseFailed(ResponseFailure::TimedOut);
    set.moved("GET", 2, 2_000, timed_out);
    set.news(2, 2_001, News::Suspect(Evidence::IdleClosed));
    set.probed(2, 2_200, TIMED_OUT);
    set.news(2, 2_200, by_probes());
    assert_eq!(set.only().cause, "silent");
}

#[test]
fn a_server_that_breaks_answers_off_has_not_crashed() {
    let mut set = Set::new();
    set.moved("GET", 1, 0, TrailOutcome::ResponseFailed(ResponseFailure::Truncated));
    set.news(1, 1, News::Suspect(Evidence::ResponseFailed(ResponseFailure::Truncated)));
    set.news(1, 9, News::Cleared);
    let cut = mishap(
        "GET",
        BEGIN,
        200,
        End::CutOff,
        vec![attempt(Why::First, 1, 0, 90, TrailOutcome::ResponseFailed(ResponseFailure::Truncated))],
    );
    set.incidents.passed(&cut);
    set.pass(11_000);
    let incident = set.only();
    assert_eq!(
        incident.sentence,
        "server-1 broke 2 requests off from 16:58:57.4 UTC on. 2 requests met it: 1 GET moved (+12 ms), 1 GET was cut off, \
         because its answer had begun. It went on serving."
    );
    assert_eq!(incident.ended_ms, Some(BEGIN + 90));
}

#[test]
fn connections_that_were_idle_and_closed_count_once_somebody_noticed() {
    let mut set = Set::new();
    set.moved("GET", 1, 0, TrailOutcome::Stale);
    set.pass(100);
    assert!(set.incidents.views().is_empty(), "servers close idle connections as they like");
    set.failed("POST", 1, 20, 502, TrailOutcome::Stale);
    assert_eq!(
        set.only().sentence,
        "server-1 broke 2 requests off from 16:58:57.4 UTC on. 2 requests met it: 1 GET moved (+12 ms), 1 POST got 502, because \
         it may have been executed."
    );
    set.probed(1, 30, REFUSED);
    assert!(
        set.only()
            .sentence
            .starts_with("server-1 crashed at 16:58:57.4 UTC. 2 requests were on it: 1 GET moved")
    );
}

#[test]
fn errors_that_others_do_not_have_are_told_from_the_third_on() {
    let unable = TrailOutcome::Responded(Response::Unable, 503);
    let mut set = Set::new();
    set.moved("GET", 1, 0, unable);
    set.moved("GET", 1, 10, unable);
    assert!(set.incidents.views().is_empty());
    set.moved("GET", 1, 20, unable);
    assert_eq!(
        set.only().sentence,
        "server-1 answered with errors from 16:58:57.4 UTC on. 3 requests met it: 3 GETs moved (+12 ms)."
    );
}

#[test]
fn what_all_servers_answer_alike_is_nobodys() {
    let mut set = Set::new();
    let attempts = (1..=3).map(|server| attempt(Why::Moved, server, 0, 10, RESET)).collect();
    set.incidents.passed(&mishap("GET", BEGIN, 502, End::Failed(Failed::Tried), attempts));
    set.pass(1_000);
    assert!(set.incidents.views().is_empty());
}

#[test]
fn where_no_connection_comes_about_every_request_can_move() {
    let mut set = Set::new();
    set.moved("POST", 1, 0, TrailOutcome::ConnectFailed(ConnectFailure::Unreachable));
    assert_eq!(
        set.only().sentence,
        "server-1 could not be reached from 16:58:57.4 UTC on. 1 request met it: 1 POST moved (+12 ms)."
    );
    assert_eq!(set.only().counts.doubled, 0, "nothing had been sent");
}

#[test]
fn a_busy_machine_makes_no_incident() {
    let mut set = Set::new();
    for second in 0..20 {
        let at = second * 1_000;
        set.news(1, at, News::Suspect(Evidence::Silent));
        set.probed(1, at + 50, TIMED_OUT);
        let slow = Try { silent: true, ..attempt(Why::First, 1, 0, 60, TrailOutcome::Overtaken) };
        let hedged = vec![slow, attempt(Why::Hedge, 2, 60, 5, GOOD)];
        set.incidents.passed(&mishap("GET", BEGIN + at, 200, End::Answered, hedged));
        set.news(2, at, News::Suspect(Evidence::IdleClosed));
        set.news(1, at + 90, News::Cleared);
        set.news(2, at + 90, News::Cleared);
        set.pass(at + 500);
    }
    assert!(set.incidents.views().is_empty() && set.lines.is_empty());
}

#[test]
fn a_server_that_never_served_cannot_fail() {
    let mut incidents = Incidents::new(true);
    let server = server_of(1);
    incidents.happened(&server, Fact::News(News::Added), BEGIN);
    incidents.happened(&server, Fact::Probed(REFUSED), BEGIN + 10);
    incidents.tick(BEGIN + 5_000);
    assert!(incidents.views().is_empty());
}

#[test]
fn a_person_drains_and_nobody_is_alarmed() {
    let mut set = Set::new();
    set.news(1, 0, News::Draining);
    set.pass(60_000);
    assert_eq!(set.only().ended_ms, None);
    set.news(1, 90_000, News::Activated);
    set.pass(90_100);
    let incident = set.only();
    assert_eq!(
        incident.sentence,
        "server-1 was told by a person to drain at 16:58:57.4 UTC. Serving again at 17:00:27.4 (1 min 30 s in all)."
    );
    assert!(!incident.alarm && incident.ended_ms.is_some());
}

#[test]
fn when_all_are_down_the_clients_who_came_in_vain_are_counted() {
    let mut set = Set::new();
    for number in 1..=3 {
        set.probed(number, 0, REFUSED);
        set.news(number, 100, by_probes());
    }
    let vain = |at| mishap("GET", BEGIN + at, 503, End::Failed(Failed::NoServer), vec![]);
    set.incidents.passed(&vain(200));
    set.incidents.passed(&vain(300));
    set.news(2, 2_200, News::Healthy);
    set.incidents.passed(&vain(2_100));
    set.pass(6_000);
    let views = set.incidents.views();
    let all = views.iter().find(|view| view.cause == "all_down").unwrap();
    assert_eq!(
        all.sentence,
        "No server was left at 16:58:57.5 UTC. 3 requests came in vain: 3 GETs got 503, because no server was left. The first \
         served again at 16:58:59.6 (2.1 s in all)."
    );
    assert_eq!((all.server.as_deref(), all.counts.failed), (None, 3));
    assert_eq!(views.len(), 4);
}

#[test]
fn a_timeout_that_comes_after_the_end_belongs_to_it_still() {
    let mut set = Set::new();
    set.probed(2, 0, REFUSED);
    set.news(2, 100, by_probes());
    set.news(2, 1_000, News::Healthy);
    set.pass(5_000);
    assert!(set.only().ended_ms.is_some());
    let late =
        vec![attempt(Why::First, 2, 0, 30_000, TrailOutcome::ResponseFailed(ResponseFailure::TimedOut))];
    set.incidents.passed(&mishap("POST", BEGIN + 50, 504, End::Failed(Failed::Tried), late));
    let incident = set.only();
    assert_eq!(incident.counts.failed, 1);
    assert_eq!(incident.ended_ms, Some(BEGIN + 1_000));
}

#[test]
fn counts_that_are_not_whole_say_at_least() {
    let mut set = Set::new();
    set.moved("GET", 2, 0, RESET);
    set.probed(2, 1, REFUSED);
    set.incidents.missed();
    assert!(
        set.only().sentence.contains("At least 1 request was on it: 1 GET moved"),
        "{}",
        set.only().sentence
    );
    assert!(set.only().at_least);
}

#[test]
fn a_post_that_was_sent_twice_is_counted() {
    let mut set = Set::new();
    set.moved("POST", 2, 0, RESET);
    assert_eq!(set.only().counts.doubled, 1);
}

#[test]
fn the_oldest_make_room_and_only_what_changed_is_told_again() {
    let mut set = Set::new();
    for round in 0..70 {
        let at = round * 10_000;
        set.news(1, at, News::Draining);
        set.news(1, at + 1_000, News::Activated);
        set.pass(at + 2_000);
    }
    let views = set.incidents.views();
    assert_eq!((views.len(), views[0].id, set.incidents.newest()), (KEPT, 7, 70));
    assert_eq!(set.incidents.take_changed(100).len(), KEPT);
    assert!(set.incidents.take_changed(100).is_empty());
}
