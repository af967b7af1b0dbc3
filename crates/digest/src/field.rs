//! The grammar around a digest: an RFC 9651 dictionary, of which only byte sequences matter here. The rest is checked and
//! passed over, since one mistake makes the whole field void (RFC 9651 §4.2).
//!
//! Nothing is allocated: values are parts of the line they came in.

use std::fmt;

/// A field that is not a dictionary, or has more than 1024 members (the number RFC 9651 §3.2 asks for).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the field is no RFC 9651 dictionary of digests, such as sha-256=:…:")
    }
}

impl std::error::Error for Malformed {}

const MEMBERS: usize = 1024;

/// The value of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// The base64 text between the colons, checked for its characters only.
    Bytes(&'a [u8]),
    Other,
}

/// Hands every member of the dictionary in these lines to `each`, in order.
///
/// Lines are meant to be joined with a comma (RFC 9651 §4.2). Each is read by itself, which differs for one thing only: a
/// string that would go over a line's end, whose result that section leaves open, is malformed.
pub(crate) fn members<'a>(
    lines: impl IntoIterator<Item = &'a [u8]>,
    mut each: impl FnMut(&'a [u8], Value<'a>),
) -> Result<(), Malformed> {
    let (mut count, mut empty_lines, mut line_count) = (0, 0, 0);
    for line in lines {
        line_count += 1;
        let mut cursor = Cursor(line);
        cursor.skip(|byte| byte == b' ');
        if cursor.0.is_empty() {
            empty_lines += 1;
            continue;
        }
        loop {
            count += 1;
            if count > MEMBERS {
                return Err(Malformed);
            }
            let key = cursor.key()?;
            let value = if cursor.eat(b'=') { cursor.value()? } else { Value::Other };
            cursor.parameters()?;
            each(key, value);
            cursor.skip(|byte| matches!(byte, b' ' | b'\t'));
            if cursor.0.is_empty() {
                break;
            }
            cursor.expect(b',')?;
            cursor.skip(|byte| matches!(byte, b' ' | b'\t'));
        }
    }
    // Joined to others, an empty line is a comma with nothing beside it.
    if empty_lines > 0 && line_count > 1 { Err(Malformed) } else { Ok(()) }
}

