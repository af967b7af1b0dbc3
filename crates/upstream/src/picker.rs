//! A worker's way to an endpoint: its own cursors over the shared snapshot.
//!
//! A pick goes down this list and ends at the first that applies:
//!
//! 1. the endpoint that a sticky session is pinned to, while that serves its sessions;
//! 2. an open trial on an endpoint in probation, for a request that could be repeated elsewhere;
//! 3. the policy's choice among the best class of endpoints that this request has not tried yet:
//!    plain, backup, suspect, busy, leaving, and at last, when nothing is usable at all, those that misbehave but answer
//!    and then those that take connections and may come to answer.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use crate::attempt::{Condition, MAX_ATTEMPTS, TryNo};
use crate::endpoint::{Endpoint, EndpointId, Flags, Rank, Usual};
use crate::kinds::{Kind, Kinds};
use crate::lease::{Lease, View};
use crate::pin::Pin;
use crate::policy::{Field, Policy, PolicySettings};
use crate::upstream::Upstream;

/// What a request asks of a pick.
#[derive(Clone, Copy, Debug, Default)]
pub struct Want {
    /// What `consistent_hash` hashes, already hashed; the other policies do not look at it.
    pub key: Option<u64>,
    /// The pin of a sticky session.
    pub pin: Option<Pin>,
    /// It may be a trial: it only reads, and can be repeated elsewhere.
    pub trial: bool,
    /// Only an endpoint against which nothing speaks will do: for a try that the request can do without.
    pub plain_only: bool,
}

/// The endpoints that a request has already tried.
#[derive(Clone, Debug, Default)]
pub struct Tried(ArrayVec<EndpointId, MAX_ATTEMPTS>);

impl Tried {
    /// Adds one. More than [`MAX_ATTEMPTS`] are never asked for.
    pub fn add(&mut self, id: EndpointId) {
        if !self.has(id) {
            // The machine asks for no more attempts than fit.
            let _ = self.0.try_push(id);
        }
    }

    /// Whether it was tried.
    pub fn has(&self, id: EndpointId) -> bool {
        self.0.contains(&id)
    }
}

/// Why there is no endpoint for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// Every endpoint that could take it has been tried.
    NoneUntried,
    /// No endpoint is known that would answer.
    AllUnreachable,
    /// The endpoints that could take it are at their limit: wait in the [`Queue`](crate::Queue).
    AllBusy,
}

/// One worker's view of the upstream.
pub struct Picker {
    upstream: Upstream,
    generation: u64,
    view: Rc<View>,
    chosen: PolicySettings,
    policy: Policy,
    heard: Heard,
    kinds: Kinds,
}

impl Picker {
    /// A view with fresh cursors.
    pub fn new(upstream: &Upstream) -> Self {
        let generation = upstream.generation();
        let view = Rc::new(View { snapshot: upstream.snapshot() });
        let chosen = upstream.settings().policy;
        let mut policy = Policy::new(chosen, &upstream.shared().turns);
        policy.adopt();
        Self {
            upstream: upstream.clone(),
            generation,
            view,
            chosen,
            policy,
            heard: Heard::default(),
            kinds: Kinds::new(),
        }
    }

    /// An endpoint for a request that has tried `tried`.
    pub fn pick(
        &mut self,
        want: &Want,
        tried: &Tried,
        rng: &mut impl FnMut() -> u64,
        now: Instant,
    ) -> Result<Lease, Unavailable> {
        self.refresh();
        if let Some(lease) = want.pin.and_then(|pin| self.pinned(pin, tried)) {
            return Ok(lease);
        }
        let trial_open = self.upstream.shared().trials.load(Ordering::Relaxed) > 0;
        if trial_open
            && want.trial
            && tried.0.is_empty()
            && let Some(lease) = self.trial()
        {
            return Ok(lease);
        }
        self.by_policy(want, tried, rng, now)
    }

    /// A place on this endpoint and on no other, for who has a connection to it that nothing can stand in for. `None` when it is
    /// ejected, leaving, at its limit or no longer a member.
    pub fn lease(&mut self, id: EndpointId) -> Option<Lease> {
        self.refresh();
        let index = self.view.snapshot.index(id)?;
        let flags = self.view.snapshot.endpoints().get(index)?.flags();
        let serves = flags.has(Flags::HEALTHY) && !flags.has(Flags::LEAVING);
        if serves { Lease::take(&self.view, index, false) } else { None }
    }

    /// The endpoint with this id, if it is still a member.
    pub fn endpoint(&mut self, id: EndpointId) -> Option<&Arc<Endpoint>> {
        self.refresh();
        self.view.snapshot.endpoint(id)
    }

    /// What is usual for a request of this kind at this endpoint.
    pub fn usual(&self, endpoint: &Endpoint, kind: Kind) -> Usual {
        let times = self.kinds.times(kind);
        Usual {
            connect: endpoint.usual_connect(),
            head: times.head,
            slowest: times.slowest,
            hedge_after: times.hedge_after,
        }
    }

    /// A request of this kind had the head of a good answer after `took`.
    pub fn learn(&mut self, kind: Kind, took: Duration) {
        self.kinds.learn(kind, took);
    }

    /// Whether the endpoint that this pin leads to still keeps its sessions: it is a member, healthy and not leaving.
    pub fn keeps(&mut self, pin: Pin) -> bool {
        self.refresh();
        let index = self.view.snapshot.pinned(pin);
        let endpoint = index.and_then(|index| self.view.snapshot.endpoints().get(index));
        endpoint.is_some_and(|endpoint| endpoint.flags().serves_pinned())
    }

