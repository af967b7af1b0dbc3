//! The lines of one worker that wait for the writer, and what they are put together of.
//!
//! A piece goes next to the one before it in a room that is small enough to stay in the cache of a core, at the cost of a comparison
//! and a store or two. When the room is full its content goes to the others in one copy. Lines that went there one by one
//! would each wait for memory that has not been looked at since the writer had it.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use evenkeel_message::text::dotted;

/// The room, bytes: some ninety lines.
const ROOM: usize = 16 * 1024;

/// Lines that wait for the writer.
#[derive(Debug)]
pub(super) struct Lines {
    /// The first ones, and where `room` goes when it is full.
    older: Vec<u8>,
    room: Box<[u8; ROOM]>,
    /// How much of the room is taken.
    len: usize,
    /// How many there are.
    count: u64,
}

impl Default for Lines {
    fn default() -> Self {
        Self { older: Vec::new(), room: Box::new([0; ROOM]), len: 0, count: 0 }
    }
}

impl Lines {
    /// How many bytes there are.
    pub(super) fn len(&self) -> usize {
        self.older.len() + self.len
    }

    /// Appends a text as it is.
    #[inline]
    pub(super) fn put(&mut self, text: &[u8]) {
        match self.room.get_mut(self.len..).and_then(|free| free.get_mut(..text.len())) {
            Some(place) => {
                place.copy_from_slice(text);
                self.len += text.len();
            }
            None => self.overflow(text),
        }
    }

    #[cold]
    fn overflow(&mut self, text: &[u8]) {
        self.older.extend_from_slice(&self.room[..self.len]);
        self.len = 0;
        self.older.extend_from_slice(text);
    }

    /// The line is all there.
    pub(super) fn end(&mut self) {
        self.put(b"\n");
        self.count += 1;
    }

    /// Leaves none, and how many there were; their text is in `taken` then, which was empty, and whose memory the next ones use.
    pub(super) fn take(&mut self, taken: &mut Vec<u8>) -> u64 {
        std::mem::swap(&mut self.older, taken);
        taken.extend_from_slice(&self.room[..self.len]);
        self.len = 0;
        std::mem::take(&mut self.count)
    }

    /// Appends what stands within quotes: a request's method and path are visible ASCII, and what is not is left out of the line.
    pub(super) fn quoted(&mut self, value: &[u8]) {
        if is_plain(value) { self.put(value) } else { self.escaped(value) }
    }

    #[cold]
    fn escaped(&mut self, value: &[u8]) {
        for &byte in value {
            match byte {
                b'"' | b'\\' => self.put(&[b'\\', byte]),
                b' '..=b'~' => self.put(&[byte]),
                _ => self.put(b"?"),
            }
        }
    }

    /// Appends a number.
    pub(super) fn decimal(&mut self, number: u64) {
        match number {
            0..1000 => self.below_thousand(number as u32),
            1000..1_000_000 => {
                self.below_thousand((number / 1000) as u32);
                self.put(&three_digits((number % 1000) as u32));
            }
            1_000_000.. => {
                self.decimal(number / 1_000_000);
                self.put(&three_digits((number / 1000 % 1000) as u32));
                self.put(&three_digits((number % 1000) as u32));
            }
        }
    }

    #[inline]
    fn below_thousand(&mut self, number: u32) {
        match number {
            0..10 => self.put(&[b'0' + number as u8]),
            10..100 => self.put(&[b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]),
            100.. => self.put(&three_digits(number)),
        }
    }

    /// Appends milliseconds to the microsecond: `1.204`.
    pub(super) fn millis(&mut self, duration: Duration) {
        self.decimal(duration.as_secs() * 1000 + u64::from(duration.subsec_millis()));
        let [tenths, hundredths, thousandths] = three_digits(duration.subsec_micros() % 1000);
        self.put(&[b'.', tenths, hundredths, thousandths]);
    }

    /// Appends an address with its port.
    pub(super) fn socket(&mut self, at: SocketAddr) {
        match at {
            SocketAddr::V4(at) => {
                self.ipv4(*at.ip());
                self.put(b":");
                self.decimal(at.port().into());
            }
            SocketAddr::V6(at) => self.shown(&at),
        }
    }

    /// Appends an address, an IPv4 one in IPv6 as what it is.
    pub(super) fn ip(&mut self, ip: IpAddr) {
        match ip.to_canonical() {
            IpAddr::V4(ip) => self.ipv4(ip),
            IpAddr::V6(ip) => self.shown(&ip),
        }
    }

    fn ipv4(&mut self, ip: Ipv4Addr) {
        let (text, len) = dotted(ip);
        match self.room.get_mut(self.len..).and_then(<[u8]>::first_chunk_mut) {
            // What is none of it is written over by what comes next: that is less than to copy so many bytes.
            Some(place) => {
                *place = text;
                self.len += len;
            }
            None => self.overflow(&text[..len]),
        }
    }

