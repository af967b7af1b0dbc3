//! Which request of which run a request is (`X-Evenkeel-Run`): what the ledger's entry about it is found by.

use evenkeel_message::{RequestHead, request_id};

/// Which request of which run it is.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(super) run: String,
    pub(super) id: String,
}

impl Mark {
    /// The mark of the request with this head, where it has one.
    pub(crate) fn of(head: &RequestHead, input: &[u8]) -> Option<Box<Self>> {
        let run = head.field(input, "x-evenkeel-run").filter(|name| is_run_name(name))?;
        let id = head.field(input, "x-request-id").filter(|id| request_id::is_sane(id)).unwrap_or_default();
        Some(Box::new(Self { run: text(run), id: text(id) }))
    }

    /// The id that the request goes on with.
    pub(crate) fn identify(&mut self, id: &[u8]) {
        self.id = text(id);
    }
}

/// The longest name of a run, in bytes.
const LONGEST_NAME: usize = 64;

/// Whether a run may be called that. Servers and the client hold it to the same.
fn is_run_name(name: &[u8]) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte))
}

fn text(ascii: &[u8]) -> String {
    String::from_utf8_lossy(ascii).into_owned()
}
