//! Stands before the balancer's admin interface and may tell another ledger than it does.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use evenkeel_stage::Connection;

/// An admin interface that passes on what another one says. It ends with the test.
#[derive(Debug)]
pub(crate) struct Teller {
    address: SocketAddr,
}

impl Teller {
    /// Passes on what `admin` answers, each line as `tell` has it; `None` leaves it out.
    pub(crate) fn start(admin: SocketAddr, tell: impl Fn(&str) -> Option<String> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A client that goes away asks again.
                let _ = pass_on(&client, admin, &tell);
            }
        });
        Self { address }
    }

    /// As `CLIENT_ADMIN` has it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn pass_on(
    mut client: &TcpStream,
    admin: SocketAddr,
    tell: impl Fn(&str) -> Option<String>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(client).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = first.split(' ').nth(1).unwrap_or("/");
    let answer = Connection::open(admin)?.get(path, &[])?;
    let text = String::from_utf8_lossy(&answer.body);
    let told: String = text.lines().filter_map(tell).map(|line| line + "\n").collect();
    let head = format!(
        "HTTP/1.1 {} Told\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        answer.status,
        told.len()
    );
    client.write_all(head.as_bytes())?;
    client.write_all(told.as_bytes())
}
