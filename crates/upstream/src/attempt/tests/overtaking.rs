//! Before a failure: silence, races and hedges.

use super::*;

#[test]
fn silence_asks_the_probe_and_moves_nobody() {
    for plan in [GET, PUT, POST, CACHED_GET, SESSION_GET] {
        let mut request = Request::new(plan);
        request.sent(A);
        assert_eq!(request.wake_in_silence(), [report(A, Evidence::Silent)], "{plan:?}");
        assert_eq!(request.waited(), 50 * MS);
        request.wake_in_silence();
        assert_eq!(request.waited(), Duration::from_secs(30), "{plan:?}");
    }
}

#[test]
fn what_is_slow_now_and_then_is_not_silent_before_twice_that() {
    let mut request = Request::new(GET);
    let usual = Usual { slowest: Some(800 * MS), ..USUAL };
    let chosen = Event::Chosen { number: A, endpoint: EndpointId(0), usual, reused: true };
    assert_eq!(request.on(chosen), []);
    request.write(A);
    assert_eq!(request.wake_in_silence(), [report(A, Evidence::Silent)]);
    assert_eq!(request.waited(), 1_600 * MS);
}

#[test]
fn what_was_never_seen_is_waited_for_for_a_second() {
    let mut request = Request::hedging(GET);
    let unknown = Usual { connect: Some(MS), ..Usual::default() };
    let chosen = Event::Chosen { number: A, endpoint: EndpointId(0), usual: unknown, reused: true };
    assert_eq!(request.on(chosen), []);
    request.write(A);
    assert_eq!(request.wake_in_silence(), [report(A, Evidence::Silent)]);
    assert_eq!(request.waited(), Duration::from_secs(1));
}

#[test]
fn who_moves_when_a_failed_probe_confirms_the_suspicion() {
    for (plan, moves) in [(GET, true), (PUT, false), (POST, false), (CACHED_GET, true), (SESSION_GET, false)]
    {
        let mut request = Request::new(plan);
        request.sent(A);
        request.wake_in_silence();
        let actions = request.goes_down(A, Down::Confirmed);
        assert_eq!(actions == [Action::Try(B, Why::Moved)], moves, "{plan:?}: {actions:?}");
        assert!(moves || actions.is_empty(), "{plan:?}: {actions:?}");
    }
}

#[test]
fn who_moves_when_the_endpoint_is_ejected() {
    for (plan, down, expected) in [
        (GET, UNREACHABLE, &[Action::Try(B, Why::Moved)][..]),
        (GET, MISBEHAVING, &[Action::Try(B, Why::Moved)]),
        (SESSION_GET, MISBEHAVING, &[Action::Try(B, Why::Moved)]),
        (PUT, UNREACHABLE, &[Action::Try(B, Why::Moved)]),
        (PUT, MISBEHAVING, &[]),
        (POST, UNREACHABLE, &[]),
        (POST, MISBEHAVING, &[]),
    ] {
        let mut request = Request::new(plan);
        request.sent(A);
        assert_eq!(request.goes_down(A, down), expected, "{plan:?} {down:?}");
    }
}

#[test]
fn what_may_be_at_work_on_a_request_is_left_only_when_that_is_late() {
    let ejected = Down::Ejected(Cause::Unanswering);
    for (plan, down, moves) in [
        (GET, Down::Unanswered, true),
        (GET, ejected, true),
        (PUT, ejected, true),
        (PUT, Down::Unanswered, false),
        (POST, ejected, false),
        (GET, Down::Busy, false),
    ] {
        let mut request = Request::new(plan);
        request.sent(A);
        request.wait(Duration::from_millis(49));
        assert_eq!(request.goes_down(A, down), [], "{plan:?} {down:?}");
        request.wait(Duration::from_millis(1));
        let actions = request.goes_down(A, down);
        assert_eq!(actions.contains(&Action::Try(B, Why::Moved)), moves, "{plan:?} {down:?}: {actions:?}");
    }
}

#[test]
fn what_is_late_at_a_busy_endpoint_is_silent_though_nobody_else_is_asked() {
    let mut request = Request::new(POST);
    request.sent(A);
    let condition =
        |number| Condition { number, down: Down::Busy, last_heard: None, others_heard: None, received: 0 };
    assert_eq!(request.wake_with(condition), [report(A, Evidence::Silent)]);
    assert_eq!(request.waited(), Duration::from_millis(50));
}

