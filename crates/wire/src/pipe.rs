//! A pipe of the kernel's, through which bytes go from one socket to another without a copy and without being seen (splice(2)).
//!
//! ```text
//! socket ──splice──▶ pipe ──splice──▶ socket
//! ```
//! What is in it takes no memory of this process: the pages are those that the bytes were received in.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::retry_on_intr;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// A pipe between two sockets, and how many bytes are in it.
///
/// A socket whose other end is gone answers a splice with SIGPIPE, which Rust's runtime has ignored from the start of a process.
#[derive(Debug)]
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    held: usize,
}

impl Pipe {
    /// The most bytes that are put into one. The kernel counts pieces of up to a page, so it may take fewer.
    pub const CAPACITY: usize = 256 * 1024;

    /// A pipe with nothing in it.
    ///
    /// # Errors
    /// When there is no descriptor left, or this user has as many pipes as he may.
    pub fn new() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        fcntl_setpipe_size(&write, Self::CAPACITY)?;
        Ok(Self { read, write, held: 0 })
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Takes what a socket has received, up to `most` bytes; 0 is the end of its input. The pipe is empty, so it is the socket that
    /// is waited for where this would block.
    pub(crate) fn take_from(&mut self, socket: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
        debug_assert!(self.is_empty(), "a full pipe blocks like a socket that has nothing");
        let most = most.min(Self::CAPACITY);
        let count = retry_on_intr(|| splice(socket, None, &self.write, None, most, SpliceFlags::NONBLOCK))?;
        self.held = count;
        Ok(count)
    }

    /// Gives a socket as much as it takes of what is in it.
    pub(crate) fn give_to(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let count =
            retry_on_intr(|| splice(&self.read, None, socket, None, self.held, SpliceFlags::NONBLOCK))?;
        self.held -= count;
        Ok(count)
    }
}
