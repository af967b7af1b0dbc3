//! A server that takes connections and has no time for probes: at work, or silent for good.

use super::*;

const UNANSWERED: ProbeResult = ProbeResult::Failed(ProbeFailure::Unanswered);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

impl Set {
    /// Two probes half a second long, a second apart, as they come.
    fn probes_unanswered(&mut self, index: u8) {
        for _ in 0..2 {
            self.probe_unanswered(index);
            self.pass_time(500 * MS);
        }
    }

    fn probe_unanswered(&mut self, index: u8) {
        self.start_probes();
        self.pass_time(500 * MS);
        self.probe(index, UNANSWERED);
    }

    /// Some time without a word of anybody who is usually quick, so that no success is recent.
    fn quiet(count: u8) -> Self {
        let mut set = Self::of(count);
        (0..count).for_each(|index| set.serve_on(index));
        set.pass_time(2_000 * MS);
        set
    }
}

#[test]
fn who_is_at_work_and_answers_no_probe_is_busy_and_not_ejected() {
    let mut set = Set::quiet(3);
    let _work = set.lease_on_any(0);
    set.probes_unanswered(0);
    assert_eq!(set.health(0), Health::Healthy);
    assert!((0..10).all(|_| set.pick(&POST) != Ok(0)), "others are free");
    let words: Vec<_> = set.control.take_changes().map(|change| change.news.to_string()).collect();
    assert_eq!(words, ["is busy: takes connections, has not answered a probe for 3.5 s"]);
}

#[test]
fn who_has_nothing_to_do_and_answers_no_probe_is_ejected() {
    let mut set = Set::quiet(3);
    set.probes_unanswered(0);
    assert!(matches!(set.health(0), Health::Ejected { cause: Cause::Unanswering, by: Source::Probes, .. }));
    let words: Vec<_> = set.control.take_changes().map(|change| change.news.to_string()).collect();
    assert_eq!(words, ["takes connections and answers nothing; ejected until probes pass"]);
}

#[test]
fn where_all_are_at_work_all_serve() {
    let mut set = Set::quiet(3);
    let _work = [0, 1, 2].map(|index| set.lease_on_any(index));
    for _ in 0..4 {
        (0..3).for_each(|index| set.probes_unanswered(index));
    }
    for index in 0..3 {
        assert_eq!(set.health(index), Health::Healthy);
        assert!((0..100).any(|_| set.pick(&POST) == Ok(index)));
    }
    assert_eq!(set.news(), ["busy"; 3], "told once");
}

#[test]
fn the_head_of_an_answer_ends_it_at_once() {
    let mut set = Set::quiet(3);
    let mut work = set.lease_on_any(0);
    set.probes_unanswered(0);
    work.head_received(Response::Good, 2_000 * MS, set.now);
    set.pass_time(100 * MS);
    assert!(set.endpoint(0).is_plain());
    assert_eq!(set.news(), ["busy", "free"]);
}

#[test]
fn a_passed_probe_ends_it_at_once() {
    let mut set = Set::quiet(3);
    let _work = set.lease_on_any(0);
    set.probes_unanswered(0);
    set.probe(0, ProbeResult::Passed);
    assert!(set.endpoint(0).is_plain());
    assert_eq!(set.news(), ["busy", "free"]);
}

#[test]
fn a_probe_that_waits_behind_answers_says_nothing() {
    let mut set = Set::quiet(3);
    for _ in 0..10 {
        let mut work = set.lease_on_any(0);
        set.start_probes();
        set.pass_time(250 * MS);
        // No success: a body that takes its time.
        work.head_received(Response::Good, 250 * MS, set.now);
        set.pass_time(250 * MS);
        set.probe(0, UNANSWERED);
        set.pass_time(500 * MS);
        assert!(set.endpoint(0).is_plain());
    }
    assert_eq!(set.news().len(), 0);
}

#[test]
fn a_head_between_two_probes_begins_the_row_anew() {
    let mut set = Set::quiet(3);
    let mut work = set.lease_on_any(0);
    set.probe_unanswered(0);
    set.pass_time(100 * MS);
    work.head_received(Response::Good, 600 * MS, set.now);
    set.pass_time(1_500 * MS);
    set.probe_unanswered(0);
    assert!(set.endpoint(0).is_plain());
    set.pass_time(500 * MS);
    set.probe_unanswered(0);
    assert!(!set.endpoint(0).is_plain());
}

#[test]
fn who_is_late_while_others_answer_is_ejected_though_it_has_work() {
    let mut set = Set::quiet(3);
    let _work = set.lease_on_any(0);
    set.see(0, Evidence::Silent);
    (0..2).for_each(|_| set.probe_unanswered(0));
    assert!(matches!(set.health(0), Health::Ejected { cause: Cause::Unanswering, .. }));
}

