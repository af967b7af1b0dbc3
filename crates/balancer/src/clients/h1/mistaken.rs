//! Clients that take this port for one at which something else is spoken. They are told, but many cannot read it: the log says
//! it as well.

use std::net::SocketAddr;

use evenkeel_message::Refusal;
use evenkeel_service::Rarely;
use tracing::info;

use crate::clock::now;

/// Says it of a client that is refused for that.
#[cold]
pub(super) fn tell(peer: SocketAddr, refusal: &Refusal) {
    static MISTAKEN: Rarely = Rarely::new(1);
    if [Refusal::SPEAKS_TLS, Refusal::SPEAKS_HTTP2].contains(refusal)
        && let Some(more) = MISTAKEN.admit(now())
    {
        info!("{}: {}{more}", peer.ip(), refusal.reason);
    }
}
