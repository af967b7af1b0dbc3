//! What ejects an endpoint, what brings it back, and who gets requests meanwhile.

mod adopting;
mod busy;
mod full;
mod judging;
mod members;
mod returning;
mod serving;

use std::net::Ipv4Addr;

use super::*;
use crate::attempt::Down;
use crate::endpoint::{Endpoint, FULL_SHARE};
use crate::evidence::{Author, ConnectFailure, Response, ResponseFailure};
use crate::health::Source;
use crate::lease::Outcome;
use crate::picker::{Picker, Tried, Unavailable, Want};

const MS: Duration = Duration::from_millis(1);
const REFUSED: Evidence = Evidence::ConnectFailed(ConnectFailure::Refused);
const RESET: Evidence = Evidence::ResponseFailed(ResponseFailure::Reset);
const FAILED: ProbeResult = ProbeResult::Failed(ProbeFailure::TimedOut);
const GET: Want = Want { key: None, pin: None, trial: true, plain_only: false };
const POST: Want = Want { key: None, pin: None, trial: false, plain_only: false };

/// A set under a virtual clock.
struct Set {
    upstream: Upstream,
    control: Control,
    picker: Picker,
    rng: fastrand::Rng,
    now: Instant,
    /// How many clients have asked: each request is another's.
    clients: u32,
}

impl Set {
    /// Endpoints that have passed their first probe.
    fn of(count: u8) -> Self {
        let mut set = Self::with(count, Settings::default());
        set.probe_all(ProbeResult::Passed);
        set.news();
        set
    }

    fn with(count: u8, settings: Settings) -> Self {
        Self::from_spec("server:8080", count, settings)
    }

    #[expect(clippy::disallowed_methods, reason = "any moment does as the beginning of a virtual clock")]
    fn from_spec(spec: &str, count: u8, settings: Settings) -> Self {
        let now = Instant::now();
        let (upstream, control) = Upstream::new(spec.parse().unwrap(), settings, now);
        let picker = Picker::new(&upstream);
        // A second after the epoch, so that stamps are not all the same.
        let mut set = Self {
            upstream,
            control,
            picker,
            rng: fastrand::Rng::with_seed(3),
            now: now + 1_000 * MS,
            clients: 0,
        };
        set.resolve(0, count);
        set.control.tick(set.now);
        set
    }

    fn resolve(&mut self, first: u8, count: u8) {
        let addresses: Vec<SocketAddr> = (first..first + count).map(address).collect();
        self.control.resolved(0, Ok(&addresses), self.now);
    }

    fn id(&self, index: u8) -> EndpointId {
        self.control.find(address(index)).unwrap()
    }

    fn endpoint(&self, index: u8) -> Arc<Endpoint> {
        Arc::clone(self.upstream.snapshot().endpoint(self.id(index)).unwrap())
    }

    fn probe(&mut self, index: u8, result: ProbeResult) {
        self.control.probed(self.id(index), result, MS, self.now);
    }

    fn start_probes(&mut self) {
        self.control.probes_due(self.now, &mut || 0);
    }

    fn probe_all(&mut self, result: ProbeResult) {
        let ids: Vec<_> = self.control.members.keys().copied().collect();
        for id in ids {
            self.control.probed(id, result, MS, self.now);
        }
    }

    fn pass_time(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(wake) = self.control.next_wake().filter(|&wake| wake <= end) {
            self.now = wake;
            self.control.tick(self.now);
        }
        self.now = end;
    }

    fn pick(&mut self, want: &Want) -> Result<u8, Unavailable> {
        self.lease(want).map(|lease| index_of(&lease))
    }

    fn lease(&mut self, want: &Want) -> Result<crate::Lease, Unavailable> {
        self.picker.pick(want, &Tried::default(), &mut || self.rng.u64(..), self.now)
    }

    fn lease_on(&mut self, index: u8) -> crate::Lease {
        (0..100)
            .find_map(|_| self.lease(&POST).ok().filter(|lease| index_of(lease) == index))
            .expect("it is picked now and then")
    }

    /// A request that its endpoint answers like this.
    fn serve(&mut self, want: &Want, status: u16) -> Result<u8, Unavailable> {
        self.serve_by(want, |_| status)
    }

    /// A good answer of this endpoint.
    fn serve_on(&mut self, index: u8) {
        let mut lease = self.lease_on_any(index);
        lease.head_received(Response::Good, 2 * MS, self.now);
        let evidence = lease.finish(Outcome::Success, self.now);
        if let Some(evidence) = evidence {
            self.control.evidence(self.id(index), evidence, self.now);
        }
    }

    /// A lease on this endpoint, whatever its standing.
    fn lease_on_any(&self, index: u8) -> crate::Lease {
        let view = std::rc::Rc::new(crate::lease::View { snapshot: self.upstream.snapshot() });
        let at = view.snapshot.endpoints().iter().position(|endpoint| endpoint.id() == self.id(index));
        crate::Lease::take(&view, at.unwrap(), false).unwrap()
    }

    /// A request whose answer depends on who gets it.
    fn serve_by(&mut self, want: &Want, status: impl Fn(u8) -> u16) -> Result<u8, Unavailable> {
        let mut lease = self.lease(want)?;
        let (index, id) = (index_of(&lease), lease.endpoint().id());
        let status = status(index);
        let response = if status >= 500 { Response::Error } else { Response::Good };
        lease.head_received(response, 2 * MS, self.now);
        self.clients += 1;
        if !response.is_good() {
            self.see_by(index, Evidence::Status(status), client(self.clients));
            if lease.is_trial() {
                self.examined(index, Evidence::Status(status), client(self.clients), Standing::Proven);
            }
        }
        if let Some(evidence) = lease.finish(Outcome::Success, self.now) {
            self.control.evidence(id, evidence, self.now);
        }
        Ok(index)
    }

    /// What a worker sees and reports, each time for another client.
    fn see(&mut self, index: u8, evidence: Evidence) {
        self.clients += 1;
        self.see_by(index, evidence, client(self.clients));
    }

    fn see_by(&mut self, index: u8, evidence: Evidence, author: Author) {
        if self.endpoint(index).report(evidence, self.now) {
            self.control.evidence(self.id(index), Testimony::alleged(evidence, author), self.now);
        }
    }

    /// What came of asking another endpoint the same.
    fn examined(&mut self, index: u8, evidence: Evidence, author: Author, standing: Standing) {
        self.control.evidence(self.id(index), Testimony { evidence, author, standing }, self.now);
    }

    fn health(&self, index: u8) -> Health {
        self.control.members[&self.id(index)].observed.health()
    }

    fn is_ejected(&self, index: u8) -> bool {
        matches!(self.health(index), Health::Ejected { .. })
    }

    fn news(&mut self) -> Vec<&'static str> {
        self.control.take_changes().map(|change| change.news.name()).collect()
    }

    fn eject_by_traffic(&mut self, index: u8) {
        (0..3).for_each(|_| self.see(index, RESET));
        assert!(self.is_ejected(index));
    }
}

fn address(index: u8) -> SocketAddr {
    ([172, 18, 0, index + 2], 8080).into()
}

fn index_of(lease: &crate::Lease) -> u8 {
    match lease.endpoint().address() {
        SocketAddr::V4(address) => address.ip().octets()[3] - 2,
        SocketAddr::V6(_) => unreachable!("all addresses here are IPv4"),
    }
}

fn client(number: u32) -> Author {
    Author::at(Ipv4Addr::from(number).into())
}
