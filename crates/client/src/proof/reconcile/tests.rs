use proptest::prelude::*;

use super::*;
use crate::proof::ledger::Attempt;

fn id(sequence: u64) -> String {
    request_id("r", sequence)
}

fn execution(sequence: u64, attempt: u32) -> Execution {
    Execution { id: id(sequence), attempt, executed: true }
}

/// A request that was answered with `status`, after attempts that ended so.
fn passage(sequence: u64, status: Option<u16>, ends: &[&str]) -> Passage {
    let attempts = ends.iter().zip(1..).map(|(&end, number)| Attempt {
        number,
        why: String::new(),
        endpoint: format!("10.0.0.{number}:80"),
        end: end.into(),
        status: (end == "answered").then_some(200),
    });
    Passage {
        run: "r".into(),
        id: id(sequence),
        status,
        whole: status.is_some(),
        at: 0,
        attempts: attempts.collect(),
    }
}

/// Two requests that went well, and a third that is the test's own: told by all three ledgers.
fn with(third: impl FnOnce(&mut Reconciler)) -> Proof {
    let mut reconciler = Reconciler::new("r");
    for sequence in 0..2 {
        reconciler.sent(sequence, false, Fate::Right);
        reconciler.executed(&execution(sequence, 1));
        reconciler.passed(&passage(sequence, Some(200), &["answered"]));
    }
    third(&mut reconciler);
    reconciler.conclude()
}

/// The only contradiction, which must name the third request.
fn contradiction(third: impl FnOnce(&mut Reconciler)) -> String {
    let proof = with(third);
    assert_eq!((proof.verdict, proof.contradicted), (Verdict::Contradicted, 1), "{proof:?}");
    assert_eq!(proof.contradictions[0].id, id(2));
    proof.contradictions[0].what.clone()
}

#[test]
fn three_whole_ledgers_that_agree_are_a_proof() {
    let proof = with(|_| {});
    assert_eq!((proof.verdict, proof.executions, proof.duplicates), (Verdict::Proved, 2, Some(0)));
    assert_eq!((proof.masked, proof.failed_attempts), (Some(0), Some(0)));
}

#[test]
fn a_right_answer_after_a_failed_attempt_is_masked() {
    let proof = with(|reconciler| {
        reconciler.sent(2, true, Fate::Right);
        reconciler.executed(&execution(2, 1));
        reconciler.executed(&execution(2, 2));
        reconciler.passed(&passage(2, Some(200), &["reset", "answered"]));
    });
    assert_eq!((proof.verdict, proof.masked, proof.failed_attempts), (Verdict::Proved, Some(1), Some(1)));
    assert_eq!(proof.duplicates, Some(0), "a GET may be executed twice");
}

#[test]
fn a_hedge_that_was_overtaken_masks_nothing() {
    let proof = with(|reconciler| {
        reconciler.sent(2, true, Fate::Right);
        reconciler.executed(&execution(2, 1));
        reconciler.executed(&execution(2, 2));
        reconciler.passed(&passage(2, Some(200), &["abandoned", "answered"]));
    });
    assert_eq!((proof.verdict, proof.masked), (Verdict::Proved, Some(0)));
}

#[test]
fn a_request_that_was_doubled_is_named() {
    let what = contradiction(|reconciler| {
        reconciler.sent(2, false, Fate::Right);
        reconciler.executed(&execution(2, 1));
        reconciler.executed(&execution(2, 2));
        reconciler.passed(&passage(2, Some(200), &["reset", "answered"]));
    });
    assert_eq!(what, "it must not be repeated, but was executed 2 times");
}

#[test]
fn a_right_answer_that_no_server_gave_is_named() {
    let what = contradiction(|reconciler| {
        reconciler.sent(2, true, Fate::Right);
        reconciler.passed(&passage(2, Some(200), &["answered"]));
    });
    assert_eq!(what, "it was answered rightly, but no server's journal has it");
}

