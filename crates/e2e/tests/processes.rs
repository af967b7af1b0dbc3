//! The set as processes: what the manager promises, and that requests survive what is done to the servers.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::TcpStream,
    time::{Duration, Instant},
};

use evenkeel_stage::{Connection, Load, PATIENCE, Processes, Upload, basic, root};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open},
};

/// Few enough for a debug build on a small machine, many enough that each server is in the middle of some.
const CONNECTIONS: usize = 32;

/// Enough right answers that every connection has been through a failure's aftermath several times.
const A_WHILE: u64 = 3000;

#[test]
fn requests_are_spread_evenly() {
    let set = Processes::start(3, &[]);
    let mut connection = Connection::open(set.balancer()).unwrap();
    let mut ask = || {
        let answer = connection.get("/", &[]).unwrap();
        assert_eq!(answer.status, 200);
        answer.verify().unwrap();
        answer.server().to_owned()
    };
    // The balancer is ready when it has one server; the others are a moment behind.
    let mut known = BTreeSet::new();
    while known.len() < 3 {
        known.insert(ask());
    }
    let mut answered = BTreeMap::<String, u32>::new();
    for _ in 0..300 {
        *answered.entry(ask()).or_default() += 1;
    }
    // A hedge or a probe that is late on a busy machine may move one or the other.
    assert!(answered.values().all(|count| (90..=110).contains(count)), "{answered:?}");
}

