//! Everything fails, and failing twice would be doing it twice.

use evenkeel_upstream::BudgetSettings;

use super::*;

/// The bucket holds what ten seconds grant.
const PER_SECOND: u32 = 2;
const FULL: u64 = 20;

#[test]
fn retries_end_with_their_budget_and_come_back_with_it() {
    let little = |settings: &mut Settings| {
        settings.retry_budget = BudgetSettings { percent: 0, per_second: PER_SECOND };
    };
    play_with("retries_end_with_their_budget_and_come_back_with_it", little, |set| {
        set.run(5 * SECOND);
        assert_eq!((set.ledger.retries, set.upstream.budgets().retries_left()), (0, FULL));
        (0..3).for_each(|server| set.servers[server].status = 503);
        set.run(3 * SECOND);
        let (retries, bad) = (set.ledger.retries, set.ledger.bad_statuses);
        assert!(retries >= FULL && set.upstream.budgets().retries_left() <= 1, "{retries}");
        set.run(10 * SECOND);
        let granted = u64::from(PER_SECOND) * 10;
        let retries = set.ledger.retries - retries;
        assert!((granted - 2..=granted + 2).contains(&retries), "{retries} retries of {granted}");
        assert!(set.ledger.bad_statuses > bad + 500, "the rest hear what the server said");
        (0..3).for_each(|server| set.servers[server].status = 200);
        set.run(12 * SECOND);
        assert_eq!(set.upstream.budgets().retries_left(), FULL);
        set.nothing_was_lost();
    });
}

#[test]
fn a_retry_with_nowhere_to_go_costs_nothing() {
    play("a_retry_with_nowhere_to_go_costs_nothing", |set| {
        set.run(5 * SECOND);
        let left = set.upstream.budgets().retries_left();
        (1..3).for_each(|server| set.order(server, Command::Drain));
        set.servers[0].status = 503;
        set.run(5 * SECOND);
        assert!(set.upstream.budgets().retries_left() >= left);
        assert!(set.ledger.bad_statuses > 300, "the only one's word is the last");
        set.nothing_was_lost();
    });
}
