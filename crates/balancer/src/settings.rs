//! `BALANCER_…`: the only file of the balancer that knows the environment. What comes out cannot be wrong.

pub(crate) mod access_log;
pub(crate) mod admin;
pub(crate) mod affinity;
pub(crate) mod pace;
pub(crate) mod probe;
pub(crate) mod repeat;
pub(crate) mod server_tls;
#[cfg(test)]
mod tests;
pub(crate) mod tls;
pub(crate) mod trust;
pub(crate) mod upgrades;
mod variables;
pub(crate) mod verify;

use std::net::SocketAddr;
use std::num::NonZero;
use std::thread;
use std::time::Duration;

use evenkeel_digest::{Algorithm, Digest};
use evenkeel_message::Limits;
use evenkeel_service::{Reading, Reported, Setting as _, Size, Variable, descriptors, in_range, not};
use evenkeel_upstream::{
    AdmissionSettings, AttemptSettings, BudgetSettings, HedgeBudget, OutlierSettings, PinKey, PolicySettings,
    ProbeSettings, UpstreamSpec,
};
use serde::Serialize;

use access_log::{AccessLogSettings, Format};
use admin::AdminSettings;
use affinity::{KeySource, Sticky, is_token};
use pace::{Patience, Rate};
use probe::{Expect, ProbeHost, ProbeKind};
use repeat::RepeatSetting;
use server_tls::ServerTls;
use tls::TlsSettings;
use trust::TrustedProxies;
use upgrades::Upgrades;
pub(crate) use variables::COMPONENT;
use verify::Verify;

/// Everything a person can set.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Settings {
    /// Where plain HTTP is spoken; `None` for nowhere.
    pub(crate) bind: Option<SocketAddr>,
    /// `None` where no TLS is spoken.
    pub(crate) tls: Option<TlsSettings>,
    pub(crate) admin_bind: SocketAddr,
    pub(crate) admin: AdminSettings,
    /// `None` where none is wanted.
    pub(crate) access_log: Option<AccessLogSettings>,
    /// Whether requests may belong to runs, and bring faults along.
    pub(crate) runs: bool,
    /// Bytes; `None` for no ledger.
    pub(crate) ledger: Option<usize>,
    pub(crate) servers: UpstreamSpec,
    /// `None` where servers are spoken to in plain HTTP.
    pub(crate) server_tls: Option<ServerTls>,
    pub(crate) upstream: evenkeel_upstream::Settings,
    pub(crate) hash_key: KeySource,
    pub(crate) sticky: Option<Sticky>,
    pub(crate) verify: Verify,
    pub(crate) trail: bool,
    pub(crate) probe: ProbeKind,
    /// The address of the server where there is none.
    pub(crate) probe_host: Option<ProbeHost>,
    pub(crate) expect: Expect,
    pub(crate) limits: Limits,
    pub(crate) max_body: u64,
    pub(crate) max_connections: usize,
    pub(crate) keep: usize,
    pub(crate) hold: usize,
    pub(crate) head_timeout: Duration,
    pub(crate) body_timeout: Duration,
    pub(crate) stream_timeout: Duration,
    /// `None` for any.
    pub(crate) min_rate: Option<Rate>,
    pub(crate) tunnel_timeout: Duration,
    pub(crate) first_byte_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) server_idle: Duration,
    pub(crate) workers: usize,
    pub(crate) name: String,
    pub(crate) trusted: TrustedProxies,
    pub(crate) proxy_protocol: bool,
    pub(crate) abort_on_close: bool,
    pub(crate) upgrades: Upgrades,
    pub(crate) repeat: RepeatSetting,
    pub(crate) retry_keyed: bool,
    pub(crate) leave_after: Duration,
    pub(crate) grace: Duration,
    /// Each variable with its value, for the page and the API.
    pub(crate) in_force: Vec<InForce>,
}

impl Settings {
    /// How long a client is waited for that sends a body or takes one.
    pub(crate) fn patience(&self) -> Patience {
        Patience { quiet: self.body_timeout, rate: self.min_rate }
    }

    /// What answers to requests of this scheme say in `Strict-Transport-Security`.
    pub(crate) fn hsts_over(&self, scheme: &str) -> Option<&str> {
        self.tls.as_ref()?.hsts.as_deref().filter(|_| scheme == "https")
    }

    /// The shortest time for which a client's connection may be without a byte.
    pub(crate) fn shortest_idle(&self) -> Duration {
        self.first_byte_timeout.min(self.idle_timeout)
    }
}

/// A variable as it is in force.
#[derive(Debug, Serialize)]
pub(crate) struct InForce {
    /// The variable's whole name.
    variable: String,
    /// What it was set to, or its default; a secret's value is not shown.
    value: String,
    /// Whether nobody has set it.
    default: bool,
    help: &'static str,
}

