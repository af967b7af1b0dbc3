//! Servers that do nothing by themselves: each connection to one of them is handed to the test.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use socket2::{Domain, Socket, Type};

use super::{Connection, PATIENCE};

/// An address that belongs to nobody for as long as this lives: a connection to it is refused.
pub(crate) struct Nobody(Socket);

impl Nobody {
    /// Takes an address and does not listen on it.
    pub(crate) fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        Self(socket)
    }

    /// As `BALANCER_UPSTREAM` has it.
    pub(crate) fn upstream(&self) -> String {
        self.0.local_addr().unwrap().as_socket().unwrap().to_string()
    }
}

/// Listening servers, whose connections come to the test in the order of accepting.
pub(crate) struct Servers {
    addresses: Vec<SocketAddr>,
    accepted: Receiver<(usize, TcpStream)>,
}

impl Servers {
    /// So many servers, on addresses of their own.
    pub(crate) fn listen(count: usize) -> Self {
        let (accepting, accepted) = channel();
        let listeners: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        for (index, listener) in listeners.into_iter().enumerate() {
            let accepting = accepting.clone();
            thread::spawn(move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    // Fails when the test is over.
                    if accepting.send((index, stream)).is_err() {
                        return;
                    }
                }
            });
        }
        Self { addresses, accepted }
    }

    /// The next connection.
    pub(crate) fn accept(&self) -> Connection {
        self.accept_at_any().1
    }

    /// The next connection, and which of the servers it is to.
    pub(crate) fn accept_at_any(&self) -> (usize, Connection) {
        let (index, stream) = self.accepted.recv_timeout(PATIENCE).expect("nobody connected");
        (index, Connection::of(stream))
    }

    /// As `BALANCER_UPSTREAM` has them.
    pub(crate) fn upstream(&self) -> String {
        self.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }
}
