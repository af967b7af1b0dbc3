//! The field lines of a head, as spans into the caller's buffer.
//!
//! Bytes from 0x80 in a value stay: they are opaque data (RFC 9110 §5.5), in practice UTF-8 or Latin-1; names have
//! none, being tokens.

use crate::head::name::Name;

/// A stretch of the bytes that hold a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Where it begins.
    pub start: u32,
    /// Just after its last byte.
    pub end: u32,
}

impl Span {
    /// Where `part`, a slice of `whole`, lies in it.
    #[inline]
    pub fn of(part: &[u8], whole: &[u8]) -> Self {
        let start = (part.as_ptr().addr() - whole.as_ptr().addr()) as u32;
        Self { start, end: start + part.len() as u32 }
    }

    /// The bytes themselves.
    #[inline]
    pub fn in_bytes(self, input: &[u8]) -> &[u8] {
        &input[self.start as usize..self.end as usize]
    }

    /// How many bytes.
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether it is of no bytes.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// Where the parts of one field line lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// The name: a token, with which the line begins.
    pub name: Span,
    /// The value without the white space around it.
    pub value: Span,
    /// Just after the line end.
    pub end: u32,
    /// Whether the name has an underscore.
    pub has_underscore: bool,
}

/// One field line of a head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) known: Name,
    pub(crate) name: Span,
    /// The value without the white space around it.
    pub(crate) value: Span,
    /// Just after the line end.
    pub(crate) line_end: u32,
}

/// The field lines of one section. Their storage is kept from one message to the next.
#[derive(Debug, Default, Clone)]
pub(crate) struct Fields {
    lines: Vec<Field>,
    /// A bit for each known name that a line has: most are asked for in vain.
    known: u64,
    /// A bit for each of the first 64 lines whose name is known: most are not.
    notable: u64,
    /// Stretches of lines each of which begins where the one before it ends.
    stretches: u32,
    /// Where a line begins that adds to the last of them.
    stretch_end: u32,
    may_be_folded: bool,
}

impl Fields {
    /// Forgets the lines. `may_be_folded`: the values of those to come may run over several.
    pub(crate) fn clear(&mut self, may_be_folded: bool) {
        self.lines.clear();
        self.known = 0;
        self.notable = 0;
        self.stretches = 0;
        self.stretch_end = u32::MAX;
        self.may_be_folded = may_be_folded;
    }

    /// Adds a line.
    #[expect(clippy::inline_always, reason = "one call for each line that is parsed, from another crate")]
    #[inline(always)]
    pub(crate) fn push(&mut self, input: &[u8], line: &Line) {
        let known = Name::of(line.name.in_bytes(input));
        if known != Name::Other {
            self.known |= 1 << known as u32;
            self.notable |= notable(known, self.lines.len());
        }
        self.stretches += u32::from(line.name.start != self.stretch_end);
        self.stretch_end = line.end;
        self.lines.push(Field { known, name: line.name, value: line.value, line_end: line.end });
    }

    /// Makes one line of all those with `name`, `between` their values, and writes it after the `bytes` that hold them. It
    /// takes the place of the first.
    pub(crate) fn join(&mut self, name: &[u8], between: &[u8], bytes: &mut Vec<u8>) {
        let start = bytes.len() as u32;
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(b": ");
        let value_start = bytes.len() as u32;
        let mut joined = None;
        let mut at = 0;
        self.lines.retain(|line| {
            let is_one = line.name.in_bytes(bytes) == name;
            if is_one {
                if joined.is_some() {
                    bytes.extend_from_slice(between);
                }
                bytes.extend_from_within(line.value.start as usize..line.value.end as usize);
            }
            let is_first = is_one && joined.is_none();
            if is_first {
                joined = Some(at);
            }
            at += 1;
            !is_one || is_first
        });
        let value = Span { start: value_start, end: bytes.len() as u32 };
        bytes.extend_from_slice(b"\r\n");
        if let Some(line) = joined.and_then(|at: usize| self.lines.get_mut(at)) {
            line.name = Span { start, end: start + name.len() as u32 };
            line.value = value;
            line.line_end = bytes.len() as u32;
        }
        self.stretches += 1;
        self.notable =
            self.lines.iter().enumerate().fold(0, |bits, (at, line)| bits | notable(line.known, at));
    }

    /// Whether this line's value runs over several (obs-fold, RFC 9112 §5.2). Only responses can have such.
    pub(crate) fn is_folded(&self, line: &Field, input: &[u8]) -> bool {
        let rest = Span { start: line.name.end, end: line.line_end - 2 };
        self.may_be_folded && memchr::memchr(b'\n', rest.in_bytes(input)).is_some()
    }

    pub(crate) fn lines(&self) -> &[Field] {
        &self.lines
    }

    /// Where the first line begins.
    pub(crate) fn start(&self) -> Option<u32> {
        self.lines.first().map(|line| line.name.start)
    }

    /// Just after the last line.
    pub(crate) fn end(&self) -> Option<u32> {
        self.lines.last().map(|line| line.line_end)
    }

    /// Whether there is nothing between the lines, and each is one (as [`is_folded`](Self::is_folded) says).
    pub(crate) fn is_one_stretch(&self) -> bool {
        self.stretches == 1 && !self.may_be_folded
    }

    /// The lines whose name is known, in order, and perhaps others.
    pub(crate) fn notable(&self) -> Lines<'_> {
        Lines { bits: self.notable, behind: NOTED, all: &self.lines }
    }

    /// Each line, in order.
    pub(crate) fn each(&self) -> Lines<'_> {
        Lines { bits: u64::MAX, behind: NOTED, all: &self.lines }
    }

    /// Names and values in order.
    pub(crate) fn iter<'a>(&self, input: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.lines.iter().map(|field| (field.name.in_bytes(input), field.value.in_bytes(input)))
    }

    /// The values of all fields with a known name, in order.
    pub(crate) fn known<'a>(&self, known: Name, input: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + Clone {
        let lines = if self.known & 1 << known as u32 == 0 { &[] } else { &*self.lines };
        lines.iter().filter(move |field| field.known == known).map(|field| field.value.in_bytes(input))
    }

    /// The value of the first field with this name, in any case.
    pub(crate) fn first<'a>(&self, name: &str, input: &'a [u8]) -> Option<&'a [u8]> {
        self.iter(input)
            .find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }
}

/// How many lines there are notes of.
const NOTED: usize = u64::BITS as usize;

/// The bit of the line at `at`, where it is known.
fn notable(known: Name, at: usize) -> u64 {
    u64::from(known != Name::Other).checked_shl(at as u32).unwrap_or(0)
}

/// Some of the first [`NOTED`] lines, and all behind them.
#[derive(Debug, Clone)]
pub(crate) struct Lines<'f> {
    /// A bit for each of the first that is to come.
    bits: u64,
    /// The next of those behind them.
    behind: usize,
    all: &'f [Field],
}

impl<'f> Iterator for Lines<'f> {
    type Item = &'f Field;

    #[inline]
    fn next(&mut self) -> Option<&'f Field> {
        let at = if self.bits == 0 {
            self.behind += 1;
            self.behind - 1
        } else {
            self.bits.trailing_zeros() as usize
        };
        self.bits &= self.bits.wrapping_sub(1);
        self.all.get(at)
    }
}
