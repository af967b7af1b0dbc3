//! A row over all runs: what the page shows of it.

use crate::{
    figures::median,
    report::{Figures, Goal, Report, Row},
};

/// The same row of each run that measured it.
#[derive(Clone, Debug)]
pub(super) struct OverRuns<'a> {
    rows: Vec<&'a Row>,
}

/// How the subject stands to another over all runs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Standing {
    /// One for each run.
    pub(super) ratios: Vec<f64>,
    /// What they shall be.
    pub(super) goal: Option<Goal>,
    /// Whether all are.
    pub(super) met: bool,
}

impl<'a> OverRuns<'a> {
    /// All rows, in the order of the table.
    pub(super) fn all(report: &'a Report) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for row in report.runs.iter().flat_map(|run| &run.rows) {
            match all.iter_mut().find(|known| known.row().name == row.name) {
                Some(known) => known.rows.push(row),
                None => all.push(Self { rows: vec![row] }),
            }
        }
        all
    }

    /// The first of them: words, unit and subject are the same in all.
    pub(super) fn row(&self) -> &'a Row {
        self.rows[0]
    }

    /// Who was measured, in the order of the row.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.row().contenders.iter().map(|figures| figures.name.as_str())
    }

    /// What a contender came to in each run.
    pub(super) fn figures(&self, name: &str) -> impl Iterator<Item = &'a Figures> {
        self.rows.iter().flat_map(|row| &row.contenders).filter(move |figures| figures.name == name)
    }

    /// The median over runs of a contender's figures.
    pub(super) fn figure(&self, name: &str) -> Option<f64> {
        let figures: Vec<f64> = self.figures(name).map(|figures| figures.figure).collect();
        (!figures.is_empty()).then(|| median(&figures))
    }

    /// The median over runs of the part of its core that a contender had, where that was measured.
    pub(super) fn share(&self, name: &str) -> Option<f64> {
        let shares: Vec<f64> = self.figures(name).filter_map(|figures| figures.share).collect();
        (!shares.is_empty()).then(|| median(&shares))
    }

    /// How the subject stands to another.
    pub(super) fn standing(&self, against: &str) -> Option<Standing> {
        let ratios: Vec<_> =
            self.rows.iter().flat_map(|row| &row.ratios).filter(|ratio| ratio.against == against).collect();
        let goal = ratios.first()?.goal;
        let met = ratios.iter().all(|ratio| ratio.met != Some(false));
        Some(Standing { ratios: ratios.iter().map(|ratio| ratio.value).collect(), goal, met })
    }

    /// What is told beside the numbers, each once; why it was not measured, where it was not.
    pub(super) fn remarks(&self) -> Vec<&'a str> {
        let mut remarks = Vec::new();
        for row in &self.rows {
            for remark in row.notes.iter().map(String::as_str).chain(row.failure.as_deref()) {
                if !remarks.contains(&remark) {
                    remarks.push(remark);
                }
            }
        }
        remarks
    }
}
