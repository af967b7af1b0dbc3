//! A response body that goes wrong while it is sent: a bit flipped, cut off in the middle, or slow.

use std::{
    error::Error,
    fmt,
    os::fd::{AsFd, OwnedFd},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    web::{Bytes, BytesMut},
};
use evenkeel_service::Size;
use tokio::time::{Sleep, sleep};

/// How long the first half has to reach the network before the connection is cut.
const BEFORE_CUT: Duration = Duration::from_millis(20);

/// How far apart the pieces of a slow body are.
const BEAT: Duration = Duration::from_millis(50);

/// How a body ends in its middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    Truncate,
    Reset,
    Stall,
}

/// A second descriptor of a connection's socket, which is what it takes to end a connection with RST from inside a
/// response: actix keeps the first to itself. It lives as long as the connection.
#[derive(Clone, Debug)]
pub(crate) struct Socket(Rc<OwnedFd>);

impl Socket {
    /// `None` where there are no descriptors left; such a connection ends with FIN instead.
    pub(crate) fn of(connection: &impl AsFd) -> Option<Self> {
        connection.as_fd().try_clone_to_owned().ok().map(|descriptor| Self(Rc::new(descriptor)))
    }

    /// Makes the coming close of the connection an RST.
    fn reset_on_close(&self) {
        // The error says that the connection is gone already, which is as good.
        let _ = rustix::net::sockopt::set_socket_linger(&*self.0, Some(Duration::ZERO));
    }
}

/// `sending ──half is sent──▶ a moment's rest ──▶ cut`; without a cut it sends to the end.
pub(super) struct Spoiled {
    inner: BoxBody,
    /// The bit to flip, in the first piece that has any.
    flip: Option<u64>,
    cut: Option<Cut>,
    /// How many bytes go before the cut; unknown until the first piece where the body has no length.
    before_cut: Option<u64>,
    socket: Option<Socket>,
    /// How many bytes a beat sends.
    beat: usize,
    sent: u64,
    held: Bytes,
    rest: Option<Pin<Box<Sleep>>>,
}

impl Spoiled {
    pub(super) fn new(
        inner: BoxBody,
        flip: Option<u64>,
        cut: Option<Cut>,
        pace: Option<Size>,
        socket: Option<Socket>,
    ) -> Self {
        let before_cut = match inner.size() {
            BodySize::Sized(length) => Some(length / 2),
            BodySize::None | BodySize::Stream => None,
        };
        let beats = 1000 / BEAT.as_millis() as usize;
        let beat = pace.map_or(usize::MAX, |rate| (rate.bytes() / beats).max(1));
        Self { inner, flip, cut, before_cut, socket, beat, sent: 0, held: Bytes::new(), rest: None }
    }

    /// The next piece: no longer than a beat, and not beyond the cut.
    fn piece(&mut self) -> Bytes {
        let mut length = self.held.len().min(self.beat);
        if self.cut.is_some() {
            let half = self.held.len() as u64 / 2;
            let left = *self.before_cut.get_or_insert(half) - self.sent;
            length = length.min(usize::try_from(left).unwrap_or(usize::MAX));
        }
        let piece = self.held.split_to(length);
        self.sent += length as u64;
        match self.flip.take() {
            Some(chance) if !piece.is_empty() => flip(&piece, chance),
            flip => {
                self.flip = flip;
                piece
            }
        }
    }

    fn reached_cut(&self) -> Option<Cut> {
        self.cut.filter(|_| self.before_cut == Some(self.sent))
    }
}

fn flip(piece: &Bytes, chance: u64) -> Bytes {
    let mut damaged = BytesMut::from(&piece[..]);
    let at = chance as usize % damaged.len();
    damaged[at] ^= 1 << (chance >> 61);
    damaged.freeze()
}

impl MessageBody for Spoiled {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.inner.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = &mut *self;
        if let Some(rest) = &mut this.rest {
            ready!(rest.as_mut().poll(context));
            this.rest = None;
        }
        match this.reached_cut() {
            Some(Cut::Stall) => return Poll::Pending,
            Some(cut) => {
                if cut == Cut::Reset
                    && let Some(socket) = &this.socket
                {
                    socket.reset_on_close();
                }
                return Poll::Ready(Some(Err(Box::new(Interrupted))));
            }
            None => {}
        }
        if this.held.is_empty() {
            match ready!(this.inner.as_pin_mut().poll_next(context)) {
                Some(Ok(bytes)) => this.held = bytes,
                end => return Poll::Ready(end),
            }
        }
        let piece = this.piece();
        if this.reached_cut().is_some() {
            this.rest = Some(Box::pin(sleep(BEFORE_CUT)));
        } else if this.beat != usize::MAX {
            this.rest = Some(Box::pin(sleep(BEAT)));
        }
        Poll::Ready(Some(Ok(piece)))
    }
}

/// Ends a connection in mid-body: the only way to do that is an error of the body.
#[derive(Debug)]
struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut off by a fault, as asked")
    }
}

impl Error for Interrupted {}

#[cfg(test)]
mod tests {
    use actix_web::{body::to_bytes, rt::System};
    use proptest::prelude::*;

    use super::*;

    fn received(body: &[u8], flip: Option<u64>, cut: Option<Cut>) -> (Vec<u8>, bool) {
        let mut spoiled = Spoiled::new(BoxBody::new(Bytes::copy_from_slice(body)), flip, cut, None, None);
        System::new().block_on(async {
            let mut bytes = Vec::new();
            let mut whole = true;
            while let Some(piece) = std::future::poll_fn(|cx| Pin::new(&mut spoiled).poll_next(cx)).await {
                let Ok(piece) = piece else {
                    whole = false;
                    break;
                };
                bytes.extend_from_slice(&piece);
            }
            (bytes, whole)
        })
    }

    #[test]
    fn a_truncated_body_ends_in_an_error_after_half() {
        assert_eq!(received(b"0123456789", None, Some(Cut::Truncate)), (b"01234".to_vec(), false));
    }

    #[test]
    fn a_slow_body_is_whole() {
        let spoiled = Spoiled::new(BoxBody::new("0123456789"), None, None, Some(Size(100)), None);
        assert_eq!(spoiled.size(), BodySize::Sized(10));
        assert_eq!(System::new().block_on(to_bytes(spoiled)).unwrap(), "0123456789");
    }

    proptest! {
        #[test]
        fn a_corrupt_body_differs_in_one_bit(body in prop::collection::vec(any::<u8>(), 1..100), chance: u64) {
            let (damaged, whole) = received(&body, Some(chance), None);
            prop_assert!(whole);
            let bits: u32 = body.iter().zip(&damaged).map(|(a, b)| (a ^ b).count_ones()).sum();
            prop_assert_eq!((damaged.len(), bits), (body.len(), 1));
        }
    }
}
