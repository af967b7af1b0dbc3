//! How the settings came to be in force, and what of their file is not: for whoever asks.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::records::events::unix_millis;

/// What has become of the settings since the start.
#[derive(Debug)]
pub(crate) struct Reloads(Mutex<Settled>);

/// The same as it is shown.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Settled {
    /// `None` where the environment alone says it.
    pub(crate) file: Option<String>,
    /// Unix time, milliseconds.
    pub(crate) in_force_since_ms: u64,
    /// How often others were taken up.
    pub(crate) reloads: u64,
    /// How often others could not be.
    pub(crate) failures: u64,
    /// What is wrong with the file as it is; nothing where it is in force.
    pub(crate) problems: Vec<String>,
    /// Since when something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refused_since_ms: Option<u64>,
}

impl Reloads {
    /// None yet.
    pub(crate) fn new(file: Option<String>) -> Self {
        Self(Mutex::new(Settled { file, in_force_since_ms: unix_millis(), ..Settled::default() }))
    }

    pub(crate) fn settled(&self) -> Settled {
        self.lock().clone()
    }

    /// Whether the file says what cannot be taken up.
    pub(crate) fn is_refused(&self) -> bool {
        self.lock().refused_since_ms.is_some()
    }

    /// Others are in force from now on.
    pub(crate) fn taken_up(&self) {
        let mut settled = self.lock();
        settled.in_force_since_ms = unix_millis();
        settled.reloads += 1;
        settled.forgive();
    }

    /// The file says what is in force. True where that is news.
    pub(crate) fn is_in_force(&self) -> bool {
        let mut settled = self.lock();
        let is_news = settled.refused_since_ms.is_some();
        settled.forgive();
        is_news
    }

    /// Others cannot be taken up, which somebody has asked for or not. True where that is news.
    pub(crate) fn refused(&self, problems: &[String], is_asked: bool) -> bool {
        let mut settled = self.lock();
        let is_news = settled.problems != problems;
        // It is tried again and again, and fails once.
        settled.failures += u64::from(is_news || is_asked);
        settled.refused_since_ms.get_or_insert_with(unix_millis);
        problems.clone_into(&mut settled.problems);
        is_news
    }

    /// Whole after a panic too: nothing in here is half done while the lock is held.
    fn lock(&self) -> MutexGuard<'_, Settled> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Settled {
    fn forgive(&mut self) {
        self.problems.clear();
        self.refused_since_ms = None;
    }
}
