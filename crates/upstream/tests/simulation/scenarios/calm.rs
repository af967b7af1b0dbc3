//! Where nothing happens, nothing is said to have happened.

use super::*;

const HOUR: Duration = Duration::from_hours(1);

impl Simulation {
    /// No endpoint was under suspicion, ejected or on probation, and no request was moved.
    fn nothing_was_alleged(&self) {
        // Each is healthy once, at its beginning.
        let alarms: Vec<_> =
            self.ledger.news.iter().filter(|(_, change)| change.news != News::Healthy).collect();
        assert!(alarms.is_empty(), "{} alarms: {:#?}", alarms.len(), &alarms[..alarms.len().min(10)]);
        assert_eq!(self.ledger.news.len(), self.servers.len());
        assert_eq!(self.ledger.moves, 0, "{:#?}", self.ledger);
    }
}

/// One policy and one seed: 720,000 requests take a while. What differs with the policy is who is asked, and not what is made of it.
#[test]
fn an_hour_of_200_requests_a_second_without_a_fault_is_calm() {
    let mut set = Simulation::new(Settings::default(), 1);
    set.rate = 200;
    for server in &mut set.servers {
        (server.latency, server.tail) = (40 * MS, Some(0.5));
    }
    set.run(HOUR);
    assert!(set.ledger.ended > 700_000, "{:#?}", set.ledger);
    set.nothing_was_alleged();
    set.nothing_was_lost();
    set.end();
}
