//! What the balancer tells about its servers, beside the ledger: what they are called, and what happened to them, in the
//! sentences that its page has as well.
//!
//! ```text
//! GET /api/state      names ────────┐                       ┌── one name for one server
//! GET /api/incidents  episodes ─────┼──▶ terminal, report ──┤
//! GET /api/requests   ways in words ┤                       │
//! answers, ledger     who is who ───┘                       └── one sentence for one incident
//! ```
//! A balancer of another make, or an older one, tells none of it: then servers are called as they call themselves, and incidents
//! are those that the client finds.

mod episodes;
mod names;
mod tap;

use std::time::Duration;

use evenkeel_wire::Resolver;

use crate::control::Question;
use crate::target::Target;

#[cfg(test)]
pub(crate) use episodes::tests::some_episode;
pub(crate) use episodes::{Episode, Episodes};
pub(crate) use names::Names;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// The longest answer, in bytes: 64 incidents and some thousand endpoints are well below it.
const LONGEST_ANSWER: usize = 4 << 20;

/// Asks one balancer what it tells.
#[derive(Debug)]
pub(crate) struct Asker {
    admin: Target,
    resolver: Resolver,
}

impl Asker {
    /// Asks at this admin interface.
    pub(crate) fn new(admin: Target, resolver: Resolver) -> Self {
        Self { admin, resolver }
    }

    /// What the endpoints are called: address and name. Empty where that cannot be learnt.
    pub(crate) async fn names(&self) -> Vec<(String, String)> {
        self.ask("/api/state").await.map(|body| names::read(&body)).unwrap_or_default()
    }

    /// What happened to servers; `None` where that cannot be learnt.
    pub(crate) async fn episodes(&self) -> Option<Vec<Episode>> {
        self.ask("/api/incidents").await.and_then(|body| episodes::read(&body))
    }

    /// Which way the last requests went to which something happened, in words, by their ids. Empty where that cannot be learnt.
    pub(crate) async fn ways(&self) -> Vec<(String, String)> {
        self.ask("/api/requests").await.map(|body| tap::read(&body)).unwrap_or_default()
    }

    /// A whole answer with status 200. Whatever else comes is none: a run does not depend on it.
    async fn ask(&self, path: &str) -> Option<Vec<u8>> {
        let question = Question { target: &self.admin, credentials: None, path, patience: PATIENCE };
        let asked = async {
            let mut answer = question.ask(&self.resolver).await?;
            if answer.status() != 200 {
                return Err(format!("it answers {}", answer.status()));
            }
            let mut body = Vec::new();
            while let Some(piece) = answer.piece().await? {
                body.extend_from_slice(&piece);
                if body.len() > LONGEST_ANSWER {
                    return Err(format!("more than {LONGEST_ANSWER} bytes"));
                }
            }
            Ok(body)
        };
        let trouble = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(body)) => return Some(body),
            Ok(Err(trouble)) => trouble,
            Err(_) => format!("no answer within {PATIENCE:?}"),
        };
        tracing::debug!(admin = %self.admin, path, trouble, "the balancer does not tell");
        None
    }
}
