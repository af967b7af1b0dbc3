//! Where the balancer listens: at the addresses of its settings, or at sockets that whoever started it has opened and goes on
//! holding (`LISTEN_FDS`, as systemd does it).
//!
//! Such a socket outlives the process. Who connects between the end of one balancer and the start of the next waits in its queue, and
//! nobody is refused. What is set on it is set anew by each balancer.

use std::ffi::OsStr;
use std::io;
use std::net::{SocketAddr, TcpListener};

use evenkeel_sockopt::set_defer_accept;
use evenkeel_wire::keep_alive;
use listenfd::ListenFd;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tracing::{debug, info};

use crate::clients::accept;
use crate::settings::Settings;

/// The sockets that clients and operators come to.
pub(super) struct Listeners {
    pub(super) plain: Option<Listener>,
    pub(super) secured: Option<Listener>,
    pub(super) admin: TcpListener,
}

/// A socket for traffic.
pub(super) struct Listener {
    pub(super) socket: TcpListener,
    pub(super) lifetime: Lifetime,
}

/// What becomes of a port's clients when this process closes its listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifetime {
    /// Nobody listens any more.
    OfProcess,
    /// Others have sockets of their own on the same port (`BALANCER_REUSEPORT`).
    BesideOthers,
    /// Whoever started the process holds the socket, and so its queue, until the next one has it.
    OfHolder,
}

impl Listeners {
    /// Opens what the settings ask for and nobody has handed over.
    ///
    /// # Errors
    /// When an address is taken, or a socket was handed over that is for nothing.
    pub(super) fn open(settings: &Settings) -> io::Result<Self> {
        let mut handed_over = HandedOver::from_environment()?;
        let tls = settings.tls.as_ref().map(|tls| tls.bind);
        let mut for_traffic = |purpose, bind: Option<SocketAddr>| match (handed_over.take(purpose), bind) {
            (None, None) => Ok(None),
            (None, Some(bind)) => {
                let socket = bound(bind, settings.reuse_port);
                let socket = socket.map_err(|error| cannot_listen(purpose, bind, &error))?;
                let lifetime = if settings.reuse_port { Lifetime::BesideOthers } else { Lifetime::OfProcess };
                Ok(Some(Listener { socket, lifetime }))
            }
            (Some(_), None) => Err(io::Error::other(format!(
                "LISTEN_FDNAMES: a socket for {} was handed over, and {} is not set",
                purpose.name(),
                purpose.variable()
            ))),
            (Some(socket), Some(_)) => {
                listen(&SockRef::from(&socket))?;
                Ok(Some(Listener { socket, lifetime: Lifetime::OfHolder }))
            }
        };
        let plain = for_traffic(Purpose::Traffic, settings.bind)?;
        let secured = for_traffic(Purpose::Tls, tls)?;
        let bind = settings.admin_bind;
        let admin = handed_over.take(Purpose::Admin).map_or_else(
            || TcpListener::bind(bind).map_err(|error| cannot_listen(Purpose::Admin, bind, &error)),
            Ok,
        )?;
        Ok(Self { plain, secured, admin })
    }
}

impl Listener {
    /// As the log says it.
    pub(super) fn address(listener: Option<&Self>) -> io::Result<String> {
        let address = listener.map(|listener| listener.socket.local_addr()).transpose()?;
        Ok(address.map_or_else(|| "off".to_owned(), |address| address.to_string()))
    }
}

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Traffic,
    Tls,
    Admin,
}

impl Purpose {
    const ALL: [Self; 3] = [Self::Traffic, Self::Tls, Self::Admin];

    /// What `FileDescriptorName=` calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Traffic => "traffic",
            Self::Tls => "tls",
            Self::Admin => "admin",
        }
    }

    const fn variable(self) -> &'static str {
        match self {
            Self::Traffic => "BALANCER_BIND",
            Self::Tls => "BALANCER_TLS_BIND",
            Self::Admin => "BALANCER_ADMIN_BIND",
        }
    }
}

/// The sockets that were handed over and not taken yet.
struct HandedOver(Vec<(Purpose, TcpListener)>);

