//! Addresses are claimed before anything starts, so that a taken port is one clear line rather than a child that dies, and
//! so that the balancer can be told of a port that the kernel chose.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

/// Addresses held for the children. They are free for the children from the moment this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    held: Vec<TcpListener>,
}

impl Claims {
    /// Takes the address; where the port is 0, any free one.
    pub(crate) fn claim(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address)?;
        let claimed = listener.local_addr()?;
        self.held.push(listener);
        Ok(claimed)
    }
}

/// What claims would give, without taking anything: for any free port, one that it has not given before.
pub(crate) fn pretend() -> impl FnMut(SocketAddr) -> io::Result<SocketAddr> {
    let mut last = 0;
    move |address| {
        if address.port() != 0 {
            return Ok(address);
        }
        last += 1;
        Ok(SocketAddr::new(address.ip(), last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_port_is_taken_until_it_is_given_up() {
        let mut claims = Claims::default();
        let claimed = claims.claim("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(claimed.port(), 0);
        let second = Claims::default().claim(claimed).unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
        drop(claims);
        assert_eq!(Claims::default().claim(claimed).unwrap(), claimed);
    }

    #[test]
    fn pretended_ports_differ() {
        let mut pretend = pretend();
        let any = "127.0.0.1:0".parse().unwrap();
        let (first, second) = (pretend(any).unwrap(), pretend(any).unwrap());
        assert_ne!(first, second);
        assert_eq!(pretend(first).unwrap(), first);
    }
}
