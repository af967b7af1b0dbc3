//! After a failure: who goes elsewhere, and who may not.

use super::*;

#[test]
fn any_method_moves_after_a_failed_connect() {
    for plan in [GET, PUT, POST, SESSION_GET] {
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
    assert_eq!(request.waited(), AttemptSettings::default().connect_timeout);
}

#[test]
fn a_connect_goes_on_where_others_were_answered_meanwhile() {
    for (plan, moves) in [(GET, true), (POST, true), (CACHED_GET, true), (SESSION_GET, false)] {
        let mut request = Request::new(plan);
        request.attempts.settings.race = false;
        request.connecting(A);
        let begun = request.begun;
        let actions = request.wake_with(|number| Condition {
            number,
            down: Down::No,
            last_heard: Some(begun + 100 * MS),
            others_heard: None,
            received: 0,
        });
        let moved = moves.then_some(Action::Try(B, Why::Moved));
        let expected: Vec<_> = [Action::Reconnect(A)].into_iter().chain(moved).collect();
        assert_eq!(actions, expected, "no word against its endpoint");
        assert_eq!(request.waited(), AttemptSettings::default().connect_timeout);
        if moves {
            assert_eq!(request.on(Event::NoneLeft(Unavailable::NoneUntried)), []);
        }
        request.connected(A);
        request.head(A, 200);
        assert_eq!(request.whole(A), [Action::Commit(A)]);
    }
}

#[test]
fn an_answer_that_was_under_way_is_no_sign_of_a_full_line() {
    let mut request = Request::new(POST);
    request.attempts.settings.race = false;
    request.connecting(A);
    let last_heard = Some(request.begun + 10 * MS);
    let condition =
        |number| Condition { number, down: Down::No, last_heard, others_heard: None, received: 0 };
    assert_eq!(
        request.wake_with(condition)[..2],
        [Action::Cancel(A), report(A, Evidence::ConnectFailed(TimedOut))]
    );
}

#[test]
fn who_is_told_of_a_full_line_asks_again_until_the_deadline() {
    let mut request = Request::new(POST);
    request.connecting(A);
    for _ in 0..19 {
        request.wait(AttemptSettings::default().connect_timeout);
        let actions = request.on(Event::LineFull(A));
        assert_eq!(actions[..], [Action::Reconnect(A), Action::Try(B, Why::Moved)]);
        assert_eq!(request.on(Event::NoneLeft(Unavailable::NoneUntried)), []);
    }
    request.wait(AttemptSettings::default().connect_timeout);
    let actions = request.on(Event::Woke(&[]));
    // Nothing was sent, so it is safe to ask again.
    assert_eq!(failure(&actions), Failure::Connect(TimedOut));
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
        assert_eq!(failure(&actions), Failure::Response(why));
        assert!(!actions.iter().any(|action| matches!(action, Action::Try(..) | Action::Reconnect(_))));
    }
}

#[test]
fn a_post_that_was_not_processed_moves_while_its_body_is_kept() {
    let refused = ConnectFailure::Tls(TlsFailure::Refused);
    let mut request = Request::new(POST);
    request.sent(A);
    let moved = [report(A, Evidence::ConnectFailed(refused)), Action::Try(B, Why::Moved)];
    assert_eq!(request.on(Event::NotProcessed(A, refused)), moved);
    request.sent(B);
    assert_eq!(
        failure(&request.on(Event::Broken(B, Reset))),
        Failure::Response(Reset),
        "B may have executed it"
    );

    let mut request = Request::new(POST);
    request.sent(A);
    request.on(Event::BodyLost);
    let actions = request.on(Event::NotProcessed(A, refused));
    assert_eq!(failure(&actions), Failure::Connect(refused));
}

#[test]
fn a_post_of_which_one_byte_was_sent_never_moves() {
    let mut request = Request::new(POST);
    request.chosen(A, true);
    request.on(Event::ByteSent(A));
    assert_eq!(failure(&request.on(Event::Broken(A, Reset))), Failure::Response(Reset));
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
    request.streams(A);
    let Delivered { outcome, evidence } =
        request.attempts.delivered(Delivery::Broken(Truncated), request.now);
    let only_reported = (Outcome::Failure, Some(Evidence::ResponseFailed(Truncated)));
    assert_eq!((outcome, evidence), only_reported);
}

