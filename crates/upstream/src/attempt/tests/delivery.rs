//! What the end of a delivery says of the endpoint, and of the request.

use std::array;

use super::*;

impl Request {
    /// One whose answer is on its way, from its first try.
    fn under_delivery() -> Self {
        let mut request = Self::new(GET);
        request.sent(A);
        assert_eq!(request.streams(A), [Action::Commit(A)]);
        request
    }

    fn delivered(&mut self, how: Delivery) -> (Outcome, Option<Evidence>) {
        let Delivered { outcome, evidence } = self.attempts.delivered(how, self.now);
        (outcome, evidence)
    }

    fn outcomes<const N: usize>(&self) -> [TrailOutcome; N] {
        let mut trail = self.attempts.trail();
        let outcomes = array::from_fn(|_| trail.next().expect("an attempt").outcome);
        assert_eq!(trail.next(), None);
        outcomes
    }
}

#[test]
fn an_answer_that_arrives_whole_is_a_success_and_nothing_to_report() {
    let mut request = Request::under_delivery();
    assert_eq!(request.delivered(Delivery::Whole), (Outcome::Success, None));
    assert_eq!(request.outcomes(), [TrailOutcome::Responded(Response::Good, 200)]);
}

#[test]
fn a_digest_that_is_missing_in_the_end_is_reported_of_a_success() {
    let mut request = Request::under_delivery();
    let reported = (Outcome::Success, Some(Evidence::MissingDigest));
    assert_eq!(request.delivered(Delivery::MissingDigest), reported);
    assert_eq!(request.outcomes(), [TrailOutcome::Responded(Response::Good, 200)]);
}

#[test]
fn what_breaks_on_its_way_is_a_failure_of_its_endpoint() {
    for why in [Reset, Closed, Truncated, ResponseFailure::TimedOut, ResponseFailure::Garbage] {
        let mut request = Request::under_delivery();
        let reported = (Outcome::Failure, Some(Evidence::ResponseFailed(why)));
        assert_eq!(request.delivered(Delivery::Broken(why)), reported);
        assert_eq!(request.outcomes(), [TrailOutcome::ResponseFailed(why)]);
    }
}

#[test]
fn a_wrong_digest_at_the_end_is_a_failure_of_its_endpoint() {
    let mut request = Request::under_delivery();
    assert_eq!(request.delivered(Delivery::WrongDigest), (Outcome::Failure, Some(Evidence::WrongDigest)));
    assert_eq!(request.outcomes(), [TrailOutcome::WrongDigest]);
}

#[test]
fn a_silence_that_the_server_may_have_meant_is_held_against_nobody() {
    let mut request = Request::under_delivery();
    assert_eq!(request.delivered(Delivery::Silent), (Outcome::Abandoned, None));
    assert_eq!(request.outcomes(), [TrailOutcome::ResponseFailed(ResponseFailure::TimedOut)]);
}

#[test]
fn a_client_that_leaves_during_the_delivery_says_nothing_of_the_server() {
    let mut request = Request::under_delivery();
    assert_eq!(request.delivered(Delivery::ClientGone), (Outcome::Abandoned, None));
    assert_eq!(request.outcomes(), [TrailOutcome::Responded(Response::Good, 200)]);
}

#[test]
fn a_delivery_ends_once() {
    let mut request = Request::under_delivery();
    request.wait(MS);
    let _ = request.delivered(Delivery::Broken(Truncated));
    request.wait(MS);
    let _ = request.delivered(Delivery::WrongDigest);
    assert_eq!(request.outcomes(), [TrailOutcome::ResponseFailed(Truncated)]);
    let entry = request.attempts.trail().next().unwrap();
    assert_eq!(entry.since - entry.begun, MS);
}

#[test]
fn a_masked_failure_is_one_only_if_the_answer_arrives() {
    let masked_after = |how| {
        let mut request = Request::new(GET);
        request.sent(A);
        request.on(Event::Broken(A, Reset));
        request.sent(B);
        request.streams(B);
        assert!(request.attempts.is_masked());
        let _ = request.delivered(how);
        request.attempts.is_masked()
    };
    assert!(masked_after(Delivery::Whole));
    assert!(!masked_after(Delivery::Broken(Truncated)));

    let mut first = Request::under_delivery();
    let _ = first.delivered(Delivery::Broken(Truncated));
    assert!(!first.attempts.is_masked());
}

#[test]
fn an_error_that_was_kept_for_the_end_may_break_on_its_way_as_well() {
    let mut request = Request::new(GET);
    request.sent(A);
    request.head(A, 503);
    assert_eq!(request.on(Event::NoneLeft(Unavailable::NoneUntried)), [Action::Commit(A)]);
    let reported = (Outcome::Failure, Some(Evidence::ResponseFailed(Truncated)));
    assert_eq!(request.delivered(Delivery::Broken(Truncated)), reported);
    assert_eq!(request.outcomes(), [TrailOutcome::ResponseFailed(Truncated)]);
}

#[test]
fn nothing_moves_during_a_delivery() {
    let mut request = Request::under_delivery();
    assert_eq!(request.on(Event::Broken(A, Reset)), []);
    assert_eq!(request.on(Event::Whole(A, Verdict::WrongDigest(1))), []);
    assert_eq!(request.goes_down(A, UNREACHABLE), []);
    assert_eq!(request.on(Event::ClientGone), []);
    assert_eq!(request.attempts.committed(), Some(A));
    assert_eq!(request.attempts.next_wake(), None);
}

#[test]
fn a_hedge_is_over_before_the_delivery_that_follows_it() {
    let mut request = Request::hedging(GET);
    request.sent(A);
    assert_eq!(request.wake_until_it_acts(), [Action::Try(B, Why::Hedge)]);
    request.sent(B);
    assert!(request.attempts.hedged.is_some());
    request.streams(B);
    assert!(request.attempts.hedged.is_none());
}
