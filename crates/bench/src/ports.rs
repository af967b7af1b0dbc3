//! Ports of our own on the loopback interface.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::atomic::{AtomicU16, Ordering::Relaxed},
};

use crate::Result;

/// Where the search begins and ends: below the ports that the kernel gives to outgoing connections (from 32768), which
/// a load uses by the thousand.
const RANGE: std::ops::Range<u16> = 18_000..32_000;

/// An address that nobody listens on. No address is given twice by one process.
pub(crate) fn free() -> Result<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(RANGE.start);
    loop {
        let port = NEXT.fetch_add(1, Relaxed);
        if !RANGE.contains(&port) {
            return Err(format!("no port is free between {} and {}", RANGE.start, RANGE.end).into());
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice() {
        assert_ne!(free().unwrap(), free().unwrap());
    }
}
