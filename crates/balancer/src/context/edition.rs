//! What is in force: the settings as they were last taken up, and what belongs to them. A reload makes a new edition, and whoever has
//! begun under an earlier one ends under it.

use std::sync::Arc;

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
}

impl Edition {
    pub(crate) fn new(settings: Settings, upstreams: Vec<Arc<Served>>, gate: Option<Arc<Gate>>) -> Arc<Self> {
        debug_assert_eq!(settings.upstreams.all.len(), upstreams.len(), "each is made of its settings");
        Arc::new(Self { settings, upstreams, gate })
    }

    /// Each upstream with what is said of it.
    pub(crate) fn upstreams(&self) -> impl Iterator<Item = (&Arc<UpstreamSettings>, &Arc<Served>)> {
        self.settings.upstreams.all.iter().zip(&self.upstreams)
    }
}
