//! How far requests may be repeated, as a person says it.

use evenkeel_message::Method;
use evenkeel_upstream::attempt::Repeat;

/// How far requests may be repeated once something of them was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RepeatSetting {
    /// Not at all.
    Never,
    /// Safe methods (RFC 9110 §9.2.1).
    Safe,
    /// Idempotent methods (RFC 9110 §9.2.2).
    Idempotent,
}

impl RepeatSetting {
    /// What may be done with a request of this method. `keyed`: the servers recognise a repetition by its key.
    pub(crate) fn of(self, method: Method, keyed: bool) -> Repeat {
        let in_turn = keyed || self == Self::Idempotent && method.is_idempotent();
        if self == Self::Never {
            Repeat::Never
        } else if method.is_safe() {
            Repeat::Freely
        } else if in_turn {
            Repeat::InTurn
        } else {
            Repeat::Never
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_repeated_is_as_the_setting_says() {
        use Repeat::{Freely, InTurn, Never};
        let of = |setting: RepeatSetting, keyed| {
            [Method::Get, Method::Put, Method::Delete, Method::Post].map(|method| setting.of(method, keyed))
        };
        assert_eq!(of(RepeatSetting::Idempotent, false), [Freely, InTurn, InTurn, Never]);
        assert_eq!(of(RepeatSetting::Idempotent, true), [Freely, InTurn, InTurn, InTurn]);
        assert_eq!(of(RepeatSetting::Safe, false), [Freely, Never, Never, Never]);
        assert_eq!(of(RepeatSetting::Never, true), [Never; 4]);
        assert_eq!(RepeatSetting::Safe.of(Method::Report, false), Freely);
    }
}
