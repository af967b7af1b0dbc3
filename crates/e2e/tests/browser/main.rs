//! The live page in a real browser, with the set behind it: what a person would see and press.
#![cfg(feature = "browser")]

#[cfg(feature = "docker")]
mod containers;
mod driver;
mod plays;

use driver::Browser;
use evenkeel_stage::{Connection, Load, Processes};
use rustix::process::Signal;
use serde_json::Value;

const TOKEN: &str = "canary-of-the-page";

fn set() -> Processes {
    Processes::start(3, &[("MANAGER_RESTART", "on"), ("MANAGER_BALANCER_ADMIN_TOKEN", TOKEN)])
}

/// A condition of the page: the row of a server is in this state.
fn row(address: &str, state: &str) -> String {
    format!("document.querySelector('[data-address=\"{address}\"]')?.dataset.state === '{state}'")
}

#[test]
fn a_person_sees_a_server_die_and_come_back() {
    let set = set();
    let load = Load::start(set.balancer(), 4, "/", &[]);
    let browser = Browser::open(&format!("http://{}/", set.member("balancer").admin));
    let victim = set.member("server-2");
    let address = victim.traffic.to_string();
    browser.wait_until("document.querySelectorAll('#rows tr').length === 3");
    browser.wait_until(&row(&address, "serving"));
    browser.wait_until("document.getElementById('status').textContent === 'Ready'");
    browser.run(&format!(
        "window.seen = [];
         const row = document.querySelector('[data-address=\"{address}\"]');
         new MutationObserver(() => window.seen.push(row.dataset.state))
             .observe(row, {{ attributes: true, attributeFilter: ['data-state'] }});"
    ));
    victim.signal(Signal::KILL);
    browser.wait_until("window.seen.some((state) => state === 'suspect' || state === 'ejected')");
    browser.wait_until(&row(&address, "serving"));
    browser.wait_until(
        "[...document.querySelectorAll('#timeline li')]
             .some((item) => item.textContent.includes('server-2') && /suspect|ejected/.test(item.dataset.kind))",
    );
    load.stop().assert_nothing_failed();
    browser.assert_kept_to_itself();
}

#[test]
fn a_person_drains_a_server_with_the_button_and_activates_it_again() {
    let set = set();
    let admin = set.member("balancer").admin;
    let browser = Browser::open(&format!("http://{admin}/"));
    let address = set.member("server-1").traffic.to_string();
    let button = format!("[data-address=\"{address}\"] button");
    browser.wait_until(&row(&address, "serving"));
    browser.click(&button);
    browser.write("#token", "not the token");
    browser.click("#token-form [type=submit]");
    browser.wait_until("document.getElementById('token-wrong').textContent.includes('secrets/admin-token')");
    browser.wait_until(&row(&address, "serving"));
    browser.run("document.getElementById('token').value = ''");
    browser.write("#token", TOKEN);
    browser.click("#token-form [type=submit]");
    browser.wait_until(&row(&address, "draining"));
    assert!(is_draining(&set, &address));
    browser.wait_until(&format!("document.querySelector('{button}').textContent === 'Activate'"));
    browser.click(&button);
    browser.wait_until(&row(&address, "serving"));
    assert!(!is_draining(&set, &address));
    for name in ["server-1", "server-2"] {
        let address = set.member(name).traffic.to_string();
        browser.click(&format!("[data-address=\"{address}\"] button"));
        browser.wait_until(&row(&address, "draining"));
    }
    let last = set.member("server-3").traffic.to_string();
    browser.wait_until("/^1 of 3 servers serving/.test(document.getElementById('calm').textContent)");
    browser.click(&format!("[data-address=\"{last}\"] button"));
    browser.wait_until("document.getElementById('last-dialog').open");
    browser.wait_until("document.activeElement.textContent === 'Keep it'");
    browser.click("#last-dialog [data-close]");
    browser.wait_until("!document.getElementById('last-dialog').open");
    assert!(!is_draining(&set, &last));
    // Chromium reports the 401 that was wanted; nothing else is said.
    let said = browser.console();
    assert!(said.iter().all(|line| line.contains("401")), "{said:#?}");
}

#[test]
fn a_person_sees_settings_taken_up_and_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("balancer.env");
    let put = |rate: &str| std::fs::write(&file, format!("BALANCER_RATE={rate}\n")).unwrap();
    put("100000/s");
    let variables =
        [("MANAGER_BALANCER_SETTINGS", file.to_str().unwrap()), ("MANAGER_BALANCER_ADMIN_TOKEN", TOKEN)];
    let set = Processes::start(1, &variables);
    let admin = set.member("balancer").admin;
    let reload = || {
        let mut admin = Connection::open(admin).unwrap();
        let token = format!("Bearer {TOKEN}");
        admin.request("POST", "/api/reload", &[("Authorization", &token)], b"").unwrap().status
    };
    let browser = Browser::open(&format!("http://{admin}/"));
    let summary = "document.getElementById('settings-summary').textContent";
    browser.wait_until(&format!("/^Settings in force since [0-9:]+ UTC$/.test({summary})"));
    browser.wait_until("document.getElementById('settings-rows').textContent.includes('100000/s')");
    put("200000/s");
    assert_eq!(reload(), 200);
    browser.wait_until("document.getElementById('settings-rows').textContent.includes('200000/s')");
    put("many");
    assert_eq!(reload(), 422);
    browser.wait_until(&format!("/refused since [0-9:]+ UTC, for 1 problem$/.test({summary})"));
    browser.wait_until("document.getElementById('settings').open");
    browser.wait_until(
        "document.getElementById('settings-problems').textContent.includes('balancer.env:1: BALANCER_RATE')",
    );
    put("200000/s");
    assert_eq!(reload(), 200);
    browser.wait_until(&format!("/^Settings in force since [0-9:]+ UTC$/.test({summary})"));
    browser.assert_kept_to_itself();
}

fn is_draining(set: &Processes, address: &str) -> bool {
    let mut admin = Connection::open(set.member("balancer").admin).expect("it listens");
    let answer = admin.get("/api/endpoints", &[]).expect("it answers");
    let told: Value = serde_json::from_slice(&answer.body).expect("it speaks JSON");
    let endpoints = told["endpoints"].as_array().expect("endpoints are a list");
    endpoints.iter().any(|one| one["address"] == address && one["draining"] == true)
}
