//! The page before the set as containers, where a server that is gone is gone from DNS as well.

use evenkeel_stage::{Compose, Load, docker};

use crate::driver::Browser;
use crate::plays::told;

#[test]
fn a_killed_container_stays_as_a_ghost_under_the_name_that_docker_ps_shows() {
    let compose = Compose::up(&["docker-compose.yml"], &["server", "balancer"]);
    let authorization = compose.authorization();
    let load = Load::start(compose.balancer(), 4, "/delay/20ms", &[("Authorization", &authorization)]);
    let browser = Browser::open(&format!("http://{}/", compose.admin()));
    browser.wait_until("/^3 of 3 servers serving/.test(document.getElementById('calm').textContent)");
    let victim = compose.containers("server").remove(1);
    let name = docker(&["inspect", "--format", "{{.Name}}", &victim]);
    let name = name.trim_start_matches('/');
    let row = format!("document.querySelector('#rows [data-server=\"{name}\"]')");
    browser.wait_until(&format!("{row}?.dataset.state === 'serving'"));

    docker(&["kill", &victim]);
    let sentence = told(&browser, "crashed", true);
    assert!(sentence.starts_with(&format!("{name} crashed at ")), "{sentence}");
    browser.wait_until(&format!("{row}?.dataset.state === 'crashed' && {row}.classList.contains('ghost')"));
    // It has left DNS: what is shown of it is what is remembered, and it can be told nothing.
    browser.wait_until(&format!("{row}.querySelector('button').hidden"));
    browser.wait_until(&format!("document.querySelector('#set [data-server=\"{name}\"] .ghost') !== null"));
    browser.wait_until("/^2 of 3 servers serving/.test(document.getElementById('calm').textContent)");
    load.stop().assert_nothing_failed();

    docker(&["start", &victim]);
    browser.wait_until("/^3 of 3 servers serving/.test(document.getElementById('calm').textContent)");
    browser.wait_until(&format!("{row}?.dataset.state === 'serving'"));
    browser.assert_kept_to_itself();
}
