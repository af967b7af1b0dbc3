//! A request to which something happened: an attempt that failed, moved, was repeated, raced or hedged, or a failure that
//! its client saw. Plain values, made when its account is settled, with its way in words.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_upstream::attempt::{TrailOutcome, Why};
use evenkeel_upstream::{Response, ResponseFailure};
use serde::Serialize;

use crate::records::roster::Server;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Mishap {
    pub(crate) id: String,
    /// Unix time of its head, milliseconds.
    pub(crate) at_ms: u64,
    /// The upstream that it was for, where there are several.
    pub(crate) upstream: Option<Arc<str>>,
    pub(crate) method: String,
    /// Without the query, which may hold what nobody else should read.
    pub(crate) path: String,
    /// Of the answer; 0 where there was none.
    pub(crate) status: u16,
    pub(crate) took: Duration,
    pub(crate) end: End,
    /// In the order in which they were begun.
    pub(crate) attempts: Vec<Try>,
}

/// How it ended for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It has the whole answer of a server.
    Answered,
    /// An answer of the balancer's own: 502, 503 or 504.
    Failed(Failed),
    /// The answer broke off.
    CutOff,
    /// It went away first.
    ClientGone,
}

/// Why no server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// No server was there that would have answered.
    NoServer,
    /// All were at their limit.
    Busy,
    /// Those that were tried failed.
    Tried,
}

/// One attempt.
#[derive(Clone, Debug)]
pub(crate) struct Try {
    pub(crate) number: u8,
    pub(crate) why: Why,
    pub(crate) server: Server,
    /// After the request began.
    pub(crate) begun: Duration,
    pub(crate) took: Duration,
    pub(crate) outcome: TrailOutcome,
    /// It was silent for so long that its server was asked.
    pub(crate) silent: bool,
    /// Its response is the answer.
    pub(crate) answered: bool,
    /// What it came to, in a word.
    pub(crate) word: &'static str,
}

impl Mishap {
    /// Whether sending it twice is not the same as sending it once (RFC 9110 §9.2.2).
    pub(crate) fn may_not_be_repeated(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
    }

    /// Whether its client has a right answer, as far as anybody can tell.
    pub(crate) fn is_well(&self) -> bool {
        self.end == End::Answered && self.status < 500
    }

    /// When an attempt was begun, in Unix time, milliseconds.
    pub(crate) fn begun_ms(&self, attempt: &Try) -> u64 {
        self.at_ms + attempt.begun.as_millis() as u64
    }

    /// When an attempt came to what it came to, in Unix time, milliseconds.
    pub(crate) fn ended_ms(&self, attempt: &Try) -> u64 {
        self.at_ms + (attempt.begun + attempt.took).as_millis() as u64
    }

    /// How much later its answer came than if it had gone to where it was answered at once; `None` where nothing was added.
    pub(crate) fn added(&self) -> Option<Duration> {
        let answered = self.attempts.iter().find(|attempt| attempt.answered)?;
        let first = self.attempts.first()?;
        (answered.number != first.number).then(|| answered.begun.saturating_sub(first.begun))
    }

    /// An attempt in words.
    fn words_of(&self, attempt: &Try) -> String {
        let earlier = self.attempts.iter().find(|other| other.answered && other.number < attempt.number);
        match attempt.outcome {
            TrailOutcome::Overtaken | TrailOutcome::Running if earlier.is_some() => {
                format!("{}, which was not needed", attempt.begun_words())
            }
            // It went on in vain until the other had answered; what counted was how long it was waited for alone.
            TrailOutcome::Overtaken | TrailOutcome::Running => {
                let others = self.attempts.iter().map(|other| other.begun);
                let alone = others.filter(|begun| *begun > attempt.begun).min();
                let waited = alone.map_or(attempt.took, |next| next.saturating_sub(attempt.begun));
                attempt.words(waited.min(attempt.took))
            }
            _ => attempt.words(attempt.took),
        }
    }

