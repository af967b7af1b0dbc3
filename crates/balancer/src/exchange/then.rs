//! What follows an exchange.

use std::rc::Rc;

use evenkeel_upstream::Lease;
use evenkeel_wire::Buffer;

use crate::exchange::caller::After;
use crate::servers::group::Group;
use crate::servers::idle::ServerConnection;

/// What follows an exchange where its client is.
pub(crate) enum Then {
    /// Another request.
    Next,
    Close,
    /// Close once the client has taken the answer in.
    Linger,
    /// Another protocol, spoken with this server.
    Tunnel(Box<Server>),
}

/// A connection to a server that has switched protocols, and what it sent after its 101.
pub(crate) struct Server {
    /// The upstream that it is of.
    pub(crate) group: Rc<Group>,
    pub(crate) connection: Box<ServerConnection>,
    pub(crate) received: Buffer,
    /// It counts as in flight for as long as the tunnel lasts.
    pub(crate) lease: Lease,
}

impl From<After> for Then {
    fn from(after: After) -> Self {
        match after {
            After::Next => Self::Next,
            After::Linger => Self::Linger,
            // A tunnel is begun where the 101 is sent; here it would be one without a server.
            After::Close | After::Tunnel => Self::Close,
        }
    }
}
