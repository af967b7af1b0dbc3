//! What may be set for one upstream: who its servers are, and how they are asked, watched and believed.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_digest::{Algorithm, Digest};
use evenkeel_service::{Reading, Reported, Size, in_range, not};
use evenkeel_upstream::{
    AdmissionSettings, AttemptSettings, BudgetSettings, HedgeBudget, OutlierSettings, PinKey, PolicySettings,
    ProbeSettings, UpstreamSpec,
};

use super::affinity::{KeySource, Sticky, is_token};
use super::duration;
use super::probe::{Expect, ProbeHost, ProbeKind};
use super::repeat::RepeatSetting;
use super::server_tls::{self, ServerTls};
use super::upgrades::Upgrades;
use super::verify::Verify;

/// Everything that can be set for one upstream.
#[derive(Debug)]
pub(crate) struct UpstreamSettings {
    /// What the upstream is called; `None` where it is the only one.
    pub(crate) name: Option<Arc<str>>,
    /// The requests that it takes, as they were written; none for the one that takes what others do not.
    pub(crate) routes: Vec<String>,
    pub(crate) servers: UpstreamSpec,
    /// `None` where servers are spoken to in plain HTTP.
    pub(crate) server_tls: Option<ServerTls>,
    /// Who is picked, and what is believed of whom.
    pub(crate) rules: evenkeel_upstream::Settings,
    pub(crate) hash_key: KeySource,
    pub(crate) sticky: Option<Sticky>,
    pub(crate) verify: Verify,
    pub(crate) probe: ProbeKind,
    /// The address of the server where there is none.
    pub(crate) probe_host: Option<ProbeHost>,
    pub(crate) expect: Expect,
    pub(crate) max_body: u64,
    pub(crate) keep: usize,
    pub(crate) hold: usize,
    pub(crate) stream_timeout: Duration,
    pub(crate) tunnel_timeout: Duration,
    pub(crate) server_idle: Duration,
    pub(crate) upgrades: Upgrades,
    pub(crate) repeat: RepeatSetting,
    pub(crate) retry_keyed: bool,
}

impl UpstreamSettings {
    /// By what it is known from one reading of the settings to the next: alone or not, the one without a name of its own is the same.
    pub(crate) fn key(&self) -> &str {
        self.name.as_deref().unwrap_or(DEFAULT)
    }

    /// The variable that names the servers.
    pub(crate) fn variable(&self) -> String {
        match self.name.as_deref() {
            None | Some(DEFAULT) => "BALANCER_UPSTREAM".to_owned(),
            Some(name) => format!("BALANCER_UPSTREAM_{}", name.to_ascii_uppercase()),
        }
    }
}

/// What the upstream without a name is called where there are others.
pub(super) const DEFAULT: &str = "default";

/// The longest a suspect's probe may take.
const SUSPECT_TIMEOUT: Duration = Duration::from_millis(200);

/// Reads them, reporting everything that is wrong with them. `name`: what the upstream is called, where there are several.
pub(super) fn read(reading: &mut Reading<'_>, name: Option<&str>) -> Result<UpstreamSettings, Reported> {
    let servers = servers(reading);
    let rules = rules(reading);
    let hash_key = reading.value("HASH_KEY");
    let sticky = sticky(reading, name);
    let verify = reading.choice(
        "VERIFY",
        &[("enforce", Verify::Enforce), ("observe", Verify::Observe), ("off", Verify::Off)],
    );
    let probe = reading.value("PROBE");
    let expect = reading.optional("PROBE_EXPECT");
    let probe_host = reading.optional("PROBE_HOST");
    let max_body = reading.value::<Size>("MAX_BODY");
    let keep = reading.value::<Size>("KEEP");
    let hold = reading.value::<Size>("HOLD");
    let stream_timeout = duration(reading, "STREAM_TIMEOUT");
    let tunnel_timeout = duration(reading, "TUNNEL_TIMEOUT");
    let server_idle = duration(reading, "SERVER_IDLE");
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
    let (probe, mut rules, sticky) = (probe?, rules?, sticky?);
    rules.probes.enabled = probe != ProbeKind::Off;
    rules.stickiness = sticky.as_ref().map(|sticky| sticky.key.clone());
    let (servers, server_tls) = servers?;
    Ok(UpstreamSettings {
        name: name.map(Arc::from),
        routes: Vec::new(),
        servers,
        server_tls,
        rules,
        hash_key: hash_key?,
        sticky,
        verify: verify?,
        probe,
        probe_host: probe_host?,
        expect: expect?.unwrap_or(Expect::Alive),
        max_body: max_body?.0,
        keep: keep?.bytes(),
        hold: hold?.bytes(),
        stream_timeout: stream_timeout?,
        tunnel_timeout: tunnel_timeout?,
        server_idle: server_idle?,
        upgrades: upgrades?,
        repeat: repeat?,
        retry_keyed: retry_keyed?,
    })
}

fn servers(reading: &mut Reading<'_>) -> Result<(UpstreamSpec, Option<ServerTls>), Reported> {
    let servers = reading.value_with("UPSTREAM", |text| {
        text.parse().map_err(|error: evenkeel_upstream::SpecError| error.to_string())
    });
    let tls = server_tls::read(reading, servers.as_ref().ok());
    Ok((servers?, tls?))
}

fn rules(reading: &mut Reading<'_>) -> Result<evenkeel_upstream::Settings, Reported> {
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
fn sticky(reading: &mut Reading<'_>, name: Option<&str>) -> Result<Option<Sticky>, Reported> {
    let cookie = reading.optional_with("STICKY_COOKIE", |text| {
        // Other switches are on or off: a cookie of such a name is not what was meant.
        let is_name = is_token(text) && !["on", "off"].contains(&text);
        if is_name { Ok(text.to_owned()) } else { Err(not(text, "a cookie's name", "server")) }
    });
    let secret = reading.secret("STICKY_KEY");
    let (cookie, secret) = (cookie?, secret?);
    let Some(cookie) = cookie else {
        return match secret {
            Some(_) if reading.is_own("STICKY_KEY") => {
                Err(reading
                    .problem("STICKY_KEY", "is set without a cookie; set BALANCER_STICKY_COOKIE as well"))
            }
            _ => Ok(None),
        };
    };
    // Two upstreams with one cookie would take each other's sessions away.
    let cookie = match name {
        Some(name) if !reading.is_own("STICKY_COOKIE") => format!("{cookie}-{name}"),
        _ => cookie,
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