#[test]
fn a_request_that_was_lost_on_the_way_back_is_named() {
    let what = contradiction(|reconciler| {
        reconciler.sent(2, true, Fate::Broken { head: false });
        reconciler.executed(&execution(2, 1));
        reconciler.passed(&passage(2, Some(200), &["answered"]));
    });
    assert_eq!(what, "it failed, but the balancer says that it was answered 200 in whole");
}

#[test]
fn a_request_that_vanished_before_the_balancer_is_named() {
    let what = contradiction(|reconciler| reconciler.sent(2, true, Fate::Broken { head: false }));
    assert_eq!(what, "it failed, and the balancer's ledger does not have it");
}

#[test]
fn a_connection_that_was_turned_away_unread_is_in_no_ledger() {
    let proof = with(|reconciler| reconciler.sent(2, true, Fate::TurnedAway));
    assert_eq!(proof.verdict, Verdict::Proved);
    let executed = contradiction(|reconciler| {
        reconciler.sent(2, true, Fate::TurnedAway);
        reconciler.executed(&execution(2, 1));
    });
    assert_eq!(executed, "it was executed, but its connection was turned away unread");
    let answered = contradiction(|reconciler| {
        reconciler.sent(2, true, Fate::TurnedAway);
        reconciler.executed(&execution(2, 1));
        reconciler.passed(&passage(2, Some(200), &["answered"]));
    });
    assert_eq!(answered, "the client saw 503, the balancer sent 200");
}

#[test]
fn an_attempt_that_only_one_side_knows_is_named() {
    let unrecorded = contradiction(|reconciler| {
        reconciler.sent(2, true, Fate::Right);
        reconciler.executed(&execution(2, 1));
        reconciler.passed(&passage(2, Some(200), &["answered", "answered"]));
    });
    assert_eq!(unrecorded, "a server answered attempt 2, but no journal has it");
    let unknown = contradiction(|reconciler| {
        reconciler.sent(2, true, Fate::Right);
        reconciler.executed(&execution(2, 1));
        reconciler.executed(&execution(2, 3));
        reconciler.passed(&passage(2, Some(200), &["answered"]));
    });
    assert_eq!(unknown, "a server had attempt 3, of which the balancer does not know");
}

#[test]
fn failures_that_the_attempts_explain_are_no_contradiction() {
    let proof = with(|reconciler| {
        reconciler.sent(2, false, Fate::Refused(504));
        reconciler.passed(&passage(2, Some(504), &["timeout"]));
        reconciler.sent(3, true, Fate::Broken { head: true });
        reconciler.executed(&execution(3, 1));
        reconciler.passed(&passage(3, None, &["answered"]));
        reconciler.sent(4, true, Fate::FailedAtHome);
    });
    assert_eq!(proof.verdict, Verdict::Proved, "{proof:?}");
}

#[test]
fn another_status_than_the_balancer_sent_is_named() {
    let what = contradiction(|reconciler| {
        reconciler.sent(2, true, Fate::Refused(500));
        reconciler.passed(&passage(2, Some(502), &["reset"]));
    });
    assert_eq!(what, "the client saw 500, the balancer sent 502");
}

#[test]
fn what_was_never_sent_but_executed_is_named_whatever_its_id() {
    let proof = with(|reconciler| {
        reconciler.executed(&execution(7, 1));
        reconciler.executed(&Execution { id: "r-7".into(), attempt: 1, executed: true });
    });
    assert_eq!((proof.verdict, proof.contradicted), (Verdict::Contradicted, 2));
    let ids: Vec<_> = proof.contradictions.iter().map(|contradiction| contradiction.id.as_str()).collect();
    assert_eq!(ids, ["r-7", "r-00000007"]);
}

#[test]
fn a_gap_is_never_a_pass_and_proves_no_contradiction() {
    let proof = with(|reconciler| {
        reconciler.sent(2, false, Fate::Right);
        reconciler.journals_lack("server-2's journal is missing");
        reconciler.ledger_lacks("the ring forgot");
    });
    assert_eq!((proof.verdict, proof.duplicates, proof.masked), (Verdict::Incomplete, None, None));
    assert_eq!(proof.missing.len(), 2);
}

