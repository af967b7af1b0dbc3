//! Bodies on their way out.

use evenkeel_message::Framing;
use evenkeel_message::text::hexadecimal;

/// Puts the framing around the data of one body. The data itself is the caller's to send:
///
/// ```
/// use evenkeel_http1::BodyWriter;
/// use evenkeel_message::Framing;
///
/// let mut body = BodyWriter::new(Framing::Chunked);
/// let mut out = Vec::new();
/// body.before_data(5, &mut out);
/// out.extend_from_slice(b"hello");
/// body.after_data(&mut out);
/// body.end(b"", &mut out);
/// assert_eq!(out, b"5\r\nhello\r\n0\r\n\r\n");
/// assert!(body.is_complete());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyWriter {
    framing: Framing,
    /// Whether a chunk has been announced whose line end is still to come.
    in_chunk: bool,
    ended: bool,
}

impl Default for BodyWriter {
    fn default() -> Self {
        Self::new(Framing::Empty)
    }
}

impl BodyWriter {
    /// For a body with this framing.
    pub fn new(framing: Framing) -> Self {
        Self { framing, in_chunk: false, ended: framing == Framing::Empty }
    }

    /// Whether nothing goes around the data, of which there is as much as was announced.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.framing, Framing::Length(_))
    }

    /// What goes before `len` bytes of data, which must not go beyond a length announced. For no data nothing is written: a chunk of 0 bytes is the end.
    pub fn before_data(&mut self, len: usize, out: &mut Vec<u8>) {
        match &mut self.framing {
            Framing::Chunked if len > 0 => {
                hexadecimal(len as u64, out);
                out.extend_from_slice(b"\r\n");
                self.in_chunk = true;
            }
            Framing::Length(left) => {
                debug_assert!(len as u64 <= *left, "more data than Content-Length announced");
                *left = left.saturating_sub(len as u64);
            }
            _ => {}
        }
    }

    /// What goes after the data announced last.
    pub fn after_data(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.in_chunk) {
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Ends the body. `trailers` are lines, each with its CR LF; they are sent only in the chunked coding.
    pub fn end(&mut self, trailers: &[u8], out: &mut Vec<u8>) {
        if self.framing == Framing::Chunked && !self.ended {
            out.extend_from_slice(b"0\r\n");
            out.extend_from_slice(trailers);
            out.extend_from_slice(b"\r\n");
        }
        self.ended = true;
    }

    /// Whether the body has been written whole, so that another message may follow.
    pub fn is_complete(&self) -> bool {
        match self.framing {
            Framing::Length(left) => left == 0,
            Framing::UntilClose => false,
            Framing::Empty | Framing::Chunked => self.ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(framing: Framing, parts: &[&str], trailers: &str) -> (String, bool) {
        let mut body = BodyWriter::new(framing);
        let mut out = Vec::new();
        for part in parts {
            body.before_data(part.len(), &mut out);
            out.extend_from_slice(part.as_bytes());
            body.after_data(&mut out);
        }
        body.end(trailers.as_bytes(), &mut out);
        (String::from_utf8(out).unwrap(), body.is_complete())
    }

    #[test]
    fn no_data_is_not_taken_for_the_end() {
        let chunked = written(Framing::Chunked, &["ab", "", "c"], "X: y\r\n");
        assert_eq!(chunked, ("2\r\nab\r\n1\r\nc\r\n0\r\nX: y\r\n\r\n".into(), true));
    }

    #[test]
    fn only_chunks_have_marks_and_trailers() {
        assert_eq!(written(Framing::Length(3), &["ab", "c"], "X: y\r\n"), ("abc".into(), true));
        assert_eq!(written(Framing::UntilClose, &["abc"], "X: y\r\n"), ("abc".into(), false));
        assert_eq!(written(Framing::Empty, &[], ""), (String::new(), true));
    }

    #[test]
    fn p66_a_body_short_of_its_length_is_not_complete() {
        assert_eq!(written(Framing::Length(3), &["ab"], ""), ("ab".into(), false));
    }
}
