//! Chunk extensions (RFC 9112 §7.1.1), byte by byte. They are dropped: none is in use, and each is for one connection
//! only. What is no extension is found all the same, since who sends it may mean something else by the line.
//!
//! ```text
//!  ; ─▶ Begun ─▶ Name ─=─▶ Equals ─▶ Token ───────────▶ ; or the end of the line
//!                 │          └──"──▶ Quoted ─"─▶ Closed ─▶ ; or the end of the line
//!                 └─▶ ; or the end of the line
//! ```

use evenkeel_message::text::is_token_byte;

/// What has been read of an extension since its semicolon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Extension {
    /// Nothing but white space.
    #[default]
    Begun,
    Name,
    /// White space after the name: only `=` or the next extension may follow.
    AfterName,
    Equals,
    Token,
    Quoted,
    /// After the backslash in a quoted string.
    Escape,
    Closed,
    /// White space after the value: only the next extension may follow.
    AfterValue,
}

impl Extension {
    /// This and one more byte; `None` where the grammar has no such byte.
    pub(super) fn and(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Begun | Self::Name, _) if is_token_byte(byte) => Self::Name,
            (Self::Equals | Self::Token, _) if is_token_byte(byte) => Self::Token,
            // White space that nobody is to write and everybody is to read (BWS, RFC 9110 §5.6.3).
            (Self::Begun | Self::Equals, b' ' | b'\t') => self,
            (Self::Name | Self::AfterName, b' ' | b'\t') => Self::AfterName,
            (Self::Token | Self::Closed | Self::AfterValue, b' ' | b'\t') => Self::AfterValue,
            (Self::Name | Self::AfterName, b'=') => Self::Equals,
            (Self::Quoted, b'"') => Self::Closed,
            (Self::Quoted, b'\\') => Self::Escape,
            (Self::Equals, b'"') | (Self::Quoted | Self::Escape, b'\t' | b' '..=b'~' | 0x80..) => {
                Self::Quoted
            }
            (Self::Name | Self::AfterName | Self::Token | Self::Closed | Self::AfterValue, b';') => {
                Self::Begun
            }
            _ => return None,
        })
    }

    /// Whether the line may end here.
    pub(super) fn may_end(self) -> bool {
        matches!(self, Self::Name | Self::Token | Self::Closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_extension(text: &str) -> bool {
        let end = text.bytes().try_fold(Extension::default(), Extension::and);
        end.is_some_and(Extension::may_end)
    }

    #[test]
    fn names_with_and_without_values_are_extensions() {
        for text in [
            "a",
            "a=b",
            "a;b;c=d",
            " a = b ; c",
            "\ta\t=\t\"\"",
            r#"a="b;c=[d]\"e";f"#,
            "a=\"\u{e9}\"",
            "!#$=%&'*",
        ] {
            assert!(is_extension(text), "{text:?}");
        }
    }

    #[test]
    fn whatever_else_stands_there_is_none() {
        for text in [
            "",
            " ",
            ";",
            "a;",
            "a=",
            "a= ",
            "=b",
            "a=b=c",
            "a b",
            "a=b c",
            "a ",
            "a=b ",
            "bad[=x",
            "a=[",
            "a=\"b",
            "a=\"b\\",
            "a=\"b\\\"",
            "a=\"b\"c",
            "a=b\"c\"",
            "a=\"b\" ",
            "a=\"\0\"",
            "a=\"\u{7f}\"",
            "\u{e9}",
            "a=\u{e9}",
            "a,b",
            "a:b",
            "\"a\"",
        ] {
            assert!(!is_extension(text), "{text:?}");
        }
    }
}
