//! The balancer's own answers: problem details (RFC 9457) with a `Proxy-Status` (RFC 9209) that say what went wrong and
//! name no inside address.

use std::time::Duration;

use evenkeel_message::{Refusal, RequestHead, accept, problem, proxy_status};

use super::caller::Caller;
use super::failures::Told;
use super::turned_away::Allowance;
use crate::clock::now;
use crate::context::Worker;
use crate::settings::tls::HSTS;

/// When a client that found no room should come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Refuses a request that breaks the protocol or a limit.
pub(super) fn refused<C: Caller>(worker: &Worker, caller: &mut C, refusal: &Refusal, asked: &Asked<'_>) {
    write(
        worker,
        caller,
        &Problem {
            status: refusal.status,
            error: refusal.error,
            detail: refusal.reason,
            asked: *asked,
            ..TURNED_AWAY
        },
    );
}

/// Says that this client may not come.
pub(super) fn denied<C: Caller>(worker: &Worker, caller: &mut C, asked: &Asked<'_>) {
    write(
        worker,
        caller,
        &Problem { status: 403, detail: "This client is not allowed here.", asked: *asked, ..TURNED_AWAY },
    );
}

/// Says that the certificate by which this client is known holds no longer.
pub(super) fn disowned<C: Caller>(worker: &Worker, caller: &mut C, asked: &Asked<'_>) {
    let detail = "The certificate of this client is not accepted any more.";
    write(worker, caller, &Problem { status: 403, detail, asked: *asked, ..TURNED_AWAY });
}

/// Says that TLS is spoken here, to somebody who does not.
pub(crate) fn speaks_tls<C: Caller>(worker: &Worker, caller: &mut C) {
    let problem = Problem {
        status: 400,
        error: "http_request_error",
        detail: "This port speaks TLS, and the request came in plain HTTP: ask https://.",
        ..TURNED_AWAY
    };
    write(worker, caller, &problem);
}

/// Says that this client asks too often, and when it may again.
pub(super) fn asks_too_often<C: Caller>(
    worker: &Worker,
    caller: &mut C,
    allowance: &Allowance,
    asked: &Asked<'_>,
) {
    let problem = Problem {
        status: 429,
        detail: "This client asks more often than it may.",
        asked: *asked,
        retry_after: Some(allowance.again_in),
        more: &[("RateLimit-Policy", allowance.policy.as_bytes()), ("RateLimit", allowance.left.as_bytes())],
        ..TURNED_AWAY
    };
    write(worker, caller, &problem);
}

/// Turns a connection away because its client has too many.
pub(crate) fn too_many_of_one<C: Caller>(worker: &Worker, caller: &mut C) {
    let problem = Problem {
        status: 429,
        error: "connection_limit_reached",
        detail: "This client has too many connections open.",
        retry_after: Some(RETRY_AFTER),
        ..TURNED_AWAY
    };
    write(worker, caller, &problem);
}

/// What is said of no request in particular.
const TURNED_AWAY: Problem<'_> = Problem {
    status: 403,
    error: "http_request_denied",
    detail: "",
    retry_after: None,
    trail: "",
    more: &[],
    asked: Asked { id: None, wants_page: false },
};

/// Says that no server answered.
pub(super) fn failed<C: Caller>(
    worker: &Worker,
    caller: &mut C,
    told: &Told,
    trail: &str,
    asked: &Asked<'_>,
) {
    let &Told { status, error, detail, retry_after } = told;
    let problem = Problem { status, error, detail, retry_after, trail, more: &[], asked: *asked };
    write(worker, caller, &problem);
}

/// Turns a connection away because too many are open.
pub(crate) fn too_many_connections<C: Caller>(worker: &Worker, caller: &mut C) {
    let problem = Problem {
        status: 503,
        error: "connection_limit_reached",
        detail: "Too many connections are open.",
        retry_after: Some(RETRY_AFTER),
        ..TURNED_AWAY
    };
    write(worker, caller, &problem);
}

/// The answer to an OPTIONS request that may go no further (RFC 9110 §7.6.2).
pub(crate) fn options<C: Caller>(worker: &Worker, caller: &mut C) {
    worker.stats.answered(204);
    let date = worker.date.at(now());
    let mut fields = vec![("Date", date.as_slice()), ("Cache-Control", b"no-store")];
    fields.extend(hsts(worker, caller));
    add_set(worker, &mut fields);
    caller.answer(204, &fields, b"");
}

/// Tells a client to ask elsewhere.
pub(super) fn redirected<C: Caller>(
    worker: &Worker,
    caller: &mut C,
    status: u16,
    location: &[u8],
    caching: Option<(&str, &[u8])>,
    asked: &Asked<'_>,
) {
    worker.stats.answered(status);
    let date = worker.date.at(now());
    let mut fields = vec![("Date", date.as_slice()), ("Location", location)];
    fields.extend(caching);
    fields.extend(asked.id.map(|id| ("X-Request-Id", id.as_bytes())));
    fields.extend(hsts(worker, caller));
    add_set(worker, &mut fields);
    caller.answer(status, &fields, b"");
}