#[test]
fn each_server_answers_with_its_own_data() {
    let set = Processes::start(2, &[("MANAGER_SERVER_2_DATA", "two"), ("MANAGER_SERVER_2_NAME", "anna")]);
    let mut connection = Connection::open(set.balancer()).unwrap();
    let mut bodies = BTreeMap::new();
    while bodies.len() < 2 {
        let answer = connection.get("/", &[]).unwrap();
        bodies.insert(answer.server().to_owned(), String::from_utf8(answer.body).unwrap());
    }
    assert_eq!(bodies["anna"], "two");
    assert_eq!(bodies["server-1"], r#"{"greeting":"Hello from server 1"}"#);
}

#[test]
fn the_live_page_is_named_and_its_token_drains() {
    let mut set = Processes::start(2, &[]);
    let admin = set.member("balancer").admin;
    let line = set.wait_for_line("live page: ");
    assert!(line.contains(&format!("http://{admin}/ ")), "{line}");
    let (_, file) = line.rsplit_once(" is in ").expect("the file is named");
    let token = std::fs::read_to_string(root().join(file.trim_end_matches(')'))).unwrap();
    let drain = format!("/api/endpoints/{}/drain", set.member("server-1").traffic);
    let ask = |authorization: &str| {
        let mut connection = Connection::open(admin).unwrap();
        let nothing = Upload { length: 0, from: io::empty() };
        let fields = [("Authorization", authorization)];
        connection.transfer("POST", &drain, &fields, nothing, &mut Vec::new()).unwrap().status
    };
    assert_eq!(ask("Bearer another"), 401);
    assert_eq!(ask(&format!("Bearer {}", token.trim())), 200);
}

#[test]
fn credentials_pass_through_the_balancer() {
    let set = Processes::start(
        1,
        &[("MANAGER_SERVER_1_USERNAME", "student"), ("MANAGER_SERVER_1_PASSWORD", "evenkeel")],
    );
    let mut connection = Connection::open(set.balancer()).unwrap();
    let refused = connection.get("/", &[]).unwrap();
    assert_eq!(refused.status, 401);
    assert!(refused.field("www-authenticate").unwrap().starts_with("Basic realm="));
    let wrong = connection.get("/", &[("Authorization", &basic("student", "evenkeep"))]).unwrap();
    assert_eq!(wrong.status, 401);
    let right = connection.get("/", &[("Authorization", &basic("student", "evenkeel"))]).unwrap();
    assert_eq!(right.status, 200);
    right.verify().unwrap();
}

#[test]
fn more_fields_than_the_servers_take_are_refused_by_the_balancer() {
    let set = Processes::start(1, &[]);
    let names: Vec<_> = (0..120).map(|n| format!("F-{n}")).collect();
    let fields: Vec<_> = names.iter().map(|name| (name.as_str(), "v")).collect();
    let ask = |count| Connection::open(set.balancer()).unwrap().get("/", &fields[..count]).unwrap();
    // One connection each: a 431 is the last answer on its own. Host, and whatever else the client sends, counts too.
    let most = (60..120).take_while(|&count| ask(count).status == 200).last().unwrap();
    assert!((80..=88).contains(&most), "{most}");
    for count in most + 1..120 {
        let refused = ask(count);
        assert_eq!(refused.status, 431, "with {count}");
        assert!(refused.field("proxy-status").is_some(), "by the balancer, with {count}");
    }
}

/// What is done to a server in mid-load, and that no GET is lost by it.
fn no_get_is_lost_by(signal: Signal) {
    let set = Processes::start(3, &[]);
    let load = Load::start(set.balancer(), CONNECTIONS, "/", &[]);
    load.wait_for_more(A_WHILE);
    set.member("server-2").signal(signal);
    load.wait_for_more(A_WHILE);
    // From here on, whatever was in flight on it has been answered by another.
    let after = load.tally().by_server["server-2"];
    load.wait_for_more(A_WHILE);
    let tally = load.stop();
    tally.assert_nothing_failed();
    assert_eq!(tally.by_server["server-2"], after, "it is gone: {tally:?}");
}

#[test]
fn kill_9_of_one_server_under_load_loses_no_get() {
    no_get_is_lost_by(Signal::KILL);
}

#[test]
fn a_server_that_is_stopped_in_mid_load_loses_no_get() {
    no_get_is_lost_by(Signal::STOP);
}

#[test]
fn a_server_that_leaves_under_load_loses_no_get() {
    let mut set = Processes::start(3, &[]);
    let load = Load::start(set.balancer(), CONNECTIONS, "/", &[]);
    load.wait_for_more(A_WHILE);
    set.member("server-2").signal(Signal::TERM);
    set.wait_for_line("| server-2 ended: exit status 0");
    load.wait_for_more(A_WHILE);
    load.stop().assert_nothing_failed();
}

#[test]
fn a_balancer_that_leaves_finishes_what_was_begun() {
    let mut set = Processes::start(3, &[]);
    let load = Load::start(set.balancer(), CONNECTIONS, "/", &[]);
    load.wait_for_more(A_WHILE);
    set.member("balancer").signal(Signal::TERM);
    set.wait_for_line("| balancer ended: exit status 0");
    let tally = load.stop();
    // Nobody listens any more: that is the only way in which a request may fail.
    assert_eq!(tally.failed, 0, "{:#?}", tally.failures);
}

#[test]
fn a_server_that_dies_is_shown_restarted_and_used_again() {
    let mut set = Processes::start(2, &[("MANAGER_RESTART", "on")]);
    let load = Load::start(set.balancer(), 4, "/", &[]);
    load.wait_for("both servers", |tally| tally.by_server.len() == 2);
    set.member("server-1").signal(Signal::KILL);
    set.wait_for_line("| server-1 ended: signal 9 (SIGKILL); starts again in 250ms");
    set.wait_for_line("| server-1 runs again, pid ");
    let so_far = load.tally().by_server["server-1"];
    load.wait_for("answers of the restarted server", |tally| tally.by_server["server-1"] > so_far);
    load.stop().assert_nothing_failed();
}

#[test]
fn with_all_servers_gone_the_answer_is_503_and_says_when_to_come_back() {
    let mut set = Processes::start(2, &[]);
    for name in ["server-1", "server-2"] {
        set.member(name).signal(Signal::KILL);
        set.wait_for_line(&format!("| {name} ended: "));
    }
    let mut connection = Connection::open(set.balancer()).unwrap();
    let asked = Instant::now();
    let unavailable = loop {
        let answer = connection.get("/", &[]).unwrap();
        match answer.status {
            503 => break answer,
            // Until it is known that the other one is gone as well.
            502 => assert!(asked.elapsed() < Duration::from_secs(5), "still {answer:?}"),
            _ => panic!("nobody is there to say {answer:?}"),
        }
    };
    assert!(unavailable.field("retry-after").is_some(), "{unavailable:?}");
    assert_eq!(unavailable.field("content-type"), Some("application/problem+json"));
}

#[test]
fn the_client_runs_on_request_and_reports() {
    let mut set = Processes::start(3, &[("MANAGER_CLIENT", "on"), ("MANAGER_CLIENT_REQUESTS", "300")]);
    set.wait_for_line("| client ended: exit status 0");
    let (status, lines) = set.end();
    assert!(status.success(), "{status}");
    let report: Vec<_> = lines.iter().filter(|line| line.starts_with("client ")).collect();
    for name in ["server-1", "server-2", "server-3"] {
        assert!(report.iter().any(|line| line.contains(name)), "{name} is not in {report:#?}");
    }
}

#[test]
fn five_servers_are_five_servers() {
    let set = Processes::start(5, &[]);
    let load = Load::start(set.balancer(), 5, "/", &[]);
    load.wait_for("all five", |tally| tally.by_server.len() == 5);
    load.stop().assert_nothing_failed();
}

#[test]
fn ctrl_c_ends_the_balancer_first_and_then_the_servers() {
    let set = Processes::start(2, &[]);
    let members = set.members.clone();
    let (status, lines) = set.end();
    assert!(status.success(), "{status}: {lines:#?}");
    let ends: Vec<_> = lines.iter().filter_map(|line| line.strip_suffix(" ended: exit status 0")).collect();
    assert_eq!(ends.len(), 3, "{lines:#?}");
    assert_eq!(ends[0], "manager   | balancer");
    assert_all_gone(&members);
}

#[test]
fn a_manager_that_is_killed_leaves_no_orphan() {
    let mut set = Processes::start(3, &[("MANAGER_CLIENT", "on"), ("MANAGER_CLIENT_DURATION", "1h")]);
    let client = set.wait_for_line("| client started, pid ");
    let client = client.rsplit(' ').next().unwrap().parse().unwrap();
    let members = set.members.clone();
    // A stopped child cannot hear anything but SIGKILL.
    set.member("server-1").signal(Signal::STOP);
    let manager = Pid::from_raw(set.manager()).unwrap();
    kill_process(manager, Signal::KILL).unwrap();
    let (status, _) = set.ended();
    assert!(!status.success());
    assert_all_gone(&members);
    assert!(ends(client), "the client is still there");
}

#[test]
fn a_taken_port_is_one_line_that_names_it() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    let mut manager = std::process::Command::new(evenkeel_stage::binary("manager"));
    manager.env_clear().envs([("MANAGER_SERVERS", "1"), ("MANAGER_SERVER_1_BIND", &taken)]).envs([
        ("MANAGER_SERVER_1_ADMIN_BIND", "127.0.0.1:0"),
        ("MANAGER_BALANCER_BIND", "127.0.0.1:0"),
        ("MANAGER_BALANCER_ADMIN_BIND", "127.0.0.1:0"),
    ]);
    let ran = evenkeel_stage::output(&mut manager);
    assert_eq!(ran.status.code(), Some(69));
    let said = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.starts_with(&format!("MANAGER_SERVER_1_BIND: {taken} is taken by another process; ")),
        "{said}"
    );
}

#[test]
fn a_lost_reader_of_its_output_does_not_keep_the_set() {
    let mut set = Processes::start(2, &[]);
    let members = set.members.clone();
    set.end_unheard();
    assert!(ends(set.manager()), "the manager is still there");
    assert!(set.status().success());
    assert_all_gone(&members);
}

fn assert_all_gone(members: &[evenkeel_stage::Member]) {
    for member in members {
        assert!(ends(member.pid), "{member:?} is still there");
        let connected = TcpStream::connect(member.traffic).map_err(|error| error.kind());
        assert_eq!(connected.err(), Some(io::ErrorKind::ConnectionRefused), "{member:?}");
    }
}

/// Waits for the end of a process, at most a minute. What is left of it then (a zombie) stays until its new parent looks.
fn ends(pid: i32) -> bool {
    let pid = Pid::from_raw(pid).expect("a process has a pid");
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => {
            let limit = Timespec::try_from(PATIENCE).expect("a minute fits");
            poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&limit)) == Ok(1)
        }
        Err(error) => error == Errno::SRCH,
    }
}
