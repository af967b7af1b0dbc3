//! What befalls a set, and what is told of it: on the page, in `/api/incidents` and in the client's report stands the same
//! sentence, with the server's name.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use evenkeel_stage::{Connection, Processes, binary, ended};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::driver::Browser;
use crate::{TOKEN, row, set};

/// The longest wait for a sentence, milliseconds.
const PATIENCE_MS: u64 = 45_000;

/// Waits until the page shows an incident of this cause in the words of the API, over or not; those words.
pub(crate) fn told(browser: &Browser, cause: &str, is_over: bool) -> String {
    let told = browser.answer(&format!(
        "const done = arguments[0];
         const begun = performance.now();
         async function look() {{
           const {{ incidents }} = await (await fetch('/api/incidents')).json();
           const one = incidents.findLast(({{ cause, ended_ms }}) => cause === '{cause}' && (ended_ms !== null) === {is_over});
           const card = one && document.querySelector(`[data-incident=\"${{one.id}}\"] .sentence`);
           if (one && card?.textContent === one.sentence) done(one.sentence);
           else if (performance.now() - begun > {PATIENCE_MS}) done({{ incidents, page: document.body.innerText.slice(0, 800) }});
           else setTimeout(look, 100);
         }}
         look();"
    ));
    told.as_str().unwrap_or_else(|| panic!("nothing is told of {cause}, over {is_over}: {told:#}")).to_owned()
}

/// A client under load that writes a report when it is interrupted.
struct Client {
    process: Child,
    report: PathBuf,
    _directory: tempfile::TempDir,
}

impl Client {
    fn start(set: &Processes) -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let report = directory.path().join("report.json");
        let process = Command::new(binary("client"))
            .env_clear()
            .env("CLIENT_TARGET", format!("http://{}", set.balancer()))
            .env("CLIENT_ADMIN", format!("http://{}", set.member("balancer").admin))
            .env("CLIENT_RATE", "50")
            .env("CLIENT_DURATION", "10m")
            .env("CLIENT_PATH", "/delay/20ms")
            .env("CLIENT_REPORT_JSON", &report)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the client can be started");
        Self { process, report, _directory: directory }
    }

    /// Ends it; the sentences of its report.
    fn report(mut self) -> Vec<String> {
        let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw).expect("a pid fits");
        kill_process(pid, Signal::INT).expect("it runs");
        ended(&mut self.process);
        let report = fs::read_to_string(&self.report).expect("it has written its report");
        let report: Value = serde_json::from_str(&report).expect("the report is JSON");
        let incidents = report["runs"][0]["incidents"].as_array().expect("incidents are a list");
        incidents.iter().filter_map(|one| one["sentence"].as_str()).map(str::to_owned).collect()
    }
}

/// The process under which a server runs again.
fn runs_again(set: &mut Processes, name: &str) -> Pid {
    let line = set.wait_for_line(&format!("| {name} runs again, pid "));
    let pid = line.rsplit(' ').next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
    pid.expect("the line ends with a pid")
}

#[test]
fn page_api_and_report_tell_the_same_sentence_of_whatever_befalls_a_server() {
    let mut set = set();
    let admin = set.member("balancer").admin;
    let names = ["server-1", "server-2", "server-3"];
    let addresses = names.map(|name| set.member(name).traffic.to_string());
    let mut processes = names.map(|name| Pid::from_raw(set.member(name).pid).expect("a pid"));
    let client = Client::start(&set);
    let browser = Browser::open(&format!("http://{admin}/"));
    let all_serve = "/^3 of 3 servers serving/.test(document.getElementById('calm').textContent)";
    browser.wait_until(all_serve);
    browser.wait_until("/Nothing has happened since/.test(document.getElementById('calm').textContent)");
    let mut sentences = Vec::new();

    kill_process(processes[1], Signal::KILL).expect("it runs");
    processes[1] = runs_again(&mut set, "server-2");
    browser.wait_until(all_serve);
    sentences.push(told(&browser, "crashed", true));
    assert!(sentences[0].starts_with("server-2 crashed at "), "{sentences:?}");

    kill_process(processes[2], Signal::STOP).expect("it runs");
    browser.wait_until(&row(&addresses[2], "ejected"));
    let while_it_lasts = told(&browser, "silent", false);
    assert!(while_it_lasts.starts_with("server-3 was silent from "), "{while_it_lasts}");
    browser.wait_until("document.querySelector('[data-cause=silent]').dataset.kind === 'lasts'");
    kill_process(processes[2], Signal::CONT).expect("it runs");
    browser.wait_until(all_serve);
    sentences.push(told(&browser, "silent", true));

    order(&set, &addresses[0], "drain");
    browser.wait_until(&row(&addresses[0], "draining"));
    order(&set, &addresses[0], "activate");
    browser.wait_until(all_serve);
    sentences.push(told(&browser, "drained", true));
    assert!(sentences[2].starts_with("server-1 was told by a person to drain at "), "{sentences:?}");

    for (index, name) in names.iter().enumerate() {
        kill_process(processes[index], Signal::TERM).expect("it runs");
        processes[index] = runs_again(&mut set, name);
        browser.wait_until(&row(&addresses[index], "serving"));
        browser.wait_until(all_serve);
    }
    sentences.push(told(&browser, "rolling_restart", true));
    assert!(names.iter().all(|name| sentences[3].contains(name)), "{sentences:?}");

    for process in processes {
        kill_process(process, Signal::STOP).expect("it runs");
    }
    browser.wait_until("document.getElementById('status').textContent === 'No server is serving'");
    told(&browser, "all_down", false);
    for process in processes {
        kill_process(process, Signal::CONT).expect("it runs");
    }
    sentences.push(told(&browser, "all_down", true));
    browser.wait_until(all_serve);
    assert!(sentences[4].starts_with("No server was left at "), "{sentences:?}");

    let report = client.report();
    for sentence in &sentences {
        assert!(report.contains(sentence), "{sentence:?} is not in the report: {report:#?}");
    }
    browser.assert_kept_to_itself();
}

