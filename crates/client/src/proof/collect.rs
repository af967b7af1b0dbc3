//! Collecting the other ledgers: the balancer's again and again while the run goes on, since its ring forgets; the
//! journals at the end.
//!
//! A response that ends early must not pass for a short ledger: `control` tells, and a ledger has a heading and whole lines.

use std::path::PathBuf;
use std::time::Duration;

use evenkeel_wire::Resolver;
use tokio::time::Instant;

use super::Reconciler;
use super::journals::{self, Before};
use super::ledger::{Happening, Heading, Line, Passage};
use crate::control::Question;
use crate::target::Target;

/// How often the balancer is asked while the run goes on: its ring holds several seconds of the highest rate.
const INTERVAL: Duration = Duration::from_millis(500);

/// How often it is asked after the run for what is still awaited, and for how long.
const AFTERMATH: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(3));

/// How long one answer may take, whatever its length.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest line of a ledger, in bytes.
const LONGEST_LINE: usize = 64 * 1024;

/// Asks for the other ledgers of one run.
#[derive(Debug)]
pub(crate) struct Collector {
    run: String,
    admin: Option<Target>,
    journals: PathBuf,
    before: Before,
    resolver: Resolver,
    /// The balancer's name and the number of the next entry to ask for.
    position: Option<(String, u64)>,
    lost: Option<String>,
}

/// What a balancer tells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A request of the run.
    Passage(Passage),
    /// An event.
    Happening(Happening),
}

/// The run that the ledgers are collected for.
pub(crate) trait Listener {
    /// Takes what the balancer told.
    fn told(&self, entry: Entry);
    /// Whether the run is over.
    fn is_over(&self) -> bool;
    /// How many requests the balancer has yet to tell of.
    fn awaited(&self) -> u64;
}

/// Hears what the balancer tells before there is a run to tell of.
struct Nobody;

impl Listener for Nobody {
    fn told(&self, _: Entry) {}

    fn is_over(&self) -> bool {
        false
    }

    fn awaited(&self) -> u64 {
        0
    }
}

impl Collector {
    /// Collects for the run from the balancer's `admin` interface and the directory of `journals`; nothing is asked yet.
    pub(crate) fn new(run: &str, admin: Option<Target>, journals: PathBuf, resolver: Resolver) -> Self {
        let before = Before::default();
        Self { run: run.to_owned(), admin, journals, before, resolver, position: None, lost: None }
    }

    /// Finds out where the ledgers stand: from there on nothing may be missing.
    pub(crate) async fn begin(&mut self) {
        self.before = Before::the_run(&self.journals);
        self.poll(&Nobody).await;
    }

    /// Asks the balancer again and again until the run is over and everything awaited is told, or is not told in time.
    pub(crate) async fn collect(mut self, listener: &impl Listener) -> Self {
        let mut deadline = None;
        loop {
            // Looked at before the answer: what it does not have then, it may still get.
            let over = listener.is_over();
            self.poll(listener).await;
            let in_time =
                !over || Instant::now() < *deadline.get_or_insert_with(|| Instant::now() + AFTERMATH.1);
            if self.admin.is_none() || !in_time || (over && (listener.awaited() == 0 || self.lost.is_some()))
            {
                return self;
            }
            tokio::time::sleep(if over { AFTERMATH.0 } else { INTERVAL }).await;
        }
    }

    /// Asks the balancer for what is new. What cannot be had is remembered; the verdict will say it.
    async fn poll(&mut self, listener: &impl Listener) {
        let Some(admin) = self.admin.clone() else { return };
        let trouble = match tokio::time::timeout(PATIENCE, self.ask(&admin, listener)).await {
            Ok(Ok(())) => return,
            Ok(Err(trouble)) => trouble,
            Err(_) => format!("no answer within {PATIENCE:?}"),
        };
        self.lost.get_or_insert_with(|| format!("{admin}/ledger: {trouble}"));
    }

    /// Reads the journals and tells `reconciler` what they say, and what is missing of either ledger.
    pub(crate) fn finish(self, reconciler: &mut Reconciler) {
        match (self.admin, self.lost) {
            (None, _) => reconciler
                .ledger_lacks("the balancer's ledger was not asked for; CLIENT_ADMIN says where it is"),
            (Some(_), Some(lost)) => reconciler.ledger_lacks(lost),
            (Some(_), None) => {}
        }
        journals::read(&self.journals, &self.before, &self.run, reconciler);
    }

