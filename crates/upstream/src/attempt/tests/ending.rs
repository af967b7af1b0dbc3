//! What the client gets in the end.

use super::*;
use crate::evidence::TlsFailure;

#[test]
fn the_deadline_counts_from_the_start_and_not_from_when_the_request_was_known() {
    let request = Request::new(GET);
    let settings = AttemptSettings::default();
    let mut attempts = Attempts::new(GET, &settings, request.now);
    // For so long the client sent its body.
    let started = request.now + settings.total * 2;
    let _ = attempts.on(Event::Start, &request.budgets, started);
    assert_eq!(attempts.next_wake(), Some(started + settings.total));
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
    assert_eq!(request.streams(A), [Action::Commit(A)]);
}

#[test]
fn with_no_endpoint_at_all_the_client_is_told_why() {
    for (why, what) in
        [(Unavailable::AllUnreachable, Failure::NoEndpoint), (Unavailable::AllBusy, Failure::Busy)]
    {
        let mut request = Request::new(POST);
        assert_eq!(failure(&request.on(Event::NoneLeft(why))), what);
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
    request.head(B, 503);
    let actions = request.on(Event::NoneLeft(Unavailable::NoneUntried));
    assert_eq!(actions[2..], [Action::Cancel(A), Action::Commit(B)]);
}

#[test]
fn a_response_set_aside_that_breaks_is_no_last_word() {
    let mut request = Request::new(GET);
    request.sent(A);
    request.head(A, 503);
    request.sent(B);
    request.on(Event::Broken(A, Truncated));
    let actions = request.on(Event::Broken(B, Reset));
    assert_eq!(actions.last(), Some(&Action::Try(C, Why::Moved)));
    assert_eq!(failure(&request.on(Event::NoneLeft(Unavailable::NoneUntried))), Failure::Response(Reset));
}

#[test]
fn a_timeout_tells_more_than_a_failed_connect() {
    let mut request = Request::new(GET);
    request.sent(A);
    let timed_out = report(A, Evidence::ResponseFailed(ResponseFailure::TimedOut));
    assert_eq!(request.wake_until_it_acts(), [Action::Cancel(A), timed_out, Action::Try(B, Why::Moved)]);
    request.connecting(B);
    request.fails_to_connect(B);
    assert_eq!(
        failure(&request.on(Event::NoneLeft(Unavailable::NoneUntried))),
        Failure::Response(ResponseFailure::TimedOut)
    );
}

#[test]
fn a_wrong_digest_moves_and_is_reported_when_another_was_right() {
    let mut request = Request::new(GET);
    request.sent(A);
    request.head(A, 200);
    assert_eq!(request.on(Event::Whole(A, Verdict::WrongDigest(1))), [Action::Try(B, Why::Retry)]);
    request.sent(B);
    request.head(B, 200);
    let (said, proven) = (report(A, Evidence::WrongDigest), examined(A, Evidence::WrongDigest, Proven));
    assert_eq!(request.whole(B), [said, proven, Action::Commit(B)]);
    assert!(request.attempts.is_masked());
}

#[test]
fn a_wrong_digest_of_a_post_is_a_502() {
    let mut request = Request::new(POST);
    request.sent(A);
    request.head(A, 200);
    let actions = request.on(Event::Whole(A, Verdict::WrongDigest(1)));
    assert_eq!((failure(&actions), actions[0]), (Failure::WrongDigest, report(A, Evidence::WrongDigest)));
}

#[test]
fn wrong_bytes_from_everyone_are_nobodys_fault() {
    for second in [1, 2] {
        let mut request = Request::new(GET);
        request.sent(A);
        request.head(A, 200);
        request.on(Event::Whole(A, Verdict::WrongDigest(1)));
        request.sent(B);
        request.head(B, 200);
        request.on(Event::Whole(B, Verdict::WrongDigest(second)));
        let actions = request.on(Event::NoneLeft(Unavailable::NoneUntried));
        assert_eq!((failure(&actions), actions.len()), (Failure::WrongDigest, 1), "{actions:?}");
    }
}

#[test]
fn a_failure_is_proven_by_another_endpoint_that_does_well() {
    for why in [Reset, Closed, Truncated] {
        let mut request = Request::new(GET);
        request.sent(A);
        request.on(Event::Broken(A, why));
        request.sent(B);
        request.head(B, 404);
        let proven = examined(A, Evidence::ResponseFailed(why), Proven);
        assert_eq!(request.whole(B), [proven, Action::Commit(B)]);
    }
}

#[test]
fn a_failure_is_refuted_by_another_endpoint_that_fails_alike() {
    let mut request = Request::new(GET);
    request.sent(A);
    request.on(Event::Broken(A, Reset));
    request.sent(B);
    request.on(Event::Broken(B, Closed));
    let actions = request.on(Event::NoneLeft(Unavailable::NoneUntried));
    let refuted = [(A, Reset), (B, Closed)]
        .map(|(number, why)| examined(number, Evidence::ResponseFailed(why), Refuted));
    assert_eq!(actions[..2], refuted);
}

#[test]
fn an_error_of_two_endpoints_is_the_requests_own() {
    let mut request = Request::new(GET);
    request.sent(A);
    let head = |number, response| Event::Head { number, response, status: 500, held: true };
    assert_eq!(request.on(head(A, Response::Unable)).last(), Some(&Action::Try(B, Why::Retry)));
    request.sent(B);
    request.on(head(B, Response::Error));
    let refuted = [A, B].map(|number| examined(number, Evidence::Status(500), Refuted));
    assert_eq!(request.whole(B), [&refuted[..], &[Action::Cancel(A), Action::Commit(B)]].concat());
}

#[test]
fn a_failure_of_another_kind_neither_proves_nor_refutes() {
    let mut request = Request::new(GET);
    request.sent(A);
    request.on(Event::Broken(A, Reset));
    request.sent(B);
    request.head(B, 503);
    request.whole(B);
    let actions = request.on(Event::NoneLeft(Unavailable::NoneUntried));
    assert_eq!(actions, [Action::Commit(B)]);
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
    assert_eq!((failure(&actions), actions.contains(&Action::Cancel(A))), (Failure::Deadline, true));
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
    request.goes_down(A, UNREACHABLE);
    request.sent(B);
    assert_eq!(request.on(Event::ClientGone), [Action::Cancel(A), Action::Cancel(B)]);
    assert_eq!(request.head(A, 200), []);
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
        (Why::Moved, TrailOutcome::Responded(Response::Unable, 503)),
        (Why::Retry, TrailOutcome::Responded(Response::Good, 200)),
    ];
    assert_eq!(trail, expected);
}

