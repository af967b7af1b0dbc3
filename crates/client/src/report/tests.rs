use std::time::Duration;

use evenkeel_service::Reading;

use super::*;
use crate::conclusion;
use crate::measure::Measurements;
use crate::measure::tests::{exchange, some_beginning};
use crate::proof::{Contradiction, Verdict};
use crate::run::Finished;
use crate::settings::{COMPONENT, Settings};
use crate::told::Names;

/// The report of a run with so many right answers, 10 ms apart and 2 ms long, and a failure of each kind after them.
pub(crate) fn report(
    variables: &[(&str, &str)],
    right: u64,
    failed: &[Kind],
    proof: Option<Proof>,
) -> Report {
    let variables = [&[("CLIENT_TARGET", "http://balancer:8080")], variables].concat();
    let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
    let settings = Reading::of(&COMPONENT, variables, Settings::read).unwrap();
    let begin = some_beginning();
    let mut measurements = Measurements::new(1, settings.failures, begin);
    let outcomes = (0..right).map(|_| None).chain(failed.iter().copied().map(Some));
    for (outcome, number) in outcomes.zip(1..) {
        let at = Duration::from_millis(10) * number;
        measurements.record(&exchange(begin, at, Duration::from_millis(2), outcome));
    }
    let finished = Finished {
        began: "2026-11-23T12:00:00Z".parse().unwrap(),
        incidents: Vec::new(),
        slowness: None,
        slowest: None,
        names: Names::default(),
        measurements,
        dropped: 0,
        stopped: false,
        proof,
    };
    conclusion::of("r", &settings.targets[0], &settings, finished)
}

/// The report of a run against a target that was too slow for its rate, in which nothing failed.
fn overloaded(variables: &[(&str, &str)], in_time: u64, late: u64, dropped: u64) -> Report {
    let mut overloaded = report(variables, in_time + late, &[], None);
    overloaded.requests.late = late;
    overloaded.requests.dropped = dropped;
    overloaded.notes.extend(overloaded.requests.rate_not_kept());
    overloaded
}

/// A verdict with one contradiction where there must be one.
pub(crate) fn proof(verdict: Verdict) -> Proof {
    let contradicted = verdict == Verdict::Contradicted;
    let contradiction = Contradiction { id: "r-00000003".into(), what: "it was executed twice".into() };
    Proof {
        verdict,
        executions: 10,
        duplicates: Some(u64::from(contradicted)),
        masked: Some(2),
        failed_attempts: Some(2),
        contradicted: u64::from(contradicted),
        contradictions: if contradicted { vec![contradiction] } else { Vec::new() },
        missing: if verdict == Verdict::Incomplete {
            vec!["server-2 told nothing".into()]
        } else {
            Vec::new()
        },
    }
}

/// The slowest request of a run, which took two attempts.
fn some_slowest() -> SlowestRequest {
    let step = |endpoint: &str, called: Option<&str>, why: &str, end: &str, status| Step {
        endpoint: endpoint.into(),
        called: called.map(str::to_owned),
        why: why.into(),
        end: end.into(),
        status,
    };
    SlowestRequest {
        id: "r-00000007".into(),
        request: "GET /".into(),
        at_ms: Ms(Duration::from_millis(70)),
        after_ms: Ms(Duration::from_millis(2_010)),
        server: Some("527a23307711".into()),
        called: Some("server-1".into()),
        way: Some(vec![
            step("10.0.0.2:80", Some("server-2"), "first", "timeout", None),
            step("10.0.0.1:80", None, "retry", "answered", Some(200)),
        ]),
        words: None,
    }
}

#[test]
fn the_slowest_request_is_told_with_its_way_and_in_the_balancers_words_where_it_has_any() {
    let mut run = report(&[], 10, &[], None);
    run.slowest = Some(some_slowest());
    let said = |run: &Report| run.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let begin = "The slowest answer, to GET / (r-00000007), took 2.01 s and came at +0.070 s from server-1";
    let way = "its way: server-2 (first, timeout), then 10.0.0.1:80 (retry, answered 200).";
    assert!(said(&run).contains(&format!("{begin}; {way}")), "{}", said(&run));
    run.slowest.as_mut().unwrap().words = Some("sent to server-2, then answered".into());
    assert!(said(&run).contains(&format!("{begin}: sent to server-2, then answered.")), "{}", said(&run));
    assert!(Reports::new(vec![run], 1).html().contains(begin));
}

