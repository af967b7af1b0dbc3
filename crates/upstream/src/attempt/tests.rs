//! The rules of moving, one sentence each.

use std::time::Duration;

use super::*;
use crate::endpoint::EndpointId;
use crate::evidence::ConnectFailure::{Refused, TimedOut};
use crate::evidence::ResponseFailure::{self, Closed, Reset, Truncated};
use crate::settings::{BudgetSettings, HedgeBudget};

const MS: Duration = Duration::from_millis(1);
const A: TryNo = TryNo::new(0);
const B: TryNo = TryNo::new(1);
const C: TryNo = TryNo::new(2);
const D: TryNo = TryNo::new(3);

const GET: Plan = Plan { repeat: Repeat::Freely, hedgeable: true, replayable: true };
const PUT: Plan = Plan { repeat: Repeat::Freely, hedgeable: false, replayable: true };
const POST: Plan = Plan { repeat: Repeat::Never, hedgeable: false, replayable: true };
const KEYED_POST: Plan = Plan { repeat: Repeat::InTurn, hedgeable: false, replayable: true };

const USUAL: Usual = Usual {
    connect: Some(MS),
    head: Some(Duration::from_millis(2)),
    hedge_after: Some(Duration::from_millis(10)),
};

/// A request and the shell around it.
struct Request {
    attempts: Attempts,
    budgets: Budgets,
    begun: Instant,
    now: Instant,
}

impl Request {
    #[expect(clippy::disallowed_methods, reason = "any moment does as the beginning of a virtual clock")]
    fn new(plan: Plan) -> Self {
        let now = Instant::now();
        let settings = AttemptSettings { hedge: false, ..AttemptSettings::default() };
        let budgets = Budgets::new(BudgetSettings::default(), HedgeBudget::default());
        let mut request = Self { attempts: Attempts::new(plan, &settings, now), budgets, begun: now, now };
        assert_eq!(request.on(Event::Start), [Action::Try(A, Why::First)]);
        request
    }

    fn hedging(plan: Plan) -> Self {
        let mut request = Self::new(plan);
        request.attempts.settings.hedge = true;
        request.budgets.grant_hedges(10);
        request
    }

    fn on(&mut self, event: Event<'_>) -> Vec<Action> {
        self.attempts.on(event, &self.budgets, self.now).to_vec()
    }

    fn chosen(&mut self, number: TryNo, reused: bool) {
        let endpoint = EndpointId(number.index() as u32);
        assert_eq!(self.on(Event::Chosen { number, endpoint, usual: USUAL, reused }), []);
    }

    /// An endpoint, an idle connection and the whole request on it.
    fn sent(&mut self, number: TryNo) {
        self.chosen(number, true);
        self.write(number);
    }

    fn connecting(&mut self, number: TryNo) {
        self.chosen(number, false);
    }

    fn write(&mut self, number: TryNo) {
        assert_eq!(self.on(Event::ByteSent(number)), []);
        assert_eq!(self.on(Event::RequestSent(number)), []);
    }

    fn connected(&mut self, number: TryNo) {
        assert_eq!(self.on(Event::Connected(number)), []);
        self.write(number);
    }

    fn head(&mut self, number: TryNo, status: u16) -> Vec<Action> {
        self.on(Event::Head { number, status, held: true })
    }

    fn whole(&mut self, number: TryNo) -> Vec<Action> {
        self.on(Event::Whole(number, Verdict::Right))
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
    }

    /// Wakes whenever it wants to be woken, with healthy endpoints, until it does something.
    fn wake_until_it_acts(&mut self) -> Vec<Action> {
        self.wake_with(|number| Condition { number, down: false, last_heard: None, others_heard: None })
    }

    /// The same with endpoints of which only the others answer.
    fn wake_in_silence(&mut self) -> Vec<Action> {
        let begun = self.begun;
        let others_heard = Some(begun + Duration::from_hours(1));
        self.wake_with(|number| Condition { number, down: false, last_heard: Some(begun), others_heard })
    }

    fn wake_with(&mut self, condition: impl Fn(TryNo) -> Condition) -> Vec<Action> {
        for _ in 0..10_000 {
            self.now = self.attempts.next_wake().expect("nothing to wait for").max(self.now);
            let conditions: Vec<_> = self.attempts.numbers().map(&condition).collect();
            let actions = self.on(Event::Woke(&conditions));
            if !actions.is_empty() {
                return actions;
            }
        }
        panic!("woke ten thousand times for nothing");
    }