/// Descriptors that are not for connections of clients and servers: those of the admin interface, and as many again for
/// listeners, probes, look-ups and logs.
const RESERVED_DESCRIPTORS: u64 = 2 * evenkeel_service::admin::CONNECTIONS as u64;

/// The most connections of clients, however many descriptors there are.
const MOST_CONNECTIONS: u64 = 1 << 20;

/// The longest a suspect's probe may take.
const SUSPECT_TIMEOUT: Duration = Duration::from_millis(200);

/// Reads the settings, reporting everything that is wrong with them.
pub(crate) fn read(reading: &mut Reading<'_>) -> Result<Settings, Reported> {
    let bind = reading.value_with("BIND", tls::bind);
    let tls = tls::read(reading, bind.as_ref().is_ok_and(Option::is_none));
    let admin_bind = reading.value("ADMIN_BIND");
    let admin = admin(reading);
    let access_log = access_log(reading);
    let runs = reading.value("RUNS");
    let ledger = reading.value_with("LEDGER", ledger_bytes);
    let servers = servers(reading);
    let upstream = upstream(reading);
    let hash_key = reading.value("HASH_KEY");
    let sticky = sticky(reading);
    let verify = reading.choice(
        "VERIFY",
        &[("enforce", Verify::Enforce), ("observe", Verify::Observe), ("off", Verify::Off)],
    );
    let trail = reading.value("TRAIL");
    let probe = reading.value("PROBE");
    let expect = reading.optional("PROBE_EXPECT");
    let probe_host = reading.optional("PROBE_HOST");
    let limits = limits(reading);
    let max_body = reading.value::<Size>("MAX_BODY");
    let max_connections = reading.optional::<NonZero<usize>>("MAX_CONNECTIONS");
    let keep = reading.value::<Size>("KEEP");
    let hold = reading.value::<Size>("HOLD");
    let head_timeout = duration(reading, "HEAD_TIMEOUT");
    let body_timeout = duration(reading, "BODY_TIMEOUT");
    let stream_timeout = duration(reading, "STREAM_TIMEOUT");
    let min_rate = reading.value_with("MIN_RATE", pace::min_rate);
    let tunnel_timeout = duration(reading, "TUNNEL_TIMEOUT");
    let first_byte_timeout = duration(reading, "FIRST_BYTE_TIMEOUT");
    let idle_timeout = duration(reading, "IDLE_TIMEOUT");
    let server_idle = duration(reading, "SERVER_IDLE");
    let workers = reading.optional_with("WORKERS", |text| in_range(text, &(1..=256)));
    let name = reading.optional_with("NAME", pseudonym);
    let trusted = reading.optional("TRUSTED_PROXIES");
    let proxy_protocol = reading.value("PROXY_PROTOCOL");
    let abort_on_close = reading.value("ABORT_ON_CLOSE");
    let upgrades = reading.value("UPGRADES");
    let repeat = reading.choice(
        "REPEAT",
        &[
            ("idempotent", RepeatSetting::Idempotent),
            ("safe", RepeatSetting::Safe),
            ("never", RepeatSetting::Never),
        ],
    );
    let retry_keyed = reading.value("RETRY_KEYED");
    let leave_after = reading.value("LEAVE_AFTER");
    let grace = reading.value("GRACE");
    let in_force = COMPONENT.variables.iter().map(|variable| in_force(reading, variable)).collect();
    let (probe, mut upstream) = (probe?, upstream?);
    let (servers, server_tls) = servers?;
    upstream.probes.enabled = probe != ProbeKind::Off;
    let sticky = sticky?;
    let runs = runs?;
    upstream.stickiness = sticky.as_ref().map(|sticky| sticky.key.clone());
    Ok(Settings {
        bind: bind?,
        tls: tls?,
        admin_bind: admin_bind?,
        admin: admin?,
        access_log: access_log?,
        runs,
        // Without runs there is nothing that anybody would read there.
        ledger: ledger?.filter(|_| runs),
        servers,
        server_tls,
        upstream,
        hash_key: hash_key?,
        sticky,
        verify: verify?,
        trail: trail?,
        probe,
        probe_host: probe_host?,
        expect: expect?.unwrap_or(Expect::Alive),
        limits: limits?,
        max_body: max_body?.0,
        max_connections: max_connections?.map_or_else(most_connections, NonZero::get),
        keep: keep?.bytes(),
        hold: hold?.bytes(),
        head_timeout: head_timeout?,
        body_timeout: body_timeout?,
        stream_timeout: stream_timeout?,
        min_rate: min_rate?,
        tunnel_timeout: tunnel_timeout?,
        first_byte_timeout: first_byte_timeout?,
        idle_timeout: idle_timeout?,
        server_idle: server_idle?,
        workers: workers?.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get)),
        name: name?.unwrap_or_else(|| format!("evenkeel-{:06x}", fastrand::u32(..1 << 24))),
        trusted: trusted?.unwrap_or_default(),
        proxy_protocol: proxy_protocol?,
        abort_on_close: abort_on_close?,
        upgrades: upgrades?,
        repeat: repeat?,
        retry_keyed: retry_keyed?,
        leave_after: leave_after?,
        grace: grace?,
        in_force,
    })
}

