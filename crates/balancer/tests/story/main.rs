//! What befell a server is told once, in words that are true, and with counts that are those of the ledger.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[expect(dead_code, unused_imports, reason = "these tests need only a part of it")]
#[path = "../harness/mod.rs"]
mod harness;
mod peer;

use harness::{Balancer, Connection};
use peer::{Mood, Peer};
use serde_json::{Value, json};

/// Anna serves, and Bert only when she does not.
struct Set {
    anna: Peer,
    _bert: Peer,
    balancer: Balancer,
}

impl Set {
    fn new(settings: &[(&str, &str)]) -> Self {
        let (anna, bert) = (Peer::start(), Peer::start());
        let upstream = format!("{},{};backup", anna.called("anna"), bert.called("bert"));
        let usual = [("PROBE", "http:/readyz"), ("RUNS", "on"), ("HEDGE", "off")];
        let balancer = Balancer::start(&upstream, &[&usual[..], settings].concat());
        Self { anna, _bert: bert, balancer }
    }

    /// A client that has sent this request of the run `r`.
    fn client(&self, method: &str, path: &str) -> Connection {
        let mut client = self.balancer.connect();
        client.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: h\r\nX-Evenkeel-Run: r\r\nContent-Length: 0\r\n\r\n"
        ));
        client
    }

    fn told(&self, path: &str) -> Value {
        serde_json::from_str(self.balancer.admin(path).text()).unwrap()
    }

    /// The newest incident, once it is as is waited for.
    fn incident(&self, is_so: impl Fn(&Value) -> bool) -> Value {
        let newest = || self.told("/api/incidents")["incidents"].as_array().unwrap().last().cloned();
        self.balancer.wait_until(|_| newest().is_some_and(|incident| is_so(&incident)));
        newest().unwrap()
    }

    /// Attempts of the ledger on Anna that failed, and requests of it that failed.
    fn ledger(&self) -> (u64, u64) {
        let (mut attempts, mut requests) = (0, 0);
        for line in self.balancer.admin("/ledger?run=r").text().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let Some(all) = line["attempts"].as_array() else { continue };
            let on_anna = |attempt: &&Value| attempt["server"] == "anna" && attempt["end"] != "answered";
            attempts += all.iter().filter(on_anna).count() as u64;
            requests += u64::from(line["status"].as_u64().unwrap() >= 500);
        }
        (attempts, requests)
    }
}

fn starts(incident: &Value, words: &str) -> bool {
    incident["sentence"].as_str().unwrap().starts_with(words)
}

fn ends(incident: &Value) -> bool {
    !incident["ended_ms"].is_null()
}

#[test]
fn a_kill_is_a_crash_whose_gets_moved_and_whose_posts_did_not() {
    let set = Set::new(&[]);
    set.anna.becomes(Mood::Holds);
    let mut gets: Vec<_> = (0..3).map(|_| set.client("GET", "/hold")).collect();
    let mut posts: Vec<_> = (0..2).map(|_| set.client("POST", "/hold")).collect();
    set.anna.holds(5);
    set.anna.dies();
    assert!(gets.iter_mut().all(|get| get.message().status() == 200));
    assert!(posts.iter_mut().all(|post| post.message().status() == 502));
    let incident = set.incident(|told| told["counts"]["on_it"] == 5 && told["cause"] == "crashed");
    assert_eq!(incident["counts"], json!({"on_it": 5, "moved": 3, "answered": 3, "failed": 2, "doubled": 0}));
    let (attempts, failed) = set.ledger();
    assert_eq!((attempts, failed), (5, 2), "the ledger's");
    let sentence = incident["sentence"].as_str().unwrap();
    assert!(starts(&incident, "anna crashed at "), "{sentence}");
    assert!(
        sentence.contains(". 5 requests were on it: 3 GETs moved (+")
            && sentence.contains("), 2 POSTs got 502, because they may have been executed."),
        "{sentence}"
    );
    assert_eq!((&incident["server"], &incident["alarm"]), (&json!("anna"), &json!(true)));
    assert_eq!(incident["address"], set.anna.address().to_string());
    set.anna.returns();
    // Until she has proven herself with some of them.
    let incident = set.incident(|told| {
        set.client("GET", "/").message();
        ends(told)
    });
    let sentence = incident["sentence"].as_str().unwrap();
    assert!(sentence.contains("ack at "), "{sentence}");
    set.balancer.says(sentence);
}

