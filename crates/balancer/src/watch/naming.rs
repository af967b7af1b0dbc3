//! What people call the servers.
//!
//! In this order: the name that `BALANCER_UPSTREAM` gives the address (`anna=10.0.0.1:8080`); the host name of an entry, where
//! there are several entries and this one means one address; what DNS calls the address (Docker's answers with the container's
//! name). A name of two servers at once gets the port beside it. Who has none is called by its address.
//!
//! DNS is asked beside the look-up that found the address, for a short time; and again, with more patience, whenever the server
//! begins to serve. Nothing waits for a name but the first mention of its server.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_upstream::UpstreamSpec;
use evenkeel_wire::Resolver;
use futures_util::StreamExt as _;
use futures_util::stream::iter;

use crate::records::roster::{Roster, Server};

/// How long the addresses that a look-up found may wait for their names.
const AT_FIRST: Duration = Duration::from_millis(100);

/// How long DNS is waited for once nobody waits for the answer.
const LATER: Duration = Duration::from_secs(2);

/// Questions to DNS at the same time, in one look-up.
const AT_ONCE: usize = 8;

/// Addresses whose names are remembered; a further one is called by its address.
const REMEMBERED: usize = 4096;

/// The names that are known, by address.
#[derive(Debug)]
pub(crate) struct Naming {
    /// Given by a person.
    given: HashMap<SocketAddr, String>,
    /// Found in DNS, without the dot at the end.
    found: HashMap<IpAddr, String>,
    own: String,
    /// The upstream that all of it is about, where there are several.
    upstream: Option<Arc<str>>,
}

/// What DNS calls some addresses.
pub(crate) type Found = Vec<(IpAddr, String)>;

impl Naming {
    pub(crate) fn new(upstream: Option<Arc<str>>) -> Self {
        let own = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let own = own.trim().to_ascii_lowercase();
        Self { given: HashMap::new(), found: HashMap::new(), own, upstream }
    }

    /// Takes in that the settings are others, and the upstream called that: whom a person has given a name is to be found out again.
    pub(crate) fn adopt(&mut self, upstream: Option<Arc<str>>) {
        self.given.clear();
        self.upstream = upstream;
    }

    /// Takes in that the entry at `index` means these addresses, and what DNS calls them.
    pub(crate) fn resolved(
        &mut self,
        spec: &UpstreamSpec,
        index: usize,
        addresses: &[SocketAddr],
        found: Found,
    ) {
        let Some(entry) = spec.names().get(index) else { return };
        if let [address] = addresses {
            let is_alone = spec.names().iter().filter(|other| other.host == entry.host).count() == 1;
            let by_host = spec.names().len() > 1 && is_alone && entry.host.parse::<IpAddr>().is_err();
            let host =
                by_host.then(|| entry.host.clone()).filter(|host| !self.is_generic(host, address.ip()));
            if let Some(name) = entry.called.clone().or(host)
                && (self.given.len() < REMEMBERED || self.given.contains_key(address))
            {
                self.given.insert(*address, name);
            }
        }
        for (address, name) in found {
            self.called(address, name);
        }
    }

    /// Takes in what DNS calls an address.
    pub(crate) fn called(&mut self, address: IpAddr, name: String) {
        let has_room = self.found.len() < REMEMBERED || self.found.contains_key(&address);
        // As a person may call one: then no log, label or header has to quote it.
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        if has_room && is_plain && !self.is_generic(&name, address) {
            self.found.insert(address, name);
        }
    }

    /// Who the server at `address` is, beside those that are there.
    pub(crate) fn server(&self, address: SocketAddr, roster: &Roster) -> Server {
        let name = match (self.given.get(&address), self.found.get(&address.ip())) {
            (Some(given), _) => vec![given.clone(), format!("{given}:{}", address.port())],
            (None, Some(found)) => {
                // Docker's is `container.network`.
                let first = found.split('.').next().unwrap_or(found);
                vec![first.to_owned(), found.clone(), format!("{first}:{}", address.port())]
            }
            (None, None) => Vec::new(),
        };
        let name = name.into_iter().find(|name| !roster.is_taken(name, address));
        Server { address, name: name.map(Into::into), upstream: self.upstream.clone() }
    }

    /// Whether a person has said what it is called.
    pub(crate) fn is_given(&self, address: SocketAddr) -> bool {
        self.given.contains_key(&address)
    }