struct Problem<'a> {
    status: u16,
    /// The type of error in Proxy-Status.
    error: &'a str,
    detail: &'a str,
    retry_after: Option<Duration>,
    /// What the attempts did, where the client is to be told.
    trail: &'a str,
    more: &'a [(&'static str, &'a [u8])],
    asked: Asked<'a>,
}

/// What an answer of the balancer's own has to know of its request.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// `None` where it could not be read.
    pub(super) id: Option<&'a str>,
    /// It would rather have a page than problem details.
    pub(super) wants_page: bool,
}

fn write<C: Caller>(worker: &Worker, caller: &mut C, what: &Problem<'_>) {
    worker.stats.answered(what.status);
    let page = worker.settings().pages.as_ref().filter(|_| what.asked.wants_page);
    let page = page.and_then(|pages| pages.of(what.status));
    let problem;
    let (content_type, body) = if let Some(page) = &page {
        (PAGE, &**page)
    } else {
        problem = problem::body(what.status, what.detail, what.asked.id.unwrap_or_default());
        (problem::CONTENT_TYPE, problem.as_bytes())
    };
    let date = worker.date.at(now());
    let proxy_status = proxy_status::value(&worker.settings().name, what.error, what.trail);
    let mut fields = vec![
        ("Date", date.as_slice()),
        ("Content-Type", content_type.as_bytes()),
        ("Cache-Control", b"no-store"),
        ("Proxy-Status", proxy_status.as_bytes()),
    ];
    let seconds = what.retry_after.map(|after| after.as_secs().max(1).to_string());
    if let Some(seconds) = &seconds {
        fields.push(("Retry-After", seconds.as_bytes()));
    }
    if let Some(id) = what.asked.id {
        fields.push(("X-Request-Id", id.as_bytes()));
    }
    fields.extend(what.more);
    fields.extend(hsts(worker, caller));
    add_set(worker, &mut fields);
    caller.answer(what.status, &fields, body);
}

/// What an error page is.
const PAGE: &str = "text/html; charset=utf-8";

/// Whether this request would rather have a page than problem details. Who takes either as gladly is a program.
pub(super) fn wants_page(head: &RequestHead, input: &[u8]) -> bool {
    let mut lines = head.fields(input).filter(|(name, _)| name.eq_ignore_ascii_case(b"accept"));
    let first = lines.next().map_or(&b""[..], |(_, value)| value);
    match lines.next() {
        None => prefers_html(first),
        // Several are one list (RFC 9110 §5.3).
        Some((_, second)) => {
            let mut all = [first, second].join(&b',');
            for (_, more) in lines {
                all.push(b',');
                all.extend_from_slice(more);
            }
            prefers_html(&all)
        }
    }
}

fn prefers_html(accepted: &[u8]) -> bool {
    let html = accept::quality(accepted, "text", "html");
    let problem = accept::quality(accepted, "application", "problem+json");
    html > problem.max(accept::quality(accepted, "application", "json"))
}

/// What responses gain by the user's rules. What the answer says itself it knows better: that it must not be kept, or what it is.
fn add_set<'a>(worker: &'a Worker, fields: &mut Vec<(&'a str, &'a [u8])>) {
    let Some(rules) = &worker.settings().rules.responses else { return };
    for (name, value) in rules.fields() {
        if !fields.iter().any(|(own, _)| own.eq_ignore_ascii_case(name)) {
            fields.push((name, value.as_bytes()));
        }
    }
}

fn hsts<'a, C: Caller>(worker: &'a Worker, caller: &C) -> Option<(&'static str, &'a [u8])> {
    worker.settings().hsts_over(caller.scheme()).map(|value| (HSTS, value.as_bytes()))
}

#[cfg(test)]
mod tests {
    use evenkeel_http1::Inbound;
    use evenkeel_message::Limits;

    use super::*;

    fn wants(fields: &str) -> bool {
        let request = format!("GET /accept: HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n");
        let mut head = RequestHead::new();
        Inbound::new().head(request.as_bytes(), &mut head, &Limits::default()).unwrap().unwrap();
        wants_page(&head, request.as_bytes())
    }

    #[test]
    fn a_browser_wants_a_page_and_a_program_does_not() {
        assert!(wants("Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
        assert!(wants("accept: text/html"));
        assert!(wants("Accept: application/json;q=0.5\r\nAccept: text/*"));
        assert!(!wants("Accept: */*"));
        assert!(!wants("Accept: application/json, text/plain, */*"));
        assert!(!wants("Accept: application/problem+json, text/html;q=0.9"));
        assert!(!wants("User-Agent: accept: text/html"));
        assert!(wants("Accept: text/plain\r\nAccept: image/*\r\nAccept: text/html"));
        assert!(!wants("X: y"));
    }
}
