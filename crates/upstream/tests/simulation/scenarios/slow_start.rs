//! Who has just become healthy gets a part of its share, and more of it as time goes.

use super::*;

const RAMP: Duration = Duration::from_secs(20);

#[test]
fn one_that_returns_is_warmed_up() {
    let slow_start = |settings: &mut Settings| settings.slow_start = Some(RAMP);
    play_with("one_that_returns_is_warmed_up", slow_start, |set| {
        set.run(RAMP);
        set.nobody_starves();
        set.kill(0);
        set.run(5 * SECOND);
        set.set_state(0, State::Up);
        set.run(2 * SECOND);
        assert!(set.serves(0));
        let parts = [(); 3].map(|()| {
            let shares = set.shares(5 * SECOND);
            shares[0] * 100 / shares[1].midpoint(shares[2])
        });
        assert!((1..50).contains(&parts[0]), "{parts:?} percent of a share");
        assert!(parts[0] < parts[2], "{parts:?} percent of a share");
        set.run(5 * SECOND);
        let shares = set.shares(5 * SECOND);
        assert!(shares[0] * 4 > shares.iter().sum(), "{shares:?}");
        set.nothing_repeatable_was_lost();
    });
}
