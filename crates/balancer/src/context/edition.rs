//! What is in force: the settings as they were last taken up, and what belongs to them. A reload makes a new edition, and whoever has
//! begun under an earlier one ends under it.

use std::sync::Arc;

use tokio::sync::watch;

use super::gate::Gate;
use super::served::Served;
use crate::settings::Settings;
use crate::settings::upstream::UpstreamSettings;

/// One edition of the settings.
pub(crate) struct Edition {
    pub(crate) settings: Settings,
    /// In the order of the settings; at least one.
    pub(crate) upstreams: Vec<Arc<Served>>,
    /// `None` where any client may ask as often as it likes.
    pub(crate) gate: Option<Arc<Gate>>,
    /// How many workers begin requests under it.
    workers: watch::Sender<usize>,
}

impl Edition {
    pub(crate) fn new(settings: Settings, upstreams: Vec<Arc<Served>>, gate: Option<Arc<Gate>>) -> Arc<Self> {
        debug_assert_eq!(settings.upstreams.all.len(), upstreams.len(), "each is made of its settings");
        Arc::new(Self { settings, upstreams, gate, workers: watch::Sender::new(0) })
    }

    /// Each upstream with what is said of it.
    pub(crate) fn upstreams(&self) -> impl Iterator<Item = (&Arc<UpstreamSettings>, &Arc<Served>)> {
        self.settings.upstreams.all.iter().zip(&self.upstreams)
    }

    /// A worker begins requests under it from now on.
    pub(crate) fn is_taken_up(&self) {
        self.workers.send_modify(|workers| *workers += 1);
    }

    /// Waits until so many workers begin requests under it.
    pub(crate) async fn taken_up_by(&self, workers: usize) {
        // It cannot fail: the sender is here.
        let _ = self.workers.subscribe().wait_for(|taken| *taken >= workers).await;
    }
}
