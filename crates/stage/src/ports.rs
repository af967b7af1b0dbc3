//! Ports for those who cannot let the kernel choose when they bind, because they have to say beforehand where they will be.

use std::net::{SocketAddr, TcpListener};

/// Addresses of this machine that nobody has just now. Whoever is quicker can take one before it is used.
pub fn free_addresses<const COUNT: usize>() -> [SocketAddr; COUNT] {
    let held = [(); COUNT].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port is free"));
    held.each_ref().map(|listener| listener.local_addr().expect("it is bound"))
}
