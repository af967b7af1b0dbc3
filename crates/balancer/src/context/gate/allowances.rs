//! What each client may still ask for, in a table of fixed size that all workers share without a lock.
//!
//! ```text
//!        ├──────────── burst ────────────┤
//! ───────┼───────────────┼───────────────┼──▶ time
//!       now             due              limit: a request that would move `due` beyond it is turned away
//! ```
//! Of a client one moment is kept: when all that it has asked for would be due, had it asked at its rate and no faster (the
//! generic cell rate algorithm, ITU-T I.371). A request moves it on by one interval; time that passes lets it fall behind.
//!
//! The moment shares one word with a print of who the client is, so each step is one compare and exchange, and exact however
//! many workers take at once. Words stand in rows of a cache line; the row is chosen by a keyed hash that nobody outside knows.
//! Where a row is full, the client nearest to its whole allowance loses its place and has that whole again when it next comes:
//! so a million addresses cost no more memory than one, and nobody is turned away for want of room.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::party::Party;
use crate::settings::limits::RequestRate;

/// Rows of the table: room for half a million clients in 4 MiB.
const ROWS: usize = 1 << 16;

/// Clients in a row: as many words as a cache line has.
const PLACES: usize = 8;

/// The bits of a word that are a moment, in eighths of a microsecond: they begin anew after 25 days. Who has not asked for so
/// long may be taken, once, for one who just has.
const MOMENT: u32 = 44;
const EIGHTHS: u128 = 8;

type Row = [AtomicU64; PLACES];

pub(crate) struct Allowances {
    rate: RequestRate,
    /// Between two requests at the rate, in eighths of a microsecond.
    interval: u64,
    /// How far a client may be ahead of its rate, in the same.
    burst: u64,
    begun: Instant,
    keyed: std::hash::RandomState,
    rows: Box<[Row]>,
}

impl Allowances {
    /// Everybody's is whole. `now` is the moment that others are counted from.
    pub(crate) fn new(rate: RequestRate, now: Instant) -> Self {
        Self::with_rows(rate, now, ROWS)
    }

    fn with_rows(rate: RequestRate, now: Instant, rows: usize) -> Self {
        let interval = (eighths(rate.window) / u64::from(rate.requests)).max(1);
        Self {
            rate,
            interval,
            burst: interval.saturating_mul(rate.burst.into()),
            begun: now,
            keyed: std::hash::RandomState::new(),
            rows: (0..rows).map(|_| Row::default()).collect(),
        }
    }

    pub(crate) fn rate(&self) -> RequestRate {
        self.rate
    }

    /// Takes one request from what this client has.
    ///
    /// # Errors
    /// When it has nothing left: the time until it has.
    pub(crate) fn take(&self, party: Party, now: Instant) -> Result<(), Duration> {
        let (row, print) = self.row_of(party);
        let now = eighths(now.saturating_duration_since(self.begun)) & mask();
        loop {
            let place = self.place_of(row, print, now);
            let (word, ahead) = (place.word, place.ahead);
            let due = ahead + self.interval;
            if due > self.burst {
                return Err(Duration::from_nanos((due - self.burst) * 125));
            }
            let taken = (print << MOMENT) | ((now + due) & mask());
            let done = row[place.index].compare_exchange(word, taken, Ordering::Relaxed, Ordering::Relaxed);
            if done.is_ok() {
                return Ok(());
            }
            // Somebody else has taken in between: each time round, one request has been counted.
        }
    }

    /// The row where this client has a place, and its print.
    fn row_of(&self, party: Party) -> (&Row, u64) {
        let hash = self.keyed.hash_one(party.bits());
        // Never that of an empty place.
        let print = (hash >> MOMENT) | 1;
        (&self.rows[hash as usize % self.rows.len()], print)
    }

    /// Where this client's word is, or should be: in the place of whom it costs least.
    fn place_of(&self, row: &Row, print: u64, now: u64) -> Place {
        let mut least = Place { index: 0, word: 0, ahead: u64::MAX };
        for (index, place) in row.iter().enumerate() {
            let word = place.load(Ordering::Relaxed);
            let ahead = if word == 0 { 0 } else { self.ahead(word, now) };
            if word >> MOMENT == print {
                return Place { index, word, ahead };
            }
            if ahead < least.ahead {
                least = Place { index, word, ahead };
            }
        }
        Place { ahead: 0, ..least }
    }