#[test]
fn a_put_moves_when_the_response_timeout_is_over() {
    let mut request = Request::new(PUT);
    request.sent(A);
    let actions = request.wake_until_it_acts();
    assert_eq!(request.waited(), Duration::from_secs(30));
    assert_eq!(actions.last(), Some(&Action::Try(B, Why::Moved)));
}

#[test]
fn a_post_waits_until_the_response_timeout() {
    let mut request = Request::new(POST);
    request.sent(A);
    assert_eq!(failure(&request.wake_until_it_acts()), Failure::Response(ResponseFailure::TimedOut));
    assert_eq!(request.waited(), Duration::from_secs(30));
}

#[test]
fn what_has_not_been_sent_moves_from_a_dead_endpoint_whatever_it_is() {
    for (plan, down) in [(POST, Down::Confirmed), (PUT, Down::Confirmed), (SESSION_GET, UNREACHABLE)] {
        let mut request = Request::new(plan);
        request.attempts.settings.race = false;
        request.connecting(A);
        assert_eq!(request.goes_down(A, down), [Action::Try(B, Why::Moved)], "{plan:?}");
    }
}

#[test]
fn the_trail_says_who_was_silent_and_only_a_forced_move_masks() {
    for (down, masked) in [(Down::No, false), (Down::Confirmed, true)] {
        let mut request = Request::hedging(GET);
        request.sent(A);
        request.wake_in_silence();
        if masked {
            request.attempts.hedged = None;
            request.attempts.was_hedged = true;
            request.attempts.settings.hedge = false;
            request.attempts.tries.truncate(1);
            request.attempts.tries[0].moved_on = false;
            request.goes_down(A, down);
        }
        request.sent(B);
        request.head(B, 200);
        request.whole(B);
        assert_eq!(request.attempts.is_masked(), masked);
    }
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
    request.wake_with(|number| Condition {
        number,
        down: Down::No,
        last_heard: late,
        others_heard: late,
        received: 0,
    });
    assert_eq!(request.waited(), Duration::from_secs(30));
}

#[test]
fn a_get_takes_whichever_answer_comes_first() {
    for (first, other) in [(A, B), (B, A)] {
        let mut request = Request::new(GET);
        request.sent(A);
        let down = |number| Condition {
            number,
            down: Down::Confirmed,
            last_heard: None,
            others_heard: None,
            received: 0,
        };
        assert_eq!(request.wake_with(down), [Action::Try(B, Why::Moved)]);
        request.sent(B);
        request.head(first, 200);
        let outpaced = report(other, Evidence::Outpaced);
        assert_eq!(request.whole(first), [outpaced, Action::RunOn(other), Action::Commit(first)]);
        assert_eq!(request.head(other, 200), [], "a late answer reaches nobody");
    }
}

#[test]
fn it_moves_away_from_an_endpoint_once() {
    let mut request = Request::new(GET);
    request.sent(A);
    assert_eq!(request.goes_down(A, UNREACHABLE), [Action::Try(B, Why::Moved)]);
    assert_eq!(request.goes_down(A, UNREACHABLE), []);
    request.sent(B);
    assert_eq!(request.goes_down(A, UNREACHABLE), []);
    assert_eq!(request.goes_down(B, UNREACHABLE), [Action::Try(C, Why::Moved)]);
}

#[test]
fn where_there_is_nowhere_to_go_it_waits_on() {
    let mut request = Request::new(GET);
    request.sent(A);
    request.goes_down(A, UNREACHABLE);
    assert_eq!(request.on(Event::NoneLeft(Unavailable::NoneUntried)), []);
    request.head(A, 200);
    assert_eq!(request.whole(A), [Action::Commit(A)]);
}

#[test]
fn what_may_be_repeated_in_turn_is_never_in_two_places_at_once() {
    let mut request = Request::new(PUT);
    request.sent(A);
    assert_eq!(request.goes_down(A, UNREACHABLE), [Action::Try(B, Why::Moved)]);
    let chosen = Event::Chosen { number: B, endpoint: EndpointId(1), usual: USUAL, reused: true };
    assert_eq!(request.on(chosen), [Action::Cancel(A)]);
    request.write(B);
    assert_eq!(request.head(A, 200), []);
}

