//! The client's settings: every `CLIENT_…` variable, parsed once.

mod tls;
mod variables;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use evenkeel_service::{Reading, Reported, Setting as _, Size, in_range};
use evenkeel_wire::TlsClient;

pub(crate) use variables::COMPONENT;

use crate::phases::{Load, Phase, Phases, Rate};
use crate::request::{Connections, Credentials};
use crate::slo::Slo;
use crate::target::Target;
use crate::verify::DigestCheck;
use crate::workload::{Entry, Expect, Mix, body_size};

/// Everything the client was told.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Where to send; measured one after the other.
    pub(crate) targets: Vec<Target>,
    /// Whom to trust over TLS, where a target speaks it.
    pub(crate) tls: Option<TlsClient>,
    /// How long to wait for each until it is ready.
    pub(crate) wait: Duration,
    /// The path asked while waiting.
    pub(crate) ready: String,
    /// The admin interface whose `/readyz` must answer as well.
    pub(crate) admin: Option<Target>,
    /// Where the client's own metrics are answered.
    pub(crate) admin_bind: Option<SocketAddr>,
    /// When requests are sent.
    pub(crate) phases: Vec<Phase>,
    /// The most requests.
    pub(crate) requests: Option<u64>,
    /// The most requests at a time.
    pub(crate) concurrency: usize,
    /// What is sent.
    pub(crate) mix: Mix,
    /// What the mix is drawn from.
    pub(crate) seed: u64,
    /// Sent with every request.
    pub(crate) credentials: Option<Credentials>,
    /// Name and value of each field that every request carries besides its own.
    pub(crate) fields: Vec<(String, String)>,
    /// Kept or fresh connections.
    pub(crate) connections: Connections,
    /// How long a request may take.
    pub(crate) timeout: Duration,
    /// How long opening a connection may take.
    pub(crate) connect_timeout: Duration,
    /// Which digests are verified.
    pub(crate) verify: DigestCheck,
    /// How many responses are printed.
    pub(crate) show: u64,
    /// How many bytes of each body are printed.
    pub(crate) show_body: usize,
    /// How the run is shown while it goes on.
    pub(crate) progress: Show,
    /// How many failures are reported whole.
    pub(crate) failures: usize,
    /// What the run has to achieve.
    pub(crate) slo: Slo,
    /// The directory of the servers' journals.
    pub(crate) journals: Option<PathBuf>,
    /// Where the report goes as JSON.
    pub(crate) report_json: Option<PathBuf>,
    /// Where the report goes as a page.
    pub(crate) report_html: Option<PathBuf>,
    /// The run's name, where one is given.
    pub(crate) run: Option<String>,
    /// What was set, as the report lists it.
    pub(crate) in_force: Vec<(String, String)>,
}

/// How a run is shown while it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Show {
    /// As suits standard error: on a terminal like [`Show::Terminal`], elsewhere like [`Show::Lines`].
    Auto,
    /// Drawn on the terminal; lines where there is none.
    Terminal,
    /// A line now and then.
    Lines,
    /// Not at all.
    Nothing,
}

/// The most bytes of a body that are printed.
const MAX_SHOWN: usize = 1 << 20;

