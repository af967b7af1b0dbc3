//! A person drains, activates and weights servers.

use super::*;

#[test]
fn one_is_drained_under_load_and_activated() {
    play("one_is_drained_under_load_and_activated", |set| {
        (0..3).for_each(|server| set.servers[server].latency = 200 * MS);
        set.run(5 * SECOND);
        assert!(set.in_flight(0) > 1);
        let moves = set.ledger.moves;
        set.order(0, Command::Drain);
        set.run(SECOND);
        assert_eq!(set.in_flight(0), 0, "it finishes what it has");
        assert_eq!(set.shares(5 * SECOND)[0], 0);
        set.order(0, Command::Activate);
        set.run(SECOND);
        assert!(set.serves(0));
        set.nobody_starves();
        assert_eq!(set.ledger.moves, moves, "nothing is taken from who drains");
        set.nothing_was_lost();
        set.slowest_is_at_most(400 * MS);
    });
}

#[test]
fn a_suspect_is_drained_ejected_and_activated() {
    play("a_suspect_is_drained_ejected_and_activated", |set| {
        set.run(5 * SECOND);
        set.set_state(0, State::Frozen);
        set.wait_until(|set| !set.serves(0));
        set.order(0, Command::Drain);
        set.run(5 * SECOND);
        set.set_state(0, State::Up);
        assert_eq!(set.shares(5 * SECOND)[0], 0, "well again, but told to drain");
        set.order(0, Command::Activate);
        set.run(SECOND);
        assert!(set.serves(0));
        set.nothing_was_lost();
        set.nobody_starves();
    });
}

#[test]
fn an_ejected_one_is_activated_for_nothing() {
    play("an_ejected_one_is_activated_for_nothing", |set| {
        set.run(5 * SECOND);
        set.order(0, Command::Drain);
        set.kill(0);
        set.run(5 * SECOND);
        set.order(0, Command::Activate);
        assert_eq!(set.shares(2 * SECOND)[0], 0, "an order makes nobody healthy");
        set.set_state(0, State::Up);
        set.run(4 * SECOND);
        assert!(set.serves(0));
        set.nothing_repeatable_was_lost();
        set.nobody_starves();
    });
}

#[test]
fn a_drained_address_leaves_and_returns() {
    play("a_drained_address_leaves_and_returns", |set| {
        set.run(5 * SECOND);
        set.order(0, Command::Drain);
        set.run(SECOND);
        set.servers[0].listed = false;
        set.run(3 * SECOND);
        assert_eq!(set.upstream.snapshot().endpoints().len(), 2);
        set.servers[0].listed = true;
        assert_eq!(set.shares(5 * SECOND)[0], 0, "what it was told still holds");
        assert_eq!(set.upstream.snapshot().endpoints().len(), 3);
        set.order(0, Command::Activate);
        set.run(SECOND);
        set.nothing_was_lost();
        set.nobody_starves();
    });
}

#[test]
fn all_are_drained() {
    play("all_are_drained", |set| {
        set.run(5 * SECOND);
        (0..3).for_each(|server| set.order(server, Command::Drain));
        set.run(SECOND);
        let (begun, lost) = (set.ledger.begun, set.lost());
        set.run(SECOND);
        let gone = (set.ledger.begun - begun) / 20;
        assert!(set.lost() - lost + gone >= set.ledger.begun - begun, "each is told at once");
        set.order(2, Command::Activate);
        let lost = set.lost();
        assert!(set.shares(2 * SECOND)[2] > 100);
        assert_eq!(set.lost(), lost, "one server is enough");
    });
}

#[test]
fn one_is_given_three_times_the_weight() {
    play("one_is_given_three_times_the_weight", |set| {
        // That one draws by weight and decides by latency, which is the same for all here.
        let diluted = set.upstream.settings().policy == PolicySettings::PeakEwma;
        let least = if diluted { 105 } else { 200 };
        let three_times = |set: &mut Simulation| {
            let shares = set.shares(10 * SECOND);
            let percent = shares[0] * 100 / shares[1].midpoint(shares[2]);
            assert!((least..=400).contains(&percent), "{shares:?}");
        };
        set.run(5 * SECOND);
        set.order(0, Command::Weight(Weight::new(3).expect("a weight")));
        three_times(set);
        set.servers[0].listed = false;
        set.run(3 * SECOND);
        set.servers[0].listed = true;
        set.run(3 * SECOND);
        three_times(set);
        set.order(0, Command::Weight(Weight::ONE));
        let shares = set.shares(10 * SECOND);
        assert!(shares[0] * 5 < shares.iter().sum::<u64>() * 2, "{shares:?}");
        set.nothing_was_lost();
    });
}
