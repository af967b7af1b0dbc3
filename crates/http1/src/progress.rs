//! What is known of a head that has not arrived whole.
//!
//! A head usually arrives at once and is parsed at once; this never sees it. Otherwise each byte is looked at
//! here when it comes, and the parser runs again only when there is something new to find out: when the
//! start line is complete, and when the head is. So a head that drips in is parsed three times, not once a byte.

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
struct Forbidden;

impl Progress {
    /// Whether there is a whole head in `input`, beginning at `start`. Calls `parse`, which says just that, when
    /// there is something new to find out; otherwise fails with `forbidden` if a byte is new that no head may have.
    pub(crate) fn find<E>(
        &mut self,
        input: &[u8],
        start: usize,
        forbidden: E,
        mut parse: impl FnMut() -> Result<bool, E>,
    ) -> Result<bool, E> {
        let is_first_look = self.seen == 0;
        if is_first_look && parse()? {
            return Ok(true);
        }
        match self.look(input, start) {
            Ok(is_worth_parsing) => Ok(is_worth_parsing && !is_first_look && parse()?),
            Err(Forbidden) => Err(forbidden),
        }
    }

    /// Looks at what is new. Says whether the start line or the head has become complete.
    fn look(&mut self, input: &[u8], start: usize) -> Result<bool, Forbidden> {
        self.begun = true;
        let mut is_complete = false;
        let mut at = start.max(self.seen as usize);
        while at < input.len() {
            match (input[at], input.get(at + 1)) {
                (b'\r', None) => break,
                (b'\r', Some(b'\n')) => {
                    if input[start..at].ends_with(b"\r\n") {
                        // The head is complete: what follows is not looked at.
                        return Ok(true);
                    }
                    is_complete |= !self.has_line;
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
        Ok(is_complete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often the parser runs while `head` arrives byte by byte, and after how many bytes the head is found.
    fn runs(head: &[u8]) -> (usize, usize) {
        let mut progress = Progress::default();
        let mut runs = 0;
        let found = (1..=head.len()).find(|&end| {
            let parse = || {
                runs += 1;
                Ok(head[..end].ends_with(b"\r\n\r\n"))
            };
            progress.find(&head[..end], 0, "forbidden", parse).unwrap()
        });
        (runs, found.unwrap())
    }

    #[test]
    fn a_head_that_drips_in_is_parsed_three_times_however_long_it_is() {
        let short = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".as_slice();
        let long = [b"GET / HTTP/1.1\r\n".as_slice(), &b"A: b\r\n".repeat(80), b"\r\n"].concat();
        assert_eq!(runs(short), (3, short.len()));
        assert_eq!(runs(&long), (3, long.len()));
    }

    #[test]
    fn what_follows_a_head_is_not_looked_at() {
        let mut progress = Progress::default();
        assert_eq!(progress.find(b"GET", 0, "forbidden", || Ok(false)), Ok(false));
        let input = b"GET / HTTP/1.1\r\n\r\n\0\0\0";
        assert_eq!(progress.find(input, 0, "forbidden", || Ok(true)), Ok(true));
    }

    #[test]
    fn a_forbidden_byte_shows_when_it_arrives() {
        for bad in ["a\n", "a\rb", "a\0", "a\x7f"] {
            let mut progress = Progress::default();
            assert_eq!(
                progress.find(bad.as_bytes(), 0, "forbidden", || Ok(false)),
                Err("forbidden"),
                "{bad:?}"
            );
        }
        assert_eq!(Progress::default().find(b"a\tb\r", 0, "forbidden", || Ok(false)), Ok(false));
    }
}
