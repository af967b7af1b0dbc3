//! TLS at either end of a connection (RFC 8446, RFC 5246). All that knows of `rustls` is in here.
//!
//! ```text
//! directory ──read──▶ Pairs ──into──▶ Certificates ◀── asked by each handshake, swapped whole by `reload`
//!                                                                     │
//! socket ◀──records── Session ◀──configuration, one for all workers── TlsServer, or TlsClient
//! ```
//! Clients may have to show certificates too: `clients` says whose. What a client has shown stays with its session.
//!
//! No early data, because a request that comes with it could be sent again by somebody else; extended master secrets in
//! TLS 1.2 (RFC 7627); tickets under one key for all workers, which is changed every six hours.

mod certificates;
mod client;
mod clients;
mod directory;
mod pem;
mod server;
mod servers;
mod session;
mod sockets;
mod tickets;
mod x509;

pub use certificates::Certificate;
pub use client::{TlsClient, TlsFailure, TlsName, Untrusted};
pub use clients::{ClientAuthority, ClientAuthorityError, ClientRefusal};
pub use server::{ClientsEnd, Oldest, Reloaded, TlsError, TlsServer};
pub use servers::{OwnFiles, ServersEnd, TlsFile, TlsFileProblem, TlsFiles, TlsServers, Trust};
pub use session::{Handshake, HandshakeFailure};

pub(crate) use client::still_holds;
pub(crate) use session::Session;
pub(crate) use sockets::{AtOnce, AtOnceAsOfNow, Socket};
