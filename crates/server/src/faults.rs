//! Failures on demand: what goes wrong with a request is drawn from rules and a seed, so that a run can be had again.
//!
//! `grammar` reads the rules, `rule` decides whether one fires, `mishap` is what all of them together do to one request,
//! `body` spoils a response body while it is sent. To add a fault: a variant of [`Fault`], its word in `grammar`, its deed
//! in `mishap`.

mod body;
mod grammar;
mod mishap;
mod rule;

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use actix_web::{
    dev::ServiceRequest,
    http::{StatusCode, header::HeaderName},
};
use arc_swap::ArcSwap;
use evenkeel_service::Size;
use serde::Serialize;

pub(crate) use self::{
    body::Socket,
    mishap::{Instead, Mishap},
    rule::{Facts, Rules},
};
use crate::{probed, problem::Problem};

/// The field in which a request may bring faults of its own.
const X_EVENKEEL_FAULT: HeaderName = HeaderName::from_static("x-evenkeel-fault");

/// One thing that can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The answer waits so long, and an even draw from `spread` longer.
    Delay { least: Duration, spread: Duration },
    /// This status instead of an answer.
    Status(StatusCode),
    /// 401 instead of an answer, whatever the credentials.
    Unauthorized,
    /// No answer at all.
    Hang,
    /// One bit of the body flipped; the digest is that of the right body.
    Corrupt,
    /// A right body with the digest of another.
    WrongDigest,
    /// No digest.
    NoDigest,
    /// FIN after half the body.
    Truncate,
    /// RST after half the body.
    Reset,
    /// Silence after half the body.
    Stall,
    /// The connection ends after the response.
    Close,
    /// The body comes at this many bytes a second.
    Slow(Size),
}

/// The rules in force, and how often each was asked and fired.
#[derive(Debug)]
pub(crate) struct Faults {
    seed: u64,
    standing: ArcSwap<Standing>,
    /// Numbers the requests that bring rules of their own.
    brought: AtomicU64,
}

#[derive(Debug)]
struct Standing {
    rules: Rules,
    since: Instant,
    tallies: Vec<Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    asked: AtomicU64,
    fired: AtomicU64,
}

/// One rule as the admin port shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    rule: String,
    /// Requests that met the rule's path, method and time.
    asked: u64,
    fired: u64,
}

impl Faults {
    pub(crate) fn new(rules: Rules, seed: u64) -> Self {
        Self { seed, standing: ArcSwap::from_pointee(Standing::new(rules)), brought: AtomicU64::new(0) }
    }

    /// Puts other rules in force. Counts and times begin anew.
    pub(crate) fn replace(&self, rules: Rules) {
        self.standing.store(Standing::new(rules).into());
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn shown(&self) -> Vec<Shown> {
        let standing = self.standing.load();
        let rules = standing.rules.iter().zip(&standing.tallies);
        rules
            .map(|(rule, tally)| Shown {
                rule: rule.text().to_owned(),
                asked: tally.asked.load(Relaxed),
                fired: tally.fired.load(Relaxed),
            })
            .collect()
    }

    /// Draws what goes wrong with a request: from the rules in force, and from those it brings, if it may.
    pub(crate) fn befall(&self, request: &ServiceRequest, may_bring: bool) -> Result<Mishap, Problem> {
        let facts = Facts {
            path: request.path(),
            method: request.method(),
            is_health: probed::is_health(request.path()),
        };
        let mut mishap = self.draw(&facts, Instant::now());
        if may_bring && let Some(field) = request.headers().get(X_EVENKEEL_FAULT) {
            let rules = field.to_str().map_err(|_| "the field is not text".to_owned()).and_then(Rules::parse);
            let rules = rules.map_err(|reason| {
                Problem::new(StatusCode::BAD_REQUEST, format!("X-Evenkeel-Fault: {reason}"))
            })?;
            self.draw_brought(&rules, &facts, &mut mishap);
        }
        Ok(mishap)
    }

    /// What the rules in force do to this request.
    fn draw(&self, facts: &Facts<'_>, now: Instant) -> Mishap {
        let standing = self.standing.load();
        let age = now.saturating_duration_since(standing.since);
        let mut mishap = Mishap::default();
        for (index, (rule, tally)) in standing.rules.iter().zip(&standing.tallies).enumerate() {
            if !rule.concerns(facts, age) {
                continue;
            }
            let nth = tally.asked.fetch_add(1, Relaxed);
            if let Some(chance) = rule.fires(nth, self.seed.wrapping_add(index as u64)) {
                tally.fired.fetch_add(1, Relaxed);
                mishap.add(rule.fault(), chance);
            }
        }
        mishap
    }

    /// What rules that came with the request do to it.
    fn draw_brought(&self, rules: &Rules, facts: &Facts<'_>, mishap: &mut Mishap) {
        let nth = self.brought.fetch_add(1, Relaxed);
        for (index, rule) in rules.iter().enumerate() {
            if rule.concerns(facts, Duration::ZERO)
                && let Some(chance) = rule.fires(nth, !self.seed.wrapping_add(index as u64))
            {
                mishap.add(rule.fault(), chance);
            }
        }
    }
}

impl Standing {
    fn new(rules: Rules) -> Self {
        let tallies = rules.iter().map(|_| Tally::default()).collect();
        Self { rules, since: Instant::now(), tallies }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;

    use super::*;

    fn fired(text: &str, seed: u64, requests: usize) -> Vec<bool> {
        let faults = Faults::new(Rules::parse(text).unwrap(), seed);
        let facts = Facts { path: "/", method: &Method::GET, is_health: false };
        (0..requests).map(|_| !faults.draw(&facts, Instant::now()).names().is_empty()).collect()
    }

    #[test]
    fn the_same_seed_draws_the_same_and_another_does_not() {
        assert_eq!(fired("corrupt:30%", 1, 1000), fired("corrupt:30%", 1, 1000));
        assert_ne!(fired("corrupt:30%", 1, 1000), fired("corrupt:30%", 2, 1000));
    }

    #[test]
    fn a_probability_is_kept() {
        let count = fired("corrupt:5%", 7, 100_000).into_iter().filter(|fired| *fired).count();
        // Five standard deviations of a binomial distribution: 5000 ± 5 × 69.
        assert!((4655..=5345).contains(&count), "{count}");
        assert_eq!(fired("corrupt:0%", 7, 1000), [false; 1000]);
        assert_eq!(fired("corrupt", 7, 1000), [true; 1000]);
    }

    #[test]
    fn two_rules_of_the_same_probability_fire_apart() {
        let faults = Faults::new(Rules::parse("corrupt:50%,close:50%").unwrap(), 1);
        let facts = Facts { path: "/", method: &Method::GET, is_health: false };
        let draws: Vec<_> = (0..100).map(|_| faults.draw(&facts, Instant::now()).names().len()).collect();
        assert!(draws.contains(&0) && draws.contains(&1) && draws.contains(&2));
    }

    #[test]
    fn the_first_requests_are_counted_from_the_moment_of_replacing() {
        let faults = Faults::new(Rules::parse("close@first=2").unwrap(), 1);
        let facts = Facts { path: "/", method: &Method::GET, is_health: false };
        let draw = || !faults.draw(&facts, Instant::now()).names().is_empty();
        assert_eq!([draw(), draw(), draw()], [true, true, false]);
        faults.replace(Rules::parse("hang@first=1").unwrap());
        assert_eq!([draw(), draw()], [true, false]);
        let shown = faults.shown();
        assert_eq!((shown[0].rule.as_str(), shown[0].asked, shown[0].fired), ("hang@first=1", 2, 1));
    }
}