#[test]
fn whoever_is_gone_stays_as_a_ghost_and_corruption_has_a_name() {
    let faults = [("MANAGER_SERVER_3_FAULTS", "corrupt:30%")];
    let set = Processes::start(3, &[("MANAGER_BALANCER_ADMIN_TOKEN", TOKEN), faults[0]]);
    let client = Client::start(&set);
    let browser = Browser::open(&format!("http://{}/", set.member("balancer").admin));
    let sentence = told(&browser, "corrupting", false);
    assert!(sentence.starts_with("server-3 sent wrong bytes from "), "{sentence}");
    browser.wait_until("document.querySelectorAll('#tap .waterfall li').length > 1");
    browser.wait_until("/wrong digest/.test(document.querySelector('#tap .waterfall .end').textContent)");

    let victim = set.member("server-2");
    victim.signal(Signal::KILL);
    let address = victim.traffic.to_string();
    browser.wait_until(&row(&address, "crashed"));
    let alarm = "getComputedStyle(document.querySelector('.incident[data-kind=lasts]')).borderLeftColor";
    let its_color = "getComputedStyle(document.querySelector('#rows .state[data-standing=crashed]')).color";
    browser.wait_until(&format!("{its_color} === {alarm}"));
    browser.wait_until("document.querySelector('#set [data-server=server-2] .ghost') !== null");
    browser.wait_until("/^[12] of 3 servers serving/.test(document.getElementById('calm').textContent)");
    browser.wait_until(&format!(
        "document.querySelector('[data-address=\"{address}\"] th').textContent === 'server-2{address}'"
    ));
    let sentence = told(&browser, "crashed", false);
    assert!(sentence.starts_with("server-2 crashed at "), "{sentence}");

    set.member("server-1").signal(Signal::TERM);
    let sentence = told(&browser, "stopped", false);
    assert!(sentence.starts_with("server-1 was stopped at "), "{sentence}");

    // Nothing is asked any more, so that what happened and what it cost stay as they are; the ejection may end meanwhile.
    let report = client.report();
    for (cause, is_over) in [("corrupting", false), ("crashed", false), ("stopped", false)] {
        let sentence = told(&browser, cause, is_over);
        let what_and_cost = sentence.split_inclusive(". ").take(2).collect::<String>();
        assert!(
            report.iter().any(|told| told.starts_with(what_and_cost.trim_end())),
            "{what_and_cost:?} begins nothing in the report: {report:#?}"
        );
    }
    browser.assert_kept_to_itself();
}

#[test]
fn one_answer_is_a_dot_on_the_chart() {
    let set = set();
    let browser = Browser::open(&format!("http://{}/", set.member("balancer").admin));
    let dots =
        "[...document.querySelectorAll('.chart:nth-child(2) .dots')].some((dot) => dot.getAttribute('d'))";
    browser.wait_until("document.getElementById('status').textContent === 'Ready'");
    let answer = Connection::open(set.balancer()).and_then(|mut connection| connection.get("/", &[]));
    assert_eq!(answer.expect("it answers").status, 200);
    browser.wait_until("/^1 since the start/.test(document.querySelector('#figures small').textContent)");
    browser.wait_until(dots);
}

#[test]
fn a_page_that_has_lost_the_balancer_says_so_and_shows_nothing_green() {
    let set = set();
    let browser = Browser::open(&format!("http://{}/", set.member("balancer").admin));
    browser.wait_until("document.getElementById('status').textContent === 'Ready'");
    let grey = "getComputedStyle(document.querySelector('main')).filter === 'grayscale(1)'";
    browser.wait_until(&format!("!({grey})"));
    set.member("balancer").signal(Signal::STOP);
    browser.wait_until("/^Lost at .* UTC, trying again/.test(document.getElementById('status').textContent)");
    browser.wait_until(grey);
    browser.wait_until("/The balancer is lost/.test(document.getElementById('calm').textContent)");
    browser.wait_until("document.querySelector('#rows button').disabled");
    set.member("balancer").signal(Signal::CONT);
    browser.wait_until("document.getElementById('status').textContent === 'Ready'");
    browser.wait_until(&format!("!({grey})"));
}

fn order(set: &Processes, address: &str, what: &str) {
    let mut admin = Connection::open(set.member("balancer").admin).expect("it listens");
    let token = format!("Bearer {TOKEN}");
    let fields = [("Authorization", token.as_str())];
    let path = format!("/api/endpoints/{address}/{what}");
    let answer = admin.request("POST", &path, &fields, &[]).expect("it answers");
    assert_eq!(answer.status, 200, "{what}");
}
