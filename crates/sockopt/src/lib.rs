//! Options of sockets that no safe crate sets. The one place of the workspace with `unsafe`, and nothing else is in it: when
//! `socket2` or `rustix` can set what is set here, this goes.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// Has a listener keep a connection back until its first bytes are there (`TCP_DEFER_ACCEPT`), for about so long at most; a
/// client that has said nothing by then is accepted all the same. Zero keeps nobody back any more.
///
/// The kernel counts in repetitions of its part of the handshake: a second is the first of them.
#[cfg(target_os = "linux")]
pub fn set_defer_accept(listener: &impl AsFd, longest: Duration) -> io::Result<()> {
    set_number(listener, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, whole_seconds(longest))
}

/// For how long a listener keeps connections back, in whole seconds and rounded up as the kernel does it.
#[cfg(target_os = "linux")]
pub fn defer_accept(listener: &impl AsFd) -> io::Result<Duration> {
    let seconds = number(listener, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT)?;
    Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
}

/// Rounded up: a fraction is not nothing.
fn whole_seconds(span: Duration) -> c_int {
    let seconds = span.as_secs() + u64::from(span.subsec_nanos() > 0);
    c_int::try_from(seconds).unwrap_or(c_int::MAX)
}

const NUMBER_BYTES: libc::socklen_t = size_of::<c_int>() as libc::socklen_t;

fn set_number(socket: &impl AsFd, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    let socket = socket.as_fd().as_raw_fd();
    #[expect(unsafe_code, reason = "what this crate is for")]
    // SAFETY: the descriptor is borrowed, so it is open; the kernel reads one `c_int` at the pointer, which is that of `value`,
    // and keeps no pointer.
    let result = unsafe { libc::setsockopt(socket, level, option, (&raw const value).cast(), NUMBER_BYTES) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn number(socket: &impl AsFd, level: c_int, option: c_int) -> io::Result<c_int> {
    let socket = socket.as_fd().as_raw_fd();
    let (mut value, mut len): (c_int, _) = (0, NUMBER_BYTES);
    #[expect(unsafe_code, reason = "what this crate is for")]
    // SAFETY: the descriptor is borrowed, so it is open; the kernel writes at most `len` bytes at the first pointer, which is that
    // of as many, and their number at the second; it keeps neither.
    let result = unsafe { libc::getsockopt(socket, level, option, (&raw mut value).cast(), &raw mut len) };
    if result == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn it_is_set_and_taken_back() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(defer_accept(&listener).unwrap(), Duration::ZERO);
        set_defer_accept(&listener, Duration::from_millis(1)).unwrap();
        assert_eq!(defer_accept(&listener).unwrap(), Duration::from_secs(1));
        set_defer_accept(&listener, Duration::ZERO).unwrap();
        assert_eq!(defer_accept(&listener).unwrap(), Duration::ZERO);
    }

    #[test]
    fn what_is_no_socket_of_tcp_has_no_such_option() {
        let no_socket = std::fs::File::open("/dev/null").unwrap();
        assert!(set_defer_accept(&no_socket, Duration::ZERO).is_err());
        assert!(defer_accept(&no_socket).is_err());
    }
}