#[test]
fn who_is_usually_slow_has_longer_to_be_late() {
    for (usual, patience) in [(Some(2_000 * MS), 8_000 * MS), (None, 5_000 * MS)] {
        let mut set = Set::of(3);
        if let Some(usual) = usual {
            set.lease_on_any(0).head_received(Response::Good, usual, set.now);
        }
        let since = set.now;
        let _work = set.lease_on_any(0);
        set.pass_time(1_100 * MS);
        set.see(0, Evidence::Silent);
        while set.now + 500 * MS < since + patience {
            set.probe_unanswered(0);
            assert!(!set.is_ejected(0), "after {:?}", set.now - since);
        }
        set.probe_unanswered(0);
        assert!(set.is_ejected(0));
    }
}

#[test]
fn who_was_taken_for_busy_is_ejected_as_soon_as_it_is_late() {
    let mut set = Set::quiet(3);
    let work = set.lease_on_any(0);
    set.probes_unanswered(0);
    assert_eq!(work.down(), Down::Busy);
    set.see(0, Evidence::Silent);
    set.probe_unanswered(0);
    assert_eq!(work.down(), Down::Ejected(Cause::Unanswering));
}

#[test]
fn a_request_that_was_sent_to_a_busy_one_does_not_leave_it_for_that() {
    let mut set = Set::quiet(1);
    let _work = set.lease_on_any(0);
    set.probes_unanswered(0);
    let late = set.lease(&GET).unwrap();
    set.probe_unanswered(0);
    assert_eq!(late.down(), Down::No);
}

#[test]
fn where_all_are_at_work_a_failed_probe_confirms_nothing() {
    let mut set = Set::quiet(2);
    let work = [0, 1].map(|index| set.lease_on_any(index));
    (0..2).for_each(|index| set.probes_unanswered(index));
    set.see(0, Evidence::Silent);
    set.probe_unanswered(0);
    assert_eq!(work[0].down(), Down::Busy, "elsewhere it would wait as well");
    assert_eq!(set.health(0), Health::Healthy);
}

#[test]
fn the_last_one_that_takes_connections_serves_until_an_answer_of_it_would_be_too_late() {
    let mut set = Set::quiet(3);
    (0..3).for_each(|index| set.probes_unanswered(index));
    assert!(set.is_ejected(0) && set.is_ejected(1) && !set.is_ejected(2));
    assert_eq!(set.pick(&POST), Ok(2));
    set.pass_time(RESPONSE_TIMEOUT);
    (0..3).for_each(|index| set.probe_unanswered(index));
    assert!(set.is_ejected(2));
    assert_eq!(set.pick(&POST), Err(Unavailable::AllUnreachable), "it hangs: that is said at once");
    set.probe(1, ProbeResult::Passed);
    assert_eq!(set.pick(&POST), Ok(1));
}

#[test]
fn who_sends_a_long_answer_is_busy_for_as_long_as_that_takes() {
    let mut set = Set::quiet(2);
    let streams = [0, 1].map(|index| set.lease_on_any(index));
    streams[0].flows(set.now + 900 * MS);
    set.probes_unanswered(0);
    let words: Vec<_> = set.control.take_changes().map(|change| change.news.to_string()).collect();
    assert_eq!(words, ["is busy: takes connections, has not answered a probe for 3.5 s"]);
    for _ in 0..30 {
        (0..2).for_each(|index| set.probes_unanswered(index));
        for stream in &streams {
            stream.flows(set.now);
        }
    }
    assert!(set.pick(&POST).is_ok());
    set.pass_time(RESPONSE_TIMEOUT);
    (0..2).for_each(|index| set.probe_unanswered(index));
    assert_eq!(set.pick(&POST), Err(Unavailable::AllUnreachable), "nothing more came");
}

#[test]
fn those_that_take_connections_serve_when_nobody_answers() {
    let mut set = Set::quiet(2);
    set.probes_unanswered(0);
    assert!(set.is_ejected(0));
    (0..2).for_each(|_| set.probe(1, FAILED));
    assert_eq!(set.pick(&POST), Ok(0));
    set.probe(0, FAILED);
    assert_eq!(set.pick(&POST), Err(Unavailable::AllUnreachable), "now it takes no connection either");
}

#[test]
fn who_was_busy_when_it_was_found_serves_where_nobody_else_does_and_its_first_answer_proves_it() {
    let mut set = Set::with(2, Settings::default());
    set.probe_unanswered(0);
    assert_eq!(set.health(0), Health::Unproven);
    let mut work = set.lease(&POST).unwrap();
    assert_eq!(index_of(&work), 0);
    work.head_received(Response::Good, 2_000 * MS, set.now + MS);
    set.pass_time(200 * MS);
    assert_eq!(set.health(0), Health::Healthy);
    set.probe_unanswered(1);
    assert!((0..10).all(|_| set.pick(&POST) == Ok(0)), "the other is still to be proven");
}

