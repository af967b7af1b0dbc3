//! Clients that have connected and that the kernel still keeps back, because they have said nothing
//! ([`HELD_BACK`](crate::clients::accept::HELD_BACK)). A listener that closes would reset them.
//!
//! Once nobody is to be kept back any more, the kernel repeats its part of the handshake to those who are, when the second is over
//! that it had given them; with their answer they are in the queue like anybody. Until then only the kernel's table of connections
//! knows of them.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use evenkeel_sockopt::set_defer_accept;
use tracing::debug;

/// Between two looks at the table, which may be long.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// When the last of them must have come, or has gone itself: twice what the kernel takes.
const ALL_IN: Duration = Duration::from_secs(2);

/// Who is still kept back.
pub(super) struct HeldBack {
    ports: Vec<u16>,
    over: Instant,
    look_again: Instant,
}

impl HeldBack {
    /// Has nobody kept back any more from now on.
    pub(super) fn let_in<'a>(listeners: impl Iterator<Item = &'a TcpListener>, now: Instant) -> Self {
        let mut ports = Vec::new();
        for listener in listeners {
            match set_defer_accept(listener, Duration::ZERO).and_then(|()| listener.local_addr()) {
                Ok(address) => ports.push(address.port()),
                Err(error) => debug!(%error, "clients who have said nothing cannot be let in"),
            }
        }
        Self { ports, over: now + ALL_IN, look_again: now }
    }

    /// Whether somebody may still come.
    pub(super) fn any(&mut self, now: Instant) -> bool {
        if self.ports.is_empty() || now >= self.over {
            return false;
        }
        if now >= self.look_again {
            self.look_again = now + LOOK_INTERVAL;
            if !self.is_in_a_table() {
                self.ports.clear();
                return false;
            }
        }
        true
    }

    /// Where a table cannot be read, somebody may be in it.
    fn is_in_a_table(&self) -> bool {
        ["/proc/self/net/tcp", "/proc/self/net/tcp6"].iter().any(|path| match File::open(path) {
            Ok(table) => holds_back(BufReader::new(table), &self.ports).unwrap_or(true),
            // A machine without that version of IP has no table of it.
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        })
    }
}

/// Whether a table of connections as the kernel prints it has one, to one of these ports, whose handshake is not over.
fn holds_back(table: impl BufRead, ports: &[u16]) -> io::Result<bool> {
    /// `TCP_SYN_RECV`.
    const HANDSHAKE: &str = "03";
    for line in table.lines() {
        let line = line?;
        // The number of the line, the local address, the other one, the state.
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, state) = (fields.next(), fields.nth(1));
        let port = local.and_then(|local| u16::from_str_radix(local.rsplit(':').next()?, 16).ok());
        if state == Some(HANDSHAKE) && port.is_some_and(|port| ports.contains(&port)) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::accept::HELD_BACK;
    use std::net::TcpStream;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
        0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n   \
        1: 0100007F:1F90 0100007F:D2F0 03 00000000:00000000 01:00000063 00000000     0        0 0 1 0 100 0 0 10 0\n   \
        2: 0100007F:1F91 0100007F:D2F1 01 00000000:00000000 01:00000063 00000000     0        0 0 1 0 100 0 0 10 0\n";

    #[test]
    fn a_handshake_of_these_ports_that_is_not_over_is_found() {
        assert!(holds_back(TABLE.as_bytes(), &[8080]).unwrap());
        assert!(holds_back(TABLE.as_bytes(), &[1, 8080]).unwrap());
        assert!(!holds_back(TABLE.as_bytes(), &[8081, 8082]).unwrap());
        assert!(!holds_back(&b""[..], &[8080]).unwrap());
    }

    #[test]
    fn who_is_kept_back_is_seen_until_it_has_been_let_in() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        set_defer_accept(&listener, HELD_BACK).unwrap();
        let mut before = HeldBack::let_in([&listener].into_iter(), Instant::now());
        assert!(!before.any(Instant::now()), "nobody is there");
        set_defer_accept(&listener, HELD_BACK).unwrap();
        let silent = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let begun = Instant::now();
        let mut held_back = HeldBack::let_in([&listener].into_iter(), begun);
        assert!(held_back.any(begun));
        let (accepted, peer) = listener.accept().unwrap();
        assert_eq!(peer, silent.local_addr().unwrap());
        assert!(!held_back.any(begun + LOOK_INTERVAL), "it has come");
        drop(accepted);
    }

    #[test]
    fn nobody_is_waited_for_longer_than_the_kernel_takes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        set_defer_accept(&listener, HELD_BACK).unwrap();
        let _silent = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let begun = Instant::now();
        let mut held_back = HeldBack::let_in([&listener].into_iter(), begun);
        assert!(!held_back.any(begun + ALL_IN));
    }
}
