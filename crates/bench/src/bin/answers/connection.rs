//! A connection, from event to event.
//!
//! ```text
//! Heads ──a request with a body──▶ Body ──it has come──▶ Sending ──sent──▶ Heads
//!   └──a request without────────────────────────────────────┘  └──sent, and it was the last──▶ Leaving
//! ```

use std::{
    mem,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    io::Errno,
    net::{RecvFlags, Shutdown, recv, shutdown},
};

use crate::{
    head::{self, Head},
    page::{Answer, Pages},
};

/// The longest head there may be.
const LONGEST_HEAD: usize = 16 << 10;

/// What of bodies is taken at a time. Nothing is written there, so it is no memory.
const TAKEN: usize = 4 << 20;

/// What is needed for one connection at a time, and lent to each.
pub(crate) struct Buffers {
    heads: Vec<u8>,
    bodies: Vec<u8>,
}

/// A client that has been accepted.
pub(crate) struct Connection {
    socket: OwnedFd,
    state: State,
    /// Bytes of the next request: they came before the answer to the one before was sent, or are no whole head yet.
    held: Vec<u8>,
}

enum State {
    Heads,
    Body { left: u64, answer: Answer },
    Sending { answer: Answer, sent: usize },
    Leaving,
}

/// What has to happen until it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// Bytes have to come.
    Bytes,
    /// What was sent has to be taken.
    Room,
    /// It is at its end.
    Nothing,
}

impl Buffers {
    /// For all connections.
    pub(crate) fn new() -> Self {
        Self { heads: vec![0; LONGEST_HEAD], bodies: vec![0; TAKEN] }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Connection {
    /// One that has asked for nothing.
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self { socket, state: State::Heads, held: Vec::new() }
    }

    /// What it waits for.
    pub(crate) fn waits(&self) -> Waits {
        match self.state {
            State::Sending { .. } => Waits::Room,
            _ => Waits::Bytes,
        }
    }

    /// Goes on as far as it can by one read, or by what can be sent.
    pub(crate) fn attend(&mut self, pages: &Pages, buffers: &mut Buffers) -> Result<Waits, Errno> {
        let done = match self.state {
            State::Heads => self.read(pages, &mut buffers.heads),
            State::Body { left, answer } => self.take_body(left, answer, pages, &mut buffers.bodies),
            State::Sending { .. } => self.send(pages).and_then(|()| self.go_on(pages)),
            State::Leaving => self.discard(&mut buffers.bodies).map(|count| count > 0),
        };
        match done {
            Ok(true) | Err(Errno::AGAIN | Errno::INTR) => Ok(self.waits()),
            Ok(false) => Ok(Waits::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Reads once; whether the client is still there.
    fn read(&mut self, pages: &Pages, buffer: &mut [u8]) -> Result<bool, Errno> {
        let (count, _) = recv(&self.socket, &mut *buffer, RecvFlags::empty())?;
        if count == 0 {
            return Ok(false);
        }
        if self.held.is_empty() {
            return self.requests(&buffer[..count], pages);
        }
        self.held.extend_from_slice(&buffer[..count]);
        self.go_on(pages)
    }

    /// With what is held.
    fn go_on(&mut self, pages: &Pages) -> Result<bool, Errno> {
        if !matches!(self.state, State::Heads) || self.held.is_empty() {
            return Ok(true);
        }
        let held = mem::take(&mut self.held);
        self.requests(&held, pages)
    }

    /// Answers all requests that stand there, as long as the answers are taken.
    fn requests(&mut self, mut bytes: &[u8], pages: &Pages) -> Result<bool, Errno> {
        while !bytes.is_empty() && matches!(self.state, State::Heads) {
            let answer = match head::read(bytes, pages) {
                Head::Unfinished if bytes.len() < LONGEST_HEAD => break,
                Head::Unfinished => Answer::TOO_LONG,
                Head::Refused(answer) => answer,
                Head::Whole { length, body, answer } => {
                    bytes = &bytes[length..];
                    let here = bytes.len().min(usize::try_from(body).unwrap_or(usize::MAX));
                    bytes = &bytes[here..];
                    let left = body - here as u64;
                    if left > 0 {
                        self.state = State::Body { left, answer };
                        return Ok(true);
                    }
                    answer
                }
            };
            self.state = State::Sending { answer, sent: 0 };
            self.send(pages)?;
        }
        if !matches!(self.state, State::Leaving) {
            self.held.extend_from_slice(bytes);
        }
        Ok(true)
    }

    /// Takes what has come of a body; whether the client is still there.
    fn take_body(
        &mut self,
        left: u64,
        answer: Answer,
        pages: &Pages,
        buffer: &mut [u8],
    ) -> Result<bool, Errno> {
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = self.discard(&mut buffer[..most])?;
        let left = left - count as u64;
        if left > 0 {
            self.state = State::Body { left, answer };
            return Ok(count > 0);
        }
        self.state = State::Sending { answer, sent: 0 };
        self.send(pages)?;
        Ok(true)
    }

    /// How many bytes have come, of which nothing is copied: of a stream the kernel then only counts them.
    fn discard(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        let (_, count) = recv(&self.socket, buffer, RecvFlags::TRUNC)?;
        Ok(count)
    }

    /// Sends what the client takes of the answer.
    fn send(&mut self, pages: &Pages) -> Result<(), Errno> {
        let State::Sending { answer, sent } = &mut self.state else { return Ok(()) };
        if !pages.send(&self.socket, *answer, sent)? {
            return Ok(());
        }
        if answer.is_last {
            // What the client still sends is taken until it ends: closed before, the kernel would take the answer back.
            shutdown(&self.socket, Shutdown::Write)?;
            self.state = State::Leaving;
        } else {
            self.state = State::Heads;
        }
        Ok(())
    }
}
