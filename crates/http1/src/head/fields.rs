//! The field lines of a head, as spans into the caller's buffer.
//!
//! httparse finds the lines; it also takes a bare LF for a line end. That is settled here, in the same pass that
//! turns its slices into spans. Bytes from 0x80 in a value stay: they are opaque data (RFC 9110 §5.5), in practice
//! UTF-8 or Latin-1; names have none, being tokens.

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

/// What lines of a section may be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// Names with an underscore are left out unless `underscores`.
    Request { underscores: bool },
    /// As servers send them: values may be `folded` over several lines.
    Response { folded: bool },
}

/// A line does not end with CR LF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BareLineEnd;

/// The field lines of one section. Their storage is kept from one message to the next.
#[derive(Debug, Default, Clone)]
pub(crate) struct Fields {
    lines: Vec<Field>,
    may_be_folded: bool,
}

impl Fields {
    /// Takes over what httparse found in `input`, where the section ends (with its empty line) at `end`.
    pub(crate) fn fill(
        &mut self,
        input: &[u8],
        headers: &[httparse::Header<'_>],
        end: usize,
        strictness: Strictness,
    ) -> Result<(), BareLineEnd> {
        self.lines.clear();
        self.may_be_folded = strictness == Strictness::Response { folded: true };
        let section = &input[..end];
        if !section.ends_with(b"\r\n") || self.may_be_folded && has_bare_line_feed(section) {
            return Err(BareLineEnd);
        }
        let empty_line = end as u32 - 2;
        let start_of = |index: usize| {
            headers.get(index).map_or(empty_line, |header| Span::of(header.name.as_bytes(), input).start)
        };
        // The start line has to end properly as well; a trailer section has none.
        let mut line_start = start_of(0);
        if line_start > 0 && !section[..line_start as usize].ends_with(b"\r\n") {
            return Err(BareLineEnd);
        }
        for (index, header) in headers.iter().enumerate() {
            // A line ends where the next begins, the last where the empty line does.
            let line_end = start_of(index + 1);
            if !section[..line_end as usize].ends_with(b"\r\n") {
                return Err(BareLineEnd);
            }
            let known = Name::of(header.name.as_bytes());
            if known != Name::Other || is_wanted(header.name, strictness) {
                let name = Span { start: line_start, end: line_start + header.name.len() as u32 };
                self.lines.push(Field { known, name, value: Span::of(header.value, input), line_end });
            }
            line_start = line_end;
        }
        Ok(())
    }

    /// Whether this line's value runs over several (obs-fold, RFC 9112 §5.2). Only responses can have such.
    pub(crate) fn is_folded(&self, line: &Field, input: &[u8]) -> bool {
        let rest = Span { start: line.name.end, end: line.line_end - 2 };
        self.may_be_folded && memchr::memchr(b'\n', rest.in_bytes(input)).is_some()
    }

    pub(crate) fn lines(&self) -> &[Field] {
        &self.lines
    }

    /// Names and values in order.
    pub(crate) fn iter<'a>(&self, input: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.lines.iter().map(|field| (field.name.in_bytes(input), field.value.in_bytes(input)))
    }

    /// The values of all fields with a known name, in order.
    pub(crate) fn known<'a>(&self, known: Name, input: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + Clone {
        self.lines.iter().filter(move |field| field.known == known).map(|field| field.value.in_bytes(input))
    }

    /// The value of the first field with this name, in any case.
    pub(crate) fn first<'a>(&self, name: &str, input: &'a [u8]) -> Option<&'a [u8]> {
        self.iter(input)
            .find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }
}

/// Whether a LF, of which folded lines have more than one, stands without its CR.
fn has_bare_line_feed(section: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', section).any(|at| at == 0 || section[at - 1] != b'\r')
}

fn is_wanted(name: &str, strictness: Strictness) -> bool {
    strictness != Strictness::Request { underscores: false } || !name.as_bytes().contains(&b'_')
}
