//! Everything a user can set about a server, read once. The declaration below is what `--help` prints.

use std::{net::SocketAddr, num::NonZero, path::PathBuf, time::Duration};

use actix_web::http::header::HeaderValue;
use evenkeel_digest::Algorithm;
use evenkeel_service::{Component, Reading, Reported, Size, Variable};

use crate::{authentication::Credentials, data::Data, faults::Rules, tls::Tls};

/// The server and its variables.
pub(crate) const COMPONENT: Component = Component {
    name: "server",
    about: "The configurable HTTP server behind the balancer.",
    prefix: "SERVER_",
    variables: &[
        Variable::new(
            "BIND",
            "0.0.0.0:8080",
            "where requests are answered; port 0 takes a free one, which the log names",
        ),
        Variable::new(
            "ADMIN_BIND",
            "0.0.0.0:9090",
            "where /livez, /readyz, /metrics and /faults are answered",
        ),
        Variable::optional(
            "TLS_CERTIFICATE",
            "plain HTTP",
            "a PEM file: what requests are answered over TLS with, the server's own certificate first",
        ),
        Variable::optional("TLS_KEY", "plain HTTP", "a PEM file: the key of SERVER_TLS_CERTIFICATE"),
        Variable::optional(
            "TLS_CLIENT_CA",
            "any client",
            "a PEM file: who signs the certificates that clients have to show",
        ),
        Variable::optional("NAME", "the host name", "what X-Server says: visible ASCII characters"),
        Variable::optional("DATA", "a greeting as JSON", "what / answers, read at the start").or_file(),
        Variable::optional(
            "CONTENT_TYPE",
            "JSON, UTF-8 text or bytes, as the data is",
            "the Content-Type of /",
        ),
        Variable::optional(
            "USERNAME",
            "no authentication",
            "who may ask (Basic, RFC 7617); with SERVER_PASSWORD",
        ),
        Variable::optional("PASSWORD", "no authentication", "the password that goes with SERVER_USERNAME")
            .or_file(),
        Variable::new(
            "DIGEST",
            "sha-256",
            "the digest on every response (RFC 9530): sha-256, sha-512 or off",
        ),
        Variable::optional(
            "FAULTS",
            "none",
            "what goes wrong: a comma list of fault[=value][:probability][@condition]…, such as \
             delay=200ms:10%,status=503:5%@path=/bytes,corrupt@first=3",
        ),
        Variable::new("FAULTS_BY_REQUEST", "off", "on: a request may bring faults in X-Evenkeel-Fault"),
        Variable::new("SEED", "1", "a whole number from which all chance of SERVER_FAULTS is drawn"),
        Variable::optional(
            "JOURNAL",
            "no journal",
            "a directory: the requests that carry X-Evenkeel-Run are written down in files of it",
        ),
        Variable::new(
            "JOURNAL_LIMIT",
            "64MiB",
            "how much of them a server keeps, some 300,000 requests; the oldest go first",
        ),
        Variable::optional("WORKERS", "one per core", "how many threads answer requests"),
        Variable::new("MAX_CONNECTIONS", "10000", "open connections per worker; more wait to be accepted"),
        Variable::new("MAX_BODY", "2GiB", "the largest request body; a larger one gets 413"),
        Variable::new("MAX_DELAY", "1m", "the longest /delay/{duration}"),
        Variable::new("HEAD_TIMEOUT", "10s", "how long the first head on a connection may take"),
        Variable::new("BODY_TIMEOUT", "30s", "how long a request body may stand still before it gets 408"),
        Variable::new(
            "KEEP_ALIVE",
            "75s",
            "how long a connection may idle; longer than the balancer's 1.5 s",
        ),
        Variable::new(
            "ABORT_ON_CLOSE",
            "on",
            "whether a request is given up when its client closes; off serves clients that only end their sending",
        ),
        Variable::new(
            "LEAVE_AFTER",
            "3s",
            "how long SIGTERM leaves the listener open: /readyz says 503 and responses close their connections",
        ),
        Variable::new("FINISH_WITHIN", "4s", "how long requests may run after that, before the server exits"),
    ],
    health: Some("ADMIN_BIND"),
};

/// A server's settings.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) bind: SocketAddr,
    pub(crate) admin_bind: SocketAddr,
    /// `None`: plain HTTP.
    pub(crate) tls: Option<Tls>,
    /// The server's name, and as the value of `X-Server`.
    pub(crate) name: String,
    pub(crate) name_value: HeaderValue,
    pub(crate) data: Data,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) digest: Option<Algorithm>,
    pub(crate) faults: Rules,
    pub(crate) faults_by_request: bool,
    pub(crate) seed: u64,
    pub(crate) journal: Option<PathBuf>,
    pub(crate) journal_limit: Size,
    /// `None`: one per core.
    pub(crate) workers: Option<NonZero<usize>>,
    pub(crate) max_connections: NonZero<usize>,
    pub(crate) max_body: Size,
    pub(crate) max_delay: Duration,
    pub(crate) head_timeout: Duration,
    pub(crate) body_timeout: Duration,
    pub(crate) keep_alive: Duration,
    pub(crate) abort_on_close: bool,
    pub(crate) leave_after: Duration,
    pub(crate) finish_within: Duration,
}

