//! Who may ask. The interface is meant for this machine and a private network, and a browser on it can be made to ask by any
//! page its user has open. Three things tell such a request: the browser's own word (`Sec-Fetch-Site: cross-site`), a Host
//! that is not ours (a foreign name rebound to our address), and an Origin other than the Host.
//!
//! A Host is ours when nobody outside can own it as a name: an address, a name without a dot (`localhost`, a Compose
//! service), or one under `.localhost`, `.local` or `.internal`; any other name has to be in `BALANCER_ADMIN_HOSTS`.

use std::net::{IpAddr, Ipv6Addr};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, ResponseError, web};
use evenkeel_service::{Rarely, admin as listener};
use subtle::ConstantTimeEq;
use tracing::warn;

use super::Admin;
use super::problem::Problem;
use crate::clock::now;
use crate::settings::admin::AdminSettings;

/// Whoever reaches the port can ask as often as they like.
static REFUSED: Rarely = Rarely::new(4);

/// What a browser is told about every answer: the page loads nothing from elsewhere and is shown nowhere else.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
    (header::CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
];

/// Refuses what a foreign page makes a browser ask. Probes of the process itself are answered under any name: what asks
/// there is no browser.
pub(super) async fn guard(
    admin: web::Data<Admin>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let probed = matches!(request.path(), "/livez" | "/readyz");
    let checked = if listener::is_cross_site(request.headers()) {
        Err(Problem::new(StatusCode::FORBIDDEN, "A page of another site asked for this."))
    } else if probed {
        Ok(())
    } else {
        check(request.headers(), &admin.shared.edition().settings.admin)
    };
    let mut response = match checked {
        Err(problem) => {
            if let Some(more) = REFUSED.admit(now()) {
                warn!(peer = ?request.peer_addr(), path = shown(request.path()), "{problem}{more}");
            }
            let refused = problem.error_response();
            request.into_response(refused)
        }
        Ok(()) => next.call(request).await?.map_into_boxed_body(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

/// Whether the request carries the token that a change needs.
pub(super) fn authorise(request: &HttpRequest, settings: &AdminSettings) -> Result<(), Problem> {
    let Some(token) = &settings.token else {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "This balancer is read-only: it was started without BALANCER_ADMIN_TOKEN or BALANCER_ADMIN_TOKEN_FILE.",
        ));
    };
    let given = request.headers().get(header::AUTHORIZATION).and_then(|field| bearer(field.as_bytes()));
    if given.is_some_and(|given| given.ct_eq(token.expose().as_bytes()).into()) {
        return Ok(());
    }
    if let Some(more) = REFUSED.admit(now()) {
        let path = shown(request.path());
        warn!(peer = ?request.peer_addr(), path, "a change was asked for without the right token{more}");
    }
    let detail = "Give the token of BALANCER_ADMIN_TOKEN, as Authorization: Bearer <token>; Compose and the manager take \
                  the one in secrets/admin-token.";
    Err(Problem::new(StatusCode::UNAUTHORIZED, detail))
}

/// How much of what was sent is shown again, in bytes: whoever is refused does not fill the log with it.
const SHOWN: usize = 100;

fn shown(text: &str) -> &str {
    &text[..text.floor_char_boundary(SHOWN)]
}

/// What follows the scheme, whose name has no case (RFC 9110 §11.1, RFC 6750 §2.1).
fn bearer(field: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = field.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii_start())
}

fn check(headers: &HeaderMap, settings: &AdminSettings) -> Result<(), Problem> {
    let refused = |detail: String| Err(Problem::new(StatusCode::FORBIDDEN, detail));
    // No browser leaves it out.
    let Some(host) = headers.get(header::HOST) else { return Ok(()) };
    let host = host.to_str().unwrap_or_default();
    if !is_ours(host_name(host), &settings.hosts) {
        let host = shown(host);
        return refused(format!("{host:?} is not a name of this interface; add it to BALANCER_ADMIN_HOSTS."));
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    if authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host)) {
        return Ok(());
    }
    refused(format!("A page of another origin ({:?}) asked for this.", shown(origin)))
}

/// A Host without its port.
fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_ours(name: &str, hosts: &[String]) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let bracketed = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if name.parse::<IpAddr>().is_ok() || bracketed.is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok()) {
        return true;
    }
    let private = [".localhost", ".local", ".internal"].iter().any(|zone| name.ends_with(zone));
    let single =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    single || private || hosts.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(host: &str, origin: Option<&str>) -> bool {
        let settings = AdminSettings { hosts: vec!["lb.example.net".to_owned()], ..AdminSettings::default() };
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        check(&headers, &settings).is_ok()
    }

    #[test]
    fn a_host_is_an_address_a_private_name_or_one_that_was_named() {
        for ours in [
            "localhost:9090",
            "LOCALHOST",
            "127.0.0.1:9090",
            "[::1]:9090",
            "balancer:9090",
            "balancer.evenkeel.svc.cluster.local:9090",
            "lb.example.net",
            "LB.example.net.:9090",
        ] {
            assert!(checked(ours, None), "{ours}");
        }
        for foreign in
            ["evil.example:9090", "127.0.0.1.evil.example", "localhost.evil.example", "", "[::1", "a b"]
        {
            assert!(!checked(foreign, None), "{foreign}");
        }
    }

    #[test]
    fn what_is_long_is_not_shown_whole() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "x.".repeat(5000).parse().unwrap());
        let refused = check(&headers, &AdminSettings::default()).unwrap_err().to_string();
        assert!(refused.len() < 250, "{}", refused.len());
    }

    #[test]
    fn an_origin_is_the_host_itself() {
        assert!(checked("localhost:9090", Some("http://localhost:9090")));
        assert!(checked("lb.example.net", Some("https://lb.example.net")));
        for foreign in
            ["http://localhost:3000", "http://evil.example", "null", "", "http://localhost:9090.evil.example"]
        {
            assert!(!checked("localhost:9090", Some(foreign)), "{foreign}");
        }
    }
}