impl HandedOver {
    /// From whoever started this process (`sd_listen_fds(3)`): no setting of its own.
    fn from_environment() -> io::Result<Self> {
        if std::env::var_os("LISTEN_FDS").is_none() {
            return Ok(Self(Vec::new()));
        }
        let names = std::env::var_os("LISTEN_FDNAMES");
        // None where they are for another process (`LISTEN_PID`).
        let mut sockets = ListenFd::from_env();
        let names = names.as_deref().and_then(OsStr::to_str).unwrap_or_default();
        let purposes = purposes(sockets.len(), names).map_err(io::Error::other)?;
        let mut taken = Vec::new();
        for (index, purpose) in purposes.into_iter().enumerate() {
            let cannot =
                |error| io::Error::other(format!("LISTEN_FDS: the socket for {}: {error}", purpose.name()));
            let socket = sockets.take_tcp_listener(index).map_err(cannot)?;
            let socket = socket.ok_or_else(|| io::Error::other("LISTEN_FDS: a socket is missing"))?;
            info!("{} was handed over, for {}", socket.local_addr()?, purpose.name());
            taken.push((purpose, socket));
        }
        Ok(Self(taken))
    }

    fn take(&mut self, purpose: Purpose) -> Option<TcpListener> {
        let index = self.0.iter().position(|(of, _)| *of == purpose)?;
        Some(self.0.swap_remove(index).1)
    }
}

/// What each of so many sockets is for, by their names as `LISTEN_FDNAMES` has them. A single one that has another name, as systemd
/// makes one up, is for traffic.
fn purposes(count: usize, names: &str) -> Result<Vec<Purpose>, String> {
    let mut purposes = Vec::new();
    for (index, name) in names.split(':').chain(std::iter::repeat("")).take(count).enumerate() {
        let known = Purpose::ALL.into_iter().find(|purpose| purpose.name() == name);
        let purpose = known.or((count == 1).then_some(Purpose::Traffic)).ok_or_else(|| {
            format!(
                "LISTEN_FDNAMES: socket {} of {count} is called {name:?}; call each of several traffic, tls or admin \
                 (FileDescriptorName= in its .socket unit)",
                index + 1
            )
        })?;
        if purposes.contains(&purpose) {
            return Err(format!("LISTEN_FDNAMES: two sockets are called {name:?}; one can be used"));
        }
        purposes.push(purpose);
    }
    Ok(purposes)
}

fn bound(address: SocketAddr, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted balancer must not wait for connections of the one before.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(reuse_port)?;
    socket.bind(&address.into())?;
    listen(&socket)?;
    Ok(socket.into())
}

fn listen(socket: &Socket) -> io::Result<()> {
    // Accepted connections inherit these.
    socket.set_tcp_notsent_lowat(accept::UNSENT)?;
    socket.set_tcp_nodelay(true)?;
    keep_alive(socket)?;
    if let Err(error) = set_defer_accept(socket, accept::HELD_BACK) {
        debug!(%error, "connections are accepted before they have something to say");
    }
    socket.listen(accept::BACKLOG)?;
    socket.set_nonblocking(true)
}

fn cannot_listen(purpose: Purpose, address: SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: cannot listen on {address}: {error}", purpose.variable()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_for_what_they_are_called_and_a_single_one_is_for_traffic() {
        use Purpose::{Admin, Tls, Traffic};
        assert_eq!(purposes(3, "admin:tls:traffic"), Ok(vec![Admin, Tls, Traffic]));
        assert_eq!(purposes(1, "tls"), Ok(vec![Tls]));
        for made_up in ["", "evenkeel.socket", "unknown"] {
            assert_eq!(purposes(1, made_up), Ok(vec![Traffic]));
        }
        assert_eq!(purposes(0, "traffic"), Ok(vec![]));
    }

    #[test]
    fn of_several_each_has_a_name_of_its_own() {
        for (names, part) in [
            ("traffic:evenkeel.socket", "socket 2 of 2 is called \"evenkeel.socket\""),
            ("traffic", "socket 2 of 2 is called \"\""),
            ("traffic:traffic", "two sockets are called \"traffic\""),
        ] {
            let said = purposes(2, names).unwrap_err();
            assert!(said.contains(part), "{said}");
        }
    }
}
