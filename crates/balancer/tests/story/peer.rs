//! A server that serves until it is told to stop, to fall silent, to corrupt its answers or to die.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use socket2::{Domain, Socket, Type};

use crate::harness::PATIENCE;

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Serves,
    /// It serves, but answers nothing at `/hold`.
    Holds,
    /// It says that it is about to leave.
    Leaves,
    /// It takes requests and answers nothing, probes neither.
    Silent,
    /// Its answers do not match their digests.
    Corrupts,
    /// Nobody listens.
    Dead,
}

/// What its connections share.
#[derive(Debug)]
struct Shared {
    now: Mutex<Now>,
    changed: Condvar,
}

#[derive(Debug)]
struct Now {
    mood: Mood,
    connections: Vec<TcpStream>,
    /// Requests that it has taken and will not answer.
    held: usize,
}

pub(crate) struct Peer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Peer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let now = Mutex::new(Now { mood: Mood::Serves, connections: Vec::new(), held: 0 });
        let shared = Arc::new(Shared { now, changed: Condvar::new() });
        let peer = Self { address, shared };
        peer.listen(listener);
        peer
    }

    /// As an entry of `BALANCER_UPSTREAM` has it.
    pub(crate) fn called(&self, name: &str) -> String {
        format!("{name}={}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn becomes(&self, mood: Mood) {
        self.shared.now.lock().unwrap().mood = mood;
    }

    /// Waits until it has taken so many requests that it will not answer.
    pub(crate) fn holds(&self, count: usize) {
        let now = self.shared.now.lock().unwrap();
        let (now, waited) =
            self.shared.changed.wait_timeout_while(now, PATIENCE, |now| now.held < count).unwrap();
        drop(now);
        assert!(!waited.timed_out(), "the requests do not come");
    }

    /// Dies as by `kill -9`: every connection is closed, and a new one refused.
    pub(crate) fn dies(&self) {
        let mut now = self.shared.now.lock().unwrap();
        now.mood = Mood::Dead;
        close(&mut now);
        drop(now);
        // The listener's thread takes this as its last.
        drop(TcpStream::connect(self.address));
        while TcpStream::connect(self.address).is_ok() {}
    }

    /// Listens again where it did.
    pub(crate) fn returns(&self) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&self.address.into()).unwrap();
        socket.listen(128).unwrap();
        self.becomes(Mood::Serves);
        self.listen(socket.into());
    }

    fn listen(&self, listener: TcpListener) {
        let shared = self.shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut now = shared.now.lock().unwrap();
                if now.mood == Mood::Dead {
                    return;
                }
                now.connections.push(stream.try_clone().unwrap());
                drop(now);
                let shared = shared.clone();
                thread::spawn(move || serve(stream, &shared));
            }
        });
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let mut now = self.shared.now.lock().unwrap();
        now.mood = Mood::Dead;
        close(&mut now);
    }
}

fn close(now: &mut Now) {
    for stream in now.connections.drain(..) {
        // It may be closed already.
        let _ = stream.shutdown(Shutdown::Both);
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    let mut received = Vec::new();
    let mut piece = [0; 4096];
    loop {
        // The requests of these tests have no body.
        while !received.ends_with(b"\r\n\r\n") {
            match stream.read(&mut piece) {
                Ok(0) | Err(_) => return,
                Ok(count) => received.extend_from_slice(&piece[..count]),
            }
        }
        let head = String::from_utf8(std::mem::take(&mut received)).unwrap();
        let probe = head.contains("/readyz");
        let mood = {
            let mut now = shared.now.lock().unwrap();
            let is_held = head.contains(" /hold ") && now.mood == Mood::Holds || now.mood == Mood::Silent;
            if is_held && !probe {
                now.held += 1;
                shared.changed.notify_all();
            }
            if is_held { Mood::Silent } else { now.mood }
        };
        let answer = match mood {
            Mood::Silent => {
                // Until the connection ends, or the balancer has given up.
                drop(stream.read(&mut piece));
                return;
            }
            Mood::Dead => return,
            Mood::Leaves if probe => "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
            Mood::Corrupts if !probe => {
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\
                 Content-Digest: sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:\r\n\r\nok"
            }
            _ => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        };
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
