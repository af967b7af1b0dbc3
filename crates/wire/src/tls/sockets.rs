//! A connection's socket as TLS reads and writes it: something that blocks.

use std::io::{self, IoSlice, Read, Write};
use std::task::{Context, Poll};

use socket2::SockRef;

use crate::tcp::Tcp;

/// A socket as something that blocks, where blocking has the task woken.
pub(crate) struct Socket<'a, 'b> {
    pub(crate) cx: &'a mut Context<'b>,
    pub(crate) tcp: &'a mut Tcp,
}

impl Read for Socket<'_, '_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self.tcp.poll_read(self.cx, room) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Socket<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.tcp.poll_write_vectored(self.cx, pieces) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A socket that is written to as far as it takes something at once, and read from as far as the runtime knows that there is
/// something.
pub(crate) struct AtOnce<'a>(pub(crate) &'a Tcp);

impl Read for AtOnce<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(room)
    }
}

impl Write for AtOnce<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The same, read from as far as the kernel knows.
pub(crate) struct AtOnceAsOfNow<'a>(pub(crate) &'a Tcp);

impl Read for AtOnceAsOfNow<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let socket = self.0.socket()?;
        (&*SockRef::from(&socket)).read(room)
    }
}

impl Write for AtOnceAsOfNow<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
