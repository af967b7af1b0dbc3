//! Everything that goes wrong with one request, and doing it to the response.

use std::time::Duration;

use actix_web::{
    HttpResponse,
    body::BoxBody,
    http::{
        ConnectionType, StatusCode,
        header::{HeaderMap, HeaderName, HeaderValue},
    },
};
use evenkeel_digest::{Algorithm, CONTENT_DIGEST, Digest, REPR_DIGEST};
use evenkeel_service::Size;

use super::{
    Fault, Socket,
    body::{Cut, Spoiled},
    rule::fraction,
};

/// What goes wrong with one request. Of faults that exclude each other the first holds.
#[derive(Debug, Default)]
pub(crate) struct Mishap {
    pub(crate) delay: Duration,
    pub(crate) instead: Option<Instead>,
    names: Vec<&'static str>,
    digest: Option<Promise>,
    /// The chance that chooses the bit to flip.
    flip: Option<u64>,
    cut: Option<Cut>,
    pace: Option<Size>,
    close: bool,
}

/// What comes instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instead {
    Status(StatusCode),
    Unauthorized,
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Promise {
    Wrong,
    Missing,
}

impl Mishap {
    /// Adds a fault that fired; `chance` is for whatever it leaves open.
    pub(super) fn add(&mut self, fault: Fault, chance: u64) {
        self.names.push(name(fault));
        match fault {
            Fault::Delay { least, spread } => self.delay += least + spread.mul_f64(fraction(chance)),
            Fault::Status(status) => _ = self.instead.get_or_insert(Instead::Status(status)),
            Fault::Unauthorized => _ = self.instead.get_or_insert(Instead::Unauthorized),
            Fault::Hang => _ = self.instead.get_or_insert(Instead::Nothing),
            Fault::Corrupt => _ = self.flip.get_or_insert(chance),
            Fault::WrongDigest => _ = self.digest.get_or_insert(Promise::Wrong),
            Fault::NoDigest => _ = self.digest.get_or_insert(Promise::Missing),
            Fault::Truncate => _ = self.cut.get_or_insert(Cut::Truncate),
            Fault::Reset => _ = self.cut.get_or_insert(Cut::Reset),
            Fault::Stall => _ = self.cut.get_or_insert(Cut::Stall),
            Fault::Close => self.close = true,
            Fault::Slow(rate) => _ = self.pace.get_or_insert(rate),
        }
    }

    /// The words of the faults that fired, for the journal and the metrics.
    pub(crate) fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// Does to a finished response what remains to be done.
    pub(crate) fn spoil(&self, mut response: HttpResponse, socket: Option<Socket>) -> HttpResponse {
        match self.digest {
            Some(Promise::Missing) => {
                response.headers_mut().remove(CONTENT_DIGEST);
                response.headers_mut().remove(REPR_DIGEST);
            }
            Some(Promise::Wrong) => promise_another(response.headers_mut()),
            None => {}
        }
        if self.close {
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        if self.flip.is_none() && self.cut.is_none() && self.pace.is_none() {
            return response;
        }
        response.map_body(|_, body| BoxBody::new(Spoiled::new(body, self.flip, self.cut, self.pace, socket)))
    }
}

/// Replaces the digests of a response by those of something else.
fn promise_another(headers: &mut HeaderMap) {
    for field in [CONTENT_DIGEST, REPR_DIGEST].map(HeaderName::from_static) {
        let given = headers.get(&field).and_then(|value| value.to_str().ok());
        let Some(given) = given else { continue };
        let algorithm = Algorithm::ALL.into_iter().find(|algorithm| given.starts_with(algorithm.name()));
        let other = Digest::of(algorithm.unwrap_or(Algorithm::Sha256), b"something else").field_value();
        // Base64 and colons are always a valid field value.
        if let Ok(value) = HeaderValue::from_str(&other) {
            headers.insert(field, value);
        }
    }
}

fn name(fault: Fault) -> &'static str {
    match fault {
        Fault::Delay { .. } => "delay",
        Fault::Status(_) => "status",
        Fault::Unauthorized => "unauthorized",
        Fault::Hang => "hang",
        Fault::Corrupt => "corrupt",
        Fault::WrongDigest => "wrong-digest",
        Fault::NoDigest => "no-digest",
        Fault::Truncate => "truncate",
        Fault::Reset => "reset",
        Fault::Stall => "stall",
        Fault::Close => "close",
        Fault::Slow(_) => "slow",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_add_up_and_the_first_answer_instead_holds() {
        let mut mishap = Mishap::default();
        let delay = Duration::from_millis(100);
        mishap.add(Fault::Delay { least: delay, spread: Duration::ZERO }, 1);
        mishap.add(Fault::Delay { least: delay, spread: Duration::ZERO }, 2);
        mishap.add(Fault::Hang, 3);
        mishap.add(Fault::Unauthorized, 4);
        assert_eq!((mishap.delay, mishap.instead), (2 * delay, Some(Instead::Nothing)));
        assert_eq!(mishap.names(), ["delay", "delay", "hang", "unauthorized"]);
    }

    #[test]
    fn a_delay_is_drawn_from_its_range() {
        let (least, spread) = (Duration::from_millis(100), Duration::from_millis(200));
        let drawn = |chance| {
            let mut mishap = Mishap::default();
            mishap.add(Fault::Delay { least, spread }, chance);
            mishap.delay
        };
        assert_eq!(drawn(0), least);
        assert!(drawn(u64::MAX / 2) > Duration::from_millis(190) && drawn(u64::MAX) <= least + spread);
    }

    #[test]
    fn a_wrong_digest_keeps_its_algorithm() {
        let right = Digest::of(Algorithm::Sha512, b"body").field_value();
        let mut mishap = Mishap::default();
        mishap.add(Fault::WrongDigest, 0);
        let response = HttpResponse::Ok().insert_header((CONTENT_DIGEST, right.clone())).body("body");
        let response = mishap.spoil(response, None);
        let wrong = response.headers().get(CONTENT_DIGEST).unwrap().to_str().unwrap();
        assert!(wrong.starts_with("sha-512=:") && wrong.len() == right.len() && wrong != right);
        assert!(!response.headers().contains_key(REPR_DIGEST));
    }
}
