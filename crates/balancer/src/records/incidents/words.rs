//! An incident in words: the one sentence that page, report, log and API share, and why it went as it did.

use std::time::Duration;

use super::episode::{Episode, Part};
use super::signs::Cause;
use crate::records::mishap::millis;

/// The time of day in UTC, to the tenth of a second: `16:58:57.4`.
pub(super) fn time_of_day(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000;
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{}", seconds % 60, unix_ms % 1000 / 100)
}

/// What struck, in a few words, for the moment when it begins.
pub(super) fn headline(episode: &Episode) -> String {
    let at = time_of_day(episode.begun_ms);
    let server = servers(episode);
    let signs = &episode.signs;
    match episode.cause() {
        Cause::Crashed => format!("{server} crashed at {at} UTC"),
        Cause::Stopped if episode.parts.len() > 1 => format!("{server} were stopped from {at} UTC on"),
        Cause::Stopped => format!("{server} was stopped at {at} UTC"),
        Cause::RollingRestart => format!("{server} were restarted one after the other from {at} UTC on"),
        Cause::Silent if signs.timeouts > 0 => {
            format!("{server} was silent from {at} UTC on ({})", count(signs.timeouts, "timeout"))
        }
        Cause::Silent => format!("{server} was silent from {at} UTC on"),
        Cause::CutOff => format!("{server} was cut off from the network at {at} UTC"),
        Cause::Unreachable => format!("{server} could not be reached from {at} UTC on"),
        Cause::Untrusted => {
            let reason = signs.untrusted.map(|why| format!(" ({why})")).unwrap_or_default();
            format!("{server} could not be spoken to over TLS from {at} UTC on{reason}")
        }
        Cause::Corrupting => format!(
            "{server} sent wrong bytes from {at} UTC on ({} did not match {} digest)",
            count(signs.wrong_digests, "answer"),
            if signs.wrong_digests == 1 { "its" } else { "their" }
        ),
        Cause::Breaking => {
            format!("{server} broke {} off from {at} UTC on", count(signs.broken + signs.closed, "request"))
        }
        Cause::Failing => format!("{server} answered with errors from {at} UTC on"),
        Cause::Slow => format!("{server} was outpaced by the others from {at} UTC on"),
        Cause::Drained => format!("{server} was told by a person to drain at {at} UTC"),
        Cause::Removed => format!("{server} was no longer listed from {at} UTC on"),
        Cause::AllDown => match episode.upstream() {
            Some(upstream) => format!("No server of {upstream} was left at {at} UTC"),
            None => format!("No server was left at {at} UTC"),
        },
    }
}

/// Everything in a breath.
pub(super) fn sentence(episode: &Episode) -> String {
    let mut sentences = vec![headline(episode)];
    let tally = &episode.tally;
    if tally.counts.on_it == 0 {
        let nobody = match episode.cause() {
            Cause::Drained | Cause::Removed => None,
            Cause::Crashed => Some("No request was on it"),
            // Those that were lost with the last server are told with it.
            Cause::AllDown => Some("No request came in vain"),
            _ => Some("No request was lost"),
        };
        sentences.extend(nobody.map(str::to_owned));
    } else {
        let what = match episode.cause() {
            Cause::Crashed | Cause::CutOff => "were on it",
            Cause::AllDown => "came in vain",
            _ => "met it",
        };
        sentences.push(format!("{}: {}", capital(&tally.many(what)), tally.words()));
    }
    sentences.extend(ending(episode));
    sentences.into_iter().map(|sentence| sentence + ".").collect::<Vec<_>>().join(" ")
}

