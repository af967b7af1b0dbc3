//! The labs in Docker, one after the other on one set, as a student goes through them.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use evenkeel_stage::{Compose, Connection, Lines, free_addresses};
use serde_json::Value;

use crate::{WITHOUT_DOCKER, labs, page::Lab, play};

/// How long the set may take to be as it was before a lab: the longest ejection that a lab brings about, and a while.
const RECOVERY: Duration = Duration::from_mins(1);

/// The labs that leave nothing, since they take the set down and put up another one. They come last.
const LAST: [&str; 2] = ["Different data, different weights", "Replace the balancer"];

#[test]
fn each_lab_shows_what_it_promises() {
    let set = Compose::of(&["docker-compose.yml"]);
    let environment = set.environment();
    let [sticky] = free_addresses();
    let otherwise = [
        ("evenkeel_evenkeel", format!("{}_evenkeel", set.project())),
        ("evenkeel-server-", format!("{}-server-", set.project())),
        ("evenkeel-spoiler", format!("{}-spoiler", set.project())),
        ("evenkeel-slow", format!("{}-slow", set.project())),
        ("evenkeel-narrow", format!("{}-narrow", set.project())),
        ("127.0.0.1:8080", set.balancer().to_string()),
        ("127.0.0.1:9090", set.admin().to_string()),
        ("127.0.0.1:8443", set.secure().to_string()),
        ("127.0.0.1:8088", sticky.to_string()),
        ("/tmp/evenkeel-", format!("/tmp/{}-", set.project())),
    ];
    let wanted = wanted();
    let labs = labs();
    let wanted =
        labs.iter().filter(|lab| lab.title != WITHOUT_DOCKER && lab.title.to_lowercase().contains(&wanted));
    set.run(&["up", "--detach", "--build", "--wait", "server", "balancer"]);
    let mut troubles = Vec::new();
    for lab in wanted {
        let begun = Instant::now();
        let played = play(lab, &otherwise, &environment).and_then(|seen| {
            also(lab, &seen)?;
            if LAST.contains(&lab.title.as_str()) { Ok(()) } else { as_before(&set, lab) }
        });
        println!("{}: {:.1} s", lab.title, begun.elapsed().as_secs_f64());
        troubles.extend(played.err());
    }
    assert!(troubles.is_empty(), "{}", troubles.join("\n\n"));
}

/// A word that the titles of the labs to play have.
#[expect(
    clippy::disallowed_methods,
    reason = "no setting of a component: the filter of whoever writes a lab"
)]
fn wanted() -> String {
    std::env::var("EVENKEEL_LAB").unwrap_or_default().to_lowercase()
}

/// Waits until three servers take requests, and no other is known that will.
fn as_before(set: &Compose, lab: &Lab) -> Result<(), String> {
    let begun = Instant::now();
    let mut events = events(set);
    loop {
        let known: Vec<Value> = endpoints(set);
        let usable = known.iter().filter(|endpoint| endpoint["usable"] == true).count();
        let coming = known.iter().filter(|endpoint| endpoint["vanished"] == false).count();
        if (usable, coming) == (3, 3)
            && known.iter().all(|endpoint| endpoint["weight"] == 1 && endpoint["draining"] == false)
        {
            return Ok(());
        }
        if begun.elapsed() > RECOVERY {
            return Err(format!("{}: the set is not as it was before: {known:#?}", lab.title));
        }
        // The state is among them, once a second.
        events.wait_for("event: ");
    }
}

/// What the balancer tells whoever reads its events.
fn events(set: &Compose) -> Lines {
    let admin = set.admin();
    let mut stream = TcpStream::connect(admin).expect("the balancer listens");
    write!(stream, "GET /api/events HTTP/1.1\r\nHost: {admin}\r\n\r\n").expect("the balancer listens");
    Lines::of(stream)
}

fn endpoints(set: &Compose) -> Vec<Value> {
    let answer = Connection::open(set.admin()).and_then(|mut admin| admin.get("/api/endpoints", &[]));
    let mut answer: Value =
        serde_json::from_slice(&answer.expect("the balancer answers").body).expect("it is JSON");
    serde_json::from_value(answer["endpoints"].take()).expect("it is a list")
}

/// What a lab promises in numbers that are not always the same: between which they are.
fn also(lab: &Lab, seen: &str) -> Result<(), String> {
    let (what, expected) = match lab.title.as_str() {
        // 40 are under way; a third of them are on the server, and half of those are POSTs.
        "Kill one" => ("failed", 1..=40),
        // What the servers can do in five seconds, and a busy machine may do less.
        "More than they can take" => ("answered rightly", 300..=1000),
        "All of them at once" => ("failed", 100..=1200),
        _ => return Ok(()),
    };
    let number =
        seen.lines().find_map(|line| line.trim().strip_suffix(what)?.trim().replace(',', "").parse().ok());
    match number {
        Some(number) if expected.contains(&number) => Ok(()),
        _ => Err(format!("{}: {number:?} {what}, not within {expected:?}:\n{seen}", lab.title)),
    }
}
