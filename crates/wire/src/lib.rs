//! The thin tokio shell that drives [`evenkeel_http1`] connections over sockets, for the balancer, the client and
//! tests alike: buffers, streams, an alarm, name look-ups and a whole client connection. It takes no decisions:
//! what bytes mean is `http1`'s and `message`'s, which endpoint and when to give up is the caller's.

mod alarm;
mod buffer;
mod client;
mod connect;
mod pipe;
mod resolve;
mod stream;
mod tcp;
mod tls;

pub use alarm::{Alarm, ring_together};
pub use buffer::Buffer;
pub use client::{ClientConnection, ResponseFailure};
pub use connect::{ConnectError, connect, connect_securely, keep_alive};
pub use pipe::Pipe;
pub use resolve::{ResolveError, Resolver};
pub use stream::{Idleness, Resting, Stream};
pub use tls::{
    Certificate, ClientAuthority, ClientAuthorityError, ClientRefusal, ClientsEnd, Handshake,
    HandshakeFailure, Oldest, OwnFiles, Reloaded, ServersEnd, TlsClient, TlsError, TlsFailure, TlsFile,
    TlsFileProblem, TlsFiles, TlsName, TlsServer, TlsServers, Trust, Untrusted,
};
