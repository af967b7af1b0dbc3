//! The PROXY protocol at the beginning of a connection, where `BALANCER_PROXY_PROTOCOL` says that there is one: it
//! introduces the client whose connection a proxy passes on.
//!
//! Whoever can connect can claim anything in it, so with the setting on only such proxies may reach the traffic port. A
//! connection that does not begin with a header is closed: there is no telling whose it is.

use evenkeel_http1::proxy_protocol;
use evenkeel_wire::Buffer;
use tracing::debug;

use crate::clients::h1::client::{Client, Filled};
use crate::context::Worker;
use crate::context::permit::Permit;

/// Reads the header and takes the client's address from it; what was received behind it stays in `received`. False when
/// there is none, or when it is not complete within the time for a first byte: then the connection is to be closed.
pub(crate) async fn receive(worker: &Worker, client: &mut Client, received: &mut Buffer) -> bool {
    client.await_introduction();
    loop {
        match proxy_protocol::parse(received.filled()) {
            Ok(Some(header)) => {
                received.consume(header.len);
                if let Some(addresses) = header.addresses {
                    client.peer = addresses.source;
                    client.destination = Some(addresses.destination);
                }
                client.introduced = true;
                return true;
            }
            Ok(None) => {}
            Err(malformed) => {
                debug!(peer = %client.peer, "{malformed}; it is closed");
                worker.stats.refused.add(1);
                return false;
            }
        }
        if client.fill(received).await != Filled::Some {
            return false;
        }
    }
}

/// Whether the client that has been introduced may have this connection as well.
pub(crate) fn has_room(worker: &Worker, client: &Client, permit: &mut Permit) -> bool {
    let (settings, address) = (worker.settings(), client.peer.ip());
    if settings.clients.connections.is_none() || settings.trusted.include(address) {
        return true;
    }
    let has_room = permit.belongs_to(address);
    if !has_room {
        worker.stats.limited_connections.add(1);
    }
    has_room
}
