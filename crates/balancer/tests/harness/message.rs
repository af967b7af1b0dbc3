//! Messages as they were on the wire.

use std::ops::Deref;

/// A head, kept byte for byte.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    raw: String,
}

impl Head {
    /// Takes the bytes up to and including the empty line. Bytes from 0x80 become one character each.
    pub(crate) fn new(raw: &[u8]) -> Self {
        Self { raw: raw.iter().copied().map(char::from).collect() }
    }

    /// All of it.
    pub(crate) fn raw(&self) -> &str {
        &self.raw
    }

    /// The request line or status line.
    pub(crate) fn line(&self) -> &str {
        self.raw.split("\r\n").next().unwrap_or_default()
    }

    /// The status of a response.
    pub(crate) fn status(&self) -> u16 {
        let status = self.line().strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        status.and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status line: {self:?}"))
    }

    /// The value of the only field with this name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let values = self.values(name);
        assert!(values.len() < 2, "more than one {name}: {self:?}");
        values.first().copied()
    }

    /// The values of all fields with this name, in order.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.fields().filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    /// Names and values, in order.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.raw.split("\r\n").skip(1).take_while(|line| !line.is_empty());
        lines.map(|line| line.split_once(": ").unwrap_or((line, "")))
    }

    /// Whether its `Connection` says that this message is the last.
    pub(crate) fn closes(&self) -> bool {
        self.values("connection").iter().any(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// A head with its body, the framing taken off.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    /// The lines of the trailer section.
    pub(crate) trailers: String,
}

impl Message {
    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Deref for Message {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}
