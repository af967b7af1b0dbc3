//! Opening a connection: why there may be none, within which time, and what every socket is set to.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpSocket;

use crate::Stream;
use crate::tls::{Handshake, TlsClient, TlsFailure, TlsName};

/// Why a connection could not be opened.
#[derive(Debug)]
pub enum ConnectError {
    /// The address answered with a reset: nobody listens there, or no longer.
    Refused,
    /// No route, or the network said so.
    Unreachable(io::Error),
    /// Nothing answered within the timeout.
    TimedOut,
    /// A connection was there, and no handshake of TLS within the timeout.
    Unanswered,
    /// This process is out of descriptors, ports or memory: the address is not to blame.
    Local(io::Error),
    /// Somebody answered, but no TLS came about.
    Tls(TlsFailure),
}

impl std::fmt::Display for ConnectError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::Unreachable(error) => write!(f, "unreachable: {error}"),
            Self::TimedOut => f.write_str("connection timed out"),
            Self::Unanswered => f.write_str("TLS handshake timed out"),
            Self::Local(error) => write!(f, "no connection could be made from here: {error}"),
            Self::Tls(failure) => failure.fmt(f),
        }
    }
}

impl std::error::Error for ConnectError {}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        /// `EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`, `EADDRNOTAVAIL` on Linux: ours to suffer, not the endpoint's fault.
        const LOCAL: [i32; 5] = [24, 23, 105, 12, 99];
        match error.kind() {
            // A listener that closes resets whom nobody has accepted yet, and that may be known before the connection is.
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Self::Refused,
            io::ErrorKind::TimedOut => Self::TimedOut,
            _ if error.raw_os_error().is_some_and(|code| LOCAL.contains(&code)) => Self::Local(error),
            _ => Self::Unreachable(error),
        }
    }
}

/// A peer that has vanished without a word (its machine lost its power, a firewall forgot the connection) is asked after this
/// time of silence, and then so often; a connection on which nothing comes back is over two minutes after the last byte.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(1);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 4;

/// Has the kernel find out whether a silent peer is still there. On a listener, the connections it accepts inherit it.
///
/// `TCP_USER_TIMEOUT` is left alone: it also ends the connection of a peer that is there and reads nothing for a while.
pub fn keep_alive(socket: &impl AsFd) -> io::Result<()> {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    SockRef::from(socket).set_tcp_keepalive(&keepalive)
}

/// Opens a connection to `address` within `timeout`.
pub async fn connect(address: SocketAddr, timeout: Duration) -> Result<Stream, ConnectError> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    match tokio::time::timeout(timeout, socket.connect(address)).await {
        Ok(connected) => {
            let tcp = connected?;
            // Both fail only on a socket that is already dead, which the next read will tell better.
            let _ = tcp.set_nodelay(true);
            let _ = keep_alive(&tcp);
            Ok(Stream::opened(tcp))
        }
        Err(_) => Err(ConnectError::TimedOut),
    }
}

/// Opens a connection to `address` and speaks TLS on it, both together within `timeout`.
pub async fn connect_securely(
    address: SocketAddr,
    client: &TlsClient,
    name: &TlsName,
    timeout: Duration,
) -> Result<(Stream, Handshake), ConnectError> {
    let mut is_there = false;
    let opening = async {
        let mut stream = connect(address, timeout).await?;
        is_there = true;
        let handshake = stream.secure_to(client, name).await.map_err(ConnectError::Tls)?;
        Ok((stream, handshake))
    };
    let opened = tokio::time::timeout(timeout, opening).await;
    let too_late = if is_there { ConnectError::Unanswered } else { ConnectError::TimedOut };
    opened.unwrap_or(Err(too_late))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_reset_while_it_connects_is_refused() {
        let of = |kind: io::ErrorKind| ConnectError::from(io::Error::from(kind));
        assert!(matches!(of(io::ErrorKind::ConnectionReset), ConnectError::Refused));
        assert!(matches!(of(io::ErrorKind::NetworkUnreachable), ConnectError::Unreachable(_)));
    }
}
