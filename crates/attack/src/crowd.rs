//! Crowds of connections: many that are held, some that ask as fast as they can. All end with the attack.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, Socket, Type};

use crate::{Result, pass};

/// How long a connection may take to be opened, to be written to or to be answered; then it is given up.
const PATIENCE: Duration = Duration::from_secs(2);

/// How little a reader takes that does not read: the least that the kernel gives, in bytes.
const NARROW: usize = 4096;

/// What an attack has before it.
#[derive(Debug)]
pub(crate) struct Field {
    /// Where the balancer takes requests; over TLS where the attack does.
    pub(crate) traffic: SocketAddr,
    /// Who signs the certificate that is shown there, in PEM.
    pub(crate) authority: Vec<u8>,
    /// Its admin interface.
    pub(crate) admin: SocketAddr,
    /// When the attack ends.
    pub(crate) until: Instant,
    /// Connections that the balancer should have ended and had not.
    pub(crate) spared: AtomicU64,
}

/// Connections that are held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held<'a> {
    /// How many.
    pub(crate) count: usize,
    /// What each says first.
    pub(crate) first: &'a [u8],
    /// What each says again and again, and how often.
    pub(crate) more: (&'a [u8], Duration),
}

impl Field {
    /// Opens connections to `address` and holds them to the end without reading a byte. How many could be opened.
    pub(crate) fn hold(&self, address: SocketAddr, held: &Held<'_>) -> Result<u64> {
        Ok(self.held(address, held)?.len() as u64)
    }

    /// The same to where it takes requests, of connections that it has to end before the attack does.
    pub(crate) fn hold_until_ended(&self, held: &Held<'_>) -> Result<u64> {
        let mut connections = self.held(self.traffic, held)?;
        let open = connections.iter_mut().filter_map(|connection| is_open(connection).then_some(1)).sum();
        self.spared.fetch_add(open, Relaxed);
        Ok(connections.len() as u64)
    }

    fn held(&self, address: SocketAddr, held: &Held<'_>) -> Result<Vec<TcpStream>> {
        let mut connections = Vec::with_capacity(held.count);
        while connections.len() < held.count && !self.is_over() {
            // Refused is an answer, too: whoever is not let in does no harm.
            let Ok(mut connection) = narrow(address) else { break };
            let _ = connection.write_all(held.first);
            connection.set_nonblocking(true)?;
            connections.push(connection);
        }
        while !self.is_over() {
            pass(held.more.1.min(self.left()));
            for connection in &mut connections {
                // It may be closed, or full: what the balancer does about that is what is looked at.
                let _ = connection.write(held.more.0);
            }
        }
        Ok(connections)
    }

    /// Asks from so many threads until the end: each time `batch` on a connection of its own, of which the last request asks to
    /// close it. How many connections were answered to the end.
    pub(crate) fn ask(&self, threads: u64, batch: impl Fn(u64) -> Vec<u8> + Sync) -> Result<u64> {
        self.again(threads, |number| self.ask_once(&batch(number)))
    }

    /// Does this from so many threads until the end. How often it came off.
    pub(crate) fn again(&self, threads: u64, once: impl Fn(u64) -> io::Result<()> + Sync) -> Result<u64> {
        let done = AtomicU64::new(0);
        in_threads(threads, |thread| {
            for number in (thread..).step_by(threads as usize) {
                if self.is_over() {
                    return;
                }
                done.fetch_add(u64::from(once(number).is_ok()), Relaxed);
            }
        })?;
        Ok(done.into_inner())
    }

    /// Sends `head` and then pieces of a body, as fast as they are taken, on so many connections: each until it is refused, has
    /// sent `most` bytes, or the end. How many connections that took.
    pub(crate) fn push(&self, threads: u64, head: &[u8], piece: &[u8], most: usize) -> Result<u64> {
        let opened = AtomicU64::new(0);
        in_threads(threads, |_| {
            while !self.is_over() {
                let Ok(mut connection) = open(self.traffic) else { return };
                opened.fetch_add(1, Relaxed);
                let mut left = most;
                let mut going = connection.write_all(head);
                while going.is_ok() && left > 0 && !self.is_over() {
                    going = connection.write_all(piece);
                    left = left.saturating_sub(piece.len());
                }
            }
        })?;
        Ok(opened.into_inner())
    }

    /// Sends `request` on so many connections, closes each at once and lets the rest of the time pass. How many were asked.
    pub(crate) fn ask_and_leave(&self, count: u64, request: &[u8]) -> Result<u64> {
        for _ in 0..count {
            open(self.traffic)?.write_all(request)?;
        }
        pass(self.left());
        Ok(count)
    }

    fn ask_once(&self, batch: &[u8]) -> io::Result<()> {
        let mut connection = open(self.traffic)?;
        // A balancer that refuses one of them closes before the rest is written: its answers are read all the same.
        let _ = connection.write_all(batch);
        let mut piece = [0; 16 << 10];
        let mut received = 0;
        loop {
            match connection.read(&mut piece)? {
                0 if received > 0 => return Ok(()),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => received += count,
            }
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    pub(crate) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// Whether the balancer has not ended a connection that does not block, and of which nobody wants to know what it says.
pub(crate) fn is_open(connection: &mut TcpStream) -> bool {
    let mut piece = [0; 16 << 10];
    loop {
        match connection.read(&mut piece) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}

fn in_threads(threads: u64, work: impl Fn(u64) + Sync) -> Result<()> {
    let work = &work;
    let panicked = thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|number| scope.spawn(move || work(number))).collect();
        running.into_iter().map(thread::ScopedJoinHandle::join).filter(std::result::Result::is_err).count()
    });
    if panicked == 0 { Ok(()) } else { Err("an attacker panicked".into()) }
}

pub(crate) fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// A connection that takes little, as that of a reader who does not read.
pub(crate) fn narrow(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_recv_buffer_size(NARROW)?;
    socket.connect_timeout(&address.into(), PATIENCE)?;
    let stream = TcpStream::from(socket);
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}
