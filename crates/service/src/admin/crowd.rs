//! The connections of one listener, and which of them gives way.

use std::cell::RefCell;
use std::rc::Rc;

use super::CROWDED;
use super::connection::{Bounded, Connection};

/// The connections that are open, the oldest first. At most [`super::CONNECTIONS`], which the listener sees to.
#[derive(Clone, Debug, Default)]
pub(super) struct Crowd(Rc<RefCell<Vec<Connection>>>);

impl Crowd {
    /// Takes in one more. In a crowd the oldest that is still asking goes: an honest request is asked in a moment. Where all have
    /// asked, the oldest that still reads its answer goes; a stream of events never does.
    pub(super) fn admit<T>(&self, stream: T) -> Bounded<T> {
        let mut open = self.0.borrow_mut();
        open.retain(Connection::is_open);
        if open.len() >= CROWDED
            && let Some(oldest) = open
                .iter()
                .find(|connection| connection.is_asking())
                .or_else(|| open.iter().find(|connection| connection.is_answering()))
        {
            oldest.close();
        }
        let bounded = Bounded::new(stream);
        open.push(bounded.connection());
        bounded
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn in_a_crowd_the_oldest_that_is_still_asking_gives_way() {
        let crowd = Crowd::default();
        let (mut near, mut far): (Vec<_>, Vec<_>) = (0..CROWDED)
            .map(|_| {
                let (near, far) = duplex(64);
                (crowd.admit(near), far)
            })
            .unzip();
        near[0].write_all(b"answer").await.unwrap();
        let _one_more = crowd.admit(duplex(64).0);
        near[0].write_all(b"goes on").await.unwrap();
        assert!(near[1].read_u8().await.is_err(), "the oldest without an answer");
        far[2].write_all(b"x").await.unwrap();
        assert_eq!(near[2].read_u8().await.unwrap(), b'x');
    }

    #[tokio::test]
    async fn those_that_left_count_no_more() {
        let crowd = Crowd::default();
        let mut first = crowd.admit(duplex(64).0);
        for _ in 0..2 * CROWDED {
            drop(crowd.admit(duplex(64).0));
        }
        first.write_all(b"still here").await.unwrap_err();
        assert!(first.connection().is_open(), "it failed for its other end, not for a crowd");
    }
}
