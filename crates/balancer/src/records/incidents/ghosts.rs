//! Servers that are gone, for the minutes in which somebody may look for them.

use std::collections::VecDeque;

use serde::Serialize;

use super::signs::Cause;
use super::words::time_of_day;
use crate::records::roster::Server;

/// A server that is gone.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Ghost {
    #[serde(skip)]
    who: Server,
    pub(crate) server: String,
    pub(crate) address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) upstream: Option<String>,
    /// `crashed`, `stopped` or `removed`.
    pub(crate) left: &'static str,
    pub(crate) left_ms: u64,
    pub(crate) words: String,
    /// The incident in which it left.
    #[serde(skip)]
    pub(super) incident: Option<u64>,
    /// When it was no longer there.
    #[serde(skip)]
    gone_ms: u64,
}

/// The most that are remembered; the oldest make room.
const MOST: usize = 64;

/// For how long.
const REMEMBERED_MS: u64 = 300_000;

#[derive(Debug, Default)]
pub(super) struct Ghosts(VecDeque<Ghost>);

impl Ghost {
    pub(super) fn new(who: Server, cause: Cause, left_ms: u64, incident: Option<u64>) -> Self {
        let at = &time_of_day(left_ms)[..8];
        let (left, words) = match cause {
            Cause::Crashed => ("crashed", format!("crashed at {at} UTC")),
            Cause::Stopped | Cause::RollingRestart => ("stopped", format!("stopped at {at} UTC")),
            Cause::CutOff => ("removed", format!("cut off from the network at {at} UTC")),
            _ => ("removed", format!("no longer listed since {at} UTC")),
        };
        let (server, address) = (who.called(), who.address.to_string());
        let upstream = who.upstream.as_deref().map(str::to_owned);
        Self { who, server, address, upstream, left, left_ms, words, incident, gone_ms: left_ms }
    }
}

impl Ghosts {
    pub(super) fn add(&mut self, ghost: Ghost, gone_ms: u64) {
        self.0.retain(|other| other.who.place() != ghost.who.place());
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back(Ghost { gone_ms, ..ghost });
    }

    /// The server is there again: by its name where it has one, else by its address.
    pub(super) fn comes_back(&mut self, server: &Server) -> Option<Ghost> {
        let is_it = |ghost: &Ghost| match (&ghost.who.name, &server.name) {
            (Some(one), Some(other)) => one == other,
            _ => ghost.who.place() == server.place(),
        };
        let index = self.0.iter().position(is_it)?;
        self.0.remove(index)
    }

    pub(super) fn forget(&mut self, now_ms: u64) {
        self.0.retain(|ghost| now_ms.saturating_sub(ghost.gone_ms) < REMEMBERED_MS);
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Ghost> {
        self.0.iter()
    }
}
