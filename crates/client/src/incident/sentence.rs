//! What the client says of an incident that the balancer did not tell of: what it saw, and no more than that.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use super::{Incident, Spell};
use crate::told::Names;
use crate::words;

/// The cause in a word, and what there is to say. `stalled` is the server whose answers alone were late.
pub(super) fn of(
    spell: &Spell,
    described: &Incident,
    stalled: Option<(&str, Duration)>,
    usual: Duration,
    names: &Names,
) -> (&'static str, String) {
    let (cause, mut text) = if let Some((cause, mut text)) = of_moments(spell, names) {
        if cause == REQUESTS_FAILED {
            text.push_str(if described.failed_attempts.is_some() {
                " The balancer tells of no attempt that failed."
            } else {
                " What caused it, the client does not know."
            });
        }
        if !described.absent.is_empty() {
            let _ =
                write!(text, " No answer came from {} for at least a second.", who(&described.absent, names));
        }
        if let Some((id, took)) = stalled {
            let _ = write!(text, " Answers from {} took up to {}.", called(names, id), words::duration(took));
        }
        (cause, text)
    } else if !described.absent.is_empty() {
        let text = format!(
            "{} answered nothing {}, and no request failed: drained, stopped or taken out, which the client cannot tell apart.",
            who(&described.absent, names),
            stretch(spell),
        );
        ("absent", text)
    } else if let Some((id, took)) = stalled {
        let text = format!(
            "Answers from {} took up to {} around {}, where {} is usual, and no request failed. Who held them up, the client \
             cannot tell.",
            called(names, id),
            words::duration(took),
            words::moment(spell.first),
            words::duration(usual),
        );
        ("answers late", text)
    } else {
        ("unusual", format!("Something was not as usual {}.", stretch(spell)))
    };
    match described.recovered_ms {
        Some(recovered) => {
            let _ = write!(text, " All was as usual again from {}.", words::moment(recovered.0));
        }
        None => text.push_str(" It was not over when the run ended."),
    }
    (cause, text)
}

/// The cause of a spell in which the balancer told of no attempt that failed.
const REQUESTS_FAILED: &str = "requests failed";

/// What there is to say while the run goes on: of moments in which something went wrong, before anybody knows what is usual.
pub(super) fn of_moments(spell: &Spell, names: &Names) -> Option<(&'static str, String)> {
    let (cause, mut text) = if spell.failed_attempts > 0 {
        ("attempts failed", attempts(spell, names))
    } else if let Some(moment) = spell.first_ejection {
        ("ejected", format!("The balancer took {} out at {}.", at(spell, names), words::moment(moment)))
    } else if spell.failures > 0 {
        return Some((REQUESTS_FAILED, failures(spell)));
    } else {
        return None;
    };
    if spell.failures > 0 {
        let _ = write!(text, " {}", failures(spell));
    }
    Some((cause, text))
}

fn attempts(spell: &Spell, names: &Names) -> String {
    let mut text = format!(
        "{} failed at {} {} ({}).",
        words::counted(spell.failed_attempts, "attempt"),
        at(spell, names),
        stretch(spell),
        ways(spell.ends.iter()),
    );
    if let Some(moment) = spell.first_ejection {
        let who = if spell.endpoints.len() > 1 { "the first of them" } else { "it" };
        let _ = write!(text, " The balancer took {who} out at {}.", words::moment(moment));
    }
    let masked = words::counted(spell.masked, "request");
    match (spell.masked, spell.failures) {
        (0, _) => {}
        (count, failures) => {
            let verb = if count == 1 { "was" } else { "were" };
            let none = if failures == 0 { ", and none failed" } else { "" };
            let _ = write!(text, " {masked} {verb} answered rightly all the same{none}.");
        }
    }
    text
}

fn failures(spell: &Spell) -> String {
    format!(
        "{} failed {} ({}).",
        words::counted(spell.failures, "request"),
        stretch(spell),
        ways(spell.kinds.iter())
    )
}

/// `3 reset, 2 timeout`; without a number where there is one way only.
fn ways<'a, W: Display + 'a>(ways: impl ExactSizeIterator<Item = (W, &'a u64)>) -> String {
    let single = ways.len() == 1;
    let ways = ways.map(
        |(way, count)| {
            if single { way.to_string() } else { format!("{} {way}", words::count(*count)) }
        },
    );
    ways.collect::<Vec<_>>().join(", ")
}

/// When it was: a moment, or from one to another.
fn stretch(spell: &Spell) -> String {
    let (first, last) = (words::moment(spell.first), words::moment(spell.last));
    if first == last { format!("at {first}") } else { format!("from {first} to {last}") }
}

/// The endpoints, by name where they have one.
fn at(spell: &Spell, names: &Names) -> String {
    let who = spell.endpoints.iter().map(|address| match names.at(address) {
        name if name == address => address.clone(),
        name => format!("{name} ({address})"),
    });
    words::list(&who.collect::<Vec<_>>())
}

/// Servers that call themselves so, by name where they have one.
fn who(ids: &[String], names: &Names) -> String {
    words::list(&ids.iter().map(|id| called(names, id)).collect::<Vec<_>>())
}

/// A server that calls itself `id`, by name where it has one.
fn called(names: &Names, id: &str) -> String {
    words::Tame(&names.called(id)).to_string()
}
