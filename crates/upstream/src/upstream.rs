//! What all workers share: one immutable snapshot, swapped whole, and the number that says it was swapped.
//!
//! A worker reads the generation once a request (a line that is written only when membership or weights change) and
//! fetches the snapshot only when it differs from the one it holds. Whether an endpoint may be used is not in the
//! snapshot: that changes far more often and is a bit in the endpoint's own block.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use crossbeam_utils::CachePadded;

use crate::admission::Queue;
use crate::budget::Budgets;
use crate::control::Control;
use crate::endpoint::{Endpoint, EndpointId, EndpointIds, Weight};
use crate::pin::Pin;
use crate::policy::{PolicySettings, Table, Turns};
use crate::settings::Settings;
use crate::spec::UpstreamSpec;

/// The set of endpoints, as every worker sees it. Cheap to clone.
#[derive(Clone)]
pub struct Upstream(Arc<Shared>);

pub(crate) struct Shared {
    generation: CachePadded<AtomicU64>,
    snapshot: ArcSwap<Snapshot>,
    /// Trials that are open over all endpoints in probation; nearly always 0.
    pub(crate) trials: AtomicU32,
    pub(crate) budgets: Budgets,
    pub(crate) turns: Turns,
    queue: Queue,
    settings: ArcSwap<Settings>,
}

impl Upstream {
    /// An upstream without endpoints, and the one owner of its health. `epoch` is any moment not after the first
    /// `now`; it is where the stamps of this process begin.
    pub fn new(spec: UpstreamSpec, settings: Settings, epoch: Instant) -> (Self, Control) {
        Self::numbered(spec, settings, &EndpointIds::default(), epoch)
    }

    /// The same with ids out of `ids`, so that no endpoint of another upstream has the same.
    pub fn numbered(
        spec: UpstreamSpec,
        settings: Settings,
        ids: &EndpointIds,
        epoch: Instant,
    ) -> (Self, Control) {
        let upstream = Self(Arc::new(Shared {
            generation: CachePadded::default(),
            snapshot: ArcSwap::from_pointee(Snapshot::default()),
            trials: AtomicU32::new(0),
            budgets: Budgets::new(settings.retry_budget, settings.hedge_budget),
            turns: Turns::default(),
            queue: Queue::new(settings.admission),
            settings: ArcSwap::from_pointee(settings.clone()),
        }));
        let control = Control::new(upstream.clone(), spec, settings, ids.clone(), epoch);
        (upstream, control)
    }

    /// The endpoints there are now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.snapshot.load_full()
    }

    /// Rises with each new snapshot.
    pub fn generation(&self) -> u64 {
        // Acquire: who sees the number sees the snapshot that came with it.
        self.0.generation.load(Ordering::Acquire)
    }

    /// What retries and hedges draw on.
    pub fn budgets(&self) -> &Budgets {
        &self.0.budgets
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        self.0.settings.load_full()
    }

    /// Goes on with these; the endpoints as well from the next [`Upstream::publish`] on.
    pub(crate) fn adopt(&self, settings: &Settings) {
        self.0.budgets.adopt(settings.retry_budget, settings.hedge_budget);
        self.0.queue.adopt(settings.admission);
        self.0.settings.store(Arc::new(settings.clone()));
    }

    /// Where requests wait for an endpoint below its limit.
    pub fn queue(&self) -> &Queue {
        &self.0.queue
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }

    pub(crate) fn publish(&self, members: Vec<(Arc<Endpoint>, Weight)>) {
        self.0.snapshot.store(Arc::new(Snapshot::new(members, &self.0.settings.load())));
        self.0.generation.fetch_add(1, Ordering::Release);
    }
}

/// The endpoints at one moment, ordered by id, with what the policy prepared for them.
#[derive(Default)]
pub struct Snapshot {
    endpoints: Vec<Arc<Endpoint>>,
    weights: Vec<Weight>,
    even: bool,
    pins: Vec<(Pin, usize)>,
    pub(crate) policy: PolicySettings,
    pub(crate) table: Table,
}

impl Snapshot {
    fn new(members: Vec<(Arc<Endpoint>, Weight)>, settings: &Settings) -> Self {
        let (endpoints, weights): (Vec<_>, Vec<_>) = members.into_iter().unzip();
        let mut pins = Vec::new();
        if let Some(key) = &settings.stickiness {
            pins.extend(
                endpoints.iter().enumerate().map(|(index, endpoint)| (key.pin(endpoint.address()), index)),
            );
            pins.sort_unstable();
        }
        let table = Table::new(settings.policy, &endpoints, &weights);
        let even = settings.slow_start.is_none() && weights.windows(2).all(|two| two[0] == two[1]);
        Self { endpoints, weights, even, pins, policy: settings.policy, table }
    }

    /// All endpoints, whatever their state.
    pub fn endpoints(&self) -> &[Arc<Endpoint>] {
        &self.endpoints
    }

    /// The endpoint with this id, if it is still a member.
    pub fn endpoint(&self, id: EndpointId) -> Option<&Arc<Endpoint>> {
        self.endpoints.get(self.index(id)?)
    }

    pub(crate) fn index(&self, id: EndpointId) -> Option<usize> {
        self.endpoints.binary_search_by_key(&id, |endpoint| endpoint.id()).ok()
    }

    /// Whether a request would find an endpoint: at least one is usable, or misbehaves but answers.
    pub fn can_serve(&self) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.flags().rank() < crate::endpoint::Rank::Never)
    }

    pub(crate) fn weight(&self, index: usize) -> Weight {
        self.weights.get(index).copied().unwrap_or(Weight::ONE)
    }

    /// Whether every endpoint has the same share at any time.
    pub(crate) fn is_even(&self) -> bool {
        self.even
    }

    pub(crate) fn pinned(&self, pin: Pin) -> Option<usize> {
        let at = self.pins.binary_search_by_key(&pin, |&(pin, _)| pin).ok()?;
        self.pins.get(at).map(|&(_, index)| index)
    }

    /// A snapshot for the tests of policies, where no control task makes one.
    #[cfg(test)]
    pub(crate) fn of(members: Vec<(Arc<Endpoint>, Weight)>, settings: &Settings) -> Self {
        Self::new(members, settings)
    }
}
