//! What becomes of requests, and what the client says about it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use evenkeel_stage::{Lines, PATIENCE};

use crate::origin::{Origin, Reply, response};
use crate::{client, finished, run};

/// The digest of `hello`, by `printf hello | openssl dgst -sha256 -binary | base64`.
pub(crate) const HELLO_DIGEST: &str =
    "Content-Digest: sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:\r\n";

/// What a slow origin takes for an answer.
const SLOW: Duration = Duration::from_millis(100);

fn hello(fields: &str) -> Reply {
    Reply::whole(200, fields, b"hello")
}

#[test]
fn right_answers_are_shown_and_counted_and_end_in_status_0() {
    let origin = Origin::start(|seen| {
        let server = if seen.connection % 2 == 0 { "X-Server: even\r\n" } else { "X-Server: odd\r\n" };
        hello(&format!("{HELLO_DIGEST}{server}"))
    });
    let (text, status) =
        run(&origin, &[("CLIENT_REQUESTS", "50"), ("CLIENT_CONCURRENCY", "4"), ("CLIENT_SHOW", "1")]);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("GET / → 200 from ") && text.contains("    hello\n"), "{text}");
    assert!(text.contains("         50 answered rightly\n          0 failed\n"), "{text}");
    assert!(text.contains("even") && text.contains("odd"), "{text}");
    assert!(text.ends_with("Every request was answered rightly.\n\n"), "{text}");
    assert_eq!(origin.seen().len(), 50);
}

#[test]
fn every_request_has_an_id_of_its_own_and_names_its_run() {
    let origin = Origin::start(|_| hello(""));
    let variables = [
        ("CLIENT_REQUESTS", "20"),
        ("CLIENT_RUN", "r1"),
        ("CLIENT_USERNAME", "Aladdin"),
        ("CLIENT_PASSWORD", "open sesame"),
    ];
    assert_eq!(run(&origin, &variables).1, 0);
    let seen = origin.seen();
    assert!(seen.iter().all(|request| request.field("x-evenkeel-run") == Some("r1")));
    assert!(
        seen.iter()
            .all(|request| request.field("authorization") == Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="))
    );
    let ids: BTreeSet<_> = seen.iter().filter_map(|request| request.field("x-request-id")).collect();
    assert_eq!((ids.len(), ids.first().copied()), (20, Some("r1-00000000")));
}

#[test]
fn each_way_of_failing_is_told_apart() {
    let origin = Origin::start(|seen| match seen.line.as_str() {
        "GET /truncated" => Reply::Close(response(200, "", 10, b"hello")),
        "GET /corrupt" => Reply::whole(200, HELLO_DIGEST, b"hellp"),
        "GET /closed" => Reply::Close(Vec::new()),
        "GET /stalled" => Reply::Hang(response(200, "", 10, b"hello")),
        "GET /silent" => Reply::Hang(Vec::new()),
        "GET /noise" => Reply::Close(b"what do you want?\r\n\r\n".to_vec()),
        "GET /busy" => Reply::whole(503, "Proxy-Status: evenkeel; error=destination_unavailable\r\n", b""),
        "GET /crossed" => hello("X-Request-Id: somebody-else\r\n"),
        "POST /echo" => Reply::whole(200, "", &seen.body.iter().rev().copied().collect::<Vec<_>>()),
        _ => hello(""),
    });
    let mix = "GET /truncated,GET /corrupt,GET /closed,GET /stalled,GET /silent,GET /noise,GET /busy,GET /crossed,POST /echo;body=100;echo";
    let (text, status) = run(
        &origin,
        &[
            ("CLIENT_REQUESTS", "120"),
            ("CLIENT_MIX", mix),
            ("CLIENT_TIMEOUT", "500ms"),
            ("CLIENT_CONCURRENCY", "60"),
            ("CLIENT_FAILURES", "120"),
        ],
    );
    assert_eq!(status, 1, "{text}");
    for kind in [
        "truncated body",
        "wrong digest",
        "closed before a response",
        "stalled in mid-body",
        "no response in time",
        "malformed response",
        "status 503",
        "answer to another request",
        "wrong echo",
    ] {
        assert!(text.contains(&format!(" {kind}  ")), "{kind} is missing:\n{text}");
    }
    assert!(text.contains("evenkeel; error=destination_unavailable"), "{text}");
    assert!(text.contains("120 of 120 requests not answered rightly."), "{text}");
}

#[test]
fn a_target_that_refuses_in_mid_run_is_a_failure_for_each_request() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut readiness, _) = listener.accept().unwrap();
        // Gone before the client can have heard that it is ready.
        drop(listener);
        readiness.write_all(&response(200, "", 0, b"")).unwrap();
    });
    let (text, status) = finished(&evenkeel_stage::output(&mut client(
        &format!("http://{address}"),
        &[("CLIENT_REQUESTS", "10")],
    )));
    server.join().unwrap();
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("connection refused  connect     10"), "{text}");
}