impl Settings {
    /// Reads all variables and reports everything that is wrong with them.
    pub(crate) fn read(reading: &mut Reading<'_>) -> Result<Self, Reported> {
        let targets = reading.value_with("TARGET", targets);
        let tls = tls::read(reading, &targets);
        let wait = reading.value("WAIT");
        let ready = reading.value_with("READY", |text| Entry::new("GET", text).map(|entry| entry.path));
        let admin = reading.optional_with("ADMIN", Target::plain);
        let admin_bind = reading.optional("ADMIN_BIND");
        let run_length = run_length(reading);
        let concurrency = reading.optional_with("CONCURRENCY", |text| in_range(text, &(1..=65_536)));
        let mix = mix(reading);
        let seed = reading.value("SEED");
        let credentials = credentials(reading);
        let fields = fields(reading);
        let connections = reading
            .choice("CONNECTIONS", &[("keep-alive", Connections::KeepAlive), ("fresh", Connections::Fresh)]);
        let timeout = reading.value_with("TIMEOUT", some_time);
        let connect_timeout = reading.value_with("CONNECT_TIMEOUT", some_time);
        let verify = reading.choice(
            "VERIFY",
            &[
                ("present", DigestCheck::Present),
                ("required", DigestCheck::Required),
                ("off", DigestCheck::Off),
            ],
        );
        let show = reading.value("SHOW");
        let show_body = reading.value_with("SHOW_BODY", |text| {
            Ok(Size::parse(text)?.bytes()).and_then(|size| {
                if size > MAX_SHOWN {
                    Err(format!("`{text}` is too much to print; at most 1MiB"))
                } else {
                    Ok(size)
                }
            })
        });
        let progress = reading.choice(
            "PROGRESS",
            &[
                ("auto", Show::Auto),
                ("terminal", Show::Terminal),
                ("lines", Show::Lines),
                ("none", Show::Nothing),
            ],
        );
        let failures = reading.value_with("FAILURES", |text| in_range(text, &(0..=10_000)));
        let slo = reading.value("SLO");
        let journals = journals(reading, &targets);
        let report_json = reading.optional_with("REPORT_JSON", place);
        let report_html = reading.optional_with("REPORT_HTML", place);
        let run = reading.optional_with("RUN", run_name);

        let RunLength { phases, requests } = run_length?;
        let open = phases.iter().any(|phase| phase.load != Load::Closed);
        Ok(Self {
            targets: targets?,
            tls: tls?,
            wait: wait?,
            ready: ready?,
            admin: admin?,
            admin_bind: admin_bind?,
            requests,
            concurrency: concurrency?.unwrap_or(if open { 1024 } else { 16 }),
            phases,
            mix: mix?,
            seed: seed?,
            credentials: credentials?,
            fields: fields?,
            connections: connections?,
            timeout: timeout?,
            connect_timeout: connect_timeout?,
            verify: verify?,
            show: show?,
            show_body: show_body?,
            progress: progress?,
            failures: failures?,
            slo: slo?,
            journals: journals?,
            report_json: report_json?,
            report_html: report_html?,
            run: run?,
            in_force: reading.in_force(),
        })
    }
}

struct RunLength {
    phases: Vec<Phase>,
    requests: Option<u64>,
}

/// When requests are sent and what ends the run, from four variables that belong together.
fn run_length(reading: &mut Reading<'_>) -> Result<RunLength, Reported> {
    let load = reading
        .optional::<Rate>("RATE")
        .map(|rate| rate.map_or(Load::Closed, |Rate(rate)| Load::Open { from: rate, to: rate }));
    let duration = reading.optional_with("DURATION", some_time);
    let requests = reading.value_with("REQUESTS", |text| in_range(text, &(1..=u64::MAX)));
    // The phases are read even when the rate they would fall back to is wrong, to report both.
    let phases = reading.optional_with("PHASES", |text| Phases::parse(text, load.unwrap_or(Load::Closed)));
    let only_time = !reading.is_set("REQUESTS") && (reading.is_set("DURATION") || reading.is_set("PHASES"));

    let (load, duration, requests, phases) = (load?, duration?, requests?, phases?);
    let phases = match (phases, duration) {
        (Some(_), Some(_)) => {
            return Err(reading.problem(
                "DURATION",
                "is set, and so is CLIENT_PHASES, which has durations of its own; keep one of them",
            ));
        }
        (Some(Phases(phases)), None) => phases,
        (None, lasts) => vec![Phase { name: "run".into(), lasts, load }],
    };
    Ok(RunLength { phases, requests: (!only_time).then_some(requests) })
}

/// What is sent: either a mix, or one kind of request from four variables.
fn mix(reading: &mut Reading<'_>) -> Result<Mix, Reported> {
    let mix = reading.optional::<Mix>("MIX");
    let method = reading.value::<String>("METHOD");
    let path = reading.value::<String>("PATH");
    let body = reading.optional_with("BODY", body_size);
    let expect = reading.value::<Expect>("EXPECT");
    let (mix, method, path, body, expect) = (mix?, method?, path?, body?, expect?);
    if let Some(mix) = mix {
        let alone = ["METHOD", "PATH", "BODY", "EXPECT"];
        let also: Vec<Reported> = alone
            .into_iter()
            .filter(|name| reading.is_set(name))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|name| {
                reading.problem(
                    name,
                    "is set, and so is CLIENT_MIX, which says it for each kind of request; keep one of them",
                )
            })
            .collect();
        return also.first().map_or(Ok(mix), |&reported| Err(reported));
    }
    let entry = Entry::new(&method, &path).map_err(|reason| {
        let name = if path.starts_with('/') && !reason.contains("path") { "METHOD" } else { "PATH" };
        reading.problem(name, reason)
    })?;
    Mix::new(vec![Entry { body, expect, ..entry }]).map_err(|reason| reading.problem("MIX", reason))
}

