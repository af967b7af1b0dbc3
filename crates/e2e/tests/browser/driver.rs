//! As much of `WebDriver` (W3C) as the tests need, spoken to Debian's chromium-driver.

use std::{
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use evenkeel_stage::{Connection, Lines};
use serde_json::{Value, json};

/// How long a condition may take to come true, milliseconds.
const PATIENCE: u64 = 60_000;

/// How `WebDriver` calls an element in its answers.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// What keeps Chromium from looking for its maker's hosts; without a sandbox, because tests may run as root.
const ARGUMENTS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1400,1000",
];

/// A browser with one page. Dropping it ends both the browser and its driver.
pub(crate) struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    origin: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts a browser and opens the page.
    pub(crate) fn open(url: &str) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver can be started: install chromium and chromium-driver");
        let begun = "started successfully on port ";
        let line = Lines::of(driver.stdout.take().expect("it is piped")).wait_for(begun);
        let port = line.split_once(begun).and_then(|(_, port)| port.trim_end_matches('.').parse().ok());
        let port = port.expect("chromedriver says its port");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let profile = tempfile::tempdir().expect("a directory can be made");
        let mut arguments = ARGUMENTS.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
            "timeouts": { "script": PATIENCE },
        }}});
        let started = call(address, "/session", &wanted);
        let session = started["sessionId"].as_str().expect("a session has a name").to_owned();
        let origin = url.trim_end_matches('/').to_owned();
        let browser = Self { driver, address, session, origin, _profile: profile };
        browser.call("/url", &json!({ "url": url }));
        browser
    }

    /// Waits until a condition of the page holds: looked at now and after every change of the page.
    pub(crate) fn wait_until(&self, condition: &str) {
        let script = format!(
            "const done = arguments[0];
             const observer = new MutationObserver(look);
             function look() {{ if ({condition}) {{ observer.disconnect(); done(true); }} }}
             // Before the driver loses its patience, so that what was waited for is named.
             setTimeout(() => done(false), {PATIENCE} - 5000);
             observer.observe(document, {{ subtree: true, childList: true, characterData: true, attributes: true }});
             look();"
        );
        let answer = self.answer(&script);
        if answer != true {
            let page = json!({ "script": "return document.body.innerText.slice(0, 1500)", "args": [] });
            let page = self.call("/execute/sync", &page);
            panic!("never came true: {condition}\n{:#?}\n{page:#}", self.console());
        }
    }

    /// What a script answers, which calls the function that is its last argument.
    pub(crate) fn answer(&self, script: &str) -> Value {
        self.call("/execute/async", &json!({ "script": script, "args": [] }))
    }

    /// Runs a script in the page.
    pub(crate) fn run(&self, script: &str) {
        self.call("/execute/sync", &json!({ "script": script, "args": [] }));
    }

    /// Presses the element that a selector finds.
    pub(crate) fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.call(&format!("/element/{element}/click"), &json!({}));
    }

    /// Writes into the element that a selector finds.
    pub(crate) fn write(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.call(&format!("/element/{element}/value"), &json!({ "text": text }));
    }

    /// What the console has said since it was last asked: errors and warnings, of the page and of the browser about it.
    pub(crate) fn console(&self) -> Vec<String> {
        let said = self.call("/se/log", &json!({ "type": "browser" }));
        let said = said.as_array().expect("a log is a list");
        said.iter().map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Panics unless the console is silent and every request of the page went to where the page came from.
    pub(crate) fn assert_kept_to_itself(&self) {
        assert_eq!(self.console(), Vec::<String>::new());
        let events = self.call("/se/log", &json!({ "type": "performance" }));
        let mut requests = 0;
        for event in events.as_array().expect("a log is a list") {
            let event: Value = serde_json::from_str(event["message"].as_str().unwrap_or_default())
                .expect("an event is JSON");
            let event = &event["message"];
            let (method, params) = (&event["method"], &event["params"]);
            let of_page =
                |url: &Value| url.as_str().unwrap_or_default().starts_with(&format!("{}/", self.origin));
            // The browser opens with a page of its own.
            if method == "Network.requestWillBeSent" && of_page(&params["documentURL"]) {
                let url = &params["request"]["url"];
                assert!(of_page(url), "the page asked for {url}");
                let stream = format!("{}/api/events", self.origin);
                assert_ne!(url, &stream, "the worker that all tabs share hears the events, not the page");
                requests += 1;
            }
        }
        assert!(requests > 3, "{requests} requests are fewer than the page has files");
    }

    fn find(&self, selector: &str) -> String {
        let found = self.call("/element", &json!({ "using": "css selector", "value": selector }));
        found[ELEMENT].as_str().unwrap_or_else(|| panic!("{selector}: {found}")).to_owned()
    }

    fn call(&self, path: &str, body: &Value) -> Value {
        call(self.address, &format!("/session/{}{path}", self.session), body)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser; the driver would leave it behind. A test that fails must not fail twice.
        let ended = Connection::open(self.address)
            .and_then(|mut driver| driver.request("DELETE", &format!("/session/{}", self.session), &[], &[]));
        drop(ended);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn call(address: SocketAddr, path: &str, body: &Value) -> Value {
    let body = body.to_string();
    let answer = Connection::open(address)
        .and_then(|mut driver| {
            driver.request("POST", path, &[("Content-Type", "application/json")], body.as_bytes())
        })
        .expect("the driver answers");
    let mut told: Value = serde_json::from_slice(&answer.body).expect("the driver speaks JSON");
    assert_eq!(answer.status, 200, "{path}: {:#}", told["value"]["message"]);
    told["value"].take()
}
