//! Where the target's name points to, asked again as connections are opened, and a connection to it.
//!
//! A balancer that is recreated comes back at another address. A look-up that fails leaves the known addresses in
//! place: it is the target that is under test, not the name server.
//!
//! A name may mean addresses of which some answer nobody: `localhost` is `::1` too, where a server that listens on
//! `127.0.0.1` is not. No connection has failed before all of them have (RFC 8305):
//!
//! `first address ──failed, or 250 ms──▶ second, beside it ──…──▶ one is connected: the others are given up`

use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use evenkeel_wire::{ConnectError, ResolveError, Resolver, Stream, connect};
use tokio::task::JoinSet;

use crate::target::Target;

/// How long an answer is believed.
const FRESH: Duration = Duration::from_secs(1);

/// How long an address may be silent before the next one is tried as well (RFC 8305 §5). With the timeout of the whole it
/// bounds how many are tried at a time.
const STAGGER: Duration = Duration::from_millis(250);

/// The addresses of one target.
#[derive(Debug)]
pub(crate) struct Addresses {
    resolver: Resolver,
    host: String,
    port: u16,
    known: RefCell<Vec<IpAddr>>,
    asked: Cell<Option<Instant>>,
    turn: Cell<usize>,
}

impl Addresses {
    /// Nothing is looked up before the first connection.
    pub(crate) fn new(resolver: Resolver, target: &Target) -> Self {
        Self {
            resolver,
            host: target.host.clone(),
            port: target.port,
            known: RefCell::default(),
            asked: Cell::new(None),
            turn: Cell::new(0),
        }
    }

    /// A connection opened at `now`, to whichever address gives one within `timeout`.
    pub(crate) async fn connect(&self, now: Instant, timeout: Duration) -> Result<Stream, NoConnection> {
        let addresses = self.in_turn(now).await.map_err(NoConnection::NoAddress)?;
        first_of(&addresses, timeout).await
    }

    /// All addresses as they are known at `now`, each time beginning with the next one.
    pub(crate) async fn in_turn(&self, now: Instant) -> Result<Vec<SocketAddr>, ResolveError> {
        let stale = self.asked.get().is_none_or(|asked| now.saturating_duration_since(asked) >= FRESH);
        if stale {
            // Set before the answer is there: connections opened meanwhile use what is known instead of asking as well.
            self.asked.set(Some(now));
            match self.resolver.lookup(&self.host).await {
                Ok(addresses) => *self.known.borrow_mut() = addresses,
                Err(error) if self.known.borrow().is_empty() => {
                    self.asked.set(None);
                    return Err(error);
                }
                Err(error) => {
                    tracing::debug!(host = self.host, %error, "look-up failed; the known addresses stay");
                }
            }
        }
        if self.known.borrow().is_empty() {
            // Another connection is asking for the first time.
            *self.known.borrow_mut() = self.resolver.lookup(&self.host).await?;
        }
        let known = self.known.borrow();
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let mut addresses: Vec<_> =
            known.iter().map(|&address| SocketAddr::new(address, self.port)).collect();
        addresses.rotate_left(turn % known.len());
        Ok(addresses)
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum NoConnection {
    /// The name has no address.
    NoAddress(ResolveError),
    /// None of its addresses gave one: what became of each, in the order in which that was known.
    Failed(Vec<(SocketAddr, ConnectError)>),
}

impl NoConnection {
    /// What it came to over all addresses; `None` where there was none.
    ///
    /// The most telling wins. A machine without IPv6 says of an IPv6 address that it is unreachable, which tells nothing of
    /// the target when the other address is silent or refuses.
    pub(crate) fn failure(&self) -> Option<&ConnectError> {
        let Self::Failed(failures) = self else { return None };
        let telling = |error: &ConnectError| match error {
            ConnectError::Unreachable(_) => 0,
            ConnectError::Refused => 1,
            ConnectError::TimedOut | ConnectError::Unanswered => 2,
            ConnectError::Local(_) => 3,
            // Not spoken before one of them is open.
            ConnectError::Tls(_) => 4,
        };
        failures.iter().map(|(_, error)| error).max_by_key(|error| telling(error))
    }
}

impl fmt::Display for NoConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress(error) => error.fmt(f),
            Self::Failed(failures) => {
                failures.iter().enumerate().try_for_each(|(index, (address, error))| {
                    let separator = if index > 0 { "; " } else { "" };
                    write!(f, "{separator}{address}: {error}")
                })
            }
        }
    }
}

/// Connects to the first of `addresses` that takes it, within `timeout` for all of them.
pub(crate) async fn first_of(addresses: &[SocketAddr], timeout: Duration) -> Result<Stream, NoConnection> {
    // The usual case, without a task of its own.
    if let &[address] = addresses {
        let connected = connect(address, timeout).await;
        return connected.map_err(|error| NoConnection::Failed(vec![(address, error)]));
    }
    let mut failures = Vec::new();
    match tokio::time::timeout(timeout, race(addresses, timeout, &mut failures)).await {
        Ok(Some(stream)) => return Ok(stream),
        Ok(None) => {}
        Err(_) => {
            let silent =
                addresses.iter().filter(|address| failures.iter().all(|(failed, _)| failed != *address));
            let silent: Vec<_> = silent.map(|&address| (address, ConnectError::TimedOut)).collect();
            failures.extend(silent);
        }
    }
    Err(NoConnection::Failed(failures))
}