    #[cold]
    fn shown(&mut self, value: &dyn fmt::Display) {
        // Memory takes everything.
        let _ = write!(self, "{value}");
    }
}

impl fmt::Write for Lines {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}

/// Whether it can stand within quotes as it is. As many bytes are looked at at once as a vector has.
fn is_plain(value: &[u8]) -> bool {
    fn are<const N: usize>(block: &[u8; N]) -> bool {
        // Without an early return, so that there is one answer for all of them.
        block.iter().fold(true, |plain, &byte| plain & stands(byte))
    }
    // The last block overlaps with the one before it.
    if let Some(last) = value.last_chunk::<16>() {
        let (blocks, _) = value.as_chunks::<16>();
        return are(last) && blocks.iter().all(are);
    }
    match (value.first_chunk::<8>(), value.last_chunk::<8>()) {
        (Some(first), Some(last)) => are(first) && are(last),
        _ => value.iter().all(|&byte| are(&[byte])),
    }
}

fn stands(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// Of a number below 1000.
pub(super) fn three_digits(number: u32) -> [u8; 3] {
    [number / 100, number / 10 % 10, number % 10].map(|digit| b'0' + digit as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn put_together(write: impl FnOnce(&mut Lines)) -> String {
        let (mut lines, mut taken) = (Lines::default(), Vec::new());
        write(&mut lines);
        let len = lines.len();
        lines.take(&mut taken);
        assert_eq!((taken.len(), lines.len()), (len, 0));
        String::from_utf8(taken).unwrap()
    }

    #[test]
    fn numbers_and_times_are_written_out() {
        let line = put_together(|lines| {
            lines.millis(Duration::from_micros(1_204_007));
            lines.put(b" ");
            lines.millis(Duration::from_nanos(999_999));
            lines.put(b" ");
            lines.socket("192.0.2.7:80".parse().unwrap());
            lines.put(b" ");
            lines.socket("[2001:db8::7]:65535".parse().unwrap());
        });
        assert_eq!(line, "1204.007 0.999 192.0.2.7:80 [2001:db8::7]:65535");
    }

    #[test]
    fn quotes_and_controls_cannot_break_a_line() {
        assert_eq!(put_together(|lines| lines.quoted(b"/a\"b\\c\nd\xff")), "/a\\\"b\\\\c?d?");
    }

    #[test]
    fn what_is_longer_than_the_room_is_there_in_its_order() {
        let long = "b".repeat(2 * ROOM);
        let address: SocketAddr = "203.0.113.250:54321".parse().unwrap();
        for before in [0, 1, ROOM - 20, ROOM - 15, ROOM - 1, ROOM] {
            let first = "a".repeat(before);
            let line = put_together(|lines| {
                lines.put(first.as_bytes());
                lines.socket(address);
                lines.quoted(long.as_bytes());
                lines.decimal(1_234_567);
            });
            assert_eq!(line, format!("{first}{address}{long}1234567"));
        }
    }

    #[test]
    fn lines_are_counted_until_they_are_taken() {
        let (mut lines, mut taken) = (Lines::default(), Vec::new());
        for _ in 0..1_000 {
            lines.put(&[b'x'; 99]);
            lines.end();
        }
        assert_eq!(lines.take(&mut taken), 1_000);
        assert!(taken.len() == 100_000 && taken.chunks(100).all(|line| line.ends_with(b"x\n")));
        taken.clear();
        assert_eq!((lines.take(&mut taken), taken.len()), (0, 0));
    }

    proptest! {
        #[test]
        fn numbers_and_addresses_read_as_the_standard_library_writes_them(number: u64, ip: IpAddr, at: SocketAddr) {
            // Short ones as well.
            for number in [number, number >> 32, number >> 48, number >> 60] {
                prop_assert_eq!(put_together(|lines| lines.decimal(number)), number.to_string());
            }
            prop_assert_eq!(put_together(|lines| lines.ip(ip)), ip.to_canonical().to_string());
            prop_assert_eq!(put_together(|lines| lines.socket(at)), at.to_string());
        }

        #[test]
        fn what_needs_a_quote_is_found_wherever_it_stands(
            mut value in "[a-zA-Z0-9/ ~!#]{0,40}".prop_map(String::into_bytes), byte: u8, at: usize
        ) {
            prop_assert!(is_plain(&value));
            value.insert(at % (value.len() + 1), byte);
            let stands_as_it_is = (byte.is_ascii_graphic() || byte == b' ') && byte != b'"' && byte != b'\\';
            prop_assert_eq!(is_plain(&value), stands_as_it_is);
        }
    }
}
