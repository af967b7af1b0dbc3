//! The field lines that httparse found, as spans.
//!
//! httparse also takes a bare LF for a line end. That is settled here, in the same pass that turns its slices into spans.

use evenkeel_message::{Line, Span};

/// A line does not end with CR LF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BareLineEnd;

/// Hands on each line that httparse found in `input`, where the section ends (with its empty line) at `end`. `folded`: values
/// may run over several lines.
pub(crate) fn each_line(
    input: &[u8],
    headers: &[httparse::Header<'_>],
    end: usize,
    folded: bool,
    mut each: impl FnMut(&Line),
) -> Result<(), BareLineEnd> {
    let section = &input[..end];
    if !section.ends_with(b"\r\n") || folded && has_bare_line_feed(section) {
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
        let name = Span { start: line_start, end: line_start + header.name.len() as u32 };
        let has_underscore = header.name.contains('_');
        each(&Line { name, value: Span::of(header.value, input), end: line_end, has_underscore });
        line_start = line_end;
    }
    Ok(())
}

/// Whether a LF, of which folded lines have more than one, stands without its CR.
fn has_bare_line_feed(section: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', section).any(|at| at == 0 || section[at - 1] != b'\r')
}