    /// How far this one is ahead of its rate. A moment farther off than any allowance reaches is long past.
    fn ahead(&self, word: u64, now: u64) -> u64 {
        let ahead = word.wrapping_sub(now) & mask();
        if ahead <= self.burst { ahead } else { 0 }
    }
}

struct Place {
    index: usize,
    word: u64,
    ahead: u64,
}

const fn mask() -> u64 {
    (1 << MOMENT) - 1
}

fn eighths(time: Duration) -> u64 {
    (time.as_nanos() * EIGHTHS / 1000) as u64
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::thread;

    use super::*;
    use crate::clock::now;

    const RATE: RequestRate = RequestRate { requests: 10, window: Duration::from_secs(1), burst: 20 };

    fn party(number: u32) -> Party {
        Party::of(IpAddr::from(Ipv4Addr::from(number)))
    }

    fn taken(allowances: &Allowances, party: Party, now: Instant, asks: usize) -> usize {
        (0..asks).filter(|_| allowances.take(party, now).is_ok()).count()
    }

    #[test]
    fn a_burst_is_had_at_once_and_then_the_rate() {
        let begun = now();
        let allowances = Allowances::new(RATE, begun);
        assert_eq!(taken(&allowances, party(1), begun, 100), 20);
        assert_eq!(allowances.take(party(1), begun), Err(Duration::from_millis(100)));
        assert_eq!(taken(&allowances, party(1), begun + Duration::from_millis(99), 9), 0);
        assert_eq!(taken(&allowances, party(1), begun + Duration::from_millis(100), 9), 1);
        assert_eq!(taken(&allowances, party(1), begun + Duration::from_millis(600), 9), 5);
        assert_eq!(taken(&allowances, party(1), begun + Duration::from_mins(1), 100), 20);
    }

    #[test]
    fn each_client_has_its_own() {
        let begun = now();
        let allowances = Allowances::new(RATE, begun);
        for number in 0..1000 {
            assert_eq!(taken(&allowances, party(number), begun, 21), 20, "{number}");
        }
    }

    #[test]
    fn who_comes_back_after_weeks_has_it_whole() {
        let begun = now();
        let allowances = Allowances::new(RATE, begun);
        for days in [1, 10, 20, 24, 27, 40, 60] {
            let then = begun + Duration::from_hours(24 * days);
            assert_eq!(taken(&allowances, party(1), then, 100), 20, "after {days} days");
        }
    }

    #[test]
    fn workers_that_take_at_once_take_no_more_than_there_is() {
        let begun = now();
        let rate = RequestRate { requests: 1000, window: Duration::from_hours(1), burst: 1000 };
        let allowances = Allowances::new(rate, begun);
        let taken: usize = thread::scope(|scope| {
            let workers: Vec<_> =
                (0..4).map(|_| scope.spawn(|| taken(&allowances, party(1), begun, 500))).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        assert_eq!(taken, 1000);
    }

    #[test]
    fn a_full_row_gives_up_whom_it_costs_least_and_turns_nobody_away() {
        let begun = now();
        let allowances = Allowances::with_rows(RATE, begun, 1);
        assert_eq!(taken(&allowances, party(0), begun, 100), 20);
        // A flood of others comes by, each for the first time. One of half a million would be taken for the first client.
        let print = |number| allowances.row_of(party(number)).1;
        for number in (1..=10_000).filter(|&number| print(number) != print(0)) {
            assert!(allowances.take(party(number), begun).is_ok(), "{number}");
        }
        // Who had asked for most has kept its place.
        assert_eq!(taken(&allowances, party(0), begun, 100), 0);
    }

    #[test]
    fn the_table_is_as_large_as_said_and_a_word_has_room_for_the_longest_allowance() {
        let slow = RequestRate { requests: 1, window: Duration::from_hours(1), burst: 24 };
        assert_eq!(size_of::<Row>() * ROWS, 4 << 20);
        let allowances = Allowances::with_rows(slow, now(), 1);
        assert!(allowances.burst < mask() / 2);
    }
}
