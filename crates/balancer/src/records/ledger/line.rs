//! A line of the ledger, without its number, which it gets in the ring: a request of a run, or an event. The client's
//! `proof::ledger` reads them.

use std::net::SocketAddr;
use std::sync::Arc;

use evenkeel_upstream::Change;
use evenkeel_upstream::attempt::{TrailEntry, TrailOutcome};
use serde::{Serialize, Serializer};

use crate::records::account::Account;
use crate::records::roster::{Roster, Server};

/// A request on its way through the balancer. Its line begins with the run, by which a reader's own are found.
#[derive(Debug, Serialize)]
pub(super) struct Passage<'a> {
    pub(super) run: &'a str,
    pub(super) id: &'a str,
    /// The upstream that it was for, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) upstream: Option<&'a str>,
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
    endpoint: Option<Arc<Server>>,
    #[serde(serialize_with = "called_or_gone")]
    server: Option<Arc<Server>>,
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
    server: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<String>,
}

/// Other settings are in force.
#[derive(Debug, Serialize)]
pub(super) struct Resettled<'a> {
    pub(super) at: u64,
    pub(super) event: &'static str,
    /// Empty: it is the whole balancer's.
    pub(super) endpoint: &'static str,
    /// The variables that are not what they were.
    pub(super) changed: &'a [String],
}

/// Appends it as a line.
pub(super) fn write(text: &mut Vec<u8>, line: &impl Serialize) {
    // None of the lines has a form that JSON lacks, and memory takes them all.
    let _ = serde_json::to_writer(&mut *text, line);
    text.push(b'\n');
}

impl Attempt {
    pub(super) fn of(entry: &TrailEntry, account: &Account, roster: &Roster) -> Self {
        let server = roster.of(entry.endpoint);
        let status = match entry.outcome {
            TrailOutcome::Responded(_, status) => Some(status),
            _ => None,
        };
        Self {
            number: entry.number.number(),
            endpoint: server.clone(),
            server,
            why: entry.why.name(),
            end: entry.end(account.answered == Some(entry.number)),
            status,
        }
    }
}

impl Happening {
    pub(super) fn of(change: &Change, server: &Server, at: u64) -> Self {
        Self {
            at,
            event: change.news.name(),
            endpoint: change.address,
            server: server.called(),
            upstream: server.upstream.as_deref().map(str::to_owned),
        }
    }
}

/// Nobody knows any more who an endpoint was that has long been gone.
const GONE: &str = "gone";

#[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
fn address_or_gone<S: Serializer>(server: &Option<Arc<Server>>, serializer: S) -> Result<S::Ok, S::Error> {
    match server {
        Some(server) => serializer.collect_str(&server.address),
        None => serializer.serialize_str(GONE),
    }
}

#[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
fn called_or_gone<S: Serializer>(server: &Option<Arc<Server>>, serializer: S) -> Result<S::Ok, S::Error> {
    match server {
        Some(server) => serializer.collect_str(&server.called()),
        None => serializer.serialize_str(GONE),
    }
}
