//! What is known of a head that has not arrived whole.
//!
//! A head usually arrives at once and is parsed at once; this never sees it. Otherwise each byte is looked at
//! here when it comes, and the parser runs again only when there is something new to find out: when the
//! start line is complete, and when the head is. So a head that drips in costs no more than twice.

/// How much of an incomplete head has been looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Progress {
    /// Bytes of the input that need not be looked at again.
    seen: u32,
    /// Whether the start line is complete.
    pub(crate) has_line: bool,
    /// Whether anything but empty lines has arrived.
    pub(crate) begun: bool,
}

/// A byte that no head may have: a control character, a LF without CR, or a CR without LF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forbidden;

impl Progress {
    /// Whether nothing has been looked at yet.
    pub(crate) fn is_new(self) -> bool {
        self.seen == 0
    }

    /// Looks at what is new in `input`, whose head begins at `start`. Says whether it is worth parsing.
    pub(crate) fn look(&mut self, input: &[u8], start: usize) -> Result<bool, Forbidden> {
        self.begun = true;
        let mut worth = false;
        let mut at = start.max(self.seen as usize);
        while at < input.len() {
            match (input[at], input.get(at + 1)) {
                (b'\r', None) => break,
                (b'\r', Some(b'\n')) => {
                    if input[start..at].ends_with(b"\r\n") {
                        // The head is complete: what follows is not looked at.
                        return Ok(true);
                    }
                    worth |= !self.has_line;
                    self.has_line = true;
                    at += 1;
                }
                (b'\t', _) => {}
                (byte, _) if byte.is_ascii_control() => return Err(Forbidden),
                _ => {}
            }
            at += 1;
        }
        self.seen = at as u32;
        Ok(worth)
    }
}
