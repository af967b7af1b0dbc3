//! Basic authentication (RFC 7617). An unknown user costs the same time as a wrong password: both names and both passwords
//! are hashed and compared in full, and only the combined result is looked at.

use actix_web::http::{
    StatusCode,
    header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use evenkeel_digest::{Algorithm, Digest};
use subtle::ConstantTimeEq as _;

use crate::problem::Problem;

/// The one user who may ask.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    // Hashed, so that a comparison takes the same time whatever the lengths.
    username: Digest,
    password: Digest,
}

impl Credentials {
    pub(crate) fn new(username: &str, password: &str) -> Self {
        Self { username: hash(username.as_bytes()), password: hash(password.as_bytes()) }
    }

    /// Lets a request through, or says what it gets instead.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let mut fields = headers.get_all(AUTHORIZATION);
        let field = fields.next().ok_or_else(challenge)?;
        if fields.next().is_some() {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "more than one Authorization field"));
        }
        let (username, password) = decode(field.as_bytes()).ok_or_else(challenge)?;
        let known = hash(&username).as_bytes().ct_eq(self.username.as_bytes());
        let right = hash(&password).as_bytes().ct_eq(self.password.as_bytes());
        if bool::from(known & right) { Ok(()) } else { Err(challenge()) }
    }
}

/// A 401 that asks for credentials.
pub(crate) fn challenge() -> Problem {
    let scheme = HeaderValue::from_static("Basic realm=\"evenkeel\", charset=\"UTF-8\"");
    Problem::new(StatusCode::UNAUTHORIZED, "a user name and a password are needed")
        .with(WWW_AUTHENTICATE, scheme)
}

fn hash(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

/// The user name and the password in an Authorization field, split at the first colon.
fn decode(field: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let scheme = field.iter().position(|byte| *byte == b' ')?;
    if !field[..scheme].eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let mut username = BASE64_STANDARD.decode(field[scheme..].trim_ascii()).ok()?;
    if username.iter().any(u8::is_ascii_control) {
        return None;
    }
    let colon = username.iter().position(|byte| *byte == b':')?;
    let password = username.split_off(colon + 1);
    username.pop();
    Some((username, password))
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError as _;

    use super::*;

    fn check(fields: &[&str]) -> Result<(), StatusCode> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(AUTHORIZATION, HeaderValue::from_str(field).unwrap());
        }
        Credentials::new("jürgen", "a:b").check(&headers).map_err(|problem| problem.status_code())
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(text))
    }

    #[test]
    fn p78_the_password_is_what_follows_the_first_colon() {
        assert_eq!(check(&[&basic("jürgen:a:b")]), Ok(()));
        assert_eq!(check(&[&basic("jürgen:a")]), Err(StatusCode::UNAUTHORIZED));
        assert_eq!(check(&[&basic("jurgen:a:b")]), Err(StatusCode::UNAUTHORIZED));
        assert_eq!(check(&[&basic("jürgen:")]), Err(StatusCode::UNAUTHORIZED));
    }

    #[test]
    fn p78_the_scheme_has_no_case() {
        assert_eq!(check(&[&basic("jürgen:a:b").replace("Basic", "bAsIc")]), Ok(()));
        assert_eq!(check(&[&basic("jürgen:a:b").replace("Basic", "Bearer")]), Err(StatusCode::UNAUTHORIZED));
    }

    #[test]
    fn p78_what_cannot_be_decoded_is_asked_for_again() {
        for field in [
            "Basic",
            "Basic ",
            "Basic !!!!",
            "Basic YQ",
            &basic("nocolon"),
            &basic("a\n:b"),
            "Basic YTpi YTpi",
        ] {
            assert_eq!(check(&[field]), Err(StatusCode::UNAUTHORIZED), "{field}");
        }
        assert_eq!(check(&[]), Err(StatusCode::UNAUTHORIZED));
    }

    #[test]
    fn p78_two_fields_are_a_bad_request() {
        let right = basic("jürgen:a:b");
        assert_eq!(check(&[&right, &right]), Err(StatusCode::BAD_REQUEST));
    }

    #[test]
    fn an_empty_password_can_be_the_right_one() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&basic("a:")).unwrap());
        assert!(Credentials::new("a", "").check(&headers).is_ok());
    }
}
