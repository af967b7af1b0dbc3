//! An endpoint's standing as bits, and the order in which endpoints of different standing are used.

/// The bits of an endpoint's state that a picker reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flags(u32);

impl Flags {
    /// Healthy as far as evidence goes.
    pub(crate) const HEALTHY: u32 = 1;
    /// Something odd was seen; a probe will tell.
    pub(crate) const SUSPECT: u32 = 1 << 1;
    /// Told to drain by command.
    pub(crate) const DRAINING: u32 = 1 << 2;
    /// Said itself, to a probe, that it is about to leave.
    pub(crate) const LEAVING: u32 = 1 << 3;
    /// Ejected or on probation, but it answers: better than nothing.
    pub(crate) const ANSWERS: u32 = 1 << 4;
    /// On probation: takes trials.
    pub(crate) const TRIAL: u32 = 1 << 5;
    /// Serves only while no other can.
    pub(crate) const BACKUP: u32 = 1 << 6;
    /// Healthy, and without time for a probe: at work, as far as anybody can tell.
    pub(crate) const BUSY: u32 = 1 << 7;
    /// Ejected or unproven, but it takes connections, and was alive or found not long ago.
    pub(crate) const CONNECTS: u32 = 1 << 8;

    // The bits from here on say nothing about the rank.
    /// Its last probe failed.
    pub(crate) const DOUBTED: u32 = 1 << 9;
    /// It was suspected, and a probe that was sent for that failed.
    pub(crate) const CONFIRMED: u32 = 1 << 10;
    /// Ejected because it cannot be reached, or does not answer.
    pub(crate) const UNREACHABLE: u32 = 1 << 11;
    /// Answers one request after the other with an error: what it answers to others is compared with its peers.
    pub(crate) const ACCUSED: u32 = 1 << 12;

    const COMBINATIONS: usize = 1 << 9;
    const RANKS: [Rank; Self::COMBINATIONS] = Self::ranks();

    pub(crate) fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    pub(crate) fn has(self, bits: u32) -> bool {
        self.0 & bits == bits
    }

    /// How soon an endpoint of this standing is used. A table, because a scan asks it of a thousand endpoints.
    pub(crate) fn rank(self) -> Rank {
        Self::RANKS[self.0 as usize % Self::COMBINATIONS]
    }

    const fn ranks() -> [Rank; Self::COMBINATIONS] {
        let mut ranks = [Rank::Never; Self::COMBINATIONS];
        let mut bits = 0;
        while bits < Self::COMBINATIONS {
            ranks[bits] = Self::rank_of(bits as u32);
            bits += 1;
        }
        ranks
    }

    const fn rank_of(bits: u32) -> Rank {
        if bits & Self::DRAINING != 0 {
            Rank::Never
        } else if bits & Self::HEALTHY == 0 {
            match (bits & Self::ANSWERS != 0, bits & Self::CONNECTS != 0) {
                (true, _) => Rank::LastResort,
                (false, true) => Rank::Unanswering,
                (false, false) => Rank::Never,
            }
        } else if bits & Self::LEAVING != 0 {
            Rank::Leaving
        } else if bits & Self::BUSY != 0 {
            Rank::Busy
        } else if bits & Self::SUSPECT != 0 {
            Rank::Suspect
        } else if bits & Self::BACKUP != 0 {
            Rank::Backup
        } else {
            Rank::Plain
        }
    }

    /// Whether a session that is pinned to the endpoint still goes there: a draining endpoint serves the sessions
    /// it has, one that is leaving hands them on while it can. A suspicion moves no session: elsewhere nobody knows it.
    pub(crate) fn serves_pinned(self) -> bool {
        self.has(Self::HEALTHY) && !self.has(Self::LEAVING)
    }
}

/// Classes of endpoints, the best first. A request goes to the best class that has one left for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// Nothing speaks against it.
    Plain,
    /// Nothing speaks against it, but it is kept for when the others are gone.
    Backup,
    /// A probe will tell.
    Suspect,
    /// Alive as far as anybody can tell, and an answer of it takes its time.
    Busy,
    /// Answers for some seconds more.
    Leaving,
    /// Misbehaves, but answers.
    LastResort,
    /// Takes connections, and may come to answer.
    Unanswering,
    /// Not to be used.
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_doubt_ranks_behind_the_one_before() {
        let in_order = [
            Flags::HEALTHY,
            Flags::HEALTHY | Flags::BACKUP,
            Flags::HEALTHY | Flags::SUSPECT,
            Flags::HEALTHY | Flags::BUSY,
            Flags::HEALTHY | Flags::LEAVING,
            Flags::ANSWERS,
            Flags::CONNECTS,
            0,
        ];
        let ranks = in_order.map(|bits| Flags::from_bits(bits).rank());
        assert!(ranks.is_sorted() && ranks[0] == Rank::Plain && ranks[7] == Rank::Never, "{ranks:?}");
    }

    #[test]
    fn draining_by_command_is_never_overruled() {
        for bits in 0..Flags::COMBINATIONS as u32 {
            assert_eq!(Flags::from_bits(bits | Flags::DRAINING).rank(), Rank::Never);
        }
    }
}