#[test]
fn a_body_that_is_not_kept_allows_no_second_sending() {
    let mut request = Request::new(PUT);
    request.chosen(A, true);
    request.on(Event::ByteSent(A));
    request.on(Event::BodyLost);
    assert_eq!(failure(&request.on(Event::Broken(A, Reset))), Failure::Response(Reset));

    let mut request = Request::new(PUT);
    request.on(Event::BodyLost);
    request.connecting(A);
    assert_eq!(request.fails_to_connect(A).last(), Some(&Action::Try(B, Why::Moved)));
}

#[test]
fn an_upload_that_goes_on_is_not_cut_off_by_the_deadline() {
    let total = AttemptSettings::default().total;
    let mut request = Request::new(PUT);
    request.chosen(A, true);
    request.on(Event::ByteSent(A));
    for _ in 0..3 {
        request.now += total / 2;
        request.on(Event::BodyLost);
        assert_eq!(request.on(Event::Woke(&[])), []);
    }
    request.now += total;
    assert_eq!(failure(&request.on(Event::Woke(&[]))), Failure::Deadline);
}

#[test]
fn an_error_of_the_endpoint_moves_and_an_error_that_is_the_answer_does_not() {
    let mut request = Request::new(GET);
    request.sent(A);
    let moved = [report(A, Evidence::Status(503)), Action::Try(B, Why::Retry)];
    assert_eq!(request.head(A, 503), moved);

    let mut request = Request::new(GET);
    request.sent(A);
    assert_eq!(request.head(A, 500), [report(A, Evidence::Status(500))]);
    assert_eq!(request.whole(A), [Action::Commit(A)]);

    let mut request = Request::new(POST);
    request.sent(A);
    assert_eq!(request.head(A, 503), [report(A, Evidence::Status(503))]);
    assert_eq!(request.whole(A), [Action::Commit(A)]);
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
fn a_retry_that_finds_no_endpoint_costs_nothing() {
    let mut request = Request::new(GET);
    let left = request.budgets.retries_left();
    request.sent(A);
    assert_eq!(request.head(A, 503).last(), Some(&Action::Try(B, Why::Retry)));
    assert_eq!(request.budgets.retries_left(), left - 1);
    request.on(Event::NoneLeft(Unavailable::NoneUntried));
    assert_eq!(request.budgets.retries_left(), left);
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
    assert_eq!((failure(&actions), actions.len()), (Failure::Connect(Refused), 2), "{actions:?}");
}

#[test]
fn settings_may_allow_fewer() {
    let mut request = Request::new(GET);
    request.attempts.settings.max = 1;
    request.sent(A);
    assert_eq!(failure(&request.on(Event::Broken(A, Reset))), Failure::Response(Reset));
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
    assert_eq!(failure(&request.on(Event::Stale { number: A, bytes_sent: true })), Failure::Stale);
}

#[test]
fn a_stale_connection_allows_one_fresh_one_where_there_is_no_other_endpoint() {
    let mut request = Request::new(POST);
    request.chosen(A, true);
    request.on(Event::Stale { number: A, bytes_sent: false });
    assert_eq!(request.on(Event::NoneLeft(Unavailable::NoneUntried)), [Action::Reconnect(A)]);
    request.connected(A);
    let actions = request.on(Event::Stale { number: A, bytes_sent: true });
    assert_eq!(failure(&actions), Failure::Stale);
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
    assert_eq!(failure(&request.on(Event::NoneLeft(Unavailable::NoneUntried))), Failure::Connect(Refused));
}

#[test]
fn a_session_gets_a_fresh_connection_to_its_server_when_an_idle_one_was_stale() {
    let mut request = Request::new(SESSION_GET);
    request.sent(A);
    let renewed = [report(A, Evidence::IdleClosed), Action::Reconnect(A)];
    assert_eq!(request.on(Event::Stale { number: A, bytes_sent: true }), renewed);
    assert_eq!(request.fails_to_connect(A).last(), Some(&Action::Try(B, Why::Moved)));
}

#[test]
fn what_the_server_of_a_session_says_is_its_answer() {
    let mut request = Request::new(SESSION_GET);
    request.sent(A);
    assert_eq!(request.head(A, 503), [report(A, Evidence::Status(503))]);
    assert_eq!(request.whole(A), [Action::Commit(A)]);
    let mut request = Request::new(CACHED_GET);
    request.sent(A);
    assert_eq!(request.head(A, 503).last(), Some(&Action::Try(B, Why::Retry)));
}