/// How it went out, and whether it is back.
fn ending(episode: &Episode) -> Option<String> {
    let mut words = Vec::new();
    words.extend(ejected(episode));
    match episode.parts.as_slice() {
        [] => {
            let ended = episode.ended_ms?;
            let what = if episode.is_abandoned {
                "the upstream was taken out of the settings"
            } else {
                "the first served again"
            };
            let (at, lasted) = (time_of_day(ended), span(episode.begun_ms, ended));
            words.push(format!("{what} at {at} ({lasted} in all)"));
        }
        [part] => words.extend(whereabouts(episode, part)),
        parts => {
            let back = parts.iter().filter(|part| part.back_ms.is_some() && !part.out).count();
            words.push(format!("{back} of {} serve again", parts.len()));
        }
    }
    (!words.is_empty()).then(|| capital(&words.join(", ")))
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

fn ejected(episode: &Episode) -> Option<String> {
    let [part] = episode.parts.as_slice() else { return None };
    let first = part.ejected_ms?;
    let lasted: Vec<String> = episode.ejections.iter().flatten().map(|lasts| seconds(*lasts)).collect();
    Some(match episode.ejections.len() {
        0 | 1 if lasted.is_empty() => format!("ejected after {}", span(episode.begun_ms, first)),
        0 | 1 => format!("ejected after {} for {}", span(episode.begun_ms, first), lasted.join(", ")),
        times if lasted.is_empty() => format!("ejected {times} times"),
        times => format!("ejected {times} times ({})", lasted.join(", ")),
    })
}

fn whereabouts(episode: &Episode, part: &Part) -> Option<String> {
    if let Some(back) = part.back_ms {
        let at = time_of_day(back);
        return Some(match episode.cause() {
            Cause::Stopped | Cause::Crashed | Cause::CutOff | Cause::Removed => {
                format!("back at {at} ({} in all)", span(episode.begun_ms, back))
            }
            _ => format!("serving again at {at} ({} in all)", span(episode.begun_ms, back)),
        });
    }
    match (part.vanished_ms, episode.ended_ms) {
        (Some(_), _) if episode.cause() == Cause::Removed => None,
        (Some(vanished), _) => Some(format!("no longer listed since {}", time_of_day(vanished))),
        (None, Some(_)) if !part.out => Some("it went on serving".to_owned()),
        _ => None,
    }
}

/// Why it went as it did: the mechanism, for who asks.
pub(super) fn why(episode: &Episode) -> String {
    let cause = match episode.cause() {
        Cause::Crashed => {
            "Its connections broke or were refused, and it had not said that it would leave. At the first sign it gets no new \
             requests and is probed at once; it is ejected when probes confirm it."
        }
        Cause::Stopped | Cause::RollingRestart => {
            "It said so itself: its readiness turned to 503 before anything was closed. From then on it gets no new requests, \
             its idle connections are closed, and what runs is finished."
        }
        Cause::Silent => {
            "Its connections stay open and nothing comes of them, as when a process is paused, hangs or has no worker free. A slow \
             server is not a dead one, so silence moves nothing by itself: it is probed, and safe requests that are late for \
             their kind move once the probe fails too."
        }
        Cause::CutOff => {
            "It was no longer listed and its connections fell silent without being closed, as when a network is taken away. \
             Nothing new goes there; safe requests move once it is confirmed."
        }
        Cause::Unreachable => {
            "No connection came about. Nothing had been sent, so every request could move, whatever its method."
        }
        Cause::Untrusted => {
            "It listens, and no handshake came about, so nothing of a request was sent there: every request could move, whatever \
             its method. The log says what is wrong with its certificate. It serves again once a probe finds nothing wrong."
        }
        Cause::Corrupting => {
            "Each answer is held until its bytes match their digest, so a wrong one is a failed attempt that the client never \
             sees. Each ejection lasts twice as long as the one before."
        }
        Cause::Breaking => {
            "Its answers ended before their end, though it goes on serving. An answer up to the limit for holding is sent only \
             when it is whole; a longer one has begun, and can only be cut off."
        }
        Cause::Failing => {
            "It answered 500 or more where another server answered the same request well. What several servers answer alike \
             counts against none."
        }
        Cause::Slow => "Other servers answered the same requests well before it had shown a sign of life.",
        Cause::Drained => {
            "A drained server gets no new requests; those in flight are finished. That holds until it is told to serve again."
        }
        Cause::Removed => {
            "A look-up of its name found it no more. It gets nothing new, and what runs on it is finished."
        }
        Cause::AllDown => {
            "No server was usable. Nothing is queued for a server that may never come: clients get 503 with Retry-After at once, \
             and probes come ten times as often."
        }
    };
    let mut why = cause.to_owned();
    if episode.tally.counts.failed > 0 && episode.cause() != Cause::AllDown {
        why.push_str(
            " A request moves only while sending it twice is the same as sending it once: a POST that may have been executed \
             never does.",
        );
    }
    why
}

/// Those that it struck, and of which upstream they are, where there are several.
fn servers(episode: &Episode) -> String {
    let upstream = episode.upstream();
    let called = |part: &Part| {
        if upstream.is_some() { part.server.called() } else { part.server.told() }
    };
    let names: Vec<String> = episode.parts.iter().map(called).collect();
    let names = match names.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    };
    match upstream {
        Some(upstream) => format!("{names} of {upstream}"),
        None => names,
    }
}

fn span(from_ms: u64, to_ms: u64) -> String {
    millis(Duration::from_millis(to_ms.saturating_sub(from_ms)))
}

fn seconds(span: Duration) -> String {
    format!("{} s", (span.as_secs_f64() * 10.0).round() / 10.0)
}

fn count(number: u64, of: &str) -> String {
    if number == 1 { format!("1 {of}") } else { format!("{number} {of}s") }
}
