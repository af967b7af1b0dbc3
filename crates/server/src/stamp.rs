//! What every response carries, errors included: `X-Server`, digests, and `Connection: close` while the server leaves.
//!
//! `Content-Digest` is over the bytes sent, `Repr-Digest` over the whole representation (RFC 9530): they are equal on a plain
//! 200 and differ on 206, 304 and HEAD. Routes whose body is made while it is sent set both themselves.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    http::{
        ConnectionType, Method, StatusCode,
        header::{HeaderMap, HeaderName, HeaderValue},
    },
    web::Bytes,
};
use evenkeel_digest::{Algorithm, Digest};

use crate::state::State;

/// The field that says which server answered.
const X_SERVER: HeaderName = HeaderName::from_static("x-server");
/// The field whose digest is over the content as it is sent.
pub(crate) const CONTENT_DIGEST: HeaderName = HeaderName::from_static(evenkeel_digest::CONTENT_DIGEST);
/// The field whose digest is over the whole representation.
pub(crate) const REPR_DIGEST: HeaderName = HeaderName::from_static(evenkeel_digest::REPR_DIGEST);

/// Signs a response to a request with this method.
pub(crate) fn stamp(state: &State, method: &Method, response: HttpResponse) -> HttpResponse {
    let mut response = match state.settings.digest {
        // A protocol switch is followed by something that is no content.
        Some(algorithm) if !response.status().is_informational() => with_digests(response, method, algorithm),
        _ => response,
    };
    if method == Method::HEAD {
        response = response.map_body(|_, body| BoxBody::new(Withheld(body.size())));
    }
    response.headers_mut().insert(X_SERVER, state.settings.name_value.clone());
    if state.is_leaving() && !response.status().is_informational() {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    response
}

/// Sets the digest of the content to be sent.
pub(crate) fn set_content_digest(headers: &mut HeaderMap, value: &str) {
    set(headers, CONTENT_DIGEST, value);
}

/// Sets the digest of the whole representation, for a response that sends only a part of it, or none.
pub(crate) fn set_repr_digest(headers: &mut HeaderMap, value: &str) {
    set(headers, REPR_DIGEST, value);
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // Base64 and colons are always a valid field value.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn with_digests(response: HttpResponse, method: &Method, algorithm: Algorithm) -> HttpResponse {
    if method == Method::HEAD {
        return without_content(response, algorithm);
    }
    let is_whole = method == Method::GET && response.status() == StatusCode::OK;
    let wants_content = !response.headers().contains_key(CONTENT_DIGEST);
    let wants_repr = is_whole && !response.headers().contains_key(REPR_DIGEST);
    if !wants_content && !wants_repr {
        return response;
    }
    at_hand(response, |headers, bytes| {
        let digest = Digest::of(algorithm, bytes).field_value();
        if wants_content {
            set_content_digest(headers, &digest);
        }
        if wants_repr {
            set_repr_digest(headers, &digest);
        }
    })
}

/// The response to HEAD sends nothing; what GET would send is what its `Repr-Digest` is about.
fn without_content(response: HttpResponse, algorithm: Algorithm) -> HttpResponse {
    let wants_repr = response.status() == StatusCode::OK && !response.headers().contains_key(REPR_DIGEST);
    let mut response = if wants_repr {
        at_hand(response, |headers, bytes| {
            set_repr_digest(headers, &Digest::of(algorithm, bytes).field_value());
        })
    } else {
        response
    };
    set_content_digest(response.headers_mut(), &Digest::of(algorithm, b"").field_value());
    response
}

/// Shows a body that is at hand as a whole to `sign`; one that is made while it is sent passes by.
fn at_hand(response: HttpResponse, sign: impl FnOnce(&mut HeaderMap, &[u8])) -> HttpResponse {
    let (response, body) = response.into_parts();
    let mut response = response.set_body(());
    let body = match body.try_into_bytes() {
        Ok(bytes) => {
            sign(response.headers_mut(), &bytes);
            BoxBody::new(bytes)
        }
        Err(streamed) => streamed,
    };
    response.set_body(body)
}

/// The body of a response to HEAD: its length is told, its content is not even made.
struct Withheld(BodySize);

impl MessageBody for Withheld {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.0
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(None)
    }
}
