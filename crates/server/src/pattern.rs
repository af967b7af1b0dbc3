//! Endless pseudo-random bytes that every server agrees on: the byte at any place follows from the seed alone, so ranges
//! need no reading from the start, and a client can know what it should have got.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    ops::Range,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, MessageBody},
    error::BlockingError,
    web::{self, Bytes},
};
use evenkeel_digest::{Algorithm, Digest, Hasher};
use tokio::sync::{OnceCell, Semaphore};

/// How many bytes are made at a time.
const PIECE: u64 = 64 << 10;

/// The bytes of one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pattern {
    pub(crate) seed: u64,
}

impl Pattern {
    /// The bytes of this range, which should be short.
    pub(crate) fn bytes(self, range: Range<u64>) -> Bytes {
        let words = range.start / 8..range.end.div_ceil(8);
        let mut bytes = Vec::with_capacity(((words.end - words.start) * 8) as usize);
        for word in words.clone() {
            bytes.extend_from_slice(&self.word(word).to_le_bytes());
        }
        let first = (range.start - words.start * 8) as usize;
        Bytes::from(bytes).slice(first..first + (range.end - range.start) as usize)
    }

    /// The bytes of this range as a response body, made while it is sent.
    pub(crate) fn body(self, range: Range<u64>) -> impl MessageBody<Error = Infallible> {
        PatternBody { pattern: self, left: range.clone(), length: range.end - range.start }
    }

    fn digest(self, range: &Range<u64>, algorithm: Algorithm) -> Digest {
        let mut hasher = Hasher::new(algorithm);
        let mut left = range.clone();
        while let Some(piece) = next_piece(&mut left) {
            hasher.update(&self.bytes(piece));
        }
        hasher.finish()
    }

    /// `SplitMix64` (Steele, Lea and Flood 2014) at one place of its sequence.
    fn word(self, index: u64) -> u64 {
        splitmix(self.seed.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }
}

/// `SplitMix64`'s mixing function: every bit of the result depends on every bit of the input.
pub(crate) fn splitmix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

fn next_piece(left: &mut Range<u64>) -> Option<Range<u64>> {
    let piece = left.start..left.end.min(left.start + PIECE);
    left.start = piece.end;
    (!piece.is_empty()).then_some(piece)
}

struct PatternBody {
    pattern: Pattern,
    left: Range<u64>,
    length: u64,
}

impl MessageBody for PatternBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.length)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let pattern = self.pattern;
        Poll::Ready(next_piece(&mut self.left).map(|piece| Ok(pattern.bytes(piece))))
    }
}

/// Digests of long ranges, each computed once, off the workers' threads.
#[derive(Debug)]
pub(crate) struct Digests {
    algorithm: Algorithm,
    known: Mutex<Known>,
    /// Bounds how many are computed at once; others wait for their turn.
    turns: Semaphore,
}

#[derive(Debug, Default)]
struct Known {
    cells: HashMap<Key, Arc<OnceCell<Digest>>>,
    order: VecDeque<Key>,
}

type Key = (Pattern, Range<u64>);

/// How many digests are kept; beyond it the oldest goes.
const KNOWN: usize = 1024;

impl Digests {
    pub(crate) fn new(algorithm: Algorithm, at_once: usize) -> Self {
        Self { algorithm, known: Mutex::default(), turns: Semaphore::new(at_once) }
    }

    /// The digest of a range. Whoever asks for one that is being computed waits for it.
    pub(crate) async fn of(&self, pattern: Pattern, range: Range<u64>) -> Result<Digest, BlockingError> {
        let cell = self.cell((pattern, range.clone()));
        let compute = async || {
            let turn = self.turns.acquire().await;
            let algorithm = self.algorithm;
            let digest = web::block(move || pattern.digest(&range, algorithm)).await;
            drop(turn);
            digest
        };
        cell.get_or_try_init(compute).await.copied()
    }

    /// The digest of a range, if it has been computed.
    pub(crate) fn known(&self, pattern: Pattern, range: Range<u64>) -> Option<Digest> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.cells.get(&(pattern, range))?.get().copied()
    }

    fn cell(&self, key: Key) -> Arc<OnceCell<Digest>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = known.cells.get(&key) {
            return cell.clone();
        }
        if known.order.len() == KNOWN
            && let Some(oldest) = known.order.pop_front()
        {
            known.cells.remove(&oldest);
        }
        known.order.push_back(key.clone());
        known.cells.entry(key).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATTERN: Pattern = Pattern { seed: 7 };

    #[test]
    fn a_body_is_the_bytes_of_its_range() {
        let body = PATTERN.body(5..200_000);
        assert_eq!(body.size(), BodySize::Sized(199_995));
        let whole = actix_web::rt::System::new().block_on(actix_web::body::to_bytes(body)).unwrap();
        assert_eq!(whole, PATTERN.bytes(5..200_000));
    }

    #[test]
    fn seeds_differ() {
        assert_ne!(PATTERN.bytes(0..8), Pattern { seed: 8 }.bytes(0..8));
    }

    #[test]
    fn digests_are_right_and_bounded_in_number() {
        let digests = Digests::new(Algorithm::Sha256, 1);
        actix_web::rt::System::new().block_on(async {
            for end in 0..KNOWN as u64 + 10 {
                let digest = digests.of(PATTERN, 0..end).await.unwrap();
                assert_eq!(digest, Digest::of(Algorithm::Sha256, &PATTERN.bytes(0..end)));
            }
        });
        let known = digests.known.lock().unwrap();
        assert_eq!((known.cells.len(), known.order.len()), (KNOWN, KNOWN));
    }

    proptest! {
        #[test]
        fn any_part_is_a_part_of_the_whole(start in 0..5000_u64, length in 0..5000_u64) {
            let whole = PATTERN.bytes(0..10_000);
            let part = PATTERN.bytes(start..start + length);
            prop_assert_eq!(&part[..], &whole[start as usize..(start + length) as usize]);
        }
    }
}