fn servers(reading: &mut Reading<'_>) -> Result<(UpstreamSpec, Option<ServerTls>), Reported> {
    let servers = reading.value_with("UPSTREAM", |text| {
        text.parse().map_err(|error: evenkeel_upstream::SpecError| error.to_string())
    });
    let tls = server_tls::read(reading, servers.as_ref().ok());
    Ok((servers?, tls?))
}

fn upstream(reading: &mut Reading<'_>) -> Result<evenkeel_upstream::Settings, Reported> {
    let policy = reading.choice("POLICY", &PolicySettings::ALL.map(|policy| (policy.name(), policy)));
    let interval = duration(reading, "PROBE_INTERVAL");
    let timeout = duration(reading, "PROBE_TIMEOUT");
    let fall = reading.value::<NonZero<u32>>("PROBE_FALL");
    let rise = reading.value::<NonZero<u32>>("PROBE_RISE");
    let connect_timeout = duration(reading, "CONNECT_TIMEOUT");
    let response_timeout = duration(reading, "RESPONSE_TIMEOUT");
    let total = duration(reading, "TOTAL_TIMEOUT");
    let attempts = reading.value_with("ATTEMPTS", |text| in_range(text, &(1..=4)));
    let race = reading.value("RACE");
    let hedge = reading.value("HEDGE");
    let hedge_budget = reading.value_with("HEDGE_BUDGET", |text| in_range(text, &(0..=100)));
    let retry_budget = reading.value_with("RETRY_BUDGET", |text| in_range(text, &(0..=100)));
    let max_ejected = reading.value_with("MAX_EJECTED", |text| in_range(text, &(0..=100)));
    let slow_start = reading.optional("SLOW_START");
    let per_endpoint = reading.value::<NonZero<u32>>("MAX_IN_FLIGHT");
    let queue = reading.value("MAX_QUEUE");
    let queue_timeout = reading.value("QUEUE_TIMEOUT");
    let timeout = timeout?;
    Ok(evenkeel_upstream::Settings {
        policy: policy?,
        probes: ProbeSettings {
            interval: interval?,
            timeout,
            suspect_timeout: timeout.min(SUSPECT_TIMEOUT),
            fall: fall?.get(),
            rise: rise?.get(),
            ..ProbeSettings::default()
        },
        attempts: AttemptSettings {
            max: attempts?,
            connect_timeout: connect_timeout?,
            response_timeout: response_timeout?,
            total: total?,
            race: race?,
            hedge: hedge?,
            ..AttemptSettings::default()
        },
        outliers: OutlierSettings { max_ejected: max_ejected?, ..OutlierSettings::default() },
        admission: AdmissionSettings {
            per_endpoint: per_endpoint?.get(),
            queue: queue?,
            queue_timeout: queue_timeout?,
        },
        retry_budget: BudgetSettings { percent: retry_budget?, ..BudgetSettings::default() },
        hedge_budget: HedgeBudget { percent: hedge_budget? },
        slow_start: slow_start?,
        ..evenkeel_upstream::Settings::default()
    })
}

/// Sticky sessions, where a cookie is named.
fn sticky(reading: &mut Reading<'_>) -> Result<Option<Sticky>, Reported> {
    let cookie = reading.optional_with("STICKY_COOKIE", |text| {
        if is_token(text) { Ok(text.to_owned()) } else { Err(not(text, "a cookie's name", "server")) }
    });
    let secret = reading.secret("STICKY_KEY");
    let (cookie, secret) = (cookie?, secret?);
    let Some(cookie) = cookie else {
        return match secret {
            Some(_) => {
                Err(reading
                    .problem("STICKY_KEY", "is set without a cookie; set BALANCER_STICKY_COOKIE as well"))
            }
            None => Ok(None),
        };
    };
    let mut key = [0; 16];
    match secret {
        Some(secret) if secret.expose().len() < key.len() => {
            return Err(reading.problem("STICKY_KEY", "is too short; write at least 16 characters"));
        }
        Some(secret) => {
            let digest = Digest::of(Algorithm::Sha256, secret.expose().as_bytes());
            key.copy_from_slice(&digest.as_bytes()[..16]);
        }
        None => getrandom::fill(&mut key).map_err(|error| {
            reading.problem("STICKY_KEY", format!("cannot be made here ({error}); set it"))
        })?,
    }
    Ok(Some(Sticky { cookie, key: PinKey::new(key) }))
}

