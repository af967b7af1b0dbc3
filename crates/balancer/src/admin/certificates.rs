//! The certificates as the API shows them, those first that end first.

use std::time::{SystemTime, UNIX_EPOCH};

use evenkeel_wire::{ClientsEnd, TlsServer};
use serde::Serialize;

/// The most that are told one by one.
const SHOWN: usize = 16;

/// What TLS in front is spoken with.
#[derive(Clone, Debug, Serialize)]
pub(super) struct CertificatesView {
    /// Those that end first.
    shown: Vec<CertificateView>,
    known: usize,
    /// What could not be taken up at the last look, and why: what was there before still holds.
    problems: Vec<String>,
    reload_failures: u64,
}

/// One thing that does not hold for ever.
#[derive(Clone, Debug, Serialize)]
struct CertificateView {
    /// `certificate`, `client_authority` or `client_revocations`.
    kind: &'static str,
    name: String,
    hosts: Vec<String>,
    ends_ms: u64,
    /// Less than 0 where it has ended.
    left_ms: i64,
}

/// The most hosts of one that are told.
const HOSTS: usize = 8;

impl CertificatesView {
    pub(super) fn of(tls: &TlsServer, now: SystemTime) -> Self {
        let since_1970 =
            |moment: SystemTime| moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let view = |kind, name: String, mut hosts: Vec<String>, ends: SystemTime| {
            hosts.truncate(HOSTS);
            let (ends, now) = (since_1970(ends) as u64, since_1970(now) as u64);
            let left_ms = ends.cast_signed().saturating_sub(now.cast_signed());
            CertificateView { kind, name, hosts, ends_ms: ends, left_ms }
        };
        let mut shown: Vec<_> = tls
            .certificates()
            .into_iter()
            .map(|one| view("certificate", one.name, one.hosts.to_vec(), one.ends))
            .collect();
        if let Some(ClientsEnd { authority, revoked }) = tls.clients_end() {
            shown.push(view("client_authority", "authority of clients".to_owned(), Vec::new(), authority));
            let list = |ends| view("client_revocations", "revoked clients".to_owned(), Vec::new(), ends);
            shown.extend(revoked.map(list));
        }
        let known = shown.len();
        shown.sort_by_key(|one| one.ends_ms);
        shown.truncate(SHOWN);
        Self { shown, known, problems: tls.problems(), reload_failures: tls.reload_failures() }
    }
}
