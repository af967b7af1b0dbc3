//! The field lines of a head, as spans into the caller's buffer.
//!
//! httparse finds the lines; it also takes a bare LF for a line end and bytes from 0x80 anywhere in a
//! value. Both are settled here, in the same pass that turns its slices into spans.

use crate::head::name::Name;

/// A stretch of the input that a head was parsed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    /// Where `part`, a slice of `whole`, lies in it.
    pub(crate) fn of(part: &[u8], whole: &[u8]) -> Self {
        let start = (part.as_ptr().addr() - whole.as_ptr().addr()) as u32;
        Self { start, end: start + part.len() as u32 }
    }

    pub(crate) fn in_bytes(self, input: &[u8]) -> &[u8] {
        &input[self.start as usize..self.end as usize]
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// One field line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) known: Name,
    pub(crate) name: Span,
    /// The value without the white space around it.
    pub(crate) value: Span,
    /// Just after the line end.
    pub(crate) line_end: u32,
}

impl Field {
    /// Whether the value runs over several lines (obs-fold, RFC 9112 §5.2). Only responses can have such.
    pub(crate) fn is_folded(&self, input: &[u8]) -> bool {
        let rest = Span { start: self.name.end, end: self.line_end - 2 };
        memchr::memchr(b'\n', rest.in_bytes(input)).is_some()
    }
}

/// What lines of a section may be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// No byte from 0x80; names with an underscore are left out unless `underscores`.
    Request { underscores: bool },
    /// As servers send them: values may be Latin-1 or UTF-8, and folded.
    Response,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineError {
    LineEnd,
    NonAscii,
}

impl LineError {
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::LineEnd => "a line does not end with CR LF",
            Self::NonAscii => "a field value has bytes outside ASCII",
        }
    }
}

/// The field lines of one section. Their storage is kept from one message to the next.
#[derive(Debug, Default, Clone)]
pub(crate) struct Fields {
    lines: Vec<Field>,
}

impl Fields {
    /// Takes over what httparse found in `input`, where the section ends (with its empty line) at `end`.
    pub(crate) fn fill(
        &mut self,
        input: &[u8],
        headers: &[httparse::Header<'_>],
        end: usize,
        strictness: Strictness,
    ) -> Result<(), LineError> {
        self.lines.clear();
        let section = &input[..end];
        if !section.ends_with(b"\r\n") {
            return Err(LineError::LineEnd);
        }
        if strictness != Strictness::Response && !section.is_ascii() {
            return Err(LineError::NonAscii);
        }
        // A line ends where the next begins, the last where the empty line does.
        let mut lines = headers.iter().map(|header| Span::of(header.name.as_bytes(), input)).peekable();
        let empty_line = end as u32 - 2;
        // The start line has to end properly as well; a trailer section has none.
        let first = lines.peek().map_or(empty_line, |name| name.start) as usize;
        if first > 0 && !section[..first].ends_with(b"\r\n") {
            return Err(LineError::LineEnd);
        }
        for header in headers {
            let Some(name) = lines.next() else { break };
            let line_end = lines.peek().map_or(empty_line, |next| next.start);
            let line = Span { start: name.start, end: line_end }.in_bytes(input);
            if !line.ends_with(b"\r\n") || strictness == Strictness::Response && has_bare_line_feed(line) {
                return Err(LineError::LineEnd);
            }
            let known = Name::of(header.name.as_bytes());
            if known != Name::Other || is_wanted(header.name, strictness) {
                self.lines.push(Field { known, name, value: Span::of(header.value, input), line_end });
            }
        }
        Ok(())
    }

    pub(crate) fn lines(&self) -> &[Field] {
        &self.lines
    }

    /// Names and values in order.
    pub(crate) fn iter<'a>(&self, input: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.lines.iter().map(|field| (field.name.in_bytes(input), field.value.in_bytes(input)))
    }

    /// The values of all fields with a known name, in order.
    pub(crate) fn known<'a>(&self, known: Name, input: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.lines.iter().filter(move |field| field.known == known).map(|field| field.value.in_bytes(input))
    }

    /// The value of the first field with this name, in any case.
    pub(crate) fn first<'a>(&self, name: &str, input: &'a [u8]) -> Option<&'a [u8]> {
        self.iter(input)
            .find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }
}

/// Whether a LF, of which only folded lines have more than one, stands without its CR.
fn has_bare_line_feed(line: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', line).any(|at| at == 0 || line[at - 1] != b'\r')
}

fn is_wanted(name: &str, strictness: Strictness) -> bool {
    strictness != Strictness::Request { underscores: false } || !name.as_bytes().contains(&b'_')
}
