//! Servers that take one request at a time, so that a probe waits behind requests.

use super::*;

impl Simulation {
    /// All take one request at a time, and work on it for so long; so many come in a second.
    fn one_at_a_time(&mut self, latency: Duration, rate: u32) {
        let now = self.now;
        for server in &mut self.servers {
            (server.latency, server.done_at) = (latency, Some(now));
        }
        self.rate = rate;
    }
}

#[test]
fn all_are_at_work_for_longer_than_probes_wait() {
    play("all_are_at_work_for_longer_than_probes_wait", |set| {
        // Three take some 2.3 s for each: nine of ten moments are filled.
        set.one_at_a_time(2 * SECOND, 1);
        set.run(120 * SECOND);
        assert!(set.ledger.news.iter().any(|(_, change)| change.news.name() == "busy"));
        set.nothing_was_lost();
        set.repeats_are_at_most(25);
    });
}

#[test]
fn more_comes_at_once_than_they_can_do_for_a_while() {
    play("more_comes_at_once_than_they_can_do_for_a_while", |set| {
        set.one_at_a_time(400 * MS, 4);
        set.run(20 * SECOND);
        let begun = set.ledger.begun;
        set.rate = 40;
        set.run(SECOND);
        set.rate = 1;
        set.run(25 * SECOND);
        assert!(set.ledger.begun > begun + 30, "{:#?}", set.ledger);
        set.nothing_was_lost();
    });
}

#[test]
fn one_is_paused_among_those_that_take_one_at_a_time() {
    play("one_is_paused_among_those_that_take_one_at_a_time", |set| {
        set.one_at_a_time(2 * MS, 100);
        set.run(5 * SECOND);
        set.set_state(0, State::Frozen);
        set.run(SECOND);
        assert!(!set.serves(0));
        let attempts = set.attempts(0);
        set.run(10 * SECOND);
        assert_eq!(set.attempts(0), attempts, "nothing more is sent there");
        set.nothing_repeatable_was_lost();
        set.slowest_is_at_most(300 * MS);
        set.set_state(0, State::Up);
        set.run(5 * SECOND);
        set.nobody_starves();
    });
}

#[test]
fn one_is_paused_and_the_others_are_at_work() {
    play("one_is_paused_and_the_others_are_at_work", |set| {
        set.one_at_a_time(800 * MS, 2);
        set.run(30 * SECOND);
        set.set_state(0, State::Frozen);
        set.rate = 1;
        set.run(5 * SECOND);
        let attempts = set.attempts(0);
        set.run(60 * SECOND);
        assert!(set.attempts(0) - attempts <= 2, "{}", set.attempts(0) - attempts);
        set.nothing_repeatable_was_lost();
    });
}

#[test]
fn all_are_paused_for_a_while() {
    play("all_are_paused_for_a_while", |set| {
        // No more than one server takes.
        set.rate = 40;
        set.run(5 * SECOND);
        (0..3).for_each(|server| set.set_state(server, State::Frozen));
        set.run(20 * SECOND);
        (0..3).for_each(|server| set.set_state(server, State::Up));
        set.run(10 * SECOND);
        set.nothing_was_lost();
        set.nobody_starves();
    });
}

#[test]
fn all_hang() {
    play("all_hang", |set| {
        set.rate = 20;
        set.run(5 * SECOND);
        (0..3).for_each(|server| set.set_state(server, State::Frozen));
        // Until those that were sent while it could have been work are told as well.
        set.run(95 * SECOND);
        let (lost, begun) = (set.lost(), set.ledger.begun);
        set.run(10 * SECOND);
        assert!(set.lost() - lost >= set.ledger.begun - begun, "each is told at once");
        set.set_state(1, State::Up);
        set.run(SECOND);
        let lost = set.lost();
        set.run(5 * SECOND);
        assert_eq!(set.lost(), lost, "one server is enough");
    });
}

impl Simulation {
    /// The same with lines of their own that take so many; who comes beyond that is not answered.
    fn one_at_a_time_with_lines(&mut self, places: u32, latency: Duration, rate: u32) {
        self.one_at_a_time(latency, rate);
        self.servers.iter_mut().for_each(|server| server.line = Some(places));
    }

    /// So many requests at once, from one client.
    fn burst(&mut self, requests: u32) {
        let clients = std::mem::replace(&mut self.clients, 1);
        (0..requests).for_each(|_| self.comes());
        self.clients = clients;
    }
}

#[test]
fn a_burst_fills_the_lines_of_all() {
    play("a_burst_fills_the_lines_of_all", |set| {
        set.one_at_a_time_with_lines(2, 200 * MS, 2);
        set.run(10 * SECOND);
        for _ in 0..3 {
            set.burst(30);
            set.run(30 * SECOND);
        }
        set.nobody_was_ejected();
        set.nothing_was_lost();
    });
}

#[test]
fn full_lines_never_take_out_all() {
    play("full_lines_never_take_out_all", |set| {
        set.one_at_a_time_with_lines(1, 1_200 * MS, 1);
        set.run(10 * SECOND);
        for _ in 0..3 {
            set.burst(12);
            for _ in 0..300 {
                set.run(100 * MS);
                // One whose line was not yet seen to be full looks as if it was cut off while others serve.
                let states = set.control.describe(set.now);
                let out = states.iter().filter(|state| matches!(state.health, Health::Ejected { .. }));
                assert!(out.count() < 3, "{states:#?}");
            }
        }
        set.nothing_was_lost();
    });
}

#[test]
fn a_burst_fills_the_line_of_the_only_one() {
    for latency in [200 * MS, 900 * MS] {
        play("a_burst_fills_the_line_of_the_only_one", |set| {
            for server in 1..3 {
                set.servers[server].listed = false;
            }
            set.one_at_a_time_with_lines(1, latency, 1);
            set.rate = 0;
            for _ in 0..3 {
                set.run(10 * SECOND);
                set.burst(20);
                set.run(40 * SECOND);
            }
            set.nobody_was_ejected();
            set.nothing_was_lost();
        });
    }
}

#[test]
fn who_is_cut_off_falls_though_its_line_was_full() {
    play("who_is_cut_off_falls_though_its_line_was_full", |set| {
        set.one_at_a_time_with_lines(1, 100 * MS, 5);
        set.run(5 * SECOND);
        set.burst(20);
        set.run(SECOND);
        set.set_state(0, State::Gone);
        set.run(4 * SECOND);
        assert!(!set.serves(0));
        let attempts = set.attempts(0);
        set.run(20 * SECOND);
        assert_eq!(set.attempts(0), attempts, "nothing more is sent there");
        set.nothing_repeatable_was_lost();
    });
}
