//! Servers as lines name them, one worker's own: written out once for each, and anew when the roster has changed.

use std::collections::hash_map::Entry;

use evenkeel_upstream::EndpointId;
use rustc_hash::FxHashMap;

use super::lines::Lines;
use crate::records::roster::{Roster, Server};

/// Writes a server as a line of some format names it; `None` is one that nobody knows any more.
pub(super) type Write = fn(&mut Lines, Option<&Server>);

#[derive(Debug)]
pub(super) struct Names {
    write: Write,
    /// Changes of the roster that this knows.
    changes: u64,
    written: FxHashMap<EndpointId, Vec<u8>>,
}

impl Names {
    pub(super) fn new(write: Write) -> Self {
        Self { write, changes: 0, written: FxHashMap::default() }
    }

    pub(super) fn of(&mut self, id: EndpointId, roster: &Roster) -> &[u8] {
        let changes = roster.changes();
        if changes != self.changes {
            self.changes = changes;
            self.written.clear();
        }
        match self.written.entry(id) {
            Entry::Occupied(written) => written.into_mut(),
            Entry::Vacant(vacant) => {
                let mut written = Vec::new();
                let mut line = Lines::default();
                (self.write)(&mut line, roster.of(id).as_deref());
                line.take(&mut written);
                vacant.insert(written)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_upstream::{Settings, Upstream};

    use super::super::line;
    use super::*;
    use crate::clock::now;

    #[test]
    fn a_server_that_is_called_something_else_from_now_on_is_called_that_in_the_next_line() {
        let (_, mut control) = Upstream::new("a:1".parse().unwrap(), Settings::default(), now());
        let address = "10.0.0.1:1".parse().unwrap();
        control.resolved(0, Ok(&[address]), now());
        let id = control.describe(now())[0].id;
        let (roster, mut names) = (Roster::default(), Names::new(line::named_text));
        assert_eq!(names.of(id, &roster), b"gone");
        for (name, shown) in [(None, "10.0.0.1:1"), (Some("cleo".into()), "cleo@10.0.0.1:1")] {
            roster.enter(id, Server { address, name, upstream: None });
            assert_eq!(names.of(id, &roster), shown.as_bytes());
            assert_eq!(names.of(id, &roster), shown.as_bytes());
        }
    }
}