#[test]
fn the_story_stands_before_the_figures_and_a_calm_one_is_a_sentence() {
    let mut run = report(&[("CLIENT_RATE", "200"), ("CLIENT_MIX", "GET /;weight=2")], 10, &[], None);
    let text = run.to_string();
    let set = "with CLIENT_TARGET=http://balancer:8080 CLIENT_RATE=200 CLIENT_MIX='GET /;weight=2'";
    assert!(text.contains(set), "{text}");
    assert!(
        text.contains("What happened\n     Nothing: no request failed, and no server was missed.\n"),
        "{text}"
    );
    run.incidents.push(crate::incident::tests::some_incident());
    run.slowness = Some("For 1.00 s altogether everything was slow.".into());
    let text = run.to_string();
    let story = text.find("  1. +0.010 s  server-2 crashed.\n").expect("the balancer's sentence");
    assert!(story < text.find("10 requests in").unwrap() && !text.contains("Nothing: "), "{text}");
    assert!(text.contains("     For 1.00 s altogether everything was slow.\n"), "{text}");
    let page = Reports::new(vec![run], 1).html();
    assert!(page.find("server-2 crashed.").unwrap() < page.find("<dl class=\"numbers\">").unwrap());
    assert!(page.contains("<details><summary>why?</summary><p>its connections were reset</p></details>"));
}

#[test]
fn an_incident_at_the_time_of_one_with_failures_does_not_claim_that_nothing_failed() {
    let mut run = report(&[], 10, &[], None);
    let of = |failed, moments: [u64; 2]| {
        let [begin_ms, end_ms] = moments.map(|moment| Ms(Duration::from_millis(moment)));
        Incident { begin_ms, end_ms, failed, ..crate::incident::tests::some_incident() }
    };
    run.incidents = vec![of(7, [10, 2_000]), of(0, [1_000, 3_000]), of(0, [5_000, 6_000])];
    let costs: Vec<_> = run.incidents.iter().map(|incident| text::cost(incident, &run.incidents)).collect();
    assert!(costs[0].starts_with("7 requests failed for the client; "), "{}", costs[0]);
    assert!(costs[1].starts_with("requests that failed meanwhile are counted with 1; "), "{}", costs[1]);
    assert!(costs[2].starts_with("no request failed for the client; "), "{}", costs[2]);
}

#[test]
fn a_server_has_one_row_under_the_balancers_name_however_often_it_was_started() {
    let mut run = report(&[], 10, &[], None);
    let server = |name: Option<&str>, called: Option<&str>, right| Server {
        name: name.map(str::to_owned),
        called: called.map(str::to_owned),
        address: called.map(|_| "172.18.0.4:8080".into()),
        tally: Tally { right, failed: 0 },
    };
    run.servers = vec![
        server(None, None, 1),
        server(Some("527a23307711"), Some("server-2"), 4),
        server(Some("99c001b3f0aa"), Some("server-2"), 3),
        server(Some("other"), None, 2),
    ];
    let rows = run.rows();
    let rows: Vec<_> =
        rows.iter().map(|(name, address, tally)| (name.as_str(), *address, tally.right)).collect();
    assert_eq!(
        rows,
        [("other", None, 2), ("server-2", Some("172.18.0.4:8080"), 7), ("(none named)", None, 1)]
    );
}

#[test]
fn a_run_passes_when_all_is_right_and_only_then() {
    assert!(report(&[], 10, &[], None).passed);
    assert!(!report(&[], 10, &[Kind::Refused], None).passed);
    assert!(!report(&[], 0, &[], None).passed, "nothing sent is nothing achieved");
    assert!(report(&[("CLIENT_SLO", "failed<10%")], 100, &[Kind::Refused], None).passed);
}

#[test]
fn a_contradiction_fails_a_run_whatever_is_asked_for_and_a_gap_only_where_a_proof_is() {
    assert!(!report(&[("CLIENT_SLO", "failed=0")], 10, &[], Some(proof(Verdict::Contradicted))).passed);
    assert!(report(&[], 10, &[], Some(proof(Verdict::Incomplete))).passed);
    assert!(!report(&[("CLIENT_SLO", "verdict=proved")], 10, &[], Some(proof(Verdict::Incomplete))).passed);
}

#[test]
fn json_has_its_format_and_times_in_milliseconds() {
    let reports = Reports::new(vec![report(&[], 10, &[Kind::Status(502)], None)], 1);
    let json: serde_json::Value = serde_json::from_str(&reports.json()).unwrap();
    assert_eq!((&json["format"], &json["passed"]), (&"evenkeel-client-report/1".into(), &false.into()));
    let run = &json["runs"][0];
    assert_eq!((&run["requests"]["right"], &run["requests"]["failed"]), (&10.into(), &1.into()));
    assert_eq!(
        (&run["failures"][0]["kind"], &run["failures"][0]["first_ms"]),
        (&"status 502".into(), &110.0.into())
    );
    assert_eq!(run["first_failures"][0]["id"], "r-00000000");
    assert_eq!(
        (&run["timeline"]["column_ms"], &run["timeline"]["columns"][0]["right"]),
        (&1000.0.into(), &10.into())
    );
    let p50 = run["latency"]["right"]["p50_ms"].as_f64().unwrap();
    assert!((1.99..2.01).contains(&p50), "{p50}");
}