    /// How it stands with the endpoint of a live try, for [`Event::Woke`](crate::attempt::Event::Woke).
    pub fn condition(&mut self, number: TryNo, lease: &Lease, received: usize, now: Instant) -> Condition {
        self.refresh();
        let endpoint = lease.endpoint();
        self.heard.refresh(self.view.snapshot.endpoints(), now);
        Condition {
            number,
            down: lease.down(),
            last_heard: endpoint.last_heard(),
            others_heard: self.heard.by_others(endpoint.id()),
            received,
        }
    }

    fn refresh(&mut self) {
        let generation = self.upstream.generation();
        if generation != self.generation {
            self.generation = generation;
            let snapshot = self.upstream.snapshot();
            if snapshot.policy != self.chosen {
                self.chosen = snapshot.policy;
                self.policy = Policy::new(self.chosen, &self.upstream.shared().turns);
            }
            self.view = Rc::new(View { snapshot });
            self.policy.adopt();
        }
    }

    fn pinned(&self, pin: Pin, tried: &Tried) -> Option<Lease> {
        let index = self.view.snapshot.pinned(pin)?;
        let endpoint = self.view.snapshot.endpoints().get(index)?;
        let serves = endpoint.flags().serves_pinned() && !tried.has(endpoint.id());
        if serves { Lease::take(&self.view, index, false) } else { None }
    }

    fn trial(&self) -> Option<Lease> {
        let endpoints = self.view.snapshot.endpoints();
        let index = endpoints.iter().position(|endpoint| endpoint.begin_trial())?;
        let open = &self.upstream.shared().trials;
        // Fails only when the control task has just counted them anew.
        let _ = open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| open.checked_sub(1));
        Lease::take(&self.view, index, true)
    }

    fn by_policy(
        &mut self,
        want: &Want,
        tried: &Tried,
        rng: &mut impl FnMut() -> u64,
        now: Instant,
    ) -> Result<Lease, Unavailable> {
        let mut rank = Rank::Plain;
        let mut free = None;
        // Between looking at an endpoint and taking a place on it, another worker may take the last one, and the control
        // task may move it to another rank: then the next round sees what is so now.
        for _ in 0..ROUNDS_PER_PICK {
            let field = Field { snapshot: &self.view.snapshot, tried, rank, now };
            if let Some(index) = self.policy.choose(&field, want.key, rng) {
                match Lease::take(&self.view, index, false) {
                    Some(lease) => return Ok(lease),
                    None => continue,
                }
            }
            let best = self.best(want, tried)?;
            if best.free.is_none() {
                return Err(Unavailable::AllBusy);
            }
            (rank, free) = (best.rank, best.free);
        }
        // Things change faster than the policy looks: one that was free will do.
        free.and_then(|index| Lease::take(&self.view, index, false)).ok_or(Unavailable::AllBusy)
    }

    /// The best rank that has an endpoint left for this request, whether that is busy or not.
    fn best(&self, want: &Want, tried: &Tried) -> Result<Best, Unavailable> {
        let mut best_rank = Rank::Never;
        let mut untried = Best { rank: Rank::Never, free: None };
        for (index, endpoint) in self.view.snapshot.endpoints().iter().enumerate() {
            // Read once: it must not be passed over as what it is not.
            let rank = endpoint.flags().rank();
            best_rank = best_rank.min(rank);
            if rank > untried.rank || tried.has(endpoint.id()) {
                continue;
            }
            if rank < untried.rank {
                untried = Best { rank, free: None };
            }
            if untried.free.is_none() && !endpoint.is_full() {
                untried.free = Some(index);
            }
        }
        let worst_allowed = match best_rank {
            // A backup is no help while those that it stands in for are well.
            _ if want.plain_only => best_rank.min(Rank::Backup),
            // Failing open is for when nothing is usable, not for the second attempt of a request.
            Rank::Plain | Rank::Backup | Rank::Suspect | Rank::Busy | Rank::Leaving => Rank::Leaving,
            Rank::LastResort | Rank::Never => Rank::LastResort,
            Rank::Unanswering => Rank::Unanswering,
        };
        match best_rank {
            _ if untried.rank <= worst_allowed => Ok(untried),
            Rank::Never => Err(Unavailable::AllUnreachable),
            _ => Err(Unavailable::NoneUntried),
        }
    }
}

/// The best rank that there is for a request.
struct Best {
    rank: Rank,
    /// One of that rank that is below its limit.
    free: Option<usize>,
}

const ROUNDS_PER_PICK: usize = 8;

/// Who answered last, looked up at most every [`Heard::LOOKED_UP_EVERY`]: many waiting requests ask the same.
#[derive(Default)]
struct Heard {
    at: Option<Instant>,
    latest: Option<(EndpointId, Instant)>,
    runner_up: Option<Instant>,
}

impl Heard {
    const LOOKED_UP_EVERY: Duration = Duration::from_millis(5);

    fn refresh(&mut self, endpoints: &[Arc<Endpoint>], now: Instant) {
        if self.at.is_some_and(|at| now.saturating_duration_since(at) < Self::LOOKED_UP_EVERY) {
            return;
        }
        (self.at, self.latest, self.runner_up) = (Some(now), None, None);
        for endpoint in endpoints {
            let Some(heard) = endpoint.last_heard() else { continue };
            match self.latest {
                Some((_, latest)) if heard <= latest => self.runner_up = self.runner_up.max(Some(heard)),
                _ => {
                    self.runner_up = self.latest.map(|(_, heard)| heard);
                    self.latest = Some((endpoint.id(), heard));
                }
            }
        }
    }

    fn by_others(&self, than: EndpointId) -> Option<Instant> {
        match self.latest {
            Some((id, heard)) if id != than => Some(heard),
            _ => self.runner_up,
        }
    }
}