#[test]
fn every_end_of_an_attempt_has_its_word_in_each_vocabulary() {
    let mut ends = vec![
        (TrailOutcome::Running, "unfinished", "abandoned", "running"),
        (TrailOutcome::Responded(Response::Good, 200), "answered", "abandoned", "status 200"),
        (TrailOutcome::Responded(Response::Error, 500), "error_status", "abandoned", "status 500"),
        (TrailOutcome::Responded(Response::Unable, 503), "error_status", "status", "status 503"),
        (TrailOutcome::WrongDigest, "wrong_digest", "wrong_digest", "wrong digest"),
        (TrailOutcome::Stale, "stale", "stale", "connection was closed"),
        (TrailOutcome::Overtaken, "overtaken", "abandoned", "overtaken"),
    ];
    let connects = [
        (Refused, "refused", "connection refused"),
        (TimedOut, "connect_timeout", "connect timed out"),
        (ConnectFailure::Unreachable, "unreachable", "no route"),
        (ConnectFailure::Local, "no_local_resources", "no local resources to connect"),
        (ConnectFailure::Tls(TlsFailure::Untrusted), "certificate_untrusted", "certificate not trusted"),
        (
            ConnectFailure::Tls(TlsFailure::WrongName),
            "certificate_wrong_name",
            "certificate for another name",
        ),
        (ConnectFailure::Tls(TlsFailure::Expired), "certificate_expired", "certificate expired"),
        (
            ConnectFailure::Tls(TlsFailure::NotYetValid),
            "certificate_not_yet_valid",
            "certificate not yet valid",
        ),
        (ConnectFailure::Tls(TlsFailure::Refused), "tls_refused", "TLS handshake refused"),
        (ConnectFailure::Tls(TlsFailure::Cut), "tls_cut", "TLS handshake cut off"),
    ];
    assert!(connects.iter().map(|connect| connect.0).eq(ConnectFailure::ALL));
    ends.extend(
        connects.map(|(why, word, words)| (TrailOutcome::ConnectFailed(why), "connect_failed", word, words)),
    );
    let responses = [
        (Reset, "reset", "connection reset"),
        (Closed, "closed", "closed before a response"),
        (Truncated, "truncated", "response cut short"),
        (ResponseFailure::TimedOut, "timeout", "response timed out"),
        (ResponseFailure::Garbage, "garbage", "malformed response"),
    ];
    assert!(responses.iter().map(|response| response.0).eq(ResponseFailure::ALL));
    ends.extend(
        responses
            .map(|(why, word, words)| (TrailOutcome::ResponseFailed(why), "response_failed", word, words)),
    );

    let mut request = Request::new(GET);
    request.sent(A);
    let entry = request.attempts.trail().next().unwrap();
    for &(outcome, class, end, words) in &ends {
        let entry = TrailEntry { outcome, ..entry };
        let said = (outcome.class().name(), entry.end(false), outcome.to_string());
        assert_eq!(said, (class, end, words.to_owned()));
        let responded = matches!(outcome, TrailOutcome::Responded(..));
        assert_eq!(entry.end(true), if responded { "answered" } else { end });
        let waits = matches!(outcome, TrailOutcome::Running | TrailOutcome::Overtaken);
        assert_eq!(TrailEntry { silent: true, ..entry }.end(false), if waits { "silent" } else { end });
    }
    for (index, class) in OutcomeClass::ALL.into_iter().enumerate() {
        assert!(ends.iter().any(|(outcome, ..)| outcome.class() == class), "{}", class.name());
        assert_eq!(class as usize, index, "counted under its number");
    }
}