    fn waited(&self) -> Duration {
        self.now - self.begun
    }

    fn fails_to_connect(&mut self, number: TryNo) -> Vec<Action> {
        self.on(Event::ConnectFailed(number, Refused))
    }
}

fn reply(actions: &[Action]) -> Option<Failure> {
    actions.iter().find_map(|action| match action {
        Action::Reply(failure) => Some(*failure),
        _ => None,
    })
}

fn status(actions: &[Action]) -> u16 {
    reply(actions).unwrap_or_else(|| panic!("no reply in {actions:?}")).status()
}

fn report(number: TryNo, evidence: Evidence) -> Action {
    Action::Report(number, evidence)
}

#[test]
fn the_usual_request_is_answered_by_its_first_try() {
    let mut request = Request::new(GET);
    request.sent(A);
    assert_eq!(request.head(A, 200), []);
    assert_eq!(request.whole(A), [Action::Commit(A)]);
    assert_eq!(request.attempts.committed(), Some(A));
    assert!(!request.attempts.is_masked());
    assert_eq!(request.attempts.next_wake(), None);
}

#[test]
fn a_stream_goes_to_the_client_with_its_head() {
    let mut request = Request::new(GET);
    request.sent(A);
    assert_eq!(request.on(Event::Head { number: A, status: 200, held: false }), [Action::Commit(A)]);
}

#[test]
fn any_method_moves_after_a_failed_connect() {
    for plan in [GET, PUT, POST, KEYED_POST] {
        let mut request = Request::new(plan);
        request.connecting(A);
        let moved = [report(A, Evidence::ConnectFailed(Refused)), Action::Try(B, Why::Moved)];
        assert_eq!(request.fails_to_connect(A), moved);
        request.sent(B);
        request.head(B, 200);
        assert_eq!(request.whole(B), [Action::Commit(B)]);
        assert!(request.attempts.is_masked());
    }
}

#[test]
fn a_connect_ends_after_its_timeout() {
    let mut request = Request::new(POST);
    request.attempts.settings.race = false;
    request.connecting(A);
    let actions = request.wake_until_it_acts();
    let failed = Evidence::ConnectFailed(TimedOut);
    assert_eq!(actions, [Action::Cancel(A), report(A, failed), Action::Try(B, Why::Moved)]);
    assert_eq!(request.waited(), Duration::from_secs(1));
}

#[test]
fn a_repeatable_request_moves_when_its_connection_breaks() {
    for (plan, why) in [(GET, Reset), (PUT, Closed), (GET, Truncated)] {
        let mut request = Request::new(plan);
        request.sent(A);
        let moved = [report(A, Evidence::ResponseFailed(why)), Action::Try(B, Why::Moved)];
        assert_eq!(request.on(Event::Broken(A, why)), moved);
    }
}

#[test]
fn a_post_that_was_sent_never_moves() {
    for why in [Reset, Closed, Truncated, ResponseFailure::Garbage] {
        let mut request = Request::new(POST);
        request.sent(A);
        let actions = request.on(Event::Broken(A, why));
        assert_eq!(status(&actions), 502, "{why:?}");
        assert!(!actions.iter().any(|action| matches!(action, Action::Try(..) | Action::Reconnect(_))));
    }
}

#[test]
fn a_post_of_which_one_byte_was_sent_never_moves() {
    let mut request = Request::new(POST);
    request.chosen(A, true);
    request.on(Event::ByteSent(A));
    assert_eq!(status(&request.on(Event::Broken(A, Reset))), 502);
}

#[test]
fn a_post_of_which_nothing_was_sent_moves() {
    let mut request = Request::new(POST);
    request.chosen(A, true);
    let actions = request.on(Event::Broken(A, Reset));
    assert_eq!(actions.last(), Some(&Action::Try(B, Why::Moved)));
}

#[test]
fn a_held_response_that_breaks_moves_and_a_stream_does_not() {
    let mut request = Request::new(GET);
    request.sent(A);
    request.head(A, 200);
    assert_eq!(request.on(Event::Broken(A, Truncated)).last(), Some(&Action::Try(B, Why::Moved)));

    let mut request = Request::new(GET);
    request.sent(A);
    request.on(Event::Head { number: A, status: 200, held: false });
    let only_reported = [report(A, Evidence::ResponseFailed(Truncated))];
    assert_eq!(request.on(Event::Broken(A, Truncated)), only_reported);
}

