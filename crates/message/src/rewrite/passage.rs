//! What passes as it came, copied in stretches as long as they are: of the usual head that is all but a line or two.

use crate::head::fields::{Field, Span};

/// A stretch of the received head that is to be copied.
#[derive(Debug, Default)]
pub(super) struct Passage(Span);

impl Passage {
    /// One that begins with this stretch.
    pub(super) fn of(stretch: Span) -> Self {
        Self(stretch)
    }

    /// A line passes: with what came before it, where that passes as well.
    pub(super) fn line(&mut self, line: &Field, input: &[u8], out: &mut Vec<u8>) {
        if self.0.end != line.name.start {
            self.end(input, out);
            self.0.start = line.name.start;
        }
        self.0.end = line.line_end;
    }

    /// Something else follows.
    pub(super) fn end(&mut self, input: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.in_bytes(input));
        self.0 = Span::default();
    }
}

/// Whether the line reads `Name: value`, letter by letter.
pub(super) fn is_written(line: &Field, name: &[u8], input: &[u8]) -> bool {
    line.value.start == line.name.end + 2
        && line.line_end == line.value.end + 2
        && input[line.name.end as usize + 1] == b' '
        && line.name.in_bytes(input) == name
}
