//! The balancer's own answers: problem details (RFC 9457) with a `Proxy-Status` (RFC 9209) that say what went wrong and
//! name no inside address.

use std::time::Duration;

use evenkeel_message::{Refusal, accept, problem, proxy_status};

use super::caller::Caller;
use super::failures::Told;
use super::turned_away::Allowance;
use crate::clock::now;
use crate::context::Worker;
use crate::settings::tls::HSTS;

/// When a client that found no room should come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Refuses a request that breaks the protocol or a limit.
pub(crate) fn refused<C: Caller>(
    worker: &Worker,
    caller: &mut C,
    refusal: &Refusal,
    request_id: Option<&str>,
    asked: &[u8],
) {
    write(
        worker,
        caller,
        &Problem {
            status: refusal.status,
            error: refusal.error,
            detail: refusal.reason,
            retry_after: None,
            request_id,
            trail: "",
            more: &[],
            asked,
        },
    );
}

/// Says that this client may not come.
pub(super) fn denied<C: Caller>(worker: &Worker, caller: &mut C, asked: &[u8]) {
    write(
        worker,
        caller,
        &Problem { status: 403, detail: "This client is not allowed here.", asked, ..TURNED_AWAY },
    );
}

/// Says that the certificate by which this client is known holds no longer.
pub(super) fn disowned<C: Caller>(worker: &Worker, caller: &mut C, asked: &[u8]) {
    let detail = "The certificate of this client is not accepted any more.";
    write(worker, caller, &Problem { status: 403, detail, asked, ..TURNED_AWAY });
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
    asked: &[u8],
) {
    let problem = Problem {
        status: 429,
        detail: "This client asks more often than it may.",
        asked,
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
    request_id: None,
    trail: "",
    more: &[],
    asked: b"",
};

/// Says that no server answered.
pub(crate) fn failed<C: Caller>(
    worker: &Worker,
    caller: &mut C,
    told: &Told,
    request_id: &str,
    trail: &str,
    asked: &[u8],
) {
    let &Told { status, error, detail, retry_after } = told;
    let problem =
        Problem { status, error, detail, retry_after, request_id: Some(request_id), trail, more: &[], asked };
    write(worker, caller, &problem);
}

/// Turns a connection away because too many are open.
pub(crate) fn too_many_connections<C: Caller>(worker: &Worker, caller: &mut C) {
    let problem = Problem {
        status: 503,
        error: "connection_limit_reached",
        detail: "Too many connections are open.",
        retry_after: Some(RETRY_AFTER),
        request_id: None,
        trail: "",
        more: &[],
        asked: b"",
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
) {
    worker.stats.answered(status);
    let date = worker.date.at(now());
    let mut fields = vec![("Date", date.as_slice()), ("Location", location)];
    fields.extend(caching);
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
    request_id: Option<&'a str>,
    /// What the attempts did, where the client is to be told.
    trail: &'a str,
    more: &'a [(&'static str, &'a [u8])],
    /// The request's head as far as it is known: empty, or lines.
    asked: &'a [u8],
}

fn write<C: Caller>(worker: &Worker, caller: &mut C, what: &Problem<'_>) {
    worker.stats.answered(what.status);
    let page = worker.settings().pages.as_ref().filter(|_| wants_page(what.asked));
    let page = page.and_then(|pages| pages.of(what.status));
    let problem;
    let (content_type, body) = if let Some(page) = &page {
        (PAGE, &**page)
    } else {
        problem = problem::body(what.status, what.detail, what.request_id.unwrap_or_default());
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
    if let Some(id) = what.request_id {
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
fn wants_page(asked: &[u8]) -> bool {
    let mut accepted = Vec::new();
    for line in asked.split(|&byte| byte == b'\n').skip(1) {
        let Some((name, value)) = line.split_at_checked("accept:".len()) else { continue };
        if name.eq_ignore_ascii_case(b"accept:") {
            accepted.extend_from_slice(value.trim_ascii());
            accepted.push(b',');
        }
    }
    let html = accept::quality(&accepted, "text", "html");
    let problem = accept::quality(&accepted, "application", "problem+json");
    html > problem.max(accept::quality(&accepted, "application", "json"))
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
    use super::*;

    fn wants(accept: &str) -> bool {
        wants_page(format!("GET /accept: HTTP/1.1\r\nHost: h\r\n{accept}\r\n\r\n").as_bytes())
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
        assert!(!wants_page(b""));
    }
}
