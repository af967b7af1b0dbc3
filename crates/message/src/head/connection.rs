//! The options of a message's Connection fields (RFC 9110 §7.6.1).

use crate::head::fields::Fields;
use crate::head::name::Name;
use crate::limits::MAX_CONNECTION_OPTIONS;
use crate::text::list;

/// What the Connection fields of a head say, taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Connection {
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
    options: u8,
    /// How many options name a field.
    nominations: u8,
}

impl Connection {
    /// This and one more Connection field; `None` when there are more than [`MAX_CONNECTION_OPTIONS`].
    pub(crate) fn and(mut self, value: &[u8]) -> Option<Self> {
        // What nearly every message says, without taking a list apart.
        if value == b"keep-alive" && usize::from(self.options) < MAX_CONNECTION_OPTIONS {
            self.options += 1;
            self.keep_alive = true;
            return Some(self);
        }
        for option in list(value) {
            self.options += 1;
            if usize::from(self.options) > MAX_CONNECTION_OPTIONS {
                return None;
            }
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else {
                self.nominations += 1;
            }
        }
        Some(self)
    }

    /// Whether an option names a field, so that it has to be looked for.
    pub(crate) fn names_any(self) -> bool {
        self.nominations > 0
    }

    /// Whether a field named `name` is for this connection only, because an option says so.
    ///
    /// Ask only about [`Name::Other`]. The rest is either for this connection anyway, or for every recipient
    /// (RFC 9110 §7.6.1): otherwise a client could take away what this proxy or the server relies on.
    pub(crate) fn names(self, name: &[u8], fields: &Fields, input: &[u8]) -> bool {
        self.names_any()
            && !is_content(name)
            && fields
                .known(Name::Connection, input)
                .any(|value| list(value).any(|option| option.eq_ignore_ascii_case(name)))
    }
}

/// Whether the field describes the content or proves it whole. Naming it in Connection does not remove it:
/// the content goes on, and with it what is said about it.
fn is_content(name: &[u8]) -> bool {
    name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"content-"))
        || name.eq_ignore_ascii_case(b"repr-digest")
}
