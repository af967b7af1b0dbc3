//! Read buffers: contiguous and growable.
//!
//! ```text
//! | consumed | filled (unread by the parser) | free |
//! 0        start                            end   len
//! ```
//! The bytes behind `end` are kept initialised, so that a read needs neither `unsafe` nor a `memset` each time.

/// A contiguous buffer that is filled from a socket at its end and consumed by a parser at its start.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// What an ordinary read asks for, in bytes: a head and a small body come in one call.
    pub const ORDINARY: usize = 16 * 1024;

    /// A buffer of `capacity` bytes; zero allocates nothing until [`Buffer::reserve`].
    pub fn with_capacity(capacity: usize) -> Self {
        Self { bytes: vec![0; capacity], start: 0, end: 0 }
    }

    /// The bytes received and not yet consumed.
    pub fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// How many bytes are received and not yet consumed.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether nothing is left to consume.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// How many bytes it can hold without growing.
    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// Takes `count` bytes off the front.
    ///
    /// # Panics
    /// When fewer are there.
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "consumed more than was received");
        self.start += count;
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Takes the last `count` bytes off again.
    pub fn truncate(&mut self, len: usize) {
        self.end = self.end.min(self.start + len);
    }

    /// Forgets everything received.
    pub fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }

    /// Makes sure that the filled part can become `total` bytes long, by moving it to the front or by growing.
    pub fn reserve(&mut self, total: usize) {
        if self.bytes.len() - self.start >= total {
            return;
        }
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.bytes.len() < total {
            self.bytes.resize(total, 0);
        }
    }

    /// Makes sure that there is a free part, where the filled one may become `total` bytes long: by doubling, because who
    /// announces much may send little.
    pub fn make_room(&mut self, total: usize) {
        if self.free() == 0 {
            let doubled = (2 * self.len()).max(Self::ORDINARY);
            self.reserve(doubled.min(total).max(self.len() + 1));
        }
    }

    /// The free part behind the filled one; say how much was written with [`Buffer::advance`].
    pub fn free_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.end..]
    }

    /// How many bytes fit behind the filled part without moving it.
    pub fn free(&self) -> usize {
        self.bytes.len() - self.end
    }

    /// Counts `count` bytes written to [`Buffer::free_mut`] as filled.
    ///
    /// # Panics
    /// When more than the free part is claimed.
    pub fn advance(&mut self, count: usize) {
        assert!(count <= self.free(), "advanced past the end");
        self.end += count;
    }

    /// Appends `bytes`, growing as needed.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.reserve(self.len() + bytes.len());
        self.free_mut()[..bytes.len()].copy_from_slice(bytes);
        self.advance(bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filled_bytes_survive_growing_and_moving() {
        let mut buffer = Buffer::with_capacity(8);
        buffer.extend(b"abcdefgh");
        buffer.consume(6);
        buffer.reserve(8);
        assert_eq!(buffer.filled(), b"gh");
        buffer.extend(b"0123456789");
        assert_eq!(buffer.filled(), b"gh0123456789");
    }

    #[test]
    fn what_is_announced_takes_no_room_before_it_comes() {
        let mut buffer = Buffer::default();
        let total = 5 * Buffer::ORDINARY;
        while buffer.len() < total {
            buffer.make_room(total);
            assert!(buffer.capacity() <= (2 * buffer.len()).max(Buffer::ORDINARY));
            let some = buffer.free().min(1000);
            buffer.advance(some);
        }
        assert_eq!(buffer.capacity(), total, "and in the end no more than that");
    }

    #[test]
    fn an_emptied_buffer_starts_at_the_front_again() {
        let mut buffer = Buffer::with_capacity(4);
        buffer.extend(b"abcd");
        buffer.consume(4);
        assert_eq!(buffer.free(), 4);
    }
}