#[test]
fn a_duplicate_shows_through_any_gap() {
    let proof = with(|reconciler| {
        reconciler.sent(2, false, Fate::Right);
        reconciler.executed(&execution(2, 1));
        reconciler.executed(&execution(2, 2));
        reconciler.journals_lack("server-2's journal is missing");
        reconciler.ledger_lacks("the ring forgot");
    });
    assert_eq!((proof.verdict, proof.duplicates), (Verdict::Contradicted, Some(1)));
}

#[test]
fn the_balancer_is_awaited_for_what_it_answered_and_no_longer() {
    let mut reconciler = Reconciler::new("r");
    reconciler.sent(0, true, Fate::Right);
    reconciler.sent(1, true, Fate::FailedAtHome);
    assert_eq!(reconciler.awaited(), 1);
    reconciler.passed(&passage(0, Some(200), &["answered"]));
    // The balancer may tell before the client has noted.
    reconciler.passed(&passage(2, Some(200), &["answered"]));
    reconciler.sent(2, true, Fate::Right);
    assert_eq!(reconciler.awaited(), 0);
}

#[test]
fn a_run_too_long_to_reconcile_is_incomplete() {
    let proof = with(|reconciler| reconciler.sent(MOST, true, Fate::Right));
    assert_eq!(proof.verdict, Verdict::Incomplete);
}

#[test]
fn a_run_that_nobody_was_told_of_is_incomplete_and_contradicts_nothing() {
    let mut reconciler = Reconciler::new("r");
    for sequence in 0..3 {
        reconciler.sent(sequence, false, Fate::Right);
    }
    reconciler.ledger_lacks("it answers 404");
    let proof = reconciler.conclude();
    assert_eq!((proof.verdict, proof.duplicates), (Verdict::Incomplete, None));
    assert!(proof.missing[0].contains("BALANCER_RUNS"), "{:?}", proof.missing);
}

#[test]
fn whoever_is_not_let_in_is_in_no_journal() {
    let proof = with(|reconciler| {
        reconciler.sent(2, false, Fate::Refused(401));
        let mut refused = passage(2, Some(401), &["answered"]);
        refused.attempts[0].status = Some(401);
        reconciler.passed(&refused);
    });
    assert_eq!(proof.verdict, Verdict::Proved);
}

proptest! {
    #[test]
    fn one_thing_changed_in_one_ledger_is_always_found(
        requests in 1_u64..40, chosen in any::<prop::sample::Index>(), what in 0..5, seed in any::<u64>(),
    ) {
        let chosen = chosen.index(usize::try_from(requests).unwrap()) as u64;
        let mut reconciler = Reconciler::new("r");
        for sequence in 0..requests {
            let tampered = sequence == chosen;
            let repeatable = (seed >> (sequence % 64)) & 1 == 1;
            // A GET may have needed two attempts.
            let ends: &[&str] = if repeatable && sequence % 3 == 0 { &["reset", "answered"] } else { &["answered"] };
            let fate = if tampered && what == 0 { Fate::Broken { head: false } } else { Fate::Right };
            reconciler.sent(sequence, repeatable && !(tampered && what == 4), fate);
            let last = u32::try_from(ends.len()).unwrap();
            if !(tampered && what == 1) {
                reconciler.executed(&execution(sequence, last));
            }
            if tampered && what == 4 {
                reconciler.executed(&execution(sequence, last));
            }
            if !(tampered && what == 2) {
                let status = if tampered && what == 3 { None } else { Some(200) };
                reconciler.passed(&passage(sequence, status, ends));
            }
        }
        let proof = reconciler.conclude();
        prop_assert_eq!((proof.verdict, proof.contradicted), (Verdict::Contradicted, 1));
        prop_assert_eq!(&proof.contradictions[0].id, &id(chosen));
    }
}
