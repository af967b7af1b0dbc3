//! Clients that carry a cookie: each of their requests names the server that answered the one before.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use evenkeel_upstream::{Pin, PinKey};

/// Where each session is. With stickiness off there are none.
pub(crate) struct Sessions {
    key: Option<PinKey>,
    places: BTreeMap<u64, SocketAddr>,
}

impl Sessions {
    /// Sessions that go on at the same time.
    const AT_A_TIME: u64 = 40;
    /// After so many requests all sessions have ended, and others begin.
    const GENERATION: u64 = 1_000;
    /// One of so many requests is of a session.
    const ONE_OF: u32 = 3;

    pub(super) fn new(key: Option<PinKey>) -> Self {
        Self { key, places: BTreeMap::new() }
    }

    /// The session of the request with this number, if it has one.
    pub(super) fn draw(&self, exchange: u64, rng: &mut fastrand::Rng) -> Option<u64> {
        self.key.as_ref()?;
        let generation = exchange / Self::GENERATION;
        (rng.u32(0..Self::ONE_OF) == 0).then(|| generation * Self::AT_A_TIME + rng.u64(0..Self::AT_A_TIME))
    }

    /// The address that answered it last.
    pub(super) fn place(&self, session: u64) -> Option<SocketAddr> {
        self.places.get(&session).copied()
    }

    /// What its cookie says.
    pub(super) fn pin(&self, place: SocketAddr) -> Option<Pin> {
        self.key.as_ref().map(|key| key.pin(place))
    }

    pub(super) fn answered(&mut self, session: u64, by: SocketAddr) {
        self.places.insert(session, by);
    }
}