/// Reads and checks all of them.
pub(crate) fn read(reading: &mut Reading<'_>) -> Result<Settings, Reported> {
    let bind = reading.value("BIND");
    let admin_bind = reading.value("ADMIN_BIND");
    let tls = Tls::read(reading);
    let name = name(reading);
    let digest = reading.choice(
        "DIGEST",
        &[("sha-256", Some(Algorithm::Sha256)), ("sha-512", Some(Algorithm::Sha512)), ("off", None)],
    );
    let data = data(reading, name.as_ref().map_or("", |(name, _)| name), digest.unwrap_or_default());
    let credentials = credentials(reading);
    let faults = reading.optional_with("FAULTS", Rules::parse);
    let faults_by_request = reading.value("FAULTS_BY_REQUEST");
    let seed = reading.value("SEED");
    let journal = reading.optional("JOURNAL");
    let journal_limit = reading.value("JOURNAL_LIMIT");
    let workers = reading.optional("WORKERS");
    let max_connections = reading.value("MAX_CONNECTIONS");
    let max_body = reading.value("MAX_BODY");
    let max_delay = reading.value("MAX_DELAY");
    let head_timeout = reading.value("HEAD_TIMEOUT");
    let body_timeout = reading.value("BODY_TIMEOUT");
    let keep_alive = reading.value("KEEP_ALIVE");
    let abort_on_close = reading.value("ABORT_ON_CLOSE");
    let leave_after = reading.value("LEAVE_AFTER");
    let finish_within = reading.value("FINISH_WITHIN");
    let (name, name_value) = name?;
    Ok(Settings {
        bind: bind?,
        admin_bind: admin_bind?,
        tls: tls?,
        name,
        name_value,
        data: data?,
        credentials: credentials?,
        digest: digest?,
        faults: faults?.unwrap_or_default(),
        faults_by_request: faults_by_request?,
        seed: seed?,
        journal: journal?,
        journal_limit: journal_limit?,
        workers: workers?,
        max_connections: max_connections?,
        max_body: max_body?,
        max_delay: max_delay?,
        head_timeout: head_timeout?,
        body_timeout: body_timeout?,
        keep_alive: keep_alive?,
        abort_on_close: abort_on_close?,
        leave_after: leave_after?,
        finish_within: finish_within?,
    })
}

fn name(reading: &mut Reading<'_>) -> Result<(String, HeaderValue), Reported> {
    let given: Option<String> = reading.optional("NAME")?;
    let name = given.unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned());
    match HeaderValue::from_str(&name) {
        Ok(value) if name.bytes().all(|byte| byte.is_ascii_graphic()) => Ok((name, value)),
        _ => {
            Err(reading.problem("NAME", format!("`{name}` has something else than visible ASCII characters")))
        }
    }
}

fn data(reading: &mut Reading<'_>, name: &str, digest: Option<Algorithm>) -> Result<Data, Reported> {
    let content = reading.content("DATA");
    let content_type = reading.optional_with("CONTENT_TYPE", |text| {
        HeaderValue::from_str(text).map_err(|_| format!("`{text}` is no value for a header field"))
    });
    let content = content?.unwrap_or_else(|| {
        serde_json::json!({ "greeting": "Hello from Evenkeel", "server": name }).to_string().into_bytes()
    });
    Ok(Data::new(content, content_type?, digest))
}

fn credentials(reading: &mut Reading<'_>) -> Result<Option<Credentials>, Reported> {
    let username = reading.optional_with("USERNAME", |text| {
        if text.contains(':') {
            Err(format!("`{text}` contains a colon, which Basic authentication cannot carry in a user name"))
        } else if text.chars().any(char::is_control) {
            Err(format!("`{text}` contains a control character"))
        } else {
            Ok(text.to_owned())
        }
    });
    let password = reading.secret("PASSWORD");
    match (username?, password?) {
        (Some(username), Some(password)) => Ok(Some(Credentials::new(&username, password.expose()))),
        (None, None) => Ok(None),
        (Some(_), None) => {
            Err(reading.problem("PASSWORD", "is required with SERVER_USERNAME; or set SERVER_PASSWORD_FILE"))
        }
        (None, Some(_)) => Err(reading.problem("USERNAME", "is required with SERVER_PASSWORD")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Settings, String> {
        let variables = variables.iter().map(|(k, v)| (k.into(), v.into()));
        Reading::of(&COMPONENT, variables, read).map_err(|problems| problems.to_string())
    }

    #[test]
    fn nothing_needs_to_be_set() {
        let settings = of(&[]).unwrap();
        assert_eq!(settings.bind, "0.0.0.0:8080".parse().unwrap());
        assert_eq!(settings.digest, Some(Algorithm::Sha256));
        assert!(settings.credentials.is_none());
        assert_eq!(settings.leave_after + settings.finish_within, Duration::from_secs(7));
    }

    #[test]
    fn a_password_without_a_user_is_a_problem_and_the_reverse() {
        assert_eq!(
            of(&[("SERVER_PASSWORD", "x")]).unwrap_err(),
            "SERVER_USERNAME: is required with SERVER_PASSWORD"
        );
        assert_eq!(
            of(&[("SERVER_USERNAME", "x")]).unwrap_err(),
            "SERVER_PASSWORD: is required with SERVER_USERNAME; or set SERVER_PASSWORD_FILE"
        );
    }

    #[test]
    fn names_that_cannot_be_sent_are_problems() {
        assert!(
            of(&[("SERVER_NAME", "a b")]).unwrap_err().starts_with("SERVER_NAME: `a b` has something else")
        );
        assert!(of(&[("SERVER_USERNAME", "a:b"), ("SERVER_PASSWORD", "x")]).unwrap_err().contains("a colon"));
    }

    #[test]
    fn a_bad_fault_names_its_variable() {
        assert_eq!(
            of(&[("SERVER_FAULTS", "explode")]).unwrap_err().split(';').next(),
            Some("SERVER_FAULTS: `explode` is not a fault")
        );
    }
}
