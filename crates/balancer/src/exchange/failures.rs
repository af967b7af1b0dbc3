//! What a client hears when no server could answer: a status, a type of error for `Proxy-Status` (RFC 9209 §2.3) and a sentence.

use std::time::Duration;

use evenkeel_upstream::attempt::Failure;
use evenkeel_upstream::{ConnectFailure, ResponseFailure, TlsFailure};

/// After a 503 of ours it is worth asking again after this time: a probe interval.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The answer to a request that no server could answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// 502, 503 or 504.
    pub(crate) status: u16,
    /// The type of error in `Proxy-Status`.
    pub(crate) error: &'static str,
    pub(crate) detail: &'static str,
    /// When it is worth asking again; only with 503.
    pub(crate) retry_after: Option<Duration>,
}

/// What is told of this failure. `unresolved`: no address is known for any name.
pub(crate) fn told(failure: Failure, unresolved: bool) -> Told {
    match failure {
        Failure::NoEndpoint if unresolved => Told {
            detail: "No address of a server is known: looking their names up has found none yet.",
            ..unavailable("dns_error")
        },
        Failure::NoEndpoint => unavailable("destination_unavailable"),
        Failure::Busy => unavailable("connection_limit_reached"),
        // Nothing was sent, so it is safe to ask again.
        Failure::Connect(why) => unavailable(match why {
            ConnectFailure::Refused => "connection_refused",
            ConnectFailure::TimedOut => "connection_timeout",
            ConnectFailure::Unreachable => "destination_ip_unroutable",
            ConnectFailure::Local => "proxy_internal_error",
            ConnectFailure::Tls(why) if why.is_of_certificate() => "tls_certificate_error",
            ConnectFailure::Tls(TlsFailure::Cut) => "connection_terminated",
            ConnectFailure::Tls(_) => "tls_protocol_error",
        }),
        Failure::Response(ResponseFailure::TimedOut) | Failure::Deadline => Told {
            status: 504,
            error: "http_response_timeout",
            detail: "No server answered in time. The request may have been executed.",
            retry_after: None,
        },
        Failure::Response(ResponseFailure::Reset | ResponseFailure::Closed) | Failure::Stale => {
            unusable("connection_terminated")
        }
        Failure::Response(ResponseFailure::Truncated) => unusable("http_response_incomplete"),
        Failure::Response(ResponseFailure::Garbage) | Failure::WrongDigest => unusable("http_protocol_error"),
    }
}

fn unavailable(error: &'static str) -> Told {
    let detail = "No server can take the request now.";
    Told { status: 503, error, detail, retry_after: Some(RETRY_AFTER) }
}

fn unusable(error: &'static str) -> Told {
    Told {
        status: 502,
        error,
        detail: "No server gave a usable answer. The request may have been executed.",
        retry_after: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_status_and_its_type_of_error() {
        let connects = ConnectFailure::ALL.map(Failure::Connect);
        let responses = ResponseFailure::ALL.map(Failure::Response);
        let others =
            [Failure::NoEndpoint, Failure::Busy, Failure::Stale, Failure::WrongDigest, Failure::Deadline];
        let told: Vec<_> = [&connects[..], &responses, &others]
            .concat()
            .into_iter()
            .map(|failure| told(failure, false))
            .map(|told| (told.status, told.error))
            .collect();
        let expected = [
            (503, "connection_refused"),
            (503, "connection_timeout"),
            (503, "destination_ip_unroutable"),
            (503, "proxy_internal_error"),
            (503, "tls_certificate_error"),
            (503, "tls_certificate_error"),
            (503, "tls_certificate_error"),
            (503, "tls_certificate_error"),
            (503, "tls_protocol_error"),
            (503, "connection_terminated"),
            (502, "connection_terminated"),
            (502, "connection_terminated"),
            (502, "http_response_incomplete"),
            (504, "http_response_timeout"),
            (502, "http_protocol_error"),
            (503, "destination_unavailable"),
            (503, "connection_limit_reached"),
            (502, "connection_terminated"),
            (502, "http_protocol_error"),
            (504, "http_response_timeout"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn only_a_503_says_when_to_ask_again() {
        assert_eq!(told(Failure::Busy, false).retry_after, Some(RETRY_AFTER));
        assert_eq!(told(Failure::Stale, false).retry_after, None);
        assert_eq!(told(Failure::Deadline, false).retry_after, None);
    }

    #[test]
    fn without_an_address_for_any_name_the_names_are_to_blame() {
        assert_eq!(told(Failure::NoEndpoint, true).error, "dns_error");
        assert_eq!(told(Failure::Busy, true).error, "connection_limit_reached");
    }
}
