//! What passes as it came, copied in stretches as long as they are: of the usual head that is all but a line or two.

use crate::head::fields::{Field, Fields, Lines, Span};

/// A stretch of the received head that is to be copied, as far as the lines that were looked at.
#[derive(Debug)]
pub(super) struct Passage {
    stretch: Span,
    /// Nobody looks at lines that do not matter: what lies between two others passes.
    skips: bool,
}

impl Passage {
    /// One that begins with the start line, if that passes. `others_pass`: fields that no proxy knows pass, as they came.
    pub(super) fn new(start_line: Option<Span>, fields: &Fields, others_pass: bool) -> Self {
        let start = fields.start().unwrap_or_default();
        let stretch = start_line.unwrap_or(Span { start, end: start });
        Self { stretch, skips: others_pass && fields.is_one_stretch() && stretch.end == start }
    }

    /// The lines that have to be looked at, in order.
    pub(super) fn lines<'f>(&self, fields: &'f Fields) -> Lines<'f> {
        if self.skips { fields.notable() } else { fields.each() }
    }

    /// A line passes.
    pub(super) fn line(&mut self, line: &Field, input: &[u8], out: &mut Vec<u8>) {
        self.reach(line, input, out);
        self.stretch.end = line.line_end;
    }

    /// A line does not, or something else takes its place, which is to be written now.
    pub(super) fn cut(&mut self, line: &Field, input: &[u8], out: &mut Vec<u8>) {
        self.reach(line, input, out);
        self.copy(input, out);
        self.stretch = Span { start: line.line_end, end: line.line_end };
    }

    /// No line follows.
    pub(super) fn end(mut self, fields: &Fields, input: &[u8], out: &mut Vec<u8>) {
        if self.skips {
            self.stretch.end = fields.end().unwrap_or(self.stretch.end);
        }
        self.copy(input, out);
    }

    fn reach(&mut self, line: &Field, input: &[u8], out: &mut Vec<u8>) {
        if !self.skips && self.stretch.end != line.name.start {
            self.copy(input, out);
            self.stretch.start = line.name.start;
        }
        self.stretch.end = line.name.start;
    }

    fn copy(&self, input: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(self.stretch.in_bytes(input));
    }
}

/// Whether the line reads `Name: value`, letter by letter.
pub(super) fn is_written(line: &Field, name: &[u8], input: &[u8]) -> bool {
    line.value.start == line.name.end + 2
        && line.line_end == line.value.end + 2
        && input[line.name.end as usize + 1] == b' '
        && line.name.in_bytes(input) == name
}
