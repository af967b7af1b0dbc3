//! A line of the ledger, without its number, which it gets in the ring: a request of a run, or an event. The client's
//! `proof::ledger` reads them.

use std::net::SocketAddr;

use evenkeel_upstream::attempt::{TrailEntry, TrailOutcome};
use evenkeel_upstream::{Change, ConnectFailure, EndpointId, ResponseFailure};
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
            TrailOutcome::Status(status) => Some(status),
            _ => None,
        };
        Self {
            number: entry.number.number(),
            endpoint: address(entry.endpoint),
            why: entry.why.name(),
            end: end(entry, account),
            status,
        }
    }
}

impl Happening {
    pub(super) fn of(change: &Change, at: u64) -> Self {
        Self { at, event: change.news.name(), endpoint: change.address }
    }
}

/// How an attempt ended.
fn end(entry: &TrailEntry, account: &Account) -> &'static str {
    match entry.outcome {
        TrailOutcome::Status(_) if account.answered == Some(entry.number) => "answered",
        // An error of the server for which the request was tried elsewhere.
        TrailOutcome::Status(502..=504) => "status",
        TrailOutcome::Overtaken | TrailOutcome::Running if entry.silent => "silent",
        TrailOutcome::Status(_) | TrailOutcome::Overtaken | TrailOutcome::Running => "abandoned",
        TrailOutcome::ConnectFailed(ConnectFailure::Refused) => "refused",
        TrailOutcome::ConnectFailed(ConnectFailure::TimedOut) => "connect_timeout",
        TrailOutcome::ConnectFailed(ConnectFailure::Unreachable) => "unreachable",
        TrailOutcome::ConnectFailed(ConnectFailure::Reset) => "connect_reset",
        TrailOutcome::ConnectFailed(ConnectFailure::Local) => "no_local_resources",
        TrailOutcome::ResponseFailed(ResponseFailure::Reset) => "reset",
        TrailOutcome::ResponseFailed(ResponseFailure::Closed) => "closed",
        TrailOutcome::ResponseFailed(ResponseFailure::Truncated) => "truncated",
        TrailOutcome::ResponseFailed(ResponseFailure::TimedOut) => "timeout",
        TrailOutcome::ResponseFailed(ResponseFailure::Garbage) => "garbage",
        TrailOutcome::WrongDigest => "wrong_digest",
        TrailOutcome::Stale => "stale",
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