#[test]
fn a_body_that_is_not_kept_allows_no_second_sending() {
    let mut request = Request::new(PUT);
    request.chosen(A, true);
    request.on(Event::ByteSent(A));
    request.on(Event::BodyLost);
    assert_eq!(status(&request.on(Event::Broken(A, Reset))), 502);

    let mut request = Request::new(PUT);
    request.on(Event::BodyLost);
    request.connecting(A);
    assert_eq!(request.fails_to_connect(A).last(), Some(&Action::Try(B, Why::Moved)));
}

#[test]
fn statuses_of_a_broken_server_move_and_others_do_not() {
    for code in [502, 503, 504] {
        let mut request = Request::new(GET);
        request.sent(A);
        let moved = [report(A, Evidence::Status(code)), Action::Try(B, Why::Retry)];
        assert_eq!(request.head(A, code), moved);
    }
    for code in [200, 204, 304, 401, 404, 429, 500, 501, 505] {
        let mut request = Request::new(GET);
        request.sent(A);
        assert!(!request.head(A, code).iter().any(|action| matches!(action, Action::Try(..))), "{code}");
        assert_eq!(request.whole(A), [Action::Commit(A)], "{code}");
    }
}

#[test]
fn a_status_of_a_post_passes_through() {
    let mut request = Request::new(POST);
    request.sent(A);
    assert_eq!(request.head(A, 503), [report(A, Evidence::Status(503))]);
    assert_eq!(request.whole(A), [Action::Commit(A)]);
}

#[test]
fn retries_on_a_status_draw_on_the_budget() {
    let mut request = Request::new(GET);
    while request.budgets.take_retry() {}
    request.sent(A);
    assert_eq!(request.head(A, 503), [report(A, Evidence::Status(503))]);
    assert_eq!(request.whole(A), [Action::Commit(A)]);
}

#[test]
fn moves_away_from_a_dead_endpoint_do_not() {
    let mut request = Request::new(GET);
    while request.budgets.take_retry() {}
    request.sent(A);
    assert_eq!(request.on(Event::Broken(A, Reset)).last(), Some(&Action::Try(B, Why::Moved)));
}

#[test]
fn there_are_at_most_four_attempts() {
    let mut request = Request::new(GET);
    for number in [A, B, C] {
        request.connecting(number);
        assert!(request.fails_to_connect(number).iter().any(|action| matches!(action, Action::Try(..))));
    }
    request.connecting(D);
    let actions = request.fails_to_connect(D);
    assert_eq!((status(&actions), actions.len()), (503, 2), "{actions:?}");
}

#[test]
fn settings_may_allow_fewer() {
    let mut request = Request::new(GET);
    request.attempts.settings.max = 1;
    request.sent(A);
    assert_eq!(status(&request.on(Event::Broken(A, Reset))), 502);
}

#[test]
fn with_no_endpoint_at_all_the_client_is_told_when_to_ask_again() {
    for (why, error) in [
        (Unavailable::AllUnreachable, "destination_unavailable"),
        (Unavailable::AllBusy, "connection_limit_reached"),
    ] {
        let mut request = Request::new(POST);
        let failure = reply(&request.on(Event::NoneLeft(why))).unwrap();
        assert_eq!((failure.status(), failure.proxy_error()), (503, error));
        assert_eq!(failure.retry_after, Some(Duration::from_secs(1)));
    }
}

#[test]
fn a_servers_error_is_the_last_word_when_nothing_better_comes() {
    let mut request = Request::new(GET);
    request.sent(A);
    request.head(A, 503);
    request.whole(A);
    request.connecting(B);
    assert_eq!(request.fails_to_connect(B).last(), Some(&Action::Try(C, Why::Moved)));
    assert_eq!(request.on(Event::NoneLeft(Unavailable::NoneUntried)), [Action::Commit(A)]);
    assert!(!request.attempts.is_masked());
}

#[test]
fn the_last_of_several_server_errors_is_the_last_word() {
    let mut request = Request::new(GET);
    request.sent(A);
    request.head(A, 503);
    request.sent(B);
    request.head(B, 502);
    let actions = request.on(Event::NoneLeft(Unavailable::NoneUntried));
    assert_eq!(actions, [Action::Cancel(A), Action::Commit(B)]);
}

