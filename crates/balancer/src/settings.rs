//! `BALANCER_…`: the only file of the balancer that knows the environment. What comes out cannot be wrong.

pub(crate) mod access_log;
pub(crate) mod admin;
pub(crate) mod affinity;
pub(crate) mod again;
pub(crate) mod limits;
pub(crate) mod pace;
pub(crate) mod pages;
pub(crate) mod probe;
mod redirects;
pub(crate) mod repeat;
pub(crate) mod rules;
pub(crate) mod server_tls;
#[cfg(test)]
mod tests;
pub(crate) mod tls;
pub(crate) mod trust;
pub(crate) mod upgrades;
pub(crate) mod upstream;
pub(crate) mod upstreams;
mod variables;
pub(crate) mod verify;

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use evenkeel_message::Limits;
use evenkeel_service::{
    Reading, Reported, Setting as _, Size, Variable, descriptors, in_range, is_injected, not,
};
use serde::Serialize;

use access_log::{AccessLogSettings, Format};
use admin::AdminSettings;
use again::Written;
use limits::ClientLimits;
use pace::{Patience, Rate};
use pages::ErrorPages;
use rules::Rules;
use tls::TlsSettings;
use trust::TrustedProxies;
use upstreams::Upstreams;
pub(crate) use variables::COMPONENT;

/// Everything a person can set.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Settings {
    /// Where plain HTTP is spoken; `None` for nowhere.
    pub(crate) bind: Option<SocketAddr>,
    /// `None` where no TLS is spoken.
    pub(crate) tls: Option<TlsSettings>,
    /// Whether other processes may listen where this one does.
    pub(crate) reuse_port: bool,
    pub(crate) admin_bind: SocketAddr,
    pub(crate) admin: AdminSettings,
    /// `None` where none is wanted.
    pub(crate) access_log: Option<AccessLogSettings>,
    /// Whether requests may belong to runs, and bring faults along.
    pub(crate) runs: bool,
    /// Bytes; `None` for no ledger.
    pub(crate) ledger: Option<usize>,
    pub(crate) upstreams: Upstreams,
    pub(crate) trail: bool,
    pub(crate) limits: Limits,
    pub(crate) max_connections: usize,
    /// How many pipes for long responses there may be.
    pub(crate) max_pipes: usize,
    pub(crate) head_timeout: Duration,
    pub(crate) body_timeout: Duration,
    /// `None` for any.
    pub(crate) min_rate: Option<Rate>,
    pub(crate) first_byte_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) workers: usize,
    pub(crate) name: String,
    pub(crate) trusted: TrustedProxies,
    pub(crate) clients: ClientLimits,
    /// What messages gain and lose on their way.
    pub(crate) rules: Rules,
    /// `None` for problem details alone.
    pub(crate) pages: Option<Arc<ErrorPages>>,
    pub(crate) proxy_protocol: bool,
    pub(crate) abort_on_close: bool,
    pub(crate) leave_after: Duration,
    pub(crate) grace: Duration,
    /// Each variable with its value, for the page and the API.
    pub(crate) in_force: Vec<InForce>,
    /// What all of this was read from.
    pub(crate) written: Written,
}

impl Settings {
    /// How long a client is waited for that sends a body or takes one.
    pub(crate) fn patience(&self) -> Patience {
        Patience { quiet: self.body_timeout, rate: self.min_rate }
    }