/// A held body of which so much has come whenever it is looked at.
fn held(plan: Plan, received: impl Fn(Duration) -> usize) -> (Request, Vec<Action>) {
    let mut request = Request::new(plan);
    request.sent(A);
    assert_eq!(request.head(A, 200), []);
    let (begun, look) = (request.begun, request.attempts.settings.look_interval);
    loop {
        request.now += look;
        let received = received(request.now - begun);
        let condition =
            Condition { number: A, down: Down::No, last_heard: None, others_heard: None, received };
        let actions = request.on(Event::Woke(&[condition]));
        if !actions.is_empty() {
            return (request, actions);
        }
    }
}

#[test]
fn a_held_body_that_stands_still_is_given_up_as_a_head_is() {
    let timed_out = report(A, Evidence::ResponseFailed(ResponseFailure::TimedOut));
    let (request, actions) = held(PUT, |_| 100);
    // The first look found a hundred bytes.
    assert_eq!(
        request.waited(),
        AttemptSettings::default().body_timeout + request.attempts.settings.look_interval
    );
    assert_eq!(actions, [Action::Cancel(A), timed_out, Action::Try(B, Why::Moved)]);
    let (_, actions) = held(POST, |_| 100);
    assert_eq!(failure(&actions), Failure::Response(ResponseFailure::TimedOut));
}

#[test]
fn a_held_body_that_drips_is_passed_on_as_it_comes_from_the_deadline_on() {
    let (request, actions) = held(POST, |waited| waited.as_secs() as usize / 20);
    assert_eq!(request.waited(), AttemptSettings::default().total);
    assert_eq!(actions, [Action::Commit(A)]);
}