    async fn ask(&mut self, admin: &Target, listener: &impl Listener) -> Result<(), String> {
        let after = self.position.as_ref().map_or(0, |(_, next)| *next);
        let path = format!("/ledger?run={}&after={after}", self.run);
        let question = Question { target: admin, credentials: None, path: &path, patience: PATIENCE };
        let mut answer = question.ask(&self.resolver).await?;
        match answer.status() {
            200 => {}
            404 => return Err("it answers 404; BALANCER_RUNS=on has a balancer keep a ledger".into()),
            status => return Err(format!("it answers {status}")),
        }
        let mut lines = Lines::default();
        let mut headed = false;
        while let Some(piece) = answer.piece().await? {
            lines.push(&piece)?;
            while let Some(line) = lines.next() {
                let line = Line::parse(&line)?;
                headed |= matches!(line, Line::Heading(_));
                self.take(line, listener)?;
            }
        }
        if !headed || lines.is_torn() {
            return Err("its answer is not whole".into());
        }
        Ok(())
    }

    fn take(&mut self, line: Line, listener: &impl Listener) -> Result<(), String> {
        match line {
            Line::Heading(heading) => self.heading(heading)?,
            Line::Passage(passage) if passage.run == self.run => listener.told(Entry::Passage(passage)),
            Line::Passage(_) => {}
            Line::Happening(happening) => listener.told(Entry::Happening(happening)),
        }
        Ok(())
    }

    /// Moves on to where this answer ends, and finds out whether something was missed before it begins.
    fn heading(&mut self, heading: Heading) -> Result<(), String> {
        let Heading { ledger, balancer, oldest, next } = heading;
        if ledger != 1 {
            return Err(format!("it speaks version {ledger}, this client version 1"));
        }
        let before = self.position.replace((balancer.clone(), next));
        match before {
            Some((name, _)) if name != balancer => {
                Err(format!("the balancer {name} was replaced by {balancer}; what it had not told is lost"))
            }
            Some((_, asked)) if oldest > asked => {
                Err(format!("entries {asked} to {} were forgotten before they were read", oldest - 1))
            }
            _ => Ok(()),
        }
    }
}

/// Bytes as they come, lines as they are whole.
#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
    taken: usize,
}

impl Lines {
    fn push(&mut self, piece: &[u8]) -> Result<(), String> {
        self.bytes.drain(..std::mem::take(&mut self.taken));
        if self.bytes.len() > LONGEST_LINE {
            return Err(format!("it has a line of more than {LONGEST_LINE} bytes"));
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        let rest = &self.bytes[self.taken..];
        let length = rest.iter().position(|&byte| byte == b'\n')?;
        let line = rest[..length].to_vec();
        self.taken += length + 1;
        Some(line)
    }

    /// Whether what came last is only the beginning of a line.
    fn is_torn(&self) -> bool {
        self.taken < self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heading(balancer: &str, oldest: u64, next: u64) -> Heading {
        Heading { ledger: 1, balancer: balancer.into(), oldest, next }
    }

    fn collector() -> Collector {
        Collector::new("r", None, PathBuf::new(), Resolver::from_system())
    }

    #[tokio::test]
    async fn what_the_ring_forgot_between_two_answers_is_a_gap() {
        let mut collector = collector();
        assert_eq!(collector.heading(heading("b", 900, 1_000)), Ok(()));
        assert_eq!(collector.heading(heading("b", 1_000, 1_200)), Ok(()));
        assert_eq!(
            collector.heading(heading("b", 1_300, 1_400)),
            Err("entries 1200 to 1299 were forgotten before they were read".into())
        );
    }

    #[tokio::test]
    async fn a_balancer_that_was_replaced_takes_its_ledger_with_it() {
        let mut collector = collector();
        assert_eq!(collector.heading(heading("old", 0, 10)), Ok(()));
        assert!(collector.heading(heading("new", 0, 0)).unwrap_err().contains("old was replaced by new"));
    }

    #[test]
    fn lines_are_whole_however_they_are_cut() {
        let text = b"one\ntwo\n\nthree\n";
        for size in 1..=text.len() {
            let mut lines = Lines::default();
            let mut seen = Vec::new();
            for piece in text.chunks(size) {
                lines.push(piece).unwrap();
                seen.extend(std::iter::from_fn(|| lines.next()));
            }
            assert_eq!(
                seen,
                [b"one".to_vec(), b"two".to_vec(), Vec::new(), b"three".to_vec()],
                "in pieces of {size}"
            );
        }
    }

    #[test]
    fn a_line_without_an_end_is_refused() {
        let mut lines = Lines::default();
        lines.push(&vec![b'x'; LONGEST_LINE + 1]).unwrap();
        assert!(lines.push(b"x").is_err());
    }
}
