//! What the process is for tests of one worker: no control task, no probes, no ledger.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use evenkeel_service::Reading;
use evenkeel_upstream::EndpointIds;

use tokio::sync::watch;

use super::Shared;
use super::edition::Edition;
use super::gate::Gate;
use super::leaving::Leaving;
use super::permit::Connections;
use super::served::Served;
use crate::clock::now;
use crate::records::events::Events;
use crate::records::metrics::ControlStats;
use crate::records::reloads::Reloads;
use crate::records::roster::Roster;
use crate::records::story::Story;
use crate::settings;

/// A balancer's state in front of these servers, none of which has shown anything yet.
pub(crate) fn set_up(servers: &[SocketAddr]) -> Arc<Shared> {
    let names: Vec<String> = servers.iter().map(ToString::to_string).collect();
    let upstream = names.join(",");
    let variables =
        [("BALANCER_UPSTREAM", upstream.as_str()), ("BALANCER_PROBE", "off"), ("BALANCER_LEDGER", "off")];
    let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
    let settings = Reading::of(&settings::COMPONENT, variables, settings::read).unwrap();
    let (served, mut control, _) = Served::new(&settings.upstreams.all[0], &EndpointIds::default());
    for (index, server) in servers.iter().enumerate() {
        control.resolved(index, Ok(&[*server]), now());
    }
    let gate = Gate::of(&settings.clients, None, now());
    Arc::new(Shared {
        editions: watch::Sender::new(Edition::new(settings, vec![served], gate)),
        connections: Connections::new(1, None),
        pipes: AtomicUsize::default(),
        leaving: Leaving::default(),
        tls: None,
        reloads: Reloads::new(None),
        events: Events::new(),
        roster: Roster::default(),
        story: Arc::new(Story::new(false).0),
        control_stats: ControlStats::default(),
        access_log: None,
        ledger: None,
    })
}