#[test]
fn a_put_waits_on_where_there_is_nowhere_to_go() {
    let mut request = Request::new(PUT);
    request.sent(A);
    assert_eq!(request.goes_down(A, UNREACHABLE), [Action::Try(B, Why::Moved)]);
    assert_eq!(request.on(Event::NoneLeft(Unavailable::NoneUntried)), []);
    assert_eq!(request.goes_down(A, UNREACHABLE), [Action::Try(B, Why::Moved)], "and looks again");
    assert_eq!(request.on(Event::NoneLeft(Unavailable::AllBusy)), []);
    request.head(A, 200);
    assert_eq!(request.goes_down(A, UNREACHABLE), [], "its answer is on the way");
    assert_eq!(request.whole(A), [Action::Commit(A)]);
}

#[test]
fn a_move_for_one_failed_probe_draws_on_the_budget_of_retries_and_one_for_an_ejection_does_not() {
    let mut request = Request::new(GET);
    let left = request.budgets.retries_left();
    request.sent(A);
    assert_eq!(request.goes_down(A, Down::Confirmed), [Action::Try(B, Why::Moved)]);
    assert!(request.attempts.can_do_without(B), "it goes only where nothing speaks against");
    assert_eq!(request.budgets.retries_left(), left - 1);
    request.on(Event::NoneLeft(Unavailable::NoneUntried));
    assert_eq!(request.budgets.retries_left(), left);
    while request.budgets.take_retry() {}
    assert_eq!(request.goes_down(A, Down::Confirmed), []);
    assert_eq!(request.goes_down(A, UNREACHABLE), [Action::Try(B, Why::Moved)]);
    assert!(!request.attempts.can_do_without(B), "it takes what there is");
}

#[test]
fn a_request_with_a_cache_or_a_session_is_neither_raced_nor_hedged() {
    for plan in [CACHED_GET, SESSION_GET] {
        let mut request = Request::hedging(plan);
        request.sent(A);
        request.wake_until_it_acts();
        assert_eq!(request.waited(), Duration::from_secs(30), "{plan:?} is hedged");
        let mut request = Request::new(plan);
        request.connecting(A);
        request.wake_until_it_acts();
        assert_eq!(request.waited(), AttemptSettings::default().connect_timeout, "{plan:?} is raced");
    }
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
fn an_idle_connection_wins_the_race_at_once() {
    let mut request = Request::new(POST);
    request.connecting(A);
    assert_eq!(request.wake_until_it_acts(), [Action::Try(B, Why::Race)]);
    let chosen = Event::Chosen { number: B, endpoint: EndpointId(1), usual: USUAL, reused: true };
    assert_eq!(request.on(chosen), [Action::Cancel(A)]);
    request.write(B);
    assert_eq!(request.on(Event::Connected(A)), [], "or it would be sent twice");
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
    let outpaced = report(A, Evidence::Outpaced);
    assert_eq!(request.whole(B), [outpaced, Action::RunOn(A), Action::Commit(B)]);
    assert!(!request.attempts.is_masked(), "slow is not wrong");
}

#[test]
fn a_put_is_not_hedged_and_neither_is_a_get_without_a_budget() {
    for (plan, hedges) in [(PUT, 1), (GET, 0)] {
        let mut request = Request::hedging(plan);
        while hedges == 0 && request.budgets.take_hedge().is_some() {}
        request.sent(A);
        request.wake_until_it_acts();
        assert_eq!(request.waited(), Duration::from_secs(30));
    }
}

#[test]
fn a_hedge_that_finds_no_endpoint_costs_nothing() {
    let mut request = Request::hedging(GET);
    let left = request.budgets.hedges_left();
    request.sent(A);
    request.wake_until_it_acts();
    assert_eq!(request.budgets.hedges_left(), left - 1);
    assert_eq!(request.on(Event::NoneLeft(Unavailable::NoneUntried)), []);
    assert_eq!(request.budgets.hedges_left(), left);
    assert!(request.attempts.hedged.is_none(), "nor does it count as running");
}

#[test]
fn a_bad_status_beside_a_running_hedge_takes_no_retry() {
    let mut request = Request::hedging(GET);
    let left = request.budgets.retries_left();
    request.sent(A);
    request.wake_until_it_acts();
    request.sent(B);
    assert_eq!(request.head(A, 503), [report(A, Evidence::Status(503))]);
    assert_eq!(request.budgets.retries_left(), left);
    request.head(B, 200);
    let proven = examined(A, Evidence::Status(503), Proven);
    assert_eq!(request.whole(B), [proven, Action::Cancel(A), Action::Commit(B)]);
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