    /// A name that says no more than the address does, or that is this machine's own.
    fn is_generic(&self, name: &str, address: IpAddr) -> bool {
        let name = name.to_ascii_lowercase();
        let first = name.split('.').next().unwrap_or_default();
        let written = address.to_string();
        first.is_empty()
            || first == self.own
            || name == self.own
            || matches!(first, "localhost" | "ip6-localhost" | "ip6-loopback" | "host" | "gateway")
            || name.contains(&written)
            || name.contains(&written.replace(['.', ':'], "-"))
    }
}

/// What DNS calls those of these addresses that it knows, as far as it answers at once.
pub(crate) async fn ask_at_first(resolver: &Resolver, addresses: Vec<IpAddr>) -> Found {
    let mut found = Found::new();
    let mut answers = iter(addresses.into_iter().filter(is_asked_for).take(REMEMBERED))
        .map(|address| async move { resolver.name_of(address).await.map(|name| (address, name)) })
        .buffer_unordered(AT_ONCE);
    // What has come until then is kept.
    let _ = tokio::time::timeout(AT_FIRST, async {
        while let Some(answer) = answers.next().await {
            found.extend(answer);
        }
    })
    .await;
    found
}

/// What DNS calls this address.
pub(crate) async fn ask_later(resolver: &Resolver, address: IpAddr) -> Option<String> {
    if !is_asked_for(&address) {
        return None;
    }
    tokio::time::timeout(LATER, resolver.name_of(address)).await.ok()?
}

/// Every machine calls these itself.
fn is_asked_for(address: &IpAddr) -> bool {
    !address.is_loopback() && !address.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming() -> Naming {
        Naming { own: "laptop".to_owned(), ..Naming::new(None) }
    }

    fn spec(text: &str) -> UpstreamSpec {
        text.parse().unwrap()
    }

    fn name(naming: &Naming, address: &str) -> Option<String> {
        naming.server(address.parse().unwrap(), &Roster::default()).name.map(|name| name.to_string())
    }

    #[test]
    fn docker_calls_a_server_by_its_container() {
        let mut naming = naming();
        let (one, other) = ("172.18.0.4:8080".parse().unwrap(), "172.18.0.5:8080".parse().unwrap());
        let found = vec![([172, 18, 0, 4].into(), "evenkeel-server-2.evenkeel_default".to_owned())];
        naming.resolved(&spec("server:8080"), 0, &[one, other], found);
        assert_eq!(name(&naming, "172.18.0.4:8080").unwrap(), "evenkeel-server-2");
        assert_eq!(name(&naming, "172.18.0.5:8080"), None, "DNS did not know it");
    }

    #[test]
    fn what_a_person_calls_a_server_outweighs_dns() {
        let mut naming = naming();
        let spec = spec("cleo:8080,anna=10.0.0.2:8080,many=set:8080");
        let dns = |last| vec![([10, 0, 0, last].into(), format!("evenkeel-{last}.net"))];
        let address = |last| SocketAddr::from(([10, 0, 0, last], 8080));
        naming.resolved(&spec, 0, &[address(1)], dns(1));
        naming.resolved(&spec, 1, &[address(2)], dns(2));
        naming.resolved(&spec, 2, &[address(3), address(4)], dns(3));
        let names = [1, 2, 3, 4].map(|last| name(&naming, &address(last).to_string()));
        let expected = ["cleo", "anna", "evenkeel-3"].map(|name| Some(name.to_owned()));
        assert_eq!(names[..3], expected);
        assert_eq!(names[3], None);
    }

    #[test]
    fn a_name_that_says_nothing_is_none() {
        let mut naming = naming();
        for name in [
            "localhost",
            "laptop.lan",
            "ip-10-0-0-7.ec2.internal",
            "10-0-0-7.svc.ns.cluster.local",
            "a\"b",
            "",
        ] {
            naming.called([10, 0, 0, 7].into(), name.to_owned());
        }
        assert_eq!(name(&naming, "10.0.0.7:80"), None);
    }

    #[tokio::test]
    async fn nobody_is_asked_what_loopback_is_called() {
        let resolver = Resolver::from_system();
        assert_eq!(ask_later(&resolver, [127, 0, 0, 1].into()).await, None);
        assert!(ask_at_first(&resolver, vec![[127, 0, 0, 1].into()]).await.is_empty());
    }
}
