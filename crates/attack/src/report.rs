//! What an attack came to: a line of the table.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use crate::{Result, cell::LIMIT, ordinary::Request, watch::Holds};

/// One attack.
#[derive(Debug)]
pub(crate) struct Row {
    name: &'static str,
    /// How many connections it was made of.
    count: u64,
    /// How many of them the balancer should have ended and had not.
    spared: u64,
    requests: usize,
    failures: BTreeMap<String, u64>,
    /// The ordinary client's, before, during and after.
    p99: [Duration; 3],
    /// Before, at most, and after.
    holds: [Holds; 3],
    /// How long it took until no descriptor more was open than before.
    rested: Duration,
    /// Whether the kernel has ended the balancer.
    killed: bool,
}

/// The names of the columns.
pub(crate) fn heading() -> String {
    line([
        "attack",
        "attackers",
        "ordinary",
        "failed",
        "p99 before/during/after",
        "memory before/most/after",
        "descriptors",
        "closed after",
    ])
}

impl Row {
    /// Puts together what was seen. An attack that reached nobody, and an ordinary client that asked nothing, prove nothing.
    pub(crate) fn judge(
        name: &'static str,
        (count, spared): (u64, u64),
        requests: &[Request],
        (struck, over): (Instant, Instant),
        holds: [Holds; 3],
        rested: Duration,
        killed: u64,
    ) -> Result<Self> {
        let in_span = |from: Option<Instant>, until: Option<Instant>| {
            let is_in = |one: &&Request| {
                from.is_none_or(|from| one.began >= from) && until.is_none_or(|until| one.began < until)
            };
            p99(requests.iter().filter(is_in).map(|one| one.took).collect())
        };
        let spans =
            [in_span(None, Some(struck)), in_span(Some(struck), Some(over)), in_span(Some(over), None)];
        let [Some(before), Some(during), Some(after)] = spans else {
            return Err("the ordinary client did not get to ask".into());
        };
        if count == 0 {
            return Err("the attack reached nobody".into());
        }
        let mut failures = BTreeMap::new();
        for failure in requests.iter().filter_map(|one| one.failure.clone()) {
            *failures.entry(failure).or_default() += 1;
        }
        let p99 = [before, during, after];
        Ok(Self {
            name,
            count,
            spared,
            requests: requests.len(),
            failures,
            p99,
            holds,
            rested,
            killed: killed > 0,
        })
    }

    /// Whether nobody else paid for it.
    pub(crate) fn is_well(&self) -> bool {
        self.failures.is_empty() && self.spared == 0 && !self.killed && self.holds[1].memory <= LIMIT
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed: u64 = self.failures.values().sum();
        let p99 = self.p99.map(|time| format!("{:.0}", time.as_secs_f64() * 1e3)).join("/");
        let memory =
            self.holds.map(|holds| format!("{:.1}", holds.memory as f64 / f64::from(1 << 20))).join("/");
        let descriptors = self.holds.map(|holds| holds.descriptors.to_string()).join("/");
        let cells = [
            self.name.to_owned(),
            self.count.to_string(),
            self.requests.to_string(),
            failed.to_string(),
            format!("{p99} ms"),
            format!("{memory} MiB"),
            descriptors,
            match self.holds {
                [before, _, after] if !after.is_back_at(before) => "not".to_owned(),
                _ => format!("{:.1} s", self.rested.as_secs_f64()),
            },
        ];
        f.write_str(&line(cells.each_ref().map(String::as_str)))?;
        for (failure, count) in &self.failures {
            write!(f, "\n    {count} ordinary requests failed: {failure}")?;
        }
        if self.spared > 0 {
            write!(
                f,
                "\n    {} connections of the attack were open that should have been ended",
                self.spared
            )?;
        }
        if self.killed {
            write!(f, "\n    the kernel ended the balancer, which had taken too much memory")?;
        }
        if self.holds[1].memory > LIMIT {
            write!(f, "\n    the balancer had more than {} MiB", LIMIT >> 20)?;
        }
        Ok(())
    }
}

fn line(cells: [&str; 8]) -> String {
    let [name, count, requests, failed, p99, memory, descriptors, rested] = cells;
    format!(
        "{name:<17} {count:>8} {requests:>9} {failed:>7} {p99:>24} {memory:>25} {descriptors:>13} {rested:>13}"
    )
}

/// `None` where there was nothing.
fn p99(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get((times.len() * 99).div_ceil(100).saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(failure: Option<&str>, spared: u64, most: u64, killed: u64) -> Row {
        let began = Instant::now();
        let struck = began + Duration::from_secs(1);
        let over = struck + Duration::from_secs(5);
        let request = |began: Instant, failure: Option<&str>| Request {
            began,
            took: Duration::from_millis(3),
            failure: failure.map(str::to_owned),
        };
        let requests = [request(began, None), request(struck, failure), request(over, None)];
        let holds = [1 << 20, most, 2 << 20].map(|memory| Holds { memory, descriptors: 9 });
        Row::judge("silent", (500, spared), &requests, (struck, over), holds, Duration::from_secs(1), killed)
            .unwrap()
    }

    #[test]
    fn an_attack_went_well_when_nobody_else_paid_for_it() {
        assert!(row(None, 0, LIMIT, 0).is_well());
        assert!(!row(None, 1, LIMIT, 0).is_well());
        assert!(!row(Some("status 503"), 0, LIMIT, 0).is_well());
        assert!(!row(None, 0, LIMIT + 1, 0).is_well());
        assert!(!row(None, 0, LIMIT, 1).is_well());
    }

    #[test]
    fn what_failed_is_said_with_its_reason() {
        let text = row(Some("status 503"), 3, LIMIT + 1, 1).to_string();
        assert!(
            text.contains("3/3/3 ms") && text.contains("1 ordinary requests failed: status 503"),
            "{text}"
        );
        assert!(text.contains("3 connections of the attack were open"), "{text}");
        assert!(
            text.contains("more than 64 MiB") && text.contains("the kernel ended the balancer"),
            "{text}"
        );
    }

    #[test]
    fn who_asked_nothing_proves_nothing() {
        let now = Instant::now();
        let holds = [Holds::default(); 3];
        assert!(Row::judge("silent", (500, 0), &[], (now, now), holds, Duration::ZERO, 0).is_err());
    }
}