    /// Its way in words.
    pub(crate) fn words(&self) -> String {
        let mut words: Vec<String> = self.attempts.iter().map(|attempt| self.words_of(attempt)).collect();
        words.extend(match self.end {
            End::Answered => None,
            End::Failed(Failed::NoServer) if self.attempts.is_empty() => {
                Some(format!("no server was left, the client got {}", self.status))
            }
            End::Failed(Failed::Busy) => {
                Some(format!("all servers were at their limit, the client got {}", self.status))
            }
            End::Failed(_) => Some(format!("the client got {}", self.status)),
            End::CutOff => Some("the client's answer was cut off".to_owned()),
            End::ClientGone => Some("the client went away".to_owned()),
        });
        words.join(", ")
    }
}

impl Try {
    /// Whether it failed, as its server's doing.
    pub(crate) fn has_failed(&self) -> bool {
        match self.outcome {
            TrailOutcome::ConnectFailed(why) => why != evenkeel_upstream::ConnectFailure::Local,
            TrailOutcome::ResponseFailed(_)
            | TrailOutcome::WrongDigest
            | TrailOutcome::Responded(Response::Unable, _) => true,
            TrailOutcome::Responded(..)
            | TrailOutcome::Running
            | TrailOutcome::Stale
            | TrailOutcome::Overtaken => false,
        }
    }

    /// Whether nothing came of it for as long as it lasted: what was the matter was so from its beginning.
    pub(crate) fn was_silent(&self) -> bool {
        matches!(
            self.outcome,
            TrailOutcome::ResponseFailed(ResponseFailure::TimedOut)
                | TrailOutcome::ConnectFailed(evenkeel_upstream::ConnectFailure::TimedOut)
                | TrailOutcome::Overtaken
                | TrailOutcome::Running
        )
    }

    fn begun_words(&self) -> String {
        let server = self.server.called();
        match self.why {
            Why::First => format!("sent to {server}"),
            Why::Retry => format!("asked {server} instead"),
            Why::Moved => format!("moved to {server}"),
            Why::Race => format!("connected to {server} as well"),
            Why::Hedge => format!("asked {server} as well"),
        }
    }

    fn words(&self, took: Duration) -> String {
        let took = millis(took);
        let ended = match self.outcome {
            TrailOutcome::Responded(Response::Good, _) if self.answered => format!("answered after {took}"),
            TrailOutcome::Responded(_, status) => format!("answered {status} after {took}"),
            TrailOutcome::Overtaken | TrailOutcome::Running if self.silent => format!("silent for {took}"),
            TrailOutcome::Overtaken
            | TrailOutcome::Running
            | TrailOutcome::ResponseFailed(ResponseFailure::TimedOut) => format!("no answer for {took}"),
            TrailOutcome::Stale => format!("the connection was closed after {took}"),
            outcome => format!("{outcome} after {took}"),
        };
        format!("{}, {ended}", self.begun_words())
    }
}

/// As people read it: `3 ms`, `0.4 ms`, `1.25 s`.
pub(crate) fn millis(took: Duration) -> String {
    let millis = took.as_secs_f64() * 1e3;
    match millis {
        ..0.95 => format!("{millis:.1} ms"),
        ..999.5 => format!("{millis:.0} ms"),
        ..60_000.0 => format!("{:.1} s", millis / 1e3),
        _ => {
            let seconds = took.as_secs();
            format!("{} min {} s", seconds / 60, seconds % 60)
        }
    }
}

/// A request as the API shows it.
#[derive(Debug, Serialize)]
pub(crate) struct MishapView<'a> {
    id: &'a str,
    at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<&'a str>,
    method: &'a str,
    path: &'a str,
    status: Option<u16>,
    took_ms: f64,
    attempts: Vec<TryView>,
    words: String,
}

#[derive(Debug, Serialize)]
struct TryView {
    number: u8,
    why: &'static str,
    server: String,
    address: String,
    begun_ms: f64,
    took_ms: f64,
    outcome: &'static str,
    words: String,
}

impl<'a> From<&'a Mishap> for MishapView<'a> {
    fn from(mishap: &'a Mishap) -> Self {
        let attempt = |attempt: &Try| TryView {
            number: attempt.number,
            why: attempt.why.name(),
            server: attempt.server.called(),
            address: attempt.server.address.to_string(),
            begun_ms: tenths(attempt.begun),
            took_ms: tenths(attempt.took),
            outcome: attempt.word,
            words: mishap.words_of(attempt),
        };
        Self {
            id: &mishap.id,
            at_ms: mishap.at_ms,
            upstream: mishap.upstream.as_deref(),
            method: &mishap.method,
            path: &mishap.path,
            status: (mishap.status > 0).then_some(mishap.status),
            took_ms: tenths(mishap.took),
            attempts: mishap.attempts.iter().map(attempt).collect(),
            words: mishap.words(),
        }
    }
}