#[test]
fn a_parked_response_that_breaks_is_no_last_word() {
    let mut request = Request::new(GET);
    request.sent(A);
    request.head(A, 503);
    request.sent(B);
    request.on(Event::Broken(A, Truncated));
    let actions = request.on(Event::Broken(B, Reset));
    assert_eq!(actions.last(), Some(&Action::Try(C, Why::Moved)));
    assert_eq!(status(&request.on(Event::NoneLeft(Unavailable::NoneUntried))), 502);
}

#[test]
fn a_timeout_tells_more_than_a_failed_connect() {
    let mut request = Request::new(GET);
    request.sent(A);
    let timed_out = report(A, Evidence::ResponseFailed(ResponseFailure::TimedOut));
    assert_eq!(request.wake_until_it_acts(), [Action::Cancel(A), timed_out, Action::Try(B, Why::Moved)]);
    request.connecting(B);
    request.fails_to_connect(B);
    assert_eq!(status(&request.on(Event::NoneLeft(Unavailable::NoneUntried))), 504);
}

#[test]
fn a_post_waits_until_the_response_timeout() {
    let mut request = Request::new(POST);
    request.sent(A);
    assert_eq!(request.wake_in_silence(), [report(A, Evidence::Silent)]);
    assert_eq!(request.on(Event::EndpointDown(A)), []);
    assert_eq!(status(&request.wake_in_silence()), 504);
    assert_eq!(request.waited(), Duration::from_secs(30));
}

#[test]
fn a_get_moves_away_from_silence() {
    let mut request = Request::new(GET);
    request.sent(A);
    assert_eq!(request.wake_in_silence(), [report(A, Evidence::Silent), Action::Try(B, Why::Moved)]);
    assert_eq!(request.waited(), 50 * MS);
}

#[test]
fn silence_of_all_is_nobodys() {
    let mut request = Request::new(GET);
    request.sent(A);
    let actions = request.wake_until_it_acts();
    assert_eq!(request.waited(), Duration::from_secs(30), "{actions:?}");
}

#[test]
fn an_endpoint_that_answers_others_is_not_silent() {
    let mut request = Request::new(GET);
    request.sent(A);
    let late = Some(request.begun + Duration::from_hours(1));
    request.wake_with(|number| Condition { number, down: false, last_heard: late, others_heard: late });
    assert_eq!(request.waited(), Duration::from_secs(30));
}

#[test]
fn a_get_moves_when_its_endpoint_goes_down_and_takes_whichever_answer_comes_first() {
    for (first, other) in [(A, B), (B, A)] {
        let mut request = Request::new(GET);
        request.sent(A);
        let down = |number| Condition { number, down: true, last_heard: None, others_heard: None };
        assert_eq!(request.wake_with(down), [Action::Try(B, Why::Moved)]);
        assert_eq!(request.waited(), 50 * MS);
        request.sent(B);
        request.head(first, 200);
        assert_eq!(request.whole(first), [Action::Cancel(other), Action::Commit(first)]);
        assert_eq!(request.head(other, 200), [], "a late answer reaches nobody");
    }
}

#[test]
fn it_moves_away_from_an_endpoint_once() {
    let mut request = Request::new(GET);
    request.sent(A);
    assert_eq!(request.on(Event::EndpointDown(A)), [Action::Try(B, Why::Moved)]);
    assert_eq!(request.on(Event::EndpointDown(A)), []);
    request.sent(B);
    assert_eq!(request.on(Event::EndpointDown(A)), []);
    assert_eq!(request.on(Event::EndpointDown(B)), [Action::Try(C, Why::Moved)]);
}

#[test]
fn where_there_is_nowhere_to_go_it_waits_on() {
    let mut request = Request::new(GET);
    request.sent(A);
    request.on(Event::EndpointDown(A));
    assert_eq!(request.on(Event::NoneLeft(Unavailable::NoneUntried)), []);
    request.head(A, 200);
    assert_eq!(request.whole(A), [Action::Commit(A)]);
}

#[test]
fn a_keyed_post_is_never_in_two_places_at_once() {
    let mut request = Request::new(KEYED_POST);
    request.sent(A);
    assert_eq!(request.on(Event::EndpointDown(A)), [Action::Cancel(A), Action::Try(B, Why::Moved)]);
    request.sent(B);
    assert_eq!(request.head(A, 200), []);
}

