//! Incidents as the balancer tells them, at `GET /api/incidents`: a sentence each, that is shown as it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// The most incidents of a balancer that are kept; what comes beyond is counted by the balancer alone.
const KEPT_EPISODES: usize = 256;

/// Something that happened to a server, as the balancer tells it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Episode {
    /// Its number, from 1, over the balancer's life.
    pub(crate) id: u64,
    /// When it began, in milliseconds since 1970.
    pub(crate) begun_ms: u64,
    /// When it was over; `None` while it is not.
    pub(crate) ended_ms: Option<u64>,
    /// What the server is called.
    #[serde(default, deserialize_with = "or_empty")]
    pub(crate) server: String,
    /// Where it answers, or answered.
    #[serde(default, deserialize_with = "or_empty")]
    pub(crate) address: String,
    /// What it was, in a word.
    #[serde(default, deserialize_with = "or_empty")]
    pub(crate) cause: String,
    /// What happened, in words.
    pub(crate) sentence: String,
    /// How the balancer knows.
    #[serde(default, deserialize_with = "or_empty")]
    pub(crate) why: String,
}

/// The incidents of a balancer, each as it was told last.
#[derive(Debug, Default)]
pub(crate) struct Episodes {
    by_id: BTreeMap<u64, Episode>,
}

impl Episodes {
    /// Takes what the balancer tells now: it keeps its last ones only, and what was told before is not forgotten. One that has
    /// gone on is told anew.
    pub(crate) fn take(&mut self, told: Vec<Episode>) {
        for episode in told {
            if self.by_id.len() < KEPT_EPISODES || self.by_id.contains_key(&episode.id) {
                self.by_id.insert(episode.id, episode);
            }
        }
    }

    /// Those that were not over before `began` and began before `ended`, the oldest first. Moments are in milliseconds since
    /// 1970.
    pub(crate) fn within(&self, began: u64, ended: u64) -> Vec<Episode> {
        let within = |episode: &&Episode| {
            episode.begun_ms <= ended && episode.ended_ms.is_none_or(|over| over >= began)
        };
        let mut within: Vec<_> = self.by_id.values().filter(within).cloned().collect();
        within.sort_by_key(|episode| (episode.begun_ms, episode.id));
        within
    }
}

fn or_empty<'de, D: Deserializer<'de>>(text: D) -> Result<String, D::Error> {
    Option::deserialize(text).map(Option::unwrap_or_default)
}

/// The incidents in an answer; `None` where it is something else.
pub(super) fn read(body: &[u8]) -> Option<Vec<Episode>> {
    #[derive(Deserialize)]
    struct Told {
        incidents: Vec<Episode>,
    }
    serde_json::from_slice(body).ok().map(|Told { incidents }| incidents)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An incident of server-2 that began and ended at these moments.
    pub(crate) fn some_episode(id: u64, begun_ms: u64, ended_ms: Option<u64>) -> Episode {
        Episode {
            id,
            begun_ms,
            ended_ms,
            server: "server-2".into(),
            address: "10.0.0.2:80".into(),
            cause: "crashed".into(),
            sentence: format!("server-2 crashed, number {id}."),
            why: "its connections were reset".into(),
        }
    }

    #[test]
    fn an_answer_is_read_with_what_it_has_and_whatever_it_has_besides() {
        let whole = br#"{"incidents":[{"id":1,"begun_ms":1000,"ended_ms":null,"server":"server-2",
            "address":"172.18.0.4:8080","cause":"crashed","sentence":"server-2 crashed.","slowest_added_ms":12.1,"why":"reset",
            "counts":{"on_it":5,"moved":3,"answered":3,"failed":2,"doubled":0}}],"newest":1}"#;
        let [episode] = read(whole).unwrap().try_into().unwrap();
        assert_eq!(
            (episode.server.as_str(), episode.ended_ms, episode.why.as_str()),
            ("server-2", None, "reset")
        );
        let least = br#"{"incidents":[{"id":1,"begun_ms":1000,"ended_ms":2000,"server":null,"sentence":"It happened."}]}"#;
        assert_eq!(read(least).unwrap()[0].sentence, "It happened.");
        assert_eq!(read(b"not found"), None);
    }

    #[test]
    fn one_that_goes_on_is_told_anew_and_one_that_is_no_longer_told_is_kept() {
        let mut episodes = Episodes::default();
        episodes.take(vec![some_episode(1, 1_000, None)]);
        episodes.take(vec![some_episode(1, 1_000, Some(3_000)), some_episode(2, 5_000, None)]);
        episodes.take(vec![some_episode(2, 5_000, None)]);
        assert_eq!(
            episodes.within(0, 10_000),
            [some_episode(1, 1_000, Some(3_000)), some_episode(2, 5_000, None)]
        );
    }

    #[test]
    fn what_was_over_before_the_run_or_came_after_it_is_not_of_it() {
        let mut episodes = Episodes::default();
        episodes.take(vec![
            some_episode(1, 1_000, Some(1_999)),
            some_episode(2, 1_500, Some(2_500)),
            some_episode(3, 500, None),
            some_episode(4, 9_001, None),
        ]);
        let ids: Vec<_> = episodes.within(2_000, 9_000).iter().map(|episode| episode.id).collect();
        assert_eq!(ids, [3, 2]);
    }

    #[test]
    fn their_number_is_bounded() {
        let mut episodes = Episodes::default();
        (0..1_000).for_each(|id| episodes.take(vec![some_episode(id, id, None)]));
        assert_eq!(episodes.by_id.len(), KEPT_EPISODES);
    }
}
