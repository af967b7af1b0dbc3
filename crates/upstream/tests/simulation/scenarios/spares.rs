//! Backups stand in for all others, and only then.

use super::*;

const SPARE: usize = 3;

#[test]
fn a_backup_serves_while_no_other_can() {
    play("a_backup_serves_while_no_other_can", |set| {
        set.servers.push(Server::spare(SPARE as u8));
        set.run(5 * SECOND);
        for server in [0, 1] {
            set.kill(server);
            set.run(3 * SECOND);
        }
        assert!(set.serves(SPARE));
        assert_eq!(set.shares(SECOND)[SPARE], 0, "one of the others is enough");
        set.kill(2);
        let lost = set.lost();
        set.run(SECOND);
        assert!(set.shares(3 * SECOND)[SPARE] > 200);
        set.nothing_repeatable_was_lost();
        assert!(set.lost() - lost < 10, "it stands in at once");
        set.set_state(1, State::Up);
        set.run(3 * SECOND);
        assert_eq!(set.shares(3 * SECOND)[SPARE], 0, "it is given up when one returns");
        (0..3).for_each(|server| set.set_state(server, State::Up));
        set.run(5 * SECOND);
        set.nobody_starves();
        set.nothing_repeatable_was_lost();
    });
}

#[test]
fn a_backup_stands_in_for_those_that_drain() {
    play("a_backup_stands_in_for_those_that_drain", |set| {
        set.servers.push(Server::spare(SPARE as u8));
        set.run(5 * SECOND);
        (0..3).for_each(|server| set.order(server, Command::Drain));
        assert!(set.shares(2 * SECOND)[SPARE] > 100);
        set.order(1, Command::Activate);
        assert_eq!(set.shares(2 * SECOND)[SPARE], 0);
        set.nothing_was_lost();
    });
}

#[test]
fn a_hedge_wakes_no_backup() {
    play("a_hedge_wakes_no_backup", |set| {
        set.servers.push(Server::spare(SPARE as u8));
        set.run(10 * SECOND);
        (1..3).for_each(|server| set.order(server, Command::Drain));
        for _ in 0..20 {
            set.servers[0].latency = 30 * MS;
            set.run(40 * MS);
            set.servers[0].latency = 2 * MS;
            set.run(SECOND);
        }
        let id = set.control.find(set.servers[SPARE].address).expect("a member");
        assert_eq!((set.ledger.picks.get(&id), set.ledger.hedges), (None, 0));
        assert!(set.upstream.budgets().hedges_left() > 0, "what found nobody was given back");
        set.nothing_was_lost();
    });
}