#[test]
fn a_slow_connect_races_a_second_endpoint() {
    let mut request = Request::new(POST);
    request.connecting(A);
    assert_eq!(request.wake_until_it_acts(), [Action::Try(B, Why::Race)]);
    assert_eq!(request.waited(), 5 * MS, "four times the usual, but not less than five");
    request.connecting(B);
    assert_eq!(request.on(Event::Connected(B)), [Action::Cancel(A)]);
    request.write(B);
    assert_eq!(request.on(Event::Connected(A)), [], "the loser has lost");
    request.head(B, 200);
    assert_eq!(request.whole(B), [Action::Commit(B)]);
}

#[test]
fn the_slower_one_may_still_win_the_race() {
    let mut request = Request::new(POST);
    request.connecting(A);
    request.wake_until_it_acts();
    request.connecting(B);
    assert_eq!(request.on(Event::Connected(A)), [Action::Cancel(B)]);
    request.write(A);
}

#[test]
fn a_lost_race_after_a_long_silence_is_suspicious() {
    let mut request = Request::new(GET);
    request.connecting(A);
    request.wake_until_it_acts();
    request.connecting(B);
    request.wait(60 * MS);
    assert_eq!(request.on(Event::Connected(B)), [report(A, Evidence::Silent), Action::Cancel(A)]);
}

#[test]
fn a_race_without_a_second_endpoint_is_none() {
    let mut request = Request::new(POST);
    request.connecting(A);
    request.wake_until_it_acts();
    assert_eq!(request.on(Event::NoneLeft(Unavailable::NoneUntried)), []);
    request.connected(A);
    request.head(A, 200);
    assert_eq!(request.whole(A), [Action::Commit(A)]);
}

#[test]
fn a_get_without_an_answer_is_hedged_once() {
    let mut request = Request::hedging(GET);
    request.sent(A);
    assert_eq!(request.wake_until_it_acts(), [Action::Try(B, Why::Hedge)]);
    assert_eq!(request.waited(), 10 * MS);
    request.sent(B);
    request.head(B, 200);
    assert_eq!(request.whole(B), [Action::Cancel(A), Action::Commit(B)]);
    assert!(!request.attempts.is_masked(), "slow is not wrong");
}

#[test]
fn a_put_is_not_hedged_and_neither_is_a_get_without_a_budget() {
    for (plan, hedges) in [(PUT, 1), (GET, 0)] {
        let mut request = Request::hedging(plan);
        while hedges == 0 && request.budgets.take_hedge() {}
        request.sent(A);
        request.wake_until_it_acts();
        assert_eq!(request.waited(), Duration::from_secs(30));
    }
}

#[test]
fn a_hedge_that_fails_leaves_the_first_try_waiting() {
    let mut request = Request::hedging(GET);
    request.sent(A);
    request.wake_until_it_acts();
    request.connecting(B);
    assert_eq!(request.fails_to_connect(B), [report(B, Evidence::ConnectFailed(Refused))]);
    request.head(A, 200);
    assert_eq!(request.whole(A), [Action::Commit(A)]);
}

#[test]
fn a_stale_connection_moves_what_may_be_repeated() {
    for (plan, bytes_sent) in [(GET, true), (GET, false), (POST, false)] {
        let mut request = Request::new(plan);
        request.chosen(A, true);
        let moved = [report(A, Evidence::IdleClosed), Action::Try(B, Why::Moved)];
        assert_eq!(request.on(Event::Stale { number: A, bytes_sent }), moved);
    }
    let mut request = Request::new(POST);
    request.sent(A);
    assert_eq!(status(&request.on(Event::Stale { number: A, bytes_sent: true })), 502);
}

#[test]
fn a_stale_connection_allows_one_fresh_one_where_there_is_no_other_endpoint() {
    let mut request = Request::new(POST);
    request.chosen(A, true);
    request.on(Event::Stale { number: A, bytes_sent: false });
    assert_eq!(request.on(Event::NoneLeft(Unavailable::NoneUntried)), [Action::Reconnect(A)]);
    request.connected(A);
    let actions = request.on(Event::Stale { number: A, bytes_sent: true });
    assert_eq!(status(&actions), 502);
}