/// Tries one address after the other, and notes those that fail. Those still being tried when this ends are given up.
async fn race(
    addresses: &[SocketAddr],
    timeout: Duration,
    failures: &mut Vec<(SocketAddr, ConnectError)>,
) -> Option<Stream> {
    let mut left = addresses.iter().copied();
    let mut attempts = JoinSet::new();
    loop {
        if let Some(address) = left.next() {
            attempts.spawn(async move { (address, connect(address, timeout).await) });
        }
        let ended = if left.len() > 0 {
            match tokio::time::timeout(STAGGER, attempts.join_next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            }
        } else {
            attempts.join_next().await
        };
        match ended? {
            Ok((_, Ok(stream))) => return Some(stream),
            Ok((address, Err(error))) => failures.push((address, error)),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use socket2::{Domain, Socket, Type};

    use super::*;
    use crate::target::Scheme;

    /// Long enough for a busy machine; a test that waits for it fails anyway.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// An address of this machine at which nobody listens.
    fn refusing() -> SocketAddr {
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
    }

    /// An address that never answers: nobody accepts, and its queue is full. As long as the sockets live.
    fn silent() -> (SocketAddr, Vec<Socket>) {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut sockets = vec![listener];
        loop {
            let waiting = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            if waiting.connect_timeout(&address, Duration::from_millis(100)).is_err() {
                return (address.as_socket().unwrap(), sockets);
            }
            sockets.push(waiting);
        }
    }

    #[tokio::test]
    async fn an_address_that_refuses_is_passed_over() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let listening = listener.local_addr().unwrap();
        let stream = first_of(&[refusing(), refusing(), listening], PATIENCE).await.unwrap();
        assert_eq!(stream.peer().unwrap(), listening);
    }

    #[tokio::test]
    async fn an_address_that_is_silent_holds_the_others_up_for_a_moment_only() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let listening = listener.local_addr().unwrap();
        let (silent, _sockets) = silent();
        let stream = first_of(&[silent, listening], PATIENCE).await.unwrap();
        assert_eq!(stream.peer().unwrap(), listening);
    }

    #[tokio::test]
    async fn a_connection_has_failed_when_all_addresses_have_and_each_is_named() {
        let addresses = [refusing(), refusing()];
        let failed = first_of(&addresses, PATIENCE).await.unwrap_err();
        assert!(matches!(failed.failure(), Some(ConnectError::Refused)));
        let told = failed.to_string();
        assert!(
            addresses.iter().all(|address| told.contains(&format!("{address}: connection refused"))),
            "{told}"
        );
    }

    #[tokio::test]
    async fn an_address_without_an_answer_makes_it_a_timeout() {
        let (silent, _sockets) = silent();
        let refusing = refusing();
        let failed = first_of(&[refusing, silent], Duration::from_secs(2)).await.unwrap_err();
        assert!(matches!(failed.failure(), Some(ConnectError::TimedOut)));
        let told = failed.to_string();
        assert_eq!(told, format!("{refusing}: connection refused; {silent}: connection timed out"));
    }

    #[test]
    fn what_tells_most_of_the_target_is_what_a_connection_failed_of() {
        let unreachable = || ConnectError::Unreachable(std::io::ErrorKind::NetworkUnreachable.into());
        let failed = |errors: Vec<ConnectError>| {
            NoConnection::Failed(
                errors.into_iter().map(|error| (SocketAddr::from(([127, 0, 0, 1], 1)), error)).collect(),
            )
        };
        assert!(matches!(
            failed(vec![ConnectError::Refused, unreachable()]).failure(),
            Some(ConnectError::Refused)
        ));
        assert!(matches!(
            failed(vec![ConnectError::Refused, ConnectError::TimedOut, unreachable()]).failure(),
            Some(ConnectError::TimedOut)
        ));
    }

    #[tokio::test]
    async fn connections_begin_with_each_address_in_turn() {
        let target = Target { scheme: Scheme::Http, host: "name".into(), port: 80 };
        let addresses = Addresses::new(Resolver::from_system(), &target);
        let [one, other] = [[127, 0, 0, 1], [127, 0, 0, 2]].map(IpAddr::from);
        *addresses.known.borrow_mut() = vec![one, other];
        let now = crate::measure::tests::some_beginning();
        addresses.asked.set(Some(now));
        let mut first = Vec::new();
        for _ in 0..4 {
            let in_turn = addresses.in_turn(now).await.unwrap();
            assert_eq!(in_turn.len(), 2);
            first.push(in_turn[0].ip());
        }
        assert_eq!(first, [one, other, one, other]);
    }
}
