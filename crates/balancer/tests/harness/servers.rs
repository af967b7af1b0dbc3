//! Servers that do nothing by themselves: each connection to one of them is handed to the test.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::transport::{self, Greeting};
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
    /// How each speaks.
    greetings: Arc<Mutex<Vec<Greeting>>>,
    accepted: Receiver<(usize, Connection)>,
}

impl Servers {
    /// So many servers, on addresses of their own.
    pub(crate) fn listen(count: usize) -> Self {
        Self::greeting(vec![transport::greeting(); count])
    }

    /// Servers on addresses of their own, each of which speaks like this.
    pub(crate) fn greeting(greetings: Vec<Greeting>) -> Self {
        let count = greetings.len();
        let greetings = Arc::new(Mutex::new(greetings));
        let (accepting, accepted) = channel();
        let listeners: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        for (index, listener) in listeners.into_iter().enumerate() {
            let (accepting, greetings) = (accepting.clone(), greetings.clone());
            thread::spawn(move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    let greeting = greetings.lock().unwrap()[index].clone();
                    if !hand_over(index, stream, greeting, &accepting) {
                        return;
                    }
                }
            });
        }
        Self { addresses, greetings, accepted }
    }

    /// Has one of them speak otherwise from the next connection on, as one that was restarted.
    pub(crate) fn restart(&self, index: usize, greeting: Greeting) {
        self.greetings.lock().unwrap()[index] = greeting;
    }

    /// The same for who has given the servers away.
    pub(crate) fn restarting(&self) -> impl Fn(usize, Greeting) + use<> {
        let greetings = self.greetings.clone();
        move |index, greeting| greetings.lock().unwrap()[index] = greeting
    }

    /// The next connection.
    pub(crate) fn accept(&self) -> Connection {
        self.accept_at_any().1
    }

    /// The next connection, and which of the servers it is to.
    pub(crate) fn accept_at_any(&self) -> (usize, Connection) {
        self.accepted.recv_timeout(PATIENCE).expect("nobody connected")
    }

    /// Whether nobody connects to any of them for so long.
    pub(crate) fn are_left_alone_for(&self, time: Duration) -> bool {
        matches!(self.accepted.recv_timeout(time), Err(RecvTimeoutError::Timeout))
    }

    /// Has another thread answer whatever comes with this, until nothing does for long.
    pub(crate) fn answer_all(self, response: &'static str) {
        thread::spawn(move || {
            while let Ok((_, mut server)) = self.accepted.recv_timeout(PATIENCE) {
                if !server.is_over() {
                    server.message();
                    server.send(response).finish();
                }
            }
        });
    }

    /// Has another thread answer whatever comes with this, one after the other, as a server with one worker does: who waits for
    /// its turn has a connection and hears nothing. A request for `/work` takes as long as what is returned has no word for it.
    pub(crate) fn answer_in_turn(self, response: &'static str) -> Sender<()> {
        let (done, is_done) = channel();
        thread::spawn(move || {
            while let Ok((_, mut server)) = self.accepted.recv_timeout(PATIENCE) {
                // A probe that waited in vain may have gone.
                if server.is_over() {
                    continue;
                }
                let is_work = server.message().line().contains(" /work ");
                if is_work && is_done.recv_timeout(PATIENCE).is_err() {
                    return;
                }
                server.try_send(response);
            }
        });
        done
    }

    /// Keeps whatever connects, and says nothing to it, until nobody has for long.
    pub(crate) fn keep_all(self) -> Vec<Connection> {
        std::iter::from_fn(|| self.accepted.recv_timeout(PATIENCE).ok()).map(|(_, kept)| kept).collect()
    }

    /// As `BALANCER_UPSTREAM` has them.
    pub(crate) fn upstream(&self) -> String {
        self.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }
}

/// False when the test is over. Hands are shaken at once: a client that waits for it would go elsewhere.
fn hand_over(
    index: usize,
    stream: TcpStream,
    greeting: Greeting,
    accepting: &Sender<(usize, Connection)>,
) -> bool {
    let Greeting::Tls(config) = greeting else {
        return accepting.send((index, Connection::of(stream))).is_ok();
    };
    let accepting = accepting.clone();
    thread::spawn(move || {
        // What is no handshake is nobody's connection.
        if let Ok(connection) = Connection::secured(stream, config) {
            let _ = accepting.send((index, connection));
        }
    });
    true
}