#[test]
fn the_fresh_connection_is_there_after_the_others_have_failed() {
    let mut request = Request::new(GET);
    request.sent(A);
    request.on(Event::Stale { number: A, bytes_sent: true });
    request.connecting(B);
    assert_eq!(request.fails_to_connect(B).last(), Some(&Action::Try(C, Why::Moved)));
    assert_eq!(request.on(Event::NoneLeft(Unavailable::NoneUntried)), [Action::Reconnect(A)]);
    assert_eq!(request.fails_to_connect(A).last(), Some(&Action::Try(C, Why::Moved)));
    assert_eq!(status(&request.on(Event::NoneLeft(Unavailable::NoneUntried))), 503);
}

#[test]
fn a_wrong_digest_moves_and_is_reported_when_another_was_right() {
    let mut request = Request::new(GET);
    request.sent(A);
    request.head(A, 200);
    assert_eq!(request.on(Event::Whole(A, Verdict::WrongDigest(1))), [Action::Try(B, Why::Retry)]);
    request.sent(B);
    request.head(B, 200);
    assert_eq!(request.whole(B), [report(A, Evidence::WrongDigest), Action::Commit(B)]);
    assert!(request.attempts.is_masked());
}

#[test]
fn a_wrong_digest_of_a_post_is_a_502() {
    let mut request = Request::new(POST);
    request.sent(A);
    request.head(A, 200);
    let actions = request.on(Event::Whole(A, Verdict::WrongDigest(1)));
    assert_eq!((status(&actions), actions[0]), (502, report(A, Evidence::WrongDigest)));
}

#[test]
fn the_same_wrong_bytes_from_everyone_are_nobodys_fault() {
    for (second, reports) in [(1, 0), (2, 2)] {
        let mut request = Request::new(GET);
        request.sent(A);
        request.head(A, 200);
        request.on(Event::Whole(A, Verdict::WrongDigest(1)));
        request.sent(B);
        request.head(B, 200);
        request.on(Event::Whole(B, Verdict::WrongDigest(second)));
        let actions = request.on(Event::NoneLeft(Unavailable::NoneUntried));
        assert_eq!((status(&actions), actions.len()), (502, reports + 1), "{actions:?}");
    }
}

#[test]
fn a_missing_digest_is_reported_and_passed_on() {
    let mut request = Request::new(GET);
    request.sent(A);
    request.head(A, 200);
    let actions = request.on(Event::Whole(A, Verdict::MissingDigest));
    assert_eq!(actions, [report(A, Evidence::MissingDigest), Action::Commit(A)]);
}

#[test]
fn everything_ends_at_the_deadline() {
    let mut request = Request::new(GET);
    request.attempts.settings.response_timeout = Duration::from_hours(1);
    request.sent(A);
    let actions = request.wake_until_it_acts();
    assert_eq!(request.waited(), Duration::from_mins(1));
    assert_eq!((status(&actions), actions.contains(&Action::Cancel(A))), (504, true));
}

#[test]
fn at_the_deadline_a_servers_error_is_still_the_last_word() {
    let mut request = Request::new(GET);
    request.attempts.settings.response_timeout = Duration::from_hours(1);
    request.sent(A);
    request.head(A, 503);
    request.sent(B);
    let actions = request.wake_until_it_acts();
    assert_eq!(actions.last(), Some(&Action::Commit(A)), "{actions:?}");
}

#[test]
fn a_client_that_is_gone_takes_everything_with_it() {
    let mut request = Request::new(GET);
    request.sent(A);
    request.on(Event::EndpointDown(A));
    request.sent(B);
    assert_eq!(request.on(Event::ClientGone), [Action::Cancel(A), Action::Cancel(B)]);
    assert_eq!(request.head(A, 200), []);

    let mut request = Request::new(GET);
    request.sent(A);
    request.on(Event::Head { number: A, status: 200, held: false });
    assert_eq!(request.on(Event::ClientGone), [Action::Cancel(A)]);
}

#[test]
fn the_trail_tells_what_each_attempt_did() {
    let mut request = Request::new(GET);
    request.connecting(A);
    request.fails_to_connect(A);
    request.sent(B);
    request.head(B, 503);
    request.sent(C);
    request.head(C, 200);
    request.whole(C);
    let trail: Vec<_> = request.attempts.trail().map(|entry| (entry.why, entry.outcome)).collect();
    let expected = [
        (Why::First, TrailOutcome::ConnectFailed(Refused)),
        (Why::Moved, TrailOutcome::Status(503)),
        (Why::Retry, TrailOutcome::Status(200)),
    ];
    assert_eq!(trail, expected);
}
