//! Clients keep to their server by a cookie, while that serves them.

use super::*;

pub(super) fn sticky(settings: &mut Settings) {
    settings.stickiness = Some(PinKey::new([7; 16]));
}

#[test]
fn sessions_outlive_a_drain_and_end_with_their_clients() {
    play_with("sessions_outlive_a_drain_and_end_with_their_clients", sticky, |set| {
        set.run(5 * SECOND);
        set.order(0, Command::Drain);
        assert!(set.shares(3 * SECOND)[0] > 0, "its sessions stay");
        set.run(17 * SECOND);
        assert_eq!(set.shares(5 * SECOND)[0], 0, "others do not begin");
        set.order(0, Command::Activate);
        set.run(12 * SECOND);
        set.nothing_was_lost();
        set.nobody_starves();
    });
}

#[test]
fn sessions_of_an_ejected_one_go_elsewhere() {
    play_with("sessions_of_an_ejected_one_go_elsewhere", sticky, |set| {
        set.run(5 * SECOND);
        set.order(0, Command::Drain);
        set.kill(0);
        set.run(3 * SECOND);
        assert_eq!(set.shares(5 * SECOND)[0], 0, "a drain does not keep them where nobody answers");
        set.nothing_repeatable_was_lost();
        set.order(0, Command::Activate);
        set.set_state(0, State::Up);
        set.run(12 * SECOND);
        set.nobody_starves();
    });
}

#[test]
fn sessions_are_handed_on_by_one_that_leaves() {
    play_with("sessions_are_handed_on_by_one_that_leaves", sticky, |set| {
        set.run(5 * SECOND);
        set.set_state(0, State::Leaving);
        set.run(2 * SECOND);
        assert_eq!(set.shares(SECOND)[0], 0);
        set.kill(0);
        set.run(5 * SECOND);
        set.nothing_was_lost();
    });
}
