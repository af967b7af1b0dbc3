//! One rule: which requests it concerns, and for which of those it fires. Time and the number of the request come in.

use std::{num::NonZero, time::Duration};

use actix_web::http::Method;

use super::{Fault, grammar};
use crate::pattern::splitmix;

/// What goes wrong, in the order written. At most [`Rules::MOST`].
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rules(Vec<Rule>);

/// A fault, how likely it is, and when.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    pub(super) text: String,
    pub(super) fault: Fault,
    /// From 0 to 1.
    pub(super) probability: f64,
    pub(super) conditions: Conditions,
}

/// All of them must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Conditions {
    /// Only so many requests, the first ones.
    pub(super) first: Option<u64>,
    /// Only every so-manieth request.
    pub(super) every: Option<NonZero<u64>>,
    /// Not before the rules are this old.
    pub(super) after: Duration,
    /// Not when the rules are this old.
    pub(super) until: Option<Duration>,
    /// Only this path and what is below it.
    pub(super) path: Option<String>,
    pub(super) method: Option<Method>,
}

/// What a rule may know of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) path: &'a str,
    pub(crate) method: &'a Method,
    /// Probes are spared unless a rule names their path: a server can fail its requests and pass its probes.
    pub(crate) is_health: bool,
}

impl Rules {
    /// More rules than this are refused.
    pub(crate) const MOST: usize = 64;

    /// Reads a comma list of rules. The error is one line that says what to write instead.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let rules = text.split(',').map(|rule| grammar::rule(rule.trim())).collect::<Result<Vec<_>, _>>()?;
        if rules.len() > Self::MOST {
            return Err(format!("{} faults are more than {}", rules.len(), Self::MOST));
        }
        Ok(Self(rules))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }
}

impl Rule {
    pub(super) fn fault(&self) -> Fault {
        self.fault
    }

    /// The rule as it was written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the rule is asked at all: its path, method and time.
    pub(super) fn concerns(&self, facts: &Facts<'_>, age: Duration) -> bool {
        let Conditions { after, until, path, method, .. } = &self.conditions;
        let place = match path {
            Some(path) => is_below(facts.path, path),
            None => !facts.is_health,
        };
        place
            && method.as_ref().is_none_or(|method| method == facts.method)
            && age >= *after
            && until.is_none_or(|until| age < until)
    }

    /// Whether it fires for the `nth` request (from 0) that it concerns; the result is chance for the fault itself to use.
    pub(super) fn fires(&self, nth: u64, seed: u64) -> Option<u64> {
        let Conditions { first, every, .. } = self.conditions;
        let counted = first.is_none_or(|first| nth < first)
            && every.is_none_or(|every| (nth + 1).is_multiple_of(every.get()));
        let chance = splitmix(splitmix(seed) ^ nth);
        (counted && fraction(chance) < self.probability).then(|| splitmix(chance))
    }
}

/// Evenly from 0 (in) to 1 (out): 53 bits are what an `f64` holds.
pub(super) fn fraction(chance: u64) -> f64 {
    (chance >> 11) as f64 / (1_u64 << 53) as f64
}

fn is_below(path: &str, prefix: &str) -> bool {
    let rest = path.strip_prefix(prefix.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Rule {
        grammar::rule(text).unwrap()
    }

    fn concerns(text: &str, path: &str, seconds: u64) -> bool {
        let is_health = path == "/readyz";
        rule(text).concerns(&Facts { path, method: &Method::GET, is_health }, Duration::from_secs(seconds))
    }

    #[test]
    fn a_path_means_itself_and_what_is_below() {
        assert!(concerns("hang@path=/bytes", "/bytes", 0));
        assert!(concerns("hang@path=/bytes", "/bytes/10", 0));
        assert!(!concerns("hang@path=/bytes", "/bytesize", 0));
        assert!(concerns("hang@path=/", "/bytes", 0));
    }

    #[test]
    fn probes_are_spared_unless_named() {
        assert!(!concerns("status=503", "/readyz", 0));
        assert!(concerns("status=503@path=/readyz", "/readyz", 0));
        assert!(!concerns("status=503@path=/readyz", "/", 0));
    }

    #[test]
    fn a_window_begins_in_and_ends_out() {
        let inside: Vec<_> =
            (0..6).filter(|second| concerns("hang@after=2s@until=4s", "/", *second)).collect();
        assert_eq!(inside, [2, 3]);
    }

    #[test]
    fn a_method_must_be_the_same() {
        assert!(concerns("hang@method=GET", "/", 0));
        assert!(!concerns("hang@method=POST", "/", 0));
    }

    #[test]
    fn every_third_is_the_third_the_sixth_and_so_on() {
        let rule = rule("hang@every=3@first=7");
        let fired: Vec<_> = (0..12).filter(|nth| rule.fires(*nth, 1).is_some()).collect();
        assert_eq!(fired, [2, 5]);
    }
}