#[test]
fn a_request_to_which_something_happened_is_told_with_its_way() {
    let set = Set::new(&[]);
    set.anna.becomes(Mood::Holds);
    assert_eq!(set.client("GET", "/").message().status(), 200);
    assert_eq!(set.told("/api/requests"), json!({"requests": []}), "nothing happened to it");
    let mut get = set.client("GET", "/hold");
    set.anna.holds(1);
    set.anna.dies();
    assert_eq!(get.message().status(), 200);
    set.balancer.wait_until(|_| !set.told("/api/requests")["requests"].as_array().unwrap().is_empty());
    let told = &set.told("/api/requests")["requests"][0];
    assert_eq!(
        (&told["method"], &told["path"], &told["status"]),
        (&json!("GET"), &json!("/hold"), &json!(200))
    );
    let attempts = told["attempts"].as_array().unwrap();
    let way: Vec<_> =
        attempts.iter().map(|attempt| (attempt["server"].as_str().unwrap(), &attempt["outcome"])).collect();
    assert_eq!(way, [("anna", &json!("stale")), ("bert", &json!("answered"))]);
    let words = told["words"].as_str().unwrap();
    assert!(words.starts_with("sent to anna, the connection was closed after "), "{words}");
    assert!(words.contains(", moved to bert, answered after "), "{words}");
}

#[test]
fn a_stop_is_announced_and_no_alarm() {
    let set = Set::new(&[]);
    set.anna.becomes(Mood::Leaves);
    let incident = set.incident(|told| told["cause"] == "stopped");
    assert!(starts(&incident, "anna was stopped at "), "{incident}");
    set.anna.dies();
    set.balancer.wait_until(|balancer| balancer.admin("/api/endpoints").text().contains("\"ejected\""));
    let incident = set.incident(|_| true);
    assert_eq!((&incident["cause"], &incident["alarm"]), (&json!("stopped"), &json!(false)), "{incident}");
    assert!(incident["sentence"].as_str().unwrap().contains("No request was lost."), "{incident}");
    assert_eq!(set.told("/api/incidents")["incidents"].as_array().unwrap().len(), 1);
}

#[test]
fn a_pause_was_a_silence() {
    let set = Set::new(&[("RESPONSE_TIMEOUT", "2s")]);
    set.anna.becomes(Mood::Silent);
    let (mut get, mut post) = (set.client("GET", "/"), set.client("POST", "/"));
    assert_eq!(get.message().status(), 200);
    assert_eq!(post.message().status(), 504);
    let incident = set.incident(|told| told["counts"]["on_it"] == 2);
    assert_eq!(incident["cause"], "silent", "{incident}");
    assert_eq!(incident["counts"], json!({"on_it": 2, "moved": 1, "answered": 1, "failed": 1, "doubled": 0}));
    assert!(incident["sentence"].as_str().unwrap().contains(" timeout"), "{incident}");
    set.anna.becomes(Mood::Serves);
    let incident = set.incident(ends);
    assert!(incident["sentence"].as_str().unwrap().contains("serving again at "), "{incident}");
}

#[test]
fn wrong_bytes_are_counted_and_nobody_gets_them() {
    let set = Set::new(&[]);
    set.anna.becomes(Mood::Corrupts);
    for _ in 0..4 {
        assert_eq!(set.client("GET", "/").message().status(), 200);
    }
    let incident = set.incident(|told| told["counts"]["on_it"].as_u64().unwrap() == set.ledger().0);
    assert_eq!((&incident["cause"], &incident["counts"]["failed"]), (&json!("corrupting"), &json!(0)));
    assert!(starts(&incident, "anna sent wrong bytes from "), "{incident}");
}

#[test]
fn nobody_is_told_of_a_calm_set() {
    let set = Set::new(&[]);
    for _ in 0..50 {
        assert_eq!(set.client("GET", "/").message().status(), 200);
    }
    assert_eq!(set.told("/api/incidents"), json!({"incidents": [], "newest": 0}));
    let state = || set.told("/api/state");
    set.balancer.wait_until(|_| state()["known"] == 2);
    assert_eq!((&state()["endpoints"][0]["server"], &state()["gone"]), (&json!("anna"), &json!([])));
    let metrics = set.balancer.admin("/metrics");
    let labels = format!("{{endpoint=\"{}\",server=\"anna\"}}", set.anna.address());
    assert!(metrics.text().contains(&format!("evenkeel_endpoint_usable{labels} 1")), "{}", metrics.text());
}