#[test]
fn who_never_answers_serves_nobody_once_an_answer_would_be_too_late() {
    let mut set = Set::with(1, Settings::default());
    set.probe_unanswered(0);
    assert_eq!(set.pick(&POST), Ok(0));
    set.pass_time(RESPONSE_TIMEOUT);
    assert_eq!(set.pick(&POST), Err(Unavailable::AllUnreachable));
}

#[test]
fn who_misbehaves_but_answers_goes_before_who_takes_connections() {
    let mut set = Set::quiet(3);
    set.eject_by_traffic(0);
    set.probes_unanswered(1);
    (0..2).for_each(|_| set.probe(2, FAILED));
    assert!((0..10).all(|_| set.pick(&POST) == Ok(0)));
}

#[test]
fn who_is_ejected_for_silence_is_back_with_its_first_answer() {
    let mut set = Set::quiet(2);
    let mut work = set.lease_on_any(0);
    set.see(0, Evidence::Silent);
    (0..2).for_each(|_| set.probe_unanswered(0));
    assert!(set.is_ejected(0));
    set.pass_time(1_000 * MS);
    work.head_received(Response::Good, 3_000 * MS, set.now);
    set.pass_time(100 * MS);
    assert_eq!(set.health(0), Health::Healthy);
}

#[test]
fn who_is_busy_and_then_takes_no_connections_is_ejected_after_the_second_time() {
    let mut set = Set::quiet(3);
    let _work = set.lease_on_any(0);
    set.probes_unanswered(0);
    set.probe(0, FAILED);
    assert!(!set.is_ejected(0), "its line may be full for a moment");
    set.probe(0, FAILED);
    assert!(matches!(set.health(0), Health::Ejected { cause: Cause::Unreachable, .. }));
    assert_eq!(set.news(), ["busy", "ejected"]);
}

#[test]
fn a_busy_one_is_asked_once_and_waited_for() {
    let mut set = Set::quiet(1);
    let _work = set.lease_on_any(0);
    set.probes_unanswered(0);
    let begun = set.now;
    let due = set.control.probes_due(set.now, &mut || 0);
    assert_eq!(due[0].timeout, 5_000 * MS);
    while set.now < begun + 4_900 * MS {
        set.pass_time(100 * MS);
        assert_eq!(set.control.probes_due(set.now, &mut || 0), []);
    }
    set.probe(0, ProbeResult::Passed);
    assert!(set.endpoint(0).is_plain());
}

#[test]
fn a_suspicion_of_a_busy_one_is_asked_about_at_once() {
    let mut set = Set::quiet(3);
    let _work = set.lease_on_any(0);
    set.probes_unanswered(0);
    set.start_probes();
    set.pass_time(100 * MS);
    set.see(0, Evidence::Silent);
    let due = set.control.probes_due(set.now, &mut || 0);
    assert_eq!((due.len(), due[0].endpoint, due[0].timeout), (1, set.id(0), 200 * MS));
}

#[test]
fn an_answer_clears_who_was_suspected_for_its_silence() {
    let mut set = Set::quiet(1);
    let mut work = set.lease_on_any(0);
    set.see(0, Evidence::Silent);
    set.pass_time(100 * MS);
    set.probe_unanswered(0);
    work.head_received(Response::Good, 700 * MS, set.now);
    set.pass_time(100 * MS);
    assert!(set.endpoint(0).is_plain());
    assert_eq!(set.news(), ["suspect", "cleared"]);
}

#[test]
fn a_line_that_is_full_is_no_reason_to_turn_everybody_away() {
    let mut set = Set::quiet(2);
    let work = [0, 1].map(|index| set.lease_on_any(index));
    (0..2).for_each(|index| set.probes_unanswered(index));
    (0..5).for_each(|_| (0..2).for_each(|index| set.probe(index, FAILED)));
    assert!(set.pick(&POST).is_ok());
    drop(work);
    (0..2).for_each(|_| (0..2).for_each(|index| set.probe(index, FAILED)));
    assert_eq!(set.pick(&POST), Err(Unavailable::AllUnreachable), "nothing keeps it at work");
}

#[test]
fn a_busy_one_is_probed_no_more_often_for_a_suspicion() {
    let mut set = Set::quiet(1);
    let _work = set.lease_on_any(0);
    set.probes_unanswered(0);
    set.see(0, Evidence::Silent);
    let mut begun = 0;
    for _ in 0..50 {
        for probe in set.control.probes_due(set.now, &mut || 0) {
            begun += 1;
            set.control.probed(probe.endpoint, UNANSWERED, MS, set.now);
        }
        set.pass_time(100 * MS);
    }
    assert!((5..=7).contains(&begun), "{begun} in five seconds");
}
