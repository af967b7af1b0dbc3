//! What all workers of a server share.

use std::num::NonZero;

use evenkeel_service::Shutdown;

use crate::{faults::Faults, journal::Journal, observe::Metrics, pattern::Digests, settings::Settings};

/// A running server. Its settings never change; faults can, through the admin port.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) faults: Faults,
    pub(crate) journal: Option<Journal>,
    pub(crate) metrics: Metrics,
    pub(crate) shutdown: Shutdown,
    /// Digests of `/bytes`; `None` where digests are off.
    pub(crate) digests: Option<Digests>,
}

impl State {
    pub(crate) fn new(mut settings: Settings, journal: Option<Journal>, shutdown: Shutdown) -> Self {
        let faults = Faults::new(std::mem::take(&mut settings.faults), settings.seed);
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let digests = settings.digest.map(|algorithm| Digests::new(algorithm, cores));
        Self { settings, faults, journal, metrics: Metrics::new(), shutdown, digests }
    }

    /// Whether a probe should send no more requests here.
    pub(crate) fn is_leaving(&self) -> bool {
        self.shutdown.is_requested()
    }
}
