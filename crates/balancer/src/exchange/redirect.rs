//! Requests that are told to be asked elsewhere: over plain HTTP, to come again over TLS (`BALANCER_HTTPS_REDIRECT`), with 308 so that
//! they stay what they are; and by a route (`BALANCER_REDIRECT`).
//!
//! Where to over TLS is what they ask for themselves, so that answer is to be kept by nobody: who asks for a foreign host gets that
//! back, and nobody else shall.

use std::io::Write as _;

use evenkeel_message::routes::Redirect;
use evenkeel_message::{Framing, Refusal, RequestHead};

use super::caller::Caller;
use super::reply;
use super::scratch::Scratch;
use super::then::Then;
use crate::context::Worker;
use crate::settings::Settings;

/// Where authorities look for their challenge (RFC 8555 §8.3), which the ACME client behind this balancer answers.
const CHALLENGES: &[u8] = b"/.well-known/acme-challenge/";

/// The port of https, where none is named.
const HTTPS: u16 = 443;

/// The port that the client is sent to instead of a server.
pub(super) fn to<C: Caller>(settings: &Settings, caller: &C) -> Option<u16> {
    let port = settings.tls.as_ref()?.redirect?;
    if caller.scheme() == "https" {
        return None;
    }
    let (head, input) = caller.asked();
    // Behind a proxy that speaks TLS for it, a request has come over https already: it would be sent round and round.
    let origin = settings.trusted.origin(caller.peer().ip(), caller.scheme(), head, input);
    let is_secured = origin.scheme().eq_ignore_ascii_case(b"https");
    (!is_secured && !is_challenge(&head.path_and_query(input))).then_some(port)
}

/// Sends a client to https, and says what follows.
#[inline(never)]
pub(super) async fn to_https<C: Caller>(
    worker: &Worker,
    caller: &mut C,
    scratch: &mut Scratch,
    port: u16,
) -> Then {
    scratch.keep_what_was_asked(worker, caller);
    let (head, input) = caller.asked();
    let Some(location) = location(head, input, port) else {
        let refusal = Refusal::bad("The request names no host, and can be sent to none over https.");
        return super::refuse(worker, caller, scratch, &refusal).await;
    };
    worker.stats.redirected_to_https.add(1);
    // The host is the request's own: nobody else shall get it.
    tell(worker, caller, scratch, 308, &location, Some(("Cache-Control", b"no-store"))).await
}

/// Sends a client to where a route leads, and says what follows.
#[inline(never)]
pub(super) async fn elsewhere<C: Caller>(
    worker: &Worker,
    caller: &mut C,
    scratch: &mut Scratch,
    redirect: &Redirect,
) -> Then {
    scratch.keep_what_was_asked(worker, caller);
    let (head, input) = caller.asked();
    match redirect.location(&head.path_and_query(input)) {
        Ok(location) => {
            worker.stats.redirected.add(1);
            tell(worker, caller, scratch, redirect.status(), &location, None).await
        }
        Err(refusal) => super::refuse(worker, caller, scratch, &refusal).await,
    }
}

async fn tell<C: Caller>(
    worker: &Worker,
    caller: &mut C,
    scratch: &mut Scratch,
    status: u16,
    location: &[u8],
    caching: Option<(&str, &[u8])>,
) -> Then {
    let (head, _) = caller.asked();
    // What comes behind a body is not looked for.
    let has_body = !matches!(head.framing(), Framing::Empty | Framing::Length(0));
    if has_body {
        caller.close_after_this();
    }
    caller.head_taken();
    scratch.account.redirected(status);
    reply::redirected(worker, caller, status, location, caching, &scratch.asked());
    match super::send_own(worker, caller, scratch).await {
        true if has_body => Then::Linger,
        true => caller.after().into(),
        false => Then::Close,
    }
}

/// Only what can be one: a token, and no path that leads elsewhere.
fn is_challenge(path: &[u8]) -> bool {
    path.strip_prefix(CHALLENGES).is_some_and(|token| {
        !token.is_empty() && token.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
    })
}

/// The same over https. `None` without a host.
fn location(head: &RequestHead, input: &[u8], port: u16) -> Option<Vec<u8>> {
    let authority = head.authority(input);
    let end = match authority {
        [b'[', ..] => authority.iter().position(|&byte| byte == b']')? + 1,
        _ => authority.iter().position(|&byte| byte == b':').unwrap_or(authority.len()),
    };
    let host = authority[..end].strip_suffix(b".").unwrap_or(&authority[..end]);
    if host.is_empty() {
        return None;
    }
    let mut location = b"https://".to_vec();
    location.extend(host.iter().map(u8::to_ascii_lowercase));
    if port != HTTPS {
        // Writing into memory cannot fail.
        let _ = write!(location, ":{port}");
    }
    match &*head.path_and_query(input) {
        // All of the server (RFC 9112 §3.2.4).
        b"*" => {}
        path => location.extend_from_slice(path),
    }
    Some(location)
}

#[cfg(test)]
mod tests {
    use evenkeel_http1::Inbound;
    use evenkeel_message::Limits;

    use super::*;

    fn of(request: &str, port: u16) -> Option<String> {
        let mut head = RequestHead::new();
        Inbound::new().head(request.as_bytes(), &mut head, &Limits::default()).unwrap().unwrap();
        location(&head, request.as_bytes(), port).map(|location| String::from_utf8(location).unwrap())
    }

    #[test]
    fn the_host_is_in_its_one_form_and_the_path_as_it_came() {
        for (line, host, expected) in [
            ("GET /a?b=%2e", "Shop.EXAMPLE", "https://shop.example/a?b=%2e"),
            ("GET /", "shop.example:80", "https://shop.example/"),
            ("GET /", "shop.example.:8080", "https://shop.example/"),
            ("GET //evil.example/..", "shop.example", "https://shop.example//evil.example/.."),
            ("GET /", "[2001:DB8::1]:80", "https://[2001:db8::1]/"),
            ("GET http://Other.example:81?q", "shop.example", "https://other.example/?q"),
            ("OPTIONS *", "shop.example", "https://shop.example"),
        ] {
            let request = format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert_eq!(of(&request, 443).as_deref(), Some(expected), "{request}");
        }
        let other = of("GET /a HTTP/1.1\r\nHost: shop.example:80\r\n\r\n", 8443);
        assert_eq!(other.as_deref(), Some("https://shop.example:8443/a"));
    }

    #[test]
    fn without_a_host_there_is_nowhere_to_go() {
        assert_eq!(of("GET / HTTP/1.0\r\n\r\n", 443), None);
        assert_eq!(of("GET / HTTP/1.1\r\nHost: .\r\n\r\n", 443), None);
    }

    #[test]
    fn a_challenge_is_a_token_and_nothing_else() {
        assert!(is_challenge(b"/.well-known/acme-challenge/aZ09-_"));
        for no in ["", "../admin", "a/b", "a?b", "%2e%2e", "a.b"] {
            assert!(!is_challenge(&[CHALLENGES, no.as_bytes()].concat()), "{no}");
        }
        assert!(!is_challenge(b"/.well-known/acme-challengeX/a"));
    }
}
