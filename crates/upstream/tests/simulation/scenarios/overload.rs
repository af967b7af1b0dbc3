//! More to do than there are places: requests wait in a bounded queue, for a bounded time.

use evenkeel_upstream::AdmissionSettings;

use super::*;

const QUEUE_TIMEOUT: Duration = Duration::from_millis(200);

fn few_places(settings: &mut Settings) {
    settings.admission = AdmissionSettings { per_endpoint: 2, queue: 16, queue_timeout: QUEUE_TIMEOUT };
}

#[test]
fn three_times_what_they_can_do() {
    play_with("three_times_what_they_can_do", few_places, |set| {
        (0..3).for_each(|server| set.servers[server].latency = 100 * MS);
        set.rate = 15;
        set.run(10 * SECOND);
        assert_eq!(set.lost(), 0);
        // Six at a time for 100 ms and more are some fifty a second.
        set.rate = 150;
        let (begun, busy) = (set.ledger.begun, set.ledger.busy);
        set.run(10 * SECOND);
        let served = set.ledger.begun - begun - (set.ledger.busy - busy);
        assert!(served > 400, "{served} are served in ten seconds");
        assert!(set.ledger.turned_away > 0, "the queue is full");
        assert!(set.ledger.busy > set.ledger.turned_away, "some wait in vain");
        set.slowest_is_at_most(QUEUE_TIMEOUT + 400 * MS);
        set.rate = 15;
        set.run(SECOND);
        let busy = set.ledger.busy;
        set.run(5 * SECOND);
        assert_eq!(set.ledger.busy, busy, "it is over");
        assert_eq!(set.lost(), busy, "nothing is lost but what was told to come again");
    });
}

#[test]
fn a_line_dissolves_when_less_comes_than_they_can_do() {
    play_with("a_line_dissolves_when_less_comes_than_they_can_do", few_places, |set| {
        (0..3).for_each(|server| set.servers[server].latency = 3 * MS);
        set.rate = 750;
        set.run(2 * SECOND);
        assert_eq!(set.lost(), 0);
        // Six at a time for some 4 ms are 1500 a second: for a moment there come more, and then less.
        set.rate = 3000;
        set.run(50 * MS);
        assert!(!set.upstream.queue().is_empty(), "a line has formed");
        set.rate = 750;
        set.run(100 * MS);
        let busy = set.ledger.busy;
        set.run(2 * SECOND);
        assert_eq!(set.ledger.busy, busy, "nobody waits in vain, nor is turned away");
        assert_eq!(set.lost(), busy);
    });
}

#[test]
fn one_that_is_frozen_fills_its_own_places_only() {
    play_with("one_that_is_frozen_fills_its_own_places_only", few_places, |set| {
        set.run(5 * SECOND);
        set.servers[0].probes = Probes::AlwaysPass;
        set.set_state(0, State::Frozen);
        set.run(20 * SECOND);
        set.nothing_was_lost();
        set.slowest_is_at_most(300 * MS);
        set.set_state(0, State::Up);
        set.run(5 * SECOND);
        set.nothing_was_lost();
    });
}