fn limits(reading: &mut Reading<'_>) -> Result<Limits, Reported> {
    let request_line = reading.value::<Size>("MAX_REQUEST_LINE");
    let head = reading.value::<Size>("MAX_HEAD");
    let fields = reading.value_with("MAX_FIELDS", |text| in_range(text, &(1..=evenkeel_message::MAX_FIELDS)));
    let forward_underscores = reading.value("FORWARD_UNDERSCORES");
    Ok(Limits {
        request_line: request_line?.bytes(),
        head: head?.bytes(),
        fields: fields?,
        forward_underscores: forward_underscores?,
        ..Limits::default()
    })
}

/// The fewest characters of a token that nobody guesses.
const SHORTEST_TOKEN: usize = 16;

/// What `secrets/admin-token` holds, so that the demonstration starts without preparation.
pub(crate) const DEMONSTRATION_TOKEN: &str = "evenkeel";

fn admin(reading: &mut Reading<'_>) -> Result<AdminSettings, Reported> {
    let token = reading.secret("ADMIN_TOKEN").and_then(|token| match token {
        Some(token) if !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err(reading.problem("ADMIN_TOKEN", "holds a blank or a character that no header can carry"))
        }
        Some(token) if token.expose().len() < SHORTEST_TOKEN && token.expose() != DEMONSTRATION_TOKEN => {
            Err(reading.problem(
                "ADMIN_TOKEN",
                format!("is too short to be a secret; write at least {SHORTEST_TOKEN} characters"),
            ))
        }
        token => Ok(token),
    });
    let hosts = reading.optional_with("ADMIN_HOSTS", |text| text.split(',').map(host).collect());
    Ok(AdminSettings { token: token?, hosts: hosts?.unwrap_or_default() })
}

/// A name as browsers write it into Host, without a port.
fn host(text: &str) -> Result<String, String> {
    let name = text.trim().to_ascii_lowercase();
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        Ok(name)
    } else {
        Err(not(text, "a host name without a port", "lb.example.net"))
    }
}

fn access_log(reading: &mut Reading<'_>) -> Result<Option<AccessLogSettings>, Reported> {
    let formats = [("off", None), ("text", Some(Format::Text)), ("json", Some(Format::Json))];
    let format = reading.choice("ACCESS_LOG", &formats);
    let sample = reading.value("ACCESS_LOG_SAMPLE");
    let path = reading.optional("ACCESS_LOG_PATH");
    let (format, sample, path) = (format?, sample?, path?);
    Ok(format.map(|format| AccessLogSettings { format, sample, path }))
}

/// The smallest ledger: less would forget between two looks at it.
const SMALLEST_LEDGER: u64 = 1024 * 1024;

fn ledger_bytes(text: &str) -> Result<Option<usize>, String> {
    match text {
        "off" => Ok(None),
        text => match Size::parse(text) {
            Ok(size) if size.0 >= SMALLEST_LEDGER => Ok(Some(size.bytes())),
            _ => Err(not(text, "a size of 1MiB or more, or off", "16MiB")),
        },
    }
}

/// A variable as it is shown: the text it was set to.
fn in_force(reading: &mut Reading<'_>, variable: &Variable) -> InForce {
    let name = variable.name;
    let file = format!("{name}_FILE");
    // Only a secret may also come from a file.
    let secret = variable.shown_name() != name;
    let value = if secret {
        (reading.is_set(name) || reading.is_set(&file)).then(|| "(set, not shown)".to_owned())
    } else {
        // A value that cannot be read is reported where it is parsed.
        reading.optional(name).ok().flatten()
    };
    InForce {
        variable: format!("{}{name}", COMPONENT.prefix),
        value: value.unwrap_or_else(|| variable.shown_default().to_owned()),
        default: !reading.is_set(name) && !reading.is_set(&file),
        help: variable.help,
    }
}

/// A duration that must not be zero: a timeout of nothing fails everything.
fn duration(reading: &mut Reading<'_>, name: &'static str) -> Result<Duration, Reported> {
    reading.value_with(name, |text| match Duration::parse(text)? {
        Duration::ZERO => Err(format!("`{text}` leaves no time at all; write at least 1ms")),
        duration => Ok(duration),
    })
}

/// A name as it may stand in Via (RFC 9110 §7.6.3: a token).
fn pseudonym(text: &str) -> Result<String, String> {
    let token = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    if token && text.len() <= 64 {
        Ok(text.to_owned())
    } else {
        Err(not(text, "a name of letters, digits, `-`, `.`, `_` or `~`", "balancer-1"))
    }
}

/// Each client may need a connection to a server beside its own, and a second one in a race.
fn most_connections() -> usize {
    let connections = descriptors::raise().saturating_sub(RESERVED_DESCRIPTORS) / 2;
    connections.clamp(1, MOST_CONNECTIONS) as usize
}
