//! What becomes of the answer on its way to the client, and what that says of its endpoint.
//!
//! From [`Action::Commit`](super::Action::Commit) on nothing moves any more; the endpoint is still judged by how it ends:
//!
//! | the delivery | the lease ends as | reported | the attempt came to |
//! |---|---|---|---|
//! | is whole | success | nothing | what it was |
//! | is whole, without the digest that was announced | success | that | what it was |
//! | is cut off by the endpoint | failure | how | how |
//! | ends with the wrong digest | failure | that | that |
//! | is cut off for a silence that the endpoint may have meant | abandoned | nothing | a timeout |
//! | is given up because of the client | abandoned | nothing | what it was |

use std::time::Instant;

use crate::evidence::{Evidence, ResponseFailure};
use crate::lease::Outcome;

use super::trail::{Fault, Stage};
use super::{Attempts, Decision};

/// How the delivery of an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The client has all of it, and nothing is known to be wrong with it.
    Whole,
    /// The client has all of it, but the digest that it had announced was missing.
    MissingDigest,
    /// Its digest is wrong: the last piece was kept back.
    WrongDigest,
    /// The endpoint's connection, or what it sends, broke before the end.
    Broken(ResponseFailure),
    /// Nothing came for too long, and the endpoint had not said that there would be more.
    Silent,
    /// The client went away, or took nothing for too long.
    ClientGone,
}

/// What follows from the end of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the lease is to be finished, and the evidence to be reported"]
pub struct Delivered {
    /// What the lease of the committed try ends as.
    pub outcome: Outcome,
    /// What is to be reported of its endpoint, as by [`Action::Report`](super::Action::Report).
    pub evidence: Option<Evidence>,
}

impl Attempts {
    /// Takes in how the delivery of the committed try's response ended. The first end counts; the [trail](Self::trail) tells
    /// of it from then on.
    pub fn delivered(&mut self, how: Delivery, now: Instant) -> Delivered {
        if let Decision::Committed(number) = self.decision
            && self.is_in(number, Stage::Committed)
            && let Some(fault) = how.fault()
        {
            self.fail(number, fault, now);
        }
        how.means()
    }
}

impl Delivery {
    fn means(self) -> Delivered {
        let (outcome, evidence) = match self {
            Self::Whole => (Outcome::Success, None),
            Self::MissingDigest => (Outcome::Success, Some(Evidence::MissingDigest)),
            Self::WrongDigest => (Outcome::Failure, Some(Evidence::WrongDigest)),
            Self::Broken(why) => (Outcome::Failure, Some(Evidence::ResponseFailed(why))),
            Self::Silent | Self::ClientGone => (Outcome::Abandoned, None),
        };
        Delivered { outcome, evidence }
    }

    /// What the attempt has come to, where that is no longer its response.
    fn fault(self) -> Option<Fault> {
        match self {
            Self::Whole | Self::MissingDigest | Self::ClientGone => None,
            Self::WrongDigest => Some(Fault::Digest(0)),
            Self::Broken(why) => Some(Fault::Response(why)),
            Self::Silent => Some(Fault::Response(ResponseFailure::TimedOut)),
        }
    }
}
