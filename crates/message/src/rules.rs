//! Fields that a proxy is told to set or to leave out on their way.

/// What happens to fields of messages that pass. Framing, digests and what says who somebody is are the caller's to keep out
/// of it: what is named here is left out or replaced without a look at what it means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldRules {
    /// Those that do not pass: what is left out, and what is set, which replaces what was there.
    names: Vec<Box<str>>,
    set: Vec<(Box<str>, Box<str>)>,
    /// What is set, as lines with their CR LF.
    lines: Vec<u8>,
}

impl FieldRules {
    /// Leaves the field out. `name` is a token (RFC 9110 §5.6.2).
    pub fn remove(&mut self, name: &str) {
        self.names.push(name.into());
    }

    /// Sets the field, once, whatever was there. `name` is a token, `value` has no control character (RFC 9110 §5.5).
    pub fn set(&mut self, name: &str, value: &str) {
        self.names.push(name.into());
        self.set.push((name.into(), value.into()));
        for part in [name, ": ", value, "\r\n"] {
            self.lines.extend_from_slice(part.as_bytes());
        }
    }

    /// Whether a rule is about this field.
    pub fn concern(&self, name: &[u8]) -> bool {
        self.names.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
    }

    /// What is set: names and values.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.set.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The same as lines, each with its CR LF.
    pub(crate) fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}
