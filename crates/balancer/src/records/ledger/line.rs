//! A line of the ledger, without its number, which it gets in the ring: a request of a run, or an event. The client's
//! `proof::ledger` reads them.

use std::net::SocketAddr;

use evenkeel_upstream::attempt::{TrailEntry, TrailOutcome};
use evenkeel_upstream::{Change, EndpointId};
use serde::{Serialize, Serializer};

use crate::records::account::Account;

/// A request on its way through the balancer. Its line begins with the run, by which a reader's own are found.
#[derive(Debug, Serialize)]
pub(super) struct Passage<'a> {
    pub(super) run: &'a str,
    pub(super) id: &'a str,
    /// The status sent to the client, if one was.
    pub(super) status: Option<u16>,
    /// Whether the whole response was sent.
    pub(super) whole: bool,
    /// When it ended, in milliseconds since 1970.
    pub(super) at: u64,
    pub(super) attempts: Vec<Attempt>,
}

/// One try on one endpoint.
#[derive(Debug, Serialize)]
pub(super) struct Attempt {
    #[serde(rename = "n")]
    number: u8,
    #[serde(serialize_with = "address_or_gone")]
    endpoint: Option<SocketAddr>,
    why: &'static str,
    /// `answered`, `abandoned`, or the failure in a word.
    end: &'static str,
    /// The status that the server answered with, if it did.
    status: Option<u16>,
}

/// Something that happened to an endpoint.
#[derive(Debug, Serialize)]
pub(super) struct Happening {
    at: u64,
    event: &'static str,
    endpoint: SocketAddr,
}

/// Appends it as a line.
pub(super) fn write(text: &mut Vec<u8>, line: &impl Serialize) {
    // None of the lines has a form that JSON lacks, and memory takes them all.
    let _ = serde_json::to_writer(&mut *text, line);
    text.push(b'\n');
}

impl Attempt {
    pub(super) fn of(
        entry: &TrailEntry,
        account: &Account,
        address: impl Fn(EndpointId) -> Option<SocketAddr>,
    ) -> Self {
        let status = match entry.outcome {
            TrailOutcome::Responded(_, status) => Some(status),
            _ => None,
        };
        Self {
            number: entry.number.number(),
            endpoint: address(entry.endpoint),
            why: entry.why.name(),
            end: entry.end(account.answered == Some(entry.number)),
            status,
        }
    }
}

impl Happening {
    pub(super) fn of(change: &Change, at: u64) -> Self {
        Self { at, event: change.news.name(), endpoint: change.address }
    }
}

/// An endpoint that is no longer a member has no address any more.
#[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
fn address_or_gone<S: Serializer>(address: &Option<SocketAddr>, serializer: S) -> Result<S::Ok, S::Error> {
    match address {
        Some(address) => serializer.collect_str(address),
        None => serializer.serialize_str("gone"),
    }
}
