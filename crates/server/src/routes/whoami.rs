//! `/whoami`: which server answered, and the request as it arrived there. As JSON, or as text for people and browsers.

use std::{fmt::Write as _, net::SocketAddr};

use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse,
    http::header::{AUTHORIZATION, Accept, HeaderName, HeaderValue, VARY},
    web,
};
use serde::Serialize;

use crate::state::State;

/// This server's end of a connection, remembered when it was accepted.
pub(crate) struct Address(pub(crate) SocketAddr);

#[derive(Serialize)]
struct Whoami<'a> {
    server: &'a str,
    /// This server's end of the connection, and the other.
    address: Option<SocketAddr>,
    peer: Option<SocketAddr>,
    request: Request<'a>,
}

#[derive(Serialize)]
struct Request<'a> {
    method: &'a str,
    target: String,
    version: String,
    headers: Vec<(&'a str, String)>,
}

pub(super) async fn whoami(state: web::Data<State>, request: HttpRequest) -> HttpResponse {
    let seen = Whoami {
        server: &state.settings.name,
        address: request.conn_data::<Address>().map(|address| address.0),
        peer: request.peer_addr(),
        request: Request {
            method: request.method().as_str(),
            target: request.uri().to_string(),
            version: format!("{:?}", request.version()),
            headers: request
                .headers()
                .iter()
                .map(|(name, value)| (name.as_str(), shown(name, value)))
                .collect(),
        },
    };
    let mut response = HttpResponse::Ok();
    response.insert_header((VARY, "accept"));
    if wants_text(&request) {
        response.content_type("text/plain; charset=utf-8").body(as_text(&seen))
    } else {
        response.json(seen)
    }
}

/// Credentials are never shown, not even to those who sent them.
fn shown(name: &HeaderName, value: &HeaderValue) -> String {
    if name == AUTHORIZATION {
        "…".to_owned()
    } else {
        String::from_utf8_lossy(value.as_bytes()).into_owned()
    }
}

/// JSON, unless some kind of text is preferred to it.
fn wants_text(request: &HttpRequest) -> bool {
    let Some(accept) = request.get_header::<Accept>() else { return false };
    let ranked = accept.ranked();
    let first = ranked.iter().find(|range| {
        range.type_() == "text" || range.type_() == "*" || range.essence_str().starts_with("application/")
    });
    first.is_some_and(|range| range.type_() == "text")
}

fn as_text(seen: &Whoami<'_>) -> String {
    let mut text = format!("Server: {}\n", seen.server);
    // Writing into a String cannot fail.
    if let Some(address) = &seen.address {
        let _ = writeln!(text, "Address: {address}");
    }
    if let Some(peer) = seen.peer {
        let _ = writeln!(text, "Peer: {peer}");
    }
    let Request { method, target, version, headers } = &seen.request;
    let _ = writeln!(text, "\n{method} {target} {version}");
    for (name, value) in headers {
        let _ = writeln!(text, "{name}: {value}");
    }
    text
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn text_is_for_those_who_prefer_it() {
        let wants = |accept: &str| {
            wants_text(&TestRequest::get().insert_header(("accept", accept)).to_http_request())
        };
        assert!(wants("text/plain"));
        assert!(wants("text/html,application/xhtml+xml,*/*;q=0.8"));
        assert!(!wants("*/*"));
        assert!(!wants("application/json, text/plain;q=0.5"));
        assert!(!wants_text(&TestRequest::get().to_http_request()));
    }
}
