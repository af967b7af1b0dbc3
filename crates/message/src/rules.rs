//! Fields that a proxy is told to set or to leave out on their way.

use std::borrow::Cow;

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

    /// Whether a rule is about this field. `_` is as good as `-`: servers that put fields into variables (RFC 3875 §4.1.18) cannot tell
    /// one from the other.
    pub fn concern(&self, name: &[u8]) -> bool {
        self.names.iter().any(|known| is_read_alike(known.as_bytes(), name))
    }

    /// What passes of these lines, each of which is ended by CR LF: a trailer is no way around a rule, since servers may take trailers
    /// for fields (RFC 9110 §6.5.1).
    pub fn passing<'a>(&self, trailers: &'a [u8]) -> Cow<'a, [u8]> {
        let concerns =
            |line: &[u8]| line.split(|&byte| byte == b':').next().is_some_and(|name| self.concern(name));
        if !trailers.split_inclusive(|&byte| byte == b'\n').any(concerns) {
            return Cow::Borrowed(trailers);
        }
        let lines = trailers.split_inclusive(|&byte| byte == b'\n');
        Cow::Owned(lines.filter(|line| !concerns(line)).flatten().copied().collect())
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

fn is_read_alike(one: &[u8], other: &[u8]) -> bool {
    let read = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    one.len() == other.len() && one.iter().map(read).eq(other.iter().map(read))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_holds_however_servers_read_the_name_and_behind_the_body_as_well() {
        let mut rules = FieldRules::default();
        rules.remove("X-Internal-User");
        rules.set("X-Frame-Options", "DENY");
        for name in ["x-internal-user", "X_Internal_User", "X-Internal_User"] {
            assert!(rules.concern(name.as_bytes()), "{name}");
        }
        assert!(!rules.concern(b"X-Internal-Users") && !rules.concern(b"X.Internal.User"));
        let kept = b"X-Sum: 1:2\r\n";
        assert!(matches!(rules.passing(kept), Cow::Borrowed(_)));
        let lines = b"X_Internal_User: root\r\nX-Sum: 1:2\r\nx-frame-options: ALLOWALL\r\n";
        assert_eq!(&*rules.passing(lines), kept);
        assert_eq!(&*rules.passing(b""), b"");
    }
}
