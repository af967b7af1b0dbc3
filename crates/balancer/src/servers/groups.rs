//! The upstreams of one worker, and which of them a request is for.

use std::rc::Rc;
use std::sync::Arc;

use evenkeel_message::routes::Redirect;
use evenkeel_message::{Refusal, RequestHead};

use crate::context::Worker;
use crate::context::edition::Edition;
use crate::context::served::Served;
use crate::servers::group::Group;
use crate::settings::upstream::UpstreamSettings;
use crate::settings::upstreams::{Destination, Routing, ToUpstream};

/// One worker's own of all upstreams of an edition, in the order of the settings.
pub(crate) struct Groups {
    pub(crate) worker: Rc<Worker>,
    all: Vec<Rc<Group>>,
}

/// Where a request goes.
pub(crate) struct Way<'a> {
    pub(crate) group: &'a Rc<Group>,
    /// The route that has led there; `None` where none was needed.
    pub(crate) by: Option<&'a ToUpstream>,
}

impl Way<'_> {
    /// What is taken off the path.
    pub(crate) fn prefix(&self) -> &str {
        self.by.and_then(|by| by.prefix.as_deref()).unwrap_or_default()
    }
}

/// Why a request goes to no upstream.
pub(crate) enum NoWay<'a> {
    Refused(Refusal),
    /// It is to be asked elsewhere.
    Redirected(&'a Redirect),
}

impl From<Refusal> for NoWay<'_> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// No route takes the request, and there is no upstream for such.
const NO_ROUTE: Refusal = Refusal {
    status: 404,
    reason: "Nothing is served at this host and path.",
    error: "destination_not_found",
};

impl Groups {
    pub(crate) fn new(worker: Rc<Worker>) -> Rc<Self> {
        Self::made(worker, |_| None)
    }

    /// Those of another edition. What both have goes on: who is picked next, and the idle connections.
    pub(crate) fn under(&self, edition: Arc<Edition>) -> Rc<Self> {
        let worker = self.worker.under(edition);
        Self::made(worker, |served| self.all.iter().find(|group| Arc::ptr_eq(&group.served, served)))
    }

    fn made<'a>(worker: Rc<Worker>, before: impl Fn(&Arc<Served>) -> Option<&'a Rc<Group>>) -> Rc<Self> {
        let group = |(settings, served): (&Arc<UpstreamSettings>, &Arc<Served>)| match before(served) {
            Some(group) => group.under(worker.clone(), settings.clone()),
            None => Group::new(worker.clone(), settings.clone(), served.clone()),
        };
        let all = worker.edition.upstreams().map(group).collect();
        Rc::new(Self { worker, all })
    }

    /// Watches the idle connections.
    pub(crate) fn watch_idle(&self) {
        self.all.iter().for_each(|group| group.watch_idle());
    }

    /// Frees some of what requests were answered with.
    pub(crate) fn release_spare(&self) {
        self.all.iter().for_each(|group| group.answers.release());
    }

    /// Where the request with this head goes.
    ///
    /// # Errors
    /// Where it goes nowhere, or its path is in doubt, or it is to be asked elsewhere.
    #[inline]
    pub(crate) fn find(&self, head: &RequestHead, input: &[u8]) -> Result<Way<'_>, NoWay<'_>> {
        match &self.worker.settings().upstreams.routing {
            None => Ok(Way { group: &self.all[0], by: None }),
            Some(routing) => self.routed(routing, head, input),
        }
    }

    #[inline(never)]
    fn routed<'a>(
        &'a self,
        routing: &'a Routing,
        head: &RequestHead,
        input: &[u8],
    ) -> Result<Way<'a>, NoWay<'a>> {
        let found = routing.routes.pick(head.authority(input), &head.path_and_query(input))?;
        let by = match found {
            Some((_, Destination::Redirect(redirect))) => return Err(NoWay::Redirected(redirect)),
            Some((_, Destination::Upstream(to))) => Some(to),
            None => None,
        };
        let upstream = by.map(|to| to.upstream).or(routing.default).ok_or(NO_ROUTE)?;
        Ok(Way { group: &self.all[upstream], by })
    }
}
