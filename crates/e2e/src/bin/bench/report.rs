//! What was measured, as one value: [`crate::table`] prints it for people, JSON keeps it for programs and for the page.

use std::{collections::BTreeMap, fs};

use serde::{Deserialize, Serialize};

use crate::{
    figures::{edges, median, ratio, rounded},
    rounds::Measured,
    stage::Stage,
    works::Work,
};

/// Everything of one call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Where it was measured.
    pub(crate) machine: Machine,
    /// Of what, by name.
    pub(crate) versions: BTreeMap<String, String>,
    /// How.
    pub(crate) method: Method,
    /// What is not as it should be, in words.
    pub(crate) remarks: Vec<String>,
    /// One after the other, each with processes of its own.
    pub(crate) runs: Vec<Run>,
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// What the processor calls itself.
    pub(crate) processor: String,
    /// Whether it has instructions for SHA-256.
    pub(crate) sha_instructions: bool,
    /// How many cores this program may use.
    pub(crate) cores: usize,
    /// The kernel's release.
    pub(crate) kernel: String,
    /// How many tasks were running or waiting in the minute before: from 1 on, figures are disturbed.
    pub(crate) load_before: f64,
}

/// How it was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Method {
    /// Rounds of a row, unless it says otherwise.
    pub(crate) rounds: usize,
    /// Of one load in one round.
    pub(crate) seconds: u64,
    /// Of a load.
    pub(crate) connections: usize,
    /// What stood behind all.
    pub(crate) servers: String,
    /// What loaded.
    pub(crate) load: String,
    /// The core of the proxies.
    pub(crate) proxy_core: usize,
    /// The core of servers and load.
    pub(crate) load_core: usize,
}

/// All rows, once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// In the order of the table.
    pub(crate) rows: Vec<Row>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// As on the command line.
    pub(crate) name: String,
    /// What is done.
    pub(crate) words: String,
    /// What is measured.
    pub(crate) unit: String,
    /// Who is compared with the others.
    pub(crate) subject: String,
    /// Who was measured.
    pub(crate) contenders: Vec<Figures>,
    /// How the subject stands to each other one.
    pub(crate) ratios: Vec<Ratio>,
    /// What one should know.
    pub(crate) notes: Vec<String>,
    /// Why there are no figures.
    pub(crate) failure: Option<String>,
}

/// What one contender came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Who.
    pub(crate) name: String,
    /// Of its rounds.
    pub(crate) median: f64,
    /// Of its rounds.
    pub(crate) least: f64,
    /// Of its rounds.
    pub(crate) most: f64,
    /// In their order.
    pub(crate) rounds: Vec<f64>,
}

/// How the subject of a row stands to another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ratio {
    /// To whom.
    pub(crate) against: String,
    /// The median of what it was in each round.
    #[serde(rename = "ratio")]
    pub(crate) value: f64,
    /// What it shall be.
    pub(crate) goal: Option<Goal>,
    /// Whether it is; `None` where there is no goal.
    pub(crate) met: Option<bool>,
}

/// What a ratio shall be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

impl Report {
    /// Without any run.
    pub(crate) fn new(stage: &Stage) -> Self {
        let mut remarks: Vec<String> = stage.tools.missing().into_iter().map(str::to_owned).collect();
        if stage.cores.are_one() {
            remarks
                .push("there is only one core: proxies, servers and load take it from each other".to_owned());
        }
        Self {
            machine: Machine::here(),
            versions: stage.tools.versions(),
            method: Method {
                rounds: stage.options.rounds,
                seconds: stage.options.length.as_secs(),
                connections: stage.options.connections,
                servers: stage.servers.words(&stage.tools),
                load: if stage.tools.wrk.is_some() { "wrk" } else { "our own client" }.to_owned(),
                proxy_core: stage.cores.proxy,
                load_core: stage.cores.load,
            },
            remarks,
            runs: Vec::new(),
        }
    }
}

impl Machine {
    /// This one.
    fn here() -> Self {
        let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = processor.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            processor: field("model name").unwrap_or_else(|| "unknown".to_owned()),
            sha_instructions: field("flags")
                .or_else(|| field("Features"))
                .is_some_and(|flags| flags.split_whitespace().any(|flag| matches!(flag, "sha_ni" | "sha2"))),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            load_before: load
                .split_whitespace()
                .next()
                .and_then(|load| load.parse().ok())
                .unwrap_or_default(),
        }
    }
}

impl Row {
    /// What was measured, and how it stands to the goals.
    pub(crate) fn judge(work: &Work, measured: Measured) -> Self {
        let mut row = Self::empty(work);
        let subject = measured.samples.iter().find(|(name, _)| name == work.subject).cloned();
        for (name, rounds) in &measured.samples {
            row.contenders.push(Figures::of(name, rounds));
            if let Some((_, own)) = subject.as_ref().filter(|(own, _)| own != name) {
                let goal = work.goals.iter().find(|(against, _)| against == name).map(|(_, goal)| *goal);
                row.ratios.push(Ratio::of(name, ratio(own, rounds), goal));
            }
        }
        row.notes = measured.notes;
        row
    }

    /// Why nothing was measured.
    pub(crate) fn failed(work: &Work, why: &str) -> Self {
        Self { failure: Some(why.to_owned()), ..Self::empty(work) }
    }

    /// Whether it was measured and no goal is missed.
    pub(crate) fn is_met(&self) -> bool {
        self.failure.is_none() && self.ratios.iter().all(|ratio| ratio.met != Some(false))
    }

    fn empty(work: &Work) -> Self {
        Self {
            name: work.name.to_owned(),
            words: work.words.to_owned(),
            unit: work.unit.to_owned(),
            subject: work.subject.to_owned(),
            contenders: Vec::new(),
            ratios: Vec::new(),
            notes: Vec::new(),
            failure: None,
        }
    }
}

impl Figures {
    fn of(name: &str, rounds: &[f64]) -> Self {
        let rounds: Vec<f64> = rounds.iter().map(|sample| rounded(*sample, 5)).collect();
        let (least, most) = edges(&rounds);
        Self { name: name.to_owned(), median: rounded(median(&rounds), 5), least, most, rounds }
    }
}

impl Ratio {
    fn of(against: &str, ratio: f64, goal: Option<Goal>) -> Self {
        let ratio = rounded(ratio, 4);
        Self { against: against.to_owned(), value: ratio, goal, met: goal.map(|goal| goal.is_met_by(ratio)) }
    }
}

impl Goal {
    fn is_met_by(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(least) => ratio >= least,
            Self::AtMost(most) => ratio <= most,
        }
    }
}
