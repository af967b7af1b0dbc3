//! What was measured, as one value: [`crate::table`] prints it for people, JSON keeps it for programs and for the page.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    figures::{Statistic, edges, median, rounded},
    machine::Machine,
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
    /// When it began.
    pub(crate) began: String,
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
    /// Which figures are better.
    pub(crate) better: Better,
    /// Who is compared with the others.
    pub(crate) subject: String,
    /// What stands for the rounds of a contender.
    #[serde(default)]
    pub(crate) statistic: Statistic,
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
    /// What stands for its rounds: their median, or what else the row says.
    pub(crate) figure: f64,
    /// Of its rounds.
    pub(crate) least: f64,
    /// Of its rounds.
    pub(crate) most: f64,
    /// In their order.
    pub(crate) rounds: Vec<f64>,
    /// What the figure shall be, where it is not compared with others.
    pub(crate) limit: Option<Goal>,
    /// Whether it is; `None` where there is no limit.
    pub(crate) met: Option<bool>,
    /// Which part of its core it had: the median of its rounds, where that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) share: Option<f64>,
}

/// How the subject of a row stands to another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ratio {
    /// To whom.
    pub(crate) against: String,
    /// The median of what it was in each round, or between the figures, where these are no medians.
    #[serde(rename = "ratio")]
    pub(crate) value: f64,
    /// What it shall be.
    pub(crate) goal: Option<Goal>,
    /// Whether it is; `None` where there is no goal.
    pub(crate) met: Option<bool>,
}

/// Which of two figures is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Better {
    /// The greater one.
    More,
    /// The smaller one.
    Less,
}

/// What a ratio, or a figure, shall be.
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

impl Row {
    /// What was measured, and how it stands to the goals.
    pub(crate) fn judge(work: &Work, measured: Measured) -> Self {
        let mut row = Self::empty(work);
        let subject = measured.samples.iter().find(|(name, _)| name == work.subject).cloned();
        for (name, rounds) in &measured.samples {
            let limit = measured.limits.iter().find(|(of, _)| of == name).map(|(_, goal)| *goal);
            let figures = Figures::of(name, measured.statistic.of(rounds), rounds, limit);
            let share = measured.shares.get(name).map(|shares| rounded(median(shares), 3));
            row.contenders.push(Figures { share, ..figures });
            if let Some((_, own)) = subject.as_ref().filter(|(own, _)| own != name) {
                let goal = work.goals.iter().find(|(against, _)| against == name).map(|(_, goal)| *goal);
                row.ratios.push(Ratio::of(name, measured.statistic.ratio(own, rounds), goal));
            }
        }
        row.statistic = measured.statistic;
        row.notes = measured.notes;
        row
    }

    /// Why nothing was measured.
    pub(crate) fn failed(work: &Work, why: &str) -> Self {
        Self { failure: Some(why.to_owned()), ..Self::empty(work) }
    }

    /// Whether it was measured and no goal is missed.
    pub(crate) fn is_met(&self) -> bool {
        let mut verdicts =
            self.ratios.iter().map(|ratio| ratio.met).chain(self.contenders.iter().map(|one| one.met));
        self.failure.is_none() && verdicts.all(|met| met != Some(false))
    }

    fn empty(work: &Work) -> Self {
        Self {
            name: work.name.to_owned(),
            words: work.words.to_owned(),
            unit: work.unit.to_owned(),
            better: work.better,
            subject: work.subject.to_owned(),
            statistic: Statistic::default(),
            contenders: Vec::new(),
            ratios: Vec::new(),
            notes: Vec::new(),
            failure: None,
        }
    }
}

impl Figures {
    fn of(name: &str, figure: f64, rounds: &[f64], limit: Option<Goal>) -> Self {
        let rounds: Vec<f64> = rounds.iter().map(|sample| rounded(*sample, 5)).collect();
        let (least, most) = edges(&rounds);
        let figure = rounded(figure, 5);
        let met = limit.map(|limit| limit.is_met_by(figure));
        Self { name: name.to_owned(), figure, least, most, rounds, limit, met, share: None }
    }
}

impl Ratio {
    fn of(against: &str, ratio: f64, goal: Option<Goal>) -> Self {
        let ratio = rounded(ratio, 4);
        Self { against: against.to_owned(), value: ratio, goal, met: goal.map(|goal| goal.is_met_by(ratio)) }
    }
}

impl Goal {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, bound) = match self {
            Self::AtLeast(least) => ('≥', least),
            Self::AtMost(most) => ('≤', most),
        };
        // Ratios are near 1; a limit is a whole number.
        let digits = if *bound < 10.0 { 2 } else { 0 };
        write!(formatter, "{sign} {bound:.digits$}")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const WORK: Work = Work {
        name: "work",
        words: "something is done",
        unit: "requests per CPU-second",
        better: Better::More,
        subject: "ours",
        goals: &[("theirs", Goal::AtLeast(1.2))],
        is_quick: true,
        play: |_| Ok(Measured::default()),
    };

    /// The row of two contenders in two rounds.
    pub(crate) fn row(ours: [f64; 2], theirs: [f64; 2]) -> Row {
        let samples =
            [("ours", ours), ("theirs", theirs)].map(|(name, rounds)| (name.to_owned(), rounds.to_vec()));
        Row::judge(&WORK, Measured { samples: samples.to_vec(), ..Measured::default() })
    }

    #[test]
    fn a_goal_is_met_by_the_ratio_of_rounds() {
        let met = row([130.0, 65.0], [100.0, 50.0]);
        assert_eq!((met.ratios[0].value, met.ratios[0].met), (1.3, Some(true)));
        assert!(met.is_met());
        let missed = row([110.0, 55.0], [100.0, 50.0]);
        assert_eq!(missed.ratios[0].met, Some(false));
        assert!(!missed.is_met());
    }

    #[test]
    fn a_limit_holds_for_one_contender_and_a_failure_for_the_row() {
        let measured = Measured {
            samples: vec![("fast".to_owned(), vec![150.0]), ("slow".to_owned(), vec![250.0])],
            limits: vec![("fast".to_owned(), Goal::AtMost(200.0)), ("slow".to_owned(), Goal::AtMost(200.0))],
            ..Measured::default()
        };
        let row = Row::judge(&WORK, measured);
        assert_eq!(row.contenders.iter().map(|one| one.met).collect::<Vec<_>>(), [Some(true), Some(false)]);
        assert!(!row.is_met());
        assert!(!Row::failed(&WORK, "an answer was wrong").is_met());
    }

    #[test]
    fn what_is_written_as_json_is_read_back() {
        let row = row([130.0, 65.0], [100.0, 50.0]);
        let text = serde_json::to_string(&row).unwrap();
        assert!(text.contains(r#""goal":{"at_least":1.2}"#), "{text}");
        assert_eq!(serde_json::from_str::<Row>(&text).unwrap(), row);
    }
}