#[test]
fn connections_are_kept_or_opened_afresh_as_asked() {
    let connections = |how: &str| {
        let origin = Origin::start(|_| hello(""));
        let variables = [("CLIENT_REQUESTS", "12"), ("CLIENT_CONCURRENCY", "1"), ("CLIENT_CONNECTIONS", how)];
        assert_eq!(run(&origin, &variables).1, 0);
        origin.seen().iter().map(|request| request.connection).collect::<BTreeSet<_>>().len()
    };
    assert_eq!(connections("keep-alive"), 1);
    assert_eq!(connections("fresh"), 12);
}

#[test]
fn bodies_small_and_large_arrive_whole_and_come_back() {
    let origin = Origin::start(|seen| Reply::whole(200, "", &seen.body));
    let mix = "POST /echo;body=1KiB;echo;keyed,PUT /echo;body=300KiB;echo";
    let (text, status) = run(&origin, &[("CLIENT_REQUESTS", "20"), ("CLIENT_MIX", mix)]);
    assert_eq!(status, 0, "{text}");
    let seen = origin.seen();
    assert!(seen.iter().any(|request| request.body.len() == 300 * 1024));
    assert!(seen.iter().all(|request| request.field("content-digest").is_some()));
    assert!(
        seen.iter()
            .all(|request| request.field("idempotency-key").is_some() == request.line.starts_with("POST"))
    );
}

#[test]
fn an_open_loop_sends_at_its_rate() {
    let origin = Origin::start(|_| hello(""));
    let (text, status) = run(&origin, &[("CLIENT_RATE", "200"), ("CLIENT_DURATION", "1s")]);
    assert_eq!(status, 0, "{text}");
    assert_eq!(origin.seen().len(), 200);
}

#[test]
fn an_overloaded_open_loop_ends_with_its_time_and_counts_what_it_never_sent() {
    // It answers late, unless the test is over before.
    let (over, not_yet) = mpsc::channel::<()>();
    let not_yet = Mutex::new(not_yet);
    let origin = Origin::start(move |_| {
        let _ = not_yet.lock().unwrap().recv_timeout(SLOW);
        hello("")
    });
    // One sender of at most ten requests a second, asked for two hundred.
    let run = |slo: &str| {
        let variables = [("CLIENT_RATE", "200"), ("CLIENT_DURATION", "1s"), ("CLIENT_CONCURRENCY", "1")];
        run(&origin, &[&variables[..], &[("CLIENT_SLO", slo)]].concat())
    };
    let (text, status) = run("failed=0");
    let sent = origin.seen().len();
    assert!((1..=11).contains(&sent), "the backlog was worked off: {sent} sent");
    assert!(text.contains(&format!("{:>11} never sent: all senders were busy", 200 - sent)), "{text}");
    let last = text.trim_end().lines().last().unwrap();
    assert!(last.starts_with("Most requests were late: of 200, "), "{text}");
    assert_eq!(status, 0, "nobody asked for the rate to be kept: {text}");
    assert_eq!(run("failed=0,late<50%").1, 1);
    assert_eq!(run("failed=0,dropped=0").1, 1);
    drop(over);
}

#[test]
fn a_target_that_is_not_ready_at_first_is_waited_for() {
    let asked = AtomicUsize::new(0);
    let origin = Origin::start(move |_| match asked.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => Reply::whole(503, "", b""),
        _ => hello(""),
    });
    let (text, status) = run(&origin, &[("CLIENT_REQUESTS", "3")]);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("it answers 503"), "{text}");
    assert_eq!(origin.seen().len(), 3);
}

#[test]
fn a_target_that_is_never_ready_ends_in_status_69() {
    let (text, status) =
        finished(&evenkeel_stage::output(&mut client("http://127.0.0.1:1", &[("CLIENT_WAIT", "300ms")])));
    assert_eq!(status, 69, "{text}");
    assert!(
        text.contains(
            "the target was not ready within 300ms: http://127.0.0.1:1/: 127.0.0.1:1: connection refused"
        ),
        "{text}"
    );
}