/// Milliseconds, to the tenth.
pub(crate) fn tenths(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e4).round() / 10.0
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An attempt at `10.0.0.<server>:80`, called `server-<server>`.
    pub(crate) fn attempt(why: Why, server: u8, begun_ms: u64, took_ms: u64, outcome: TrailOutcome) -> Try {
        Try {
            number: 1,
            why,
            server: server_of(server),
            begun: Duration::from_millis(begun_ms),
            took: Duration::from_millis(took_ms),
            outcome,
            silent: false,
            answered: false,
            word: "failed",
        }
    }

    pub(crate) fn server_of(number: u8) -> Server {
        let address = ([10, 0, 0, number], 80).into();
        Server { address, name: Some(format!("server-{number}").into()), upstream: None }
    }

    /// A request begun at `at_ms` that came to these attempts, of which the last is the answer where it has a response.
    pub(crate) fn mishap(method: &str, at_ms: u64, status: u16, end: End, mut attempts: Vec<Try>) -> Mishap {
        for (number, attempt) in (1..).zip(&mut attempts) {
            attempt.number = number;
        }
        if end == End::Answered
            && let Some(last) = attempts.last_mut()
        {
            last.answered = true;
        }
        let took = attempts.iter().map(|attempt| attempt.begun + attempt.took).max().unwrap_or_default();
        let (method, path, id) = (method.to_owned(), "/".to_owned(), "r-1".to_owned());
        Mishap { id, at_ms, upstream: None, method, path, status, took, end, attempts }
    }

    #[test]
    fn the_way_of_a_request_is_told_in_words() {
        let good = TrailOutcome::Responded(Response::Good, 200);
        let slow = Try { silent: true, ..attempt(Why::First, 2, 0, 64, TrailOutcome::Overtaken) };
        let hedged = mishap("GET", 0, 200, End::Answered, vec![slow, attempt(Why::Hedge, 3, 61, 3, good)]);
        assert_eq!(
            hedged.words(),
            "sent to server-2, silent for 61 ms, asked server-3 as well, answered after 3 ms"
        );
        let early = Try { answered: true, ..attempt(Why::First, 2, 0, 64, good) };
        let needless = attempt(Why::Hedge, 3, 61, 3, TrailOutcome::Overtaken);
        let mut hedged = mishap("GET", 0, 200, End::Failed(Failed::Tried), vec![early, needless]);
        hedged.end = End::Answered;
        assert_eq!(
            hedged.words(),
            "sent to server-2, answered after 64 ms, asked server-3 as well, which was not needed"
        );
        let reset = TrailOutcome::ResponseFailed(ResponseFailure::Reset);
        let failed = End::Failed(Failed::Tried);
        let lost = mishap("POST", 0, 502, failed, vec![attempt(Why::First, 1, 0, 1234, reset)]);
        assert_eq!(lost.words(), "sent to server-1, connection reset after 1.2 s, the client got 502");
        let nobody = mishap("GET", 0, 503, End::Failed(Failed::NoServer), vec![]);
        assert_eq!(nobody.words(), "no server was left, the client got 503");
    }

    #[test]
    fn what_a_move_added_is_the_time_until_it_was_begun() {
        let good = TrailOutcome::Responded(Response::Good, 200);
        let reset = TrailOutcome::ResponseFailed(ResponseFailure::Reset);
        let attempts = vec![attempt(Why::First, 1, 1, 11, reset), attempt(Why::Moved, 2, 13, 40, good)];
        let moved = mishap("GET", 0, 200, End::Answered, attempts);
        assert_eq!(moved.added(), Some(Duration::from_millis(12)));
        assert_eq!(
            mishap("GET", 0, 200, End::Answered, vec![attempt(Why::First, 1, 0, 9, good)]).added(),
            None
        );
    }
}
