//! Everything about the upstream that a person can set, as values that are already right.
//!
//! Text is parsed by the component that owns the environment. Here every field has a unit in its type and
//! a default that suits three servers, so that a test can write `Settings::default()` and change one thing.

use std::time::Duration;

use crate::pin::PinKey;
use crate::policy::PolicySettings;

/// All settings of one upstream.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Who gets the next request.
    pub policy: PolicySettings,
    /// Active probes.
    pub probes: ProbeSettings,
    /// What traffic must show before an endpoint is ejected, and for how long it is.
    pub outliers: OutlierSettings,
    /// How one request may use several endpoints.
    pub attempts: AttemptSettings,
    /// Limits on requests in flight and waiting.
    pub admission: AdmissionSettings,
    /// Retries on a status or a wrong digest.
    pub retry_budget: BudgetSettings,
    /// Hedged requests.
    pub hedge_budget: HedgeBudget,
    /// How long a returning endpoint takes to reach its full share; `None` gives it at once.
    pub slow_start: Option<Duration>,
    /// The key of the opaque pins of sticky sessions; `None` switches stickiness off.
    pub stickiness: Option<PinKey>,
}

/// How endpoints are probed.
#[derive(Clone, Copy, Debug)]
pub struct ProbeSettings {
    /// Whether anything is probed at all. Without probes a new endpoint is trusted until traffic says otherwise.
    pub enabled: bool,
    /// Between two probes of a healthy endpoint, ± 10 %.
    pub interval: Duration,
    /// Until a probe counts as failed.
    pub timeout: Duration,
    /// The same for a suspect, where the answer is urgent.
    pub suspect_timeout: Duration,
    /// Between two probes of what is not healthy: at first.
    pub urgent_interval: Duration,
    /// Failed probes in a row that eject.
    pub fall: u32,
    /// Passed probes in a row that bring an endpoint back while others serve; one is enough when none does.
    pub rise: u32,
    /// Traffic that succeeded within this time outweighs a failed probe.
    pub traffic_outweighs: Duration,
    /// Probes in flight at once in this process; more wait their turn.
    pub max_in_flight: usize,
    /// Probes started per second in this process; more wait their turn.
    pub max_per_second: u32,
}

impl Default for ProbeSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: Duration::from_secs(1),
            timeout: Duration::from_millis(500),
            suspect_timeout: Duration::from_millis(200),
            urgent_interval: Duration::from_millis(100),
            fall: 2,
            rise: 2,
            traffic_outweighs: Duration::from_secs(1),
            max_in_flight: 64,
            max_per_second: 1_000,
        }
    }
}

/// What of an endpoint's traffic ejects it. Counts, because with three servers a percentage jumps.
#[derive(Clone, Copy, Debug)]
pub struct OutlierSettings {
    /// Failed connects in a row.
    pub connect_failures: u32,
    /// Broken, missing or short responses in a row.
    pub response_failures: u32,
    /// Broken responses within [`Self::window`], successes between them or not, if they are at least one in twenty.
    pub scattered_failures: u32,
    /// Wrong digests within [`Self::digest_window`]: one is never normal, so no share is asked for.
    pub wrong_digests: u32,
    /// Times in a row that others answered in the endpoint's place …
    pub outpaced: u32,
    /// … while it has not sent the head of any response for so long.
    pub unheard: Duration,
    /// Errors in a row, while the peers answer well.
    pub bad_statuses: u32,
    /// How long scattered failures are remembered.
    pub window: Duration,
    /// How long wrong digests are remembered.
    pub digest_window: Duration,
    /// The first ejection; each further one doubles it.
    pub ejection: Duration,
    /// The longest ejection.
    pub max_ejection: Duration,
    /// How many of the endpoints traffic may take out, in percent; one may always go, and never the last.
    pub max_ejected: u32,
    /// Trials that must succeed in probation while others serve; one is enough when none does.
    pub trials: u32,
    /// Without probes, a suspicion ends after this time.
    pub suspicion: Duration,
}

impl Default for OutlierSettings {
    fn default() -> Self {
        Self {
            connect_failures: 3,
            response_failures: 3,
            scattered_failures: 5,
            wrong_digests: 3,
            outpaced: 5,
            unheard: Duration::from_secs(3),
            bad_statuses: 5,
            window: Duration::from_secs(10),
            digest_window: Duration::from_mins(1),
            ejection: Duration::from_secs(1),
            max_ejection: Duration::from_mins(1),
            max_ejected: 50,
            trials: 3,
            suspicion: Duration::from_secs(1),
        }
    }
}

/// How one request may use several endpoints. See [`crate::attempt`].
#[derive(Clone, Copy, Debug)]
pub struct AttemptSettings {
    /// Attempts of one request, 1 to [`crate::attempt::MAX_ATTEMPTS`].
    pub max: u8,
    /// Until a connect counts as failed.
    pub connect_timeout: Duration,
    /// From the end of the request to the head of the response.
    pub response_timeout: Duration,
    /// Without progress of a body that is held until it is whole.
    pub body_timeout: Duration,
    /// From the beginning of the first attempt to the beginning of the answer.
    pub total: Duration,
    /// Whether a slow connect races a second endpoint.
    pub race: bool,
    /// A race starts after 4 × the usual connect, but not before this …
    pub race_after_min: Duration,
    /// … and not after this.
    pub race_after_max: Duration,
    /// Whether hedgeable requests without an answer are sent a second time.
    pub hedge: bool,
    /// A silent endpoint is not suspected earlier than this, whatever its usual time to a head.
    pub silence_min: Duration,
    /// Silence that counts where no usual time to a head is known yet.
    pub silence_unknown: Duration,
    /// Between two looks of a waiting request at the state of its endpoint.
    pub look_interval: Duration,
    /// The same once the endpoint is suspected: its probe is about to tell.
    pub urgent_look_interval: Duration,
}

impl Default for AttemptSettings {
    fn default() -> Self {
        Self {
            max: 4,
            connect_timeout: Duration::from_secs(3),
            response_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            total: Duration::from_mins(1),
            race: true,
            race_after_min: Duration::from_millis(5),
            race_after_max: Duration::from_millis(50),
            hedge: true,
            silence_min: Duration::from_millis(50),
            silence_unknown: Duration::from_secs(1),
            look_interval: Duration::from_millis(50),
            urgent_look_interval: Duration::from_millis(10),
        }
    }
}

/// Limits on requests in flight and waiting.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionSettings {
    /// Requests in flight on one endpoint, over all workers.
    pub per_endpoint: u32,
    /// Requests that wait for an endpoint below its limit, over all workers; one more is turned away.
    pub queue: u32,
    /// How long one waits; then it is turned away.
    pub queue_timeout: Duration,
}

impl Default for AdmissionSettings {
    fn default() -> Self {
        Self { per_endpoint: 1_024, queue: 1_024, queue_timeout: Duration::from_secs(5) }
    }
}

/// How much repeated work is allowed beside the real work.
#[derive(Clone, Copy, Debug)]
pub struct BudgetSettings {
    /// Percent of recent requests.
    pub percent: u32,
    /// Always allowed, per second.
    pub per_second: u32,
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self { percent: 20, per_second: 3 }
    }
}

/// How many requests may be hedged: a share of recent requests and no floor, because a hedge is never needed.
#[derive(Clone, Copy, Debug)]
pub struct HedgeBudget {
    /// Percent of recent requests.
    pub percent: u32,
}

impl Default for HedgeBudget {
    fn default() -> Self {
        Self { percent: 5 }
    }
}
