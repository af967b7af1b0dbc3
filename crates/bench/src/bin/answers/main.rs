//! Servers that cost as little as they can, to stand behind proxies that are measured: where servers share a core with the load, what
//! they save is what keeps a proxy busy. One thread for all connections, one call for most requests, and no more of HTTP than
//! the loads of `scripts/bench` need.
//!
//! `answers small=60 1m=1048576 ADDRESS…` answers `/small` and `/1m` with so many bytes at each address until it is ended,
//! `/take/small` likewise once it has taken the body of the request, and `/readyz` with 200. Each address that it listens on is a
//! line of what it prints.

mod connection;
mod head;
mod page;

use std::{
    env,
    io::{self, Write as _},
    net::SocketAddr,
    os::fd::OwnedFd,
    process::ExitCode,
};

use jiff::Timestamp;
use rustix::{
    buffer::spare_capacity,
    event::epoll::{self, CreateFlags, Event, EventData, EventFlags},
    io::Errno,
    net::{
        AddressFamily, SocketFlags, SocketType, accept_with, bind, getsockname, listen, socket_with, sockopt,
    },
};
use slab::Slab;

use crate::{
    connection::{Buffers, Connection, Waits},
    page::Pages,
};

/// Clients that are not accepted yet, at each address.
const BACKLOG: i32 = 4096;

/// How many connections are told of at a time.
const EVENTS: usize = 512;

fn main() -> ExitCode {
    let Err(error) = read(env::args().skip(1)).and_then(|(pages, addresses)| serve(pages, &addresses)) else {
        return ExitCode::SUCCESS;
    };
    let _ = writeln!(io::stderr(), "answers: {error}");
    ExitCode::FAILURE
}

/// What is answered, and where.
fn read(arguments: impl Iterator<Item = String>) -> io::Result<(Pages, Vec<SocketAddr>)> {
    let usage = || io::Error::other("usage: answers NAME=LENGTH… ADDRESS…, such as small=60 127.0.0.1:8080");
    let (mut files, mut addresses) = (Vec::new(), Vec::new());
    for argument in arguments {
        match argument.split_once('=') {
            Some((name, length)) => files.push((name.to_owned(), length.parse().map_err(|_| usage())?)),
            None => addresses.push(argument.parse().map_err(|_| usage())?),
        }
    }
    if addresses.is_empty() {
        return Err(usage());
    }
    Ok((Pages::new(&files)?, addresses))
}

fn serve(mut pages: Pages, addresses: &[SocketAddr]) -> io::Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let listeners = addresses.iter().map(listener).collect::<io::Result<Vec<_>>>()?;
    for (token, listener) in listeners.iter().enumerate() {
        epoll::add(&epoll, listener, EventData::new_u64(token as u64), EventFlags::IN)?;
        let address = SocketAddr::try_from(getsockname(listener)?)?;
        writeln!(io::stdout(), "{address}")?;
    }
    let mut connections = Slab::new();
    let mut buffers = Buffers::new();
    let mut events: Vec<Event> = Vec::with_capacity(EVENTS);
    loop {
        events.clear();
        match epoll::wait(&epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        pages.date(Timestamp::now());
        for event in &events {
            let token = event.data.u64() as usize;
            match listeners.get(token) {
                Some(listener) => accept_all(&epoll, listener, &mut connections, listeners.len())?,
                None => attend(&epoll, token, listeners.len(), &mut connections, &pages, &mut buffers)?,
            }
        }
    }
}

fn listener(address: &SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    // Accepted connections inherit it.
    sockopt::set_tcp_nodelay(&socket, true)?;
    bind(&socket, address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Takes all who wait. That no further descriptor is to be had is an error: a server that leaves clients waiting spoils what is
/// measured.
fn accept_all(
    epoll: &OwnedFd,
    listener: &OwnedFd,
    connections: &mut Slab<Connection>,
    first: usize,
) -> io::Result<()> {
    loop {
        match accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok(socket) => {
                let entry = connections.vacant_entry();
                let token = EventData::new_u64((first + entry.key()) as u64);
                epoll::add(epoll, &socket, token, EventFlags::IN)?;
                entry.insert(Connection::new(socket));
            }
            Err(Errno::AGAIN) => return Ok(()),
            Err(Errno::CONNABORTED | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Goes on with a connection, and asks to be told when it can go on again. One that fails or has ended is dropped.
fn attend(
    epoll: &OwnedFd,
    token: usize,
    first: usize,
    connections: &mut Slab<Connection>,
    pages: &Pages,
    buffers: &mut Buffers,
) -> io::Result<()> {
    let key = token - first;
    let Some(connection) = connections.get_mut(key) else { return Ok(()) };
    let before = connection.waits();
    match connection.attend(pages, buffers) {
        Ok(after) if after == before => {}
        Ok(Waits::Bytes) => change(epoll, connection, token, EventFlags::IN)?,
        Ok(Waits::Room) => change(epoll, connection, token, EventFlags::OUT)?,
        Ok(Waits::Nothing) | Err(_) => drop(connections.remove(key)),
    }
    Ok(())
}

fn change(epoll: &OwnedFd, connection: &Connection, token: usize, flags: EventFlags) -> io::Result<()> {
    Ok(epoll::modify(epoll, connection, EventData::new_u64(token as u64), flags)?)
}