fn credentials(reading: &mut Reading<'_>) -> Result<Option<Credentials>, Reported> {
    let username = reading.optional_with("USERNAME", |text| {
        if text.contains(':') {
            Err(format!("`{text}` has a colon, which Basic authentication cannot send in a user name"))
        } else {
            Ok(text.to_owned())
        }
    });
    let password = reading.secret("PASSWORD");
    match (username?, password?) {
        (Some(username), Some(password)) => Ok(Some(Credentials { username, password })),
        (None, None) => Ok(None),
        (Some(_), None) => {
            Err(reading.problem("PASSWORD", "is not set, but CLIENT_USERNAME is; set both or none"))
        }
        (None, Some(_)) => {
            Err(reading.problem("USERNAME", "is not set, but CLIENT_PASSWORD is; set both or none"))
        }
    }
}

/// A ledger is one balancer's: runs against others would look as if it had lost them.
fn journals(
    reading: &mut Reading<'_>,
    targets: &Result<Vec<Target>, Reported>,
) -> Result<Option<PathBuf>, Reported> {
    let journals = reading.optional("JOURNALS")?;
    if journals.is_some() && targets.as_ref().is_ok_and(|targets| targets.len() > 1) {
        return Err(
            reading.problem("JOURNALS", "is set, but CLIENT_TARGET has several targets; prove one at a time")
        );
    }
    Ok(journals)
}

/// Fields that the client sets itself, or whose meaning it does not follow.
const OWN_FIELDS: [&str; 15] = [
    "Authorization",
    "Connection",
    "Content-Digest",
    "Content-Length",
    "Content-Type",
    "Expect",
    "Host",
    "Idempotency-Key",
    "Te",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "User-Agent",
    "X-Evenkeel-Run",
    "X-Request-Id",
];

fn fields(reading: &mut Reading<'_>) -> Result<Vec<(String, String)>, Reported> {
    let mut refused = None;
    let mut fields = Vec::new();
    for (variable, value) in reading.family("FIELD_") {
        let name = field_name(&variable);
        let problem = if OWN_FIELDS.contains(&name.as_str()) {
            format!("{name} is set by the client itself")
        } else if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            format!("`{name}` is no field name; write letters, digits and underscores")
        } else if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            "it holds characters that a field cannot carry".to_owned()
        } else {
            fields.push((name, value.trim().to_owned()));
            continue;
        };
        refused = Some(reading.problem(&format!("FIELD_{variable}"), problem));
    }
    refused.map_or(Ok(fields), Err)
}

/// `X_DEMO` as a field's name: `X-Demo`.
fn field_name(variable: &str) -> String {
    let word = |word: &str| {
        let mut word = word.to_ascii_lowercase();
        if let Some(first) = word.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        word
    };
    variable.split('_').map(word).collect::<Vec<_>>().join("-")
}

fn targets(text: &str) -> Result<Vec<Target>, String> {
    text.split(',').map(|target| Target::parse(target.trim())).collect()
}

fn some_time(text: &str) -> Result<Duration, String> {
    let duration = Duration::parse(text)?;
    if duration.is_zero() {
        Err(format!("`{text}` is no time at all; write it as 250ms or 5s"))
    } else {
        Ok(duration)
    }
}

/// Where a report can be written: found out before the run rather than after it. No file is left behind.
fn place(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let existed = path.symlink_metadata().is_ok();
    // A pipe would wait for its reader.
    if existed && !path.is_file() && !path.is_dir() {
        return Ok(path);
    }
    match fs::OpenOptions::new().append(true).create(true).open(&path) {
        Ok(_) if existed => Ok(path),
        Ok(_) => fs::remove_file(&path).map(|()| path).map_err(|error| format!("`{text}`: {error}")),
        Err(error) => Err(format!("`{text}` cannot be written: {error}")),
    }
}

fn run_name(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if plain && text.len() <= 64 {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is no run name; write up to 64 letters, digits, dots and dashes"))
    }
}

#[cfg(test)]
mod tests;
