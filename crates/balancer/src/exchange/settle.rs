//! The end of a request: what it came to goes into counters, times, the ledger and the access log. Nothing of it happens
//! between the request and its answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_upstream::attempt::{TrailEntry, TrailOutcome};

use super::scratch::Scratch;
use crate::clock::now;
use crate::context::Worker;
use crate::records::access_log::Entry;
use crate::records::metrics::Sample;

/// Closes the account of the request that has just ended, and that came from `peer`.
pub(crate) fn settle(worker: &Worker, peer: SocketAddr, scratch: &Scratch) {
    let now = now();
    let account = &scratch.account;
    let roster = &worker.shared.roster;
    let took = account.took(now);
    worker.stats.request_times.add(took);
    if !account.queued.is_zero() {
        worker.stats.queue_times.add(account.queued);
    }
    for entry in &account.trail {
        settle_attempt(worker, entry);
    }
    if let Some(upstream) = &account.upstream {
        count_for(worker, upstream, account.status, took);
    }
    if let Some(pen) = &worker.pen {
        pen.record(account, roster);
    }
    worker.shared.story.note(account, &scratch.request, roster, now);
    if let Some(log) = &worker.access_log {
        let received = if scratch.request.is_empty() { 0 } else { scratch.upload.taken() };
        log.write(&Entry { peer, head: &scratch.request, received, account, took, now }, roster);
    }
}

/// Where there are several upstreams.
fn count_for(worker: &Worker, upstream: &Arc<str>, status: u16, took: Duration) {
    let known = |name: &str| worker.edition.upstreams().any(|(one, _)| one.name.as_deref() == Some(name));
    worker.stats.by_upstream.count(upstream, known, status, took);
}

fn settle_attempt(worker: &Worker, entry: &TrailEntry) {
    let stats = &worker.stats;
    let took = Sample::from(entry.since.saturating_duration_since(entry.begun));
    stats.ended.add(entry.why, entry.outcome);
    stats.attempt_times.add(took);
    worker.count(entry.endpoint, |endpoint| {
        if matches!(entry.outcome, TrailOutcome::Responded(..)) {
            endpoint.answered.add(took);
        }
        if entry.reused {
            endpoint.reused.add(1);
        }
    });
}
