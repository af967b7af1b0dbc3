//! One upstream as all workers see it.

use std::sync::Arc;

use evenkeel_upstream::{Control, EndpointId, EndpointIds, Testimony, Upstream};
use tokio::sync::mpsc;

use crate::clock::now;
use crate::settings::upstream::UpstreamSettings;

/// What workers report to its control task.
pub(crate) type Reports = mpsc::Receiver<(EndpointId, Testimony)>;

/// Reports waiting for the control task: beyond that they are dropped, and counted.
const EVIDENCE_WAITING: usize = 4096;

/// An upstream.
pub(crate) struct Served {
    pub(crate) settings: Arc<UpstreamSettings>,
    pub(crate) upstream: Upstream,
    /// To its control task; when it is full a report is dropped and counted, and the next failure reports again.
    pub(crate) evidence: mpsc::Sender<(EndpointId, Testimony)>,
}

impl Served {
    /// One with these settings and no endpoint yet, whose ids are `ids`; what owns its health; and what that is told.
    pub(crate) fn new(settings: Arc<UpstreamSettings>, ids: &EndpointIds) -> (Arc<Self>, Control, Reports) {
        let (servers, rules) = (settings.servers.clone(), settings.rules.clone());
        let (upstream, control) = Upstream::numbered(servers, rules, ids, now());
        let (evidence, reports) = mpsc::channel(EVIDENCE_WAITING);
        (Arc::new(Self { settings, upstream, evidence }), control, reports)
    }

    /// What it is called; `None` where it is the only one.
    pub(crate) fn name(&self) -> Option<&Arc<str>> {
        self.settings.name.as_ref()
    }
}