#[test]
fn bad_settings_end_in_status_64_with_a_line_each() {
    let (text, status) = finished(&evenkeel_stage::output(&mut client(
        "balancer",
        &[("CLIENT_RATE", "x"), ("CLIENT_SPEED", "1")],
    )));
    assert_eq!((status, text.lines().count()), (64, 3), "{text}");
}

#[test]
fn a_signal_ends_the_sending_and_what_is_in_flight_is_finished_and_reported() {
    let (arrived, arrival) = mpsc::channel();
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let origin = Origin::start(move |seen| {
        if seen.field("x-evenkeel-run").is_some() {
            arrived.send(()).unwrap();
            held.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        }
        hello("")
    });
    let variables = [("CLIENT_REQUESTS", "1000"), ("CLIENT_CONCURRENCY", "1"), ("EVENKEEL_LOG", "info")];
    let mut child = client(&format!("http://{}", origin.address), &variables).spawn().unwrap();
    arrival.recv_timeout(PATIENCE).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    // The log line says that the signal has arrived: only then the answer is let go.
    Lines::of(child.stderr.take().unwrap()).wait_for("leaving");
    release.send(()).unwrap();
    let (text, status) = finished(&evenkeel_stage::finished(&mut child));
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("1 request in ") && text.contains("; ended before its time"), "{text}");
}

#[test]
fn a_report_that_its_output_does_not_take_is_no_success() {
    let origin = Origin::start(|_| hello(""));
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut client = client(&format!("http://{}", origin.address), &[("CLIENT_REQUESTS", "1")]);
    let output = client.stdout(full).spawn().unwrap().wait_with_output().unwrap();
    let (text, status) = finished(&output);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("the report could not be written to the standard output"), "{text}");
}

#[test]
fn the_report_is_written_as_json_and_as_a_page() {
    let origin = Origin::start(|_| hello("X-Server: a\r\n"));
    let directory = tempfile::tempdir().unwrap();
    let (json, html) = (directory.path().join("report.json"), directory.path().join("report.html"));
    let variables = [
        ("CLIENT_REQUESTS", "10"),
        ("CLIENT_REPORT_JSON", json.to_str().unwrap()),
        ("CLIENT_REPORT_HTML", html.to_str().unwrap()),
    ];
    let (text, status) = run(&origin, &variables);
    assert_eq!(status, 0, "{text}");
    let json: serde_json::Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    assert_eq!((&json["passed"], &json["runs"][0]["requests"]["right"]), (&true.into(), &10.into()));
    assert!(fs::read_to_string(html).unwrap().starts_with("<!doctype html>"));
}

#[test]
fn a_report_that_cannot_be_written_is_known_before_anything_is_sent() {
    let origin = Origin::start(|_| hello(""));
    let (text, status) =
        run(&origin, &[("CLIENT_REQUESTS", "1"), ("CLIENT_REPORT_JSON", "/nowhere/report.json")]);
    assert_eq!(status, 64, "{text}");
    assert!(text.contains("CLIENT_REPORT_JSON: `/nowhere/report.json` cannot be written"), "{text}");
    assert!(origin.seen().is_empty());
}

#[test]
fn objectives_decide_the_exit_status() {
    let origin = Origin::start(|_| hello(""));
    let status = |slo: &str| run(&origin, &[("CLIENT_REQUESTS", "5"), ("CLIENT_SLO", slo)]).1;
    assert_eq!(status("failed=0,p99<75s"), 0);
    assert_eq!(status("failed=0,p99<1us"), 1);
}

#[test]
fn several_targets_are_measured_and_compared() {
    let (one, other) = (Origin::start(|_| hello("")), Origin::start(|_| Reply::whole(404, "", b"")));
    let targets = format!("http://{},http://{}", one.address, other.address);
    let (text, status) = finished(&evenkeel_stage::output(&mut client(
        &targets,
        &[("CLIENT_REQUESTS", "5"), ("CLIENT_RUN", "r")],
    )));
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("Run r.0 against") && text.contains("Run r.1 against"), "{text}");
    let compared = text.lines().filter(|line| line.starts_with(" http://")).count();
    assert_eq!(compared, 2, "{text}");
    assert_eq!((one.seen().len(), other.seen().len()), (5, 5));
}