    /// Whether each server has to pass a probe before it serves.
    pub(crate) fn asks_for_probes(&self) -> bool {
        self.upstreams.all.iter().all(|upstream| upstream.rules.probes.enabled)
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

/// The most pipes for long responses, however many descriptors there are: half of what Linux lets a user have whose pipes are of that
/// size.
const MOST_PIPES: u64 = 128;

/// The most connections of clients, however many descriptors there are.
const MOST_CONNECTIONS: u64 = 1 << 20;

/// Reads the settings, reporting everything that is wrong with them.
pub(crate) fn read(reading: &mut Reading<'_>) -> Result<Settings, Reported> {
    let bind = reading.value_with("BIND", tls::bind);
    let tls = tls::read(reading, bind.as_ref().is_ok_and(Option::is_none));
    let reuse_port = reading.value("REUSEPORT");
    let admin_bind = reading.value("ADMIN_BIND");
    let admin = admin(reading);
    let access_log = access_log(reading);
    let runs = reading.value("RUNS");
    let ledger = reading.value_with("LEDGER", ledger_bytes);
    let upstreams = upstreams::read(reading);
    let trail = reading.value("TRAIL");
    let limits = limits(reading);
    let max_connections = reading.optional::<NonZero<usize>>("MAX_CONNECTIONS");
    let descriptors = descriptors::raise();
    let head_timeout = duration(reading, "HEAD_TIMEOUT");
    let body_timeout = duration(reading, "BODY_TIMEOUT");
    let min_rate = reading.value_with("MIN_RATE", pace::min_rate);
    let first_byte_timeout = duration(reading, "FIRST_BYTE_TIMEOUT");
    let idle_timeout = duration(reading, "IDLE_TIMEOUT");
    let workers = reading.optional_with("WORKERS", |text| in_range(text, &(1..=256)));
    let name = reading.optional_with("NAME", pseudonym);
    let trusted = reading.optional("TRUSTED_PROXIES");
    let clients = limits::read(reading);
    let rules = rules::read(reading);
    let pages = pages::read(reading);
    let proxy_protocol = reading.value("PROXY_PROTOCOL");
    let abort_on_close = reading.value("ABORT_ON_CLOSE");
    let leave_after = reading.value("LEAVE_AFTER");
    let grace = reading.value("GRACE");
    let in_force = all_in_force(reading);
    let written = Written::of(reading);
    let runs = runs?;
    Ok(Settings {
        bind: bind?,
        tls: tls?,
        reuse_port: reuse_port?,
        admin_bind: admin_bind?,
        admin: admin?,
        access_log: access_log?,
        runs,
        // Without runs there is nothing that anybody would read there.
        ledger: ledger?.filter(|_| runs),
        upstreams: upstreams?,
        trail: trail?,
        limits: limits?,
        max_connections: max_connections?.map_or_else(|| most_connections(descriptors), NonZero::get),
        max_pipes: most_pipes(descriptors),
        head_timeout: head_timeout?,
        body_timeout: body_timeout?,
        min_rate: min_rate?,
        first_byte_timeout: first_byte_timeout?,
        idle_timeout: idle_timeout?,
        workers: workers?.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get)),
        name: name?.unwrap_or_else(|| format!("evenkeel-{:06x}", fastrand::u32(..1 << 24))),
        trusted: trusted?.unwrap_or_default(),
        clients: clients?,
        rules: rules?,
        pages: pages?,
        proxy_protocol: proxy_protocol?,
        abort_on_close: abort_on_close?,
        leave_after: leave_after?,
        grace: grace?,
        in_force,
        written,
    })
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
    let (format, sample, path): (_, _, Option<PathBuf>) = (format?, sample?, path?);
    if let Some(path) = path.as_deref().filter(|_| reading.is_check() && format.is_some())
        && let Err(why) = access_log::could_be_written(path)
    {
        return Err(reading.problem("ACCESS_LOG_PATH", why));
    }
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

/// Every variable as it is shown, and those that are set for one upstream.
fn all_in_force(reading: &mut Reading<'_>) -> Vec<InForce> {
    let (families, single): (Vec<&Variable>, Vec<&Variable>) =
        COMPONENT.variables.iter().partition(|variable| variable.name.ends_with('_'));
    let mut shown: Vec<InForce> = single.into_iter().map(|variable| in_force(reading, variable)).collect();
    for family in families {
        for (rest, value) in reading.family(family.name).into_iter().filter(|(rest, _)| !is_injected(rest)) {
            // A secret may be in it.
            let value = if rest.contains("_KEY") { NOT_SHOWN.to_owned() } else { value };
            let variable = format!("{}{}{rest}", COMPONENT.prefix, family.name);
            shown.push(InForce { variable, value, default: false, help: family.help });
        }
    }
    shown
}

const NOT_SHOWN: &str = "(set, not shown)";

/// A variable as it is shown: the text it was set to.
fn in_force(reading: &mut Reading<'_>, variable: &Variable) -> InForce {
    let name = variable.name;
    let file = format!("{name}_FILE");
    // Only a secret may also come from a file.
    let secret = variable.shown_name() != name;
    let value = if secret {
        (reading.is_set(name) || reading.is_set(&file)).then(|| NOT_SHOWN.to_owned())
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

/// Of so many descriptors, how many pipes for long responses there may be: two descriptors each, together a sixteenth.
fn most_pipes(descriptors: u64) -> usize {
    (descriptors / 32).min(MOST_PIPES) as usize
}

/// Each client may need a connection to a server beside its own, and a second one in a race.
fn most_connections(descriptors: u64) -> usize {
    let others = RESERVED_DESCRIPTORS + 2 * most_pipes(descriptors) as u64;
    (descriptors.saturating_sub(others) / 2).clamp(1, MOST_CONNECTIONS) as usize
}
