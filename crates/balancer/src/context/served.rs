//! One upstream as all workers see it.

use std::net::SocketAddr;
use std::sync::Arc;

use evenkeel_upstream::{
    Command, Control, EndpointId, EndpointIds, EndpointState, Testimony, UnknownEndpoint, Upstream,
};
use tokio::sync::{mpsc, oneshot};

use crate::clock::now;
use crate::settings::upstream::UpstreamSettings;

/// What the control task of an upstream hears. It ends with everything that could tell it something: see [`Served`].
pub(crate) struct Told {
    /// What workers report.
    pub(crate) evidence: mpsc::Receiver<(EndpointId, Testimony)>,
    pub(crate) asks: mpsc::Receiver<Ask>,
}

/// What the control task is asked.
pub(crate) enum Ask {
    /// How the endpoints are.
    Endpoints(oneshot::Sender<Vec<EndpointState>>),
    /// What a person tells the endpoint at this address; answered with how it is then.
    Command(SocketAddr, Command, oneshot::Sender<Result<EndpointState, UnknownEndpoint>>),
    /// To go on with these settings; answered when it does.
    Adopt(Arc<UpstreamSettings>, oneshot::Sender<()>),
}

/// Reports waiting for the control task: beyond that they are dropped, and counted.
const EVIDENCE_WAITING: usize = 4096;

/// Questions that wait for the control task; more wait for their turn to ask.
const ASKS_WAITING: usize = 64;

/// An upstream. What is said of it is in the settings of the [edition](super::edition::Edition), which may change while it goes on. It
/// lives for as long as an edition has it, or a request that began under such an edition.
pub(crate) struct Served {
    pub(crate) upstream: Upstream,
    /// To its control task; when it is full a report is dropped and counted, and the next failure reports again.
    pub(crate) evidence: mpsc::Sender<(EndpointId, Testimony)>,
    /// To the same.
    pub(crate) asks: mpsc::Sender<Ask>,
}

impl Served {
    /// One with these settings and no endpoint yet, whose ids are `ids`; what owns its health; and what that is told.
    pub(crate) fn new(settings: &UpstreamSettings, ids: &EndpointIds) -> (Arc<Self>, Control, Told) {
        let (servers, rules) = (settings.servers.clone(), settings.rules.clone());
        let (upstream, control) = Upstream::numbered(servers, rules, ids, now());
        let (evidence, reports) = mpsc::channel(EVIDENCE_WAITING);
        let (asks, asked) = mpsc::channel(ASKS_WAITING);
        (Arc::new(Self { upstream, evidence, asks }), control, Told { evidence: reports, asks: asked })
    }
}