/// What is left of a line.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    fn next(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.0.split_first().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*first)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.0 = &self.0[1..];
        }
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.eat(byte) { Ok(()) } else { Err(Malformed) }
    }

    /// Takes the bytes for which `which` holds; maybe none.
    fn skip(&mut self, which: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.0.iter().take_while(|byte| which(**byte)).count();
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    /// RFC 9651 §4.2.3.3.
    fn key(&mut self) -> Result<&'a [u8], Malformed> {
        let starts = self.peek().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'*');
        if !starts {
            return Err(Malformed);
        }
        Ok(self.skip(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'.' | b'*')
        }))
    }

    /// An item or an inner list, without its parameters.
    fn value(&mut self) -> Result<Value<'a>, Malformed> {
        if self.eat(b'(') { self.inner_list().map(|()| Value::Other) } else { self.bare_item() }
    }

    /// RFC 9651 §4.2.1.2, after the opening parenthesis.
    fn inner_list(&mut self) -> Result<(), Malformed> {
        loop {
            self.skip(|byte| byte == b' ');
            if self.eat(b')') {
                return Ok(());
            }
            self.bare_item()?;
            self.parameters()?;
            if !matches!(self.peek(), Some(b' ' | b')')) {
                return Err(Malformed);
            }
        }
    }

    /// RFC 9651 §4.2.3.2.
    fn parameters(&mut self) -> Result<(), Malformed> {
        while self.eat(b';') {
            self.skip(|byte| byte == b' ');
            self.key()?;
            if self.eat(b'=') {
                self.bare_item()?;
            }
        }
        Ok(())
    }

    /// RFC 9651 §4.2.3.1.
    fn bare_item(&mut self) -> Result<Value<'a>, Malformed> {
        match self.peek().ok_or(Malformed)? {
            b':' => return self.byte_sequence(),
            b'-' | b'0'..=b'9' => self.number()?,
            b'"' => self.string()?,
            b'*' | b'a'..=b'z' | b'A'..=b'Z' => {
                self.skip(|byte| is_token(byte) || matches!(byte, b':' | b'/'));
            }
            b'?' => self.boolean()?,
            b'@' => self.date()?,
            b'%' => self.display_string()?,
            _ => return Err(Malformed),
        }
        Ok(Value::Other)
    }

    fn byte_sequence(&mut self) -> Result<Value<'a>, Malformed> {
        self.expect(b':')?;
        let base64 = self.skip(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
        self.expect(b':')?;
        Ok(Value::Bytes(base64))
    }

    /// Up to 15 digits, or up to 12 with up to 3 decimals.
    fn number(&mut self) -> Result<(), Malformed> {
        self.eat(b'-');
        let whole = self.skip(|byte| byte.is_ascii_digit()).len();
        let fits = if self.eat(b'.') {
            let decimals = self.skip(|byte| byte.is_ascii_digit()).len();
            (1..=12).contains(&whole) && (1..=3).contains(&decimals)
        } else {
            (1..=15).contains(&whole)
        };
        if fits { Ok(()) } else { Err(Malformed) }
    }

    fn string(&mut self) -> Result<(), Malformed> {
        self.expect(b'"')?;
        loop {
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => match self.next()? {
                    b'"' | b'\\' => {}
                    _ => return Err(Malformed),
                },
                b' '..=b'~' => {}
                _ => return Err(Malformed),
            }
        }
    }

    fn boolean(&mut self) -> Result<(), Malformed> {
        self.expect(b'?')?;
        if matches!(self.next()?, b'0' | b'1') { Ok(()) } else { Err(Malformed) }
    }

    /// An integer without decimals (RFC 9651 §4.2.9).
    fn date(&mut self) -> Result<(), Malformed> {
        self.expect(b'@')?;
        self.eat(b'-');
        let digits = self.skip(|byte| byte.is_ascii_digit()).len();
        if (1..=15).contains(&digits) && self.peek() != Some(b'.') { Ok(()) } else { Err(Malformed) }
    }

    /// Percent-encoded UTF-8 in quotes (RFC 9651 §4.2.10); whether the bytes are UTF-8 does not matter here.
    fn display_string(&mut self) -> Result<(), Malformed> {
        self.expect(b'%')?;
        self.expect(b'"')?;
        loop {
            match self.next()? {
                b'"' => return Ok(()),
                b'%' => {
                    for _ in 0..2 {
                        if !matches!(self.next()?, b'0'..=b'9' | b'a'..=b'f') {
                            return Err(Malformed);
                        }
                    }
                }
                b' '..=b'~' => {}
                _ => return Err(Malformed),
            }
        }
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Vec<(&str, Value<'_>)>, Malformed> {
        let mut seen = Vec::new();
        members([line.as_bytes()], |key, value| seen.push((std::str::from_utf8(key).unwrap(), value)))?;
        Ok(seen)
    }

    #[test]
    fn every_kind_of_value_is_understood() {
        let line = "a, b;p=1, c=-12.5, d=\"x\\\"y\", e=tok:en/x, f=?0, g=@-1659578233, h=%\"f%c3%bc\", \
                    i=(), j=( 1  \"x\";q  :AA==: );r, k=:AA==:;s=*t ,\t*l=999999999999999";
        let seen = read(line).unwrap();
        assert_eq!(seen.len(), 12);
        assert_eq!(seen[10], ("k", Value::Bytes(b"AA==")));
        assert_eq!(seen[11], ("*l", Value::Other));
    }

    #[test]
    fn every_kind_of_mistake_is_seen() {
        for line in [
            "A",
            "a b",
            "a=",
            "a=,b",
            "a=1.",
            "a=1.2345",
            "a=1234567890123456",
            "a=1234567890123.1",
            "a=-",
            "a=\"x",
            "a=\"\\x\"",
            "a=\"\u{e9}\"",
            "a=?2",
            "a=@1.5",
            "a=@",
            "a=%\"%C3\"",
            "a=%x",
            "a=(1",
            "a=(1)2",
            "a=(1\"x\")",
            "a=(1,2)",
            "a;",
            "a;P",
            "a;p=",
            "a,",
            ",a",
            "a,,b",
            "a=:A",
            "a=:A-_:",
            "\ta",
            "a=(:A:(1))",
        ] {
            assert_eq!(read(line), Err(Malformed), "{line}");
        }
    }

    #[test]
    fn the_number_of_members_is_bounded() {
        let line = vec!["a"; MEMBERS].join(",");
        assert_eq!(read(&line).unwrap().len(), MEMBERS);
        assert_eq!(read(&format!("{line},a")), Err(Malformed));
    }
}
