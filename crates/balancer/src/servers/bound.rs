//! A connection to a server that belongs to one client: a user has authenticated on it (NTLM, Negotiate), and the server takes
//! whatever comes on it for that user's (RFC 4559 §6). It never idles among those that serve everybody.
//!
//! ```text
//!              the exchange ends cleanly
//! in use ──────────────────────────────────▶ kept with the client's connection, and closed with it
//!   ▲ └── anything else ──▶ closed                │
//!   └──────── the client's next request ──────────┘
//! ```

use evenkeel_upstream::{EndpointId, Lease};
use evenkeel_wire::Idleness;

use crate::servers::group::Group;
use crate::servers::idle::ServerConnection;

/// A bound connection between two requests of its client.
pub(crate) struct Bound {
    endpoint: EndpointId,
    connection: Box<ServerConnection>,
}

impl Bound {
    /// Keeps a connection whose exchange has ended cleanly.
    pub(crate) fn new(endpoint: EndpointId, connection: Box<ServerConnection>) -> Self {
        Self { endpoint, connection }
    }

    /// The connection, with a place on its endpoint, if both are still good; otherwise it is closed, and the client is asked
    /// to authenticate anew on another.
    pub(crate) fn resume(self, group: &Group) -> Option<(Lease, Box<ServerConnection>)> {
        let Self { endpoint, mut connection } = self;
        if connection.stream.idleness_now() != Idleness::Quiet {
            return None;
        }
        let lease = group.picker.borrow_mut().lease(endpoint)?;
        (lease.endpoint().generation() == connection.generation).then_some((lease, connection))
    }
}
