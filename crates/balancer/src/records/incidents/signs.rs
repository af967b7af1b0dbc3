//! What speaks of a server's trouble, and what it comes to: the cause is decided here, from all that was seen so far. It may
//! become clearer with the next sign: a server whose connections broke has crashed once nobody listens there any more.

use evenkeel_upstream::attempt::TrailOutcome;
use evenkeel_upstream::{
    Cause as Charge, ConnectFailure, Evidence, ProbeFailure, ResponseFailure, TlsFailure,
};

/// What was the matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Its connections broke, or nobody listened there any more, without a word before.
    Crashed,
    /// It said that it would leave.
    Stopped,
    /// Several were stopped one after the other, and came back.
    RollingRestart,
    /// Connections stay open, and nothing comes of them.
    Silent,
    /// It is no longer in DNS, and silent.
    CutOff,
    /// No connection comes about.
    Unreachable,
    /// It is there, and no TLS can be spoken with it: its certificate will not do, or it refuses.
    Untrusted,
    /// Its answers do not match their digests.
    Corrupting,
    /// Its connections break in the middle of requests, though it goes on serving.
    Breaking,
    /// It answers with errors that others do not have.
    Failing,
    /// Others answer long before it.
    Slow,
    /// A person told it to drain.
    Drained,
    /// It is no longer in DNS, and nothing was wrong with it.
    Removed,
    /// No server was left.
    AllDown,
}

impl Cause {
    /// The word for programs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crashed => "crashed",
            Self::Stopped => "stopped",
            Self::RollingRestart => "rolling_restart",
            Self::Silent => "silent",
            Self::CutOff => "cut_off",
            Self::Unreachable => "unreachable",
            Self::Untrusted => "untrusted",
            Self::Corrupting => "corrupting",
            Self::Breaking => "breaking",
            Self::Failing => "failing",
            Self::Slow => "slow",
            Self::Drained => "drained",
            Self::Removed => "removed",
            Self::AllDown => "all_down",
        }
    }

    /// Whether somebody meant it to happen: told, and no alarm.
    pub(crate) fn is_meant(self) -> bool {
        matches!(self, Self::Stopped | Self::RollingRestart | Self::Drained | Self::Removed)
    }
}

/// What was seen of one server.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent signs, in any combination")]
pub(super) struct Signs {
    /// It said that it would leave.
    pub(super) announced: bool,
    pub(super) drained: bool,
    pub(super) vanished: bool,
    /// Ejected because it does not answer.
    unreachable: bool,
    outpaced: bool,
    idle_closed: bool,
    probe_refused: bool,
    /// Why no handshake came about, other than that it was cut off: the latest reason.
    pub(super) untrusted: Option<TlsFailure>,
    probe_timeouts: u64,
    /// Attempts:
    pub(super) broken: u64,
    /// On a connection that had been idle, and was closed before anything came.
    pub(super) closed: u64,
    pub(super) refused: u64,
    pub(super) unconnected: u64,
    pub(super) timeouts: u64,
    /// Silent, and answered elsewhere.
    silent: u64,
    pub(super) wrong_digests: u64,
    pub(super) errors: u64,
}

impl Signs {
    /// An attempt came to this.
    pub(super) fn attempt(&mut self, outcome: TrailOutcome) {
        match outcome {
            TrailOutcome::ConnectFailed(ConnectFailure::Refused) => self.refused += 1,
            TrailOutcome::ConnectFailed(ConnectFailure::Local) => {}
            TrailOutcome::ConnectFailed(ConnectFailure::Tls(why)) if why != TlsFailure::Cut => {
                self.untrusted = Some(why);
            }
            TrailOutcome::ConnectFailed(_) => self.unconnected += 1,
            TrailOutcome::ResponseFailed(ResponseFailure::TimedOut) => self.timeouts += 1,
            TrailOutcome::ResponseFailed(_) => self.broken += 1,
            TrailOutcome::WrongDigest => self.wrong_digests += 1,
            TrailOutcome::Responded(..) => self.errors += 1,
            TrailOutcome::Stale => {
                self.idle_closed = true;
                self.closed += 1;
            }
            TrailOutcome::Running | TrailOutcome::Overtaken => self.silent += 1,
        }
    }

    /// It is suspected for this, or was ejected after it.
    pub(super) fn evidence(&mut self, evidence: Evidence) {
        match evidence {
            Evidence::IdleClosed => self.idle_closed = true,
            Evidence::Outpaced => self.outpaced = true,
            Evidence::Silent => self.silent += 1,
            // The request that met it is counted by itself.
            _ => {}
        }
    }

    pub(super) fn charged(&mut self, charge: Charge) {
        self.unreachable |= charge == Charge::Unreachable;
    }

    pub(super) fn probe(&mut self, why: ProbeFailure) {
        match why {
            ProbeFailure::Refused => self.probe_refused = true,
            ProbeFailure::TimedOut | ProbeFailure::Unanswered => self.probe_timeouts += 1,
            ProbeFailure::Tls(why) if why != TlsFailure::Cut => self.untrusted = Some(why),
            ProbeFailure::Tls(_)
            | ProbeFailure::Closed
            | ProbeFailure::Garbage
            | ProbeFailure::Status(_)
            | ProbeFailure::Local => {}
        }
    }

    /// Whether nothing but its own silence speaks against it.
    fn is_silent(&self) -> bool {
        self.silent + self.timeouts + self.probe_timeouts > 0
    }

    pub(super) fn cause(&self) -> Cause {
        let nobody_listens = self.refused > 0 || self.probe_refused;
        // Who crashes breaks what is under way: a request that waited in vain was at a server that was there and silent.
        let broke = self.broken > 0 || self.idle_closed && self.timeouts == 0;
        let is_away = nobody_listens || self.vanished || self.unreachable;
        // Whatever it began with: it is there again, and this is what keeps it out.
        if self.untrusted.is_some() {
            Cause::Untrusted
        } else if self.announced {
            Cause::Stopped
        } else if self.wrong_digests > self.broken + self.refused + self.timeouts {
            Cause::Corrupting
        } else if nobody_listens || broke && is_away || self.broken > 0 && self.idle_closed {
            Cause::Crashed
        } else if self.vanished && (self.is_silent() || self.unconnected > 0) {
            Cause::CutOff
        } else if self.vanished {
            Cause::Removed
        } else if self.broken + self.closed > 0 {
            Cause::Breaking
        } else if self.errors > 0 {
            Cause::Failing
        } else if self.unconnected > 0 && self.timeouts == 0 {
            Cause::Unreachable
        } else if self.outpaced && self.timeouts + self.probe_timeouts == 0 {
            Cause::Slow
        } else if self.drained {
            Cause::Drained
        } else if self.is_silent() || self.unreachable {
            Cause::Silent
        } else {
            Cause::Failing
        }
    }
}