/// Every name in the JSON, so that none goes undescribed.
fn names(value: &serde_json::Value, found: &mut std::collections::BTreeSet<String>) {
    match value {
        serde_json::Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            found.insert(name.clone());
            names(value, found);
        }),
        serde_json::Value::Array(values) => values.iter().for_each(|value| names(value, found)),
        _ => {}
    }
}

#[test]
fn every_name_in_the_json_is_described() {
    let mut run = report(&[], 10, &[Kind::Status(502)], Some(proof(Verdict::Contradicted)));
    run.incidents.push(crate::incident::tests::some_incident());
    run.slowest = Some(some_slowest());
    run.handshakes.push(Handshakes { version: "TLS 1.3", resumed: true, took: run.latency.right });
    let json: serde_json::Value = serde_json::from_str(&Reports::new(vec![run], 1).json()).unwrap();
    let mut found = std::collections::BTreeSet::new();
    names(&json, &mut found);
    let description = include_str!("../../../../docs/report.md");
    // The only names that are not the format's own are those of servers.
    let undescribed: Vec<_> = found
        .iter()
        .filter(|name| *name != "server-1" && !description.contains(&format!("`{name}`")))
        .collect();
    assert!(undescribed.is_empty(), "not in docs/report.md: {undescribed:?}");
}

#[test]
fn a_report_for_people_ends_with_what_was_not_met() {
    let text = report(&[], 9, &[Kind::WrongDigest], Some(proof(Verdict::Contradicted))).to_string();
    assert!(text.contains("wrong digest  wait       1"), "{text}");
    assert!(text.contains("Verdict: contradicted, with 10 executions in the journals"), "{text}");
    assert!(text.contains("        r-00000003: it was executed twice\n"), "{text}");
    assert!(
        text.ends_with("1 of 10 requests not answered rightly.\nNot met: failed=0 (it was 1)\nNot met: wrong=0 (it was 1)\n"),
        "{text}"
    );
}

#[test]
fn several_targets_are_compared_and_all_must_pass() {
    let runs = || vec![report(&[], 10, &[], None), report(&[], 10, &[Kind::Refused], None)];
    let reports = Reports::new(runs(), 2);
    assert!(!reports.passed);
    assert_eq!(reports.comparison().unwrap().lines().count(), 3);
    assert!(
        !Reports::new(vec![report(&[], 10, &[], None)], 2).passed,
        "a target that was not measured did not pass"
    );
}

#[test]
fn the_page_needs_nothing_but_itself_and_text_from_elsewhere_stays_text() {
    let mut run = report(&[], 10, &[Kind::Refused], Some(proof(Verdict::Proved)));
    run.first_failures[0].detail = "<script>alert(1)</script>".into();
    let page = Reports::new(vec![run], 1).html();
    assert!(page.contains("&lt;script&gt;alert(1)"));
    for outside in ["<script", "<link", "src=", "url(", "@import", "href="] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert_eq!(page.matches("<svg").count(), 3);
    assert_eq!(page.matches("<figure>").count(), page.matches("</figure>").count());
}

#[test]
fn a_run_whose_requests_were_mostly_late_says_so_in_its_last_line_and_everywhere_else() {
    let run = overloaded(&[], 40, 41, 2);
    let text = run.to_string();
    let last = text.trim_end().lines().last().unwrap();
    assert!(last.starts_with("Most requests were late: of 83, 41 begun more than 10 ms after"), "{text}");
    assert!(text.contains("         41 begun more than 10 ms after their moment"), "{text}");
    assert!(text.contains("          2 never sent: all senders were busy"), "{text}");
    let compared = Reports::new(vec![report(&[], 10, &[], None), run], 2);
    assert!(compared.comparison().unwrap().ends_with(last));
    assert!(compared.html().contains(&format!("<p class=\"missed\">{last}</p>")));
    let json: serde_json::Value = serde_json::from_str(&compared.json()).unwrap();
    assert_eq!((&json["runs"][0]["notes"][0], &json["runs"][1]["notes"][0]), (&().into(), &last.into()));
}

#[test]
fn a_few_late_requests_are_counted_without_a_word_about_the_rate() {
    assert!(overloaded(&[], 50, 40, 10).notes.is_empty());
}
