//! Servers that close connections before the balancer lets go of them, and live: told once for each, with what to do. It costs
//! nothing that a client would see but for a request that is on its way just then, and its cause is always the same setting.

use std::collections::BTreeMap;

use evenkeel_upstream::{EndpointId, Evidence, News};
use tracing::warn;

use crate::records::roster::Server;

/// Those that have closed idle connections.
#[derive(Debug, Default)]
pub(crate) struct Closers(BTreeMap<EndpointId, Closed>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closed {
    /// What its probe says is not known yet.
    Asked,
    /// It has passed a probe since, as one that was restarted may as well.
    Lives,
    Told,
}

impl Closers {
    /// Takes in a change of this server, and says it of one that has closed its connections for the second time and lives.
    pub(crate) fn changed(&mut self, endpoint: EndpointId, server: &Server, news: News) {
        if self.note(endpoint, news) {
            warn!(
                "{server} closes idle connections and serves on: its keep-alive timeout is shorter than BALANCER_SERVER_IDLE. \
                 Raise the one above the other, or a request that is sent just then has to be sent again"
            );
        }
    }

    /// Whether it is to be told.
    fn note(&mut self, endpoint: EndpointId, news: News) -> bool {
        let known = self.0.get(&endpoint).copied();
        let next = match (news, known) {
            (News::Suspect(Evidence::IdleClosed), None) => Closed::Asked,
            (News::Cleared, Some(Closed::Asked)) => Closed::Lives,
            (News::Suspect(Evidence::IdleClosed), Some(Closed::Lives)) => Closed::Told,
            (News::Ejected { .. }, Some(Closed::Asked | Closed::Lives)) | (News::Removed, Some(_)) => {
                self.0.remove(&endpoint);
                return false;
            }
            _ => return false,
        };
        self.0.insert(endpoint, next);
        next == Closed::Told
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use evenkeel_upstream::{Settings, Upstream};

    use super::*;

    const CLOSED: News = News::Suspect(Evidence::IdleClosed);

    /// At which of these changes it is told.
    fn told_at(changes: &[News]) -> Vec<usize> {
        let (upstream, mut control) =
            Upstream::new("10.0.0.1:80".parse().unwrap(), Settings::default(), Instant::now());
        control.resolved(0, Ok(&[([10, 0, 0, 1], 80).into()]), Instant::now());
        let endpoint = upstream.snapshot().endpoints()[0].id();
        let mut closers = Closers::default();
        (0..changes.len()).filter(|&at| closers.note(endpoint, changes[at])).collect()
    }

    #[test]
    fn who_closes_and_lives_is_told_of_the_second_time_and_never_again() {
        let changes = [CLOSED, News::Cleared].repeat(4);
        assert_eq!(told_at(&changes), [2]);
    }

    #[test]
    fn one_that_went_away_is_none() {
        let ejected = News::Ejected {
            cause: evenkeel_upstream::Cause::Unreachable,
            by: evenkeel_upstream::Source::Probes,
            after: None,
            lasts: None,
            times: 1,
        };
        assert_eq!(told_at(&[CLOSED, ejected, News::Healthy].repeat(4)), [0; 0]);
    }

    #[test]
    fn other_suspicions_are_none() {
        assert_eq!(told_at(&[News::Suspect(Evidence::Silent), News::Cleared].repeat(4)), [0; 0]);
    }
}
