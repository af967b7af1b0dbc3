//! What happens in one upstream does not concern the others.

use serde_json::Value;

use crate::harness::{Balancer, Nobody, OK_CLOSE, SHORT, Servers};
use crate::{Two, tell, usable};

const TOKEN: &str = "canary-token-6f1d";

fn endpoints(balancer: &Balancer) -> Vec<(String, String, bool)> {
    let state: Value = serde_json::from_str(balancer.admin("/api/endpoints").text()).unwrap();
    let text = |endpoint: &Value, name: &str| endpoint[name].as_str().unwrap_or_default().to_owned();
    let all = state["endpoints"].as_array().unwrap().iter();
    all.map(|endpoint| (text(endpoint, "upstream"), text(endpoint, "address"), endpoint["draining"] == true))
        .collect()
}

#[test]
fn one_that_is_dead_leaves_the_other_unharmed() {
    let (web, nobody) = (Servers::listen(1), Nobody::new());
    let dead = nobody.upstream();
    let own = [
        ("UPSTREAM_API", dead.as_str()),
        ("UPSTREAM_API_ROUTE", "/api"),
        ("PROBE", "tcp"),
        ("PROBE_INTERVAL", "1m"),
    ];
    let balancer = Balancer::listening(&web.upstream(), &own);
    balancer.wait_until(|balancer| usable(balancer) == 1);
    // One that can serve is enough to be ready.
    assert_eq!(balancer.admin("/readyz").status(), 200);
    web.answer_all(OK_CLOSE);
    for _ in 0..20 {
        for (path, status) in [("/api", 503), ("/", 200)] {
            let mut client = balancer.connect();
            client.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
            assert_eq!(client.message().status(), status, "{path}");
        }
    }
}

#[test]
fn the_same_server_has_other_timeouts_in_another_upstream() {
    let servers = Servers::listen(1);
    let own = servers.upstream();
    let settings = [
        ("UPSTREAM_EXPORT", own.as_str()),
        ("UPSTREAM_EXPORT_ROUTE", "/export"),
        ("UPSTREAM_EXPORT_RESPONSE_TIMEOUT", "1m"),
        ("RESPONSE_TIMEOUT", SHORT),
        ("HEDGE", "off"),
    ];
    let balancer = Balancer::listening(&own, &settings);
    balancer.wait_until(|balancer| usable(balancer) == 2);
    let ask = |path: &str| {
        let mut client = balancer.connect();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let mut server = servers.accept();
        server.message();
        (client, server)
    };
    let (mut export, mut slow) = ask("/export");
    let (mut page, _silent) = ask("/page");
    assert_eq!(page.message().status(), 504);
    // Asked before, and still waited for.
    slow.send(OK_CLOSE);
    assert_eq!(export.message().status(), 200);
}

#[test]
fn a_server_of_two_upstreams_is_drained_in_one_or_in_both() {
    let servers = Servers::listen(1);
    let own = servers.upstream();
    let settings = [("UPSTREAM_API", own.as_str()), ("UPSTREAM_API_ROUTE", "/api"), ("ADMIN_TOKEN", TOKEN)];
    let balancer = Balancer::listening(&own, &settings);
    balancer.wait_until(|balancer| usable(balancer) == 2);
    let draining = || {
        endpoints(&balancer)
            .into_iter()
            .map(|(upstream, _, draining)| (upstream, draining))
            .collect::<Vec<_>>()
    };
    let both = |web, api| vec![("default".to_owned(), web), ("api".to_owned(), api)];
    assert_eq!(draining(), both(false, false));
    let order = |what: &str| tell(&balancer, TOKEN, &format!("/api/endpoints/{own}/{what}"));
    assert_eq!(order("drain?upstream=api").status(), 200);
    assert_eq!(draining(), both(false, true));
    let nobody = order("activate?upstream=shop");
    assert_eq!(nobody.status(), 404);
    assert!(
        nobody.text().contains("There is no upstream \\\"shop\\\"; there are default, api."),
        "{}",
        nobody.text()
    );
    for mistyped in ["drain?upstram=default", "drain?upstream=default&now=1", "drain?default"] {
        let answer = order(mistyped);
        assert_eq!(answer.status(), 400, "{mistyped}");
        assert!(answer.text().contains("write ?upstream=api or nothing"), "{}", answer.text());
    }
    assert_eq!(draining(), both(false, true));
    let done: Value = serde_json::from_str(order("drain").text()).unwrap();
    assert_eq!(
        (&done["endpoint"]["upstream"], &done["others"][0]["upstream"]),
        (&"default".into(), &"api".into())
    );
    assert_eq!(draining(), both(true, true));
    order("activate?upstream=default");
    assert_eq!(draining(), both(false, true));
}

#[test]
fn whatever_is_told_says_which_upstream() {
    let two = Two::new("/api;strip", &[("ACCESS_LOG", "json"), ("ACCESS_LOG_PATH", "/dev/stderr")]);
    two.served(&two.api, "h", "/api/x");
    two.balancer.says("\"path\":\"/api/x\",\"upstream\":\"api\"");
    let api = two.api.upstream();
    let metrics = two.balancer.admin("/metrics");
    assert!(
        metrics.text().contains(&format!("endpoint=\"{api}\",server=\"{api}\",upstream=\"api\"}} 1")),
        "{}",
        metrics.text()
    );
    for line in [
        "evenkeel_requests_queued{upstream=\"default\"} 0",
        "evenkeel_upstream_requests_total{upstream=\"api\",class=\"2xx\"} 1",
        "evenkeel_upstream_requests_total{upstream=\"default\",class=\"2xx\"} 0",
        "evenkeel_upstream_request_seconds_count{upstream=\"api\"} 1",
    ] {
        assert!(metrics.text().contains(line), "{line}: {}", metrics.text());
    }
    let of_api = |balancer: &Balancer| {
        let told: Value = serde_json::from_str(balancer.admin("/api/state").text()).unwrap();
        told["upstreams"].as_array()?.iter().find(|one| one["name"] == "api").cloned()
    };
    two.balancer.wait_until(|balancer| of_api(balancer).is_some_and(|one| one["requests"] == 1));
    let counted = of_api(&two.balancer).unwrap();
    assert_eq!(counted["answered"], serde_json::json!({"2xx": 1}));
    assert!(counted["p50_ms"].as_f64().unwrap() > 0.0, "{counted}");
    two.balancer
        .wait_until(|balancer| balancer.admin("/api/state").text().contains("\"routes\":[\"/api;strip\"]"));
    two.balancer.says(&format!("{api} of api was found"));
}

#[test]
fn of_a_single_upstream_nothing_says_that_there_could_be_others() {
    let stage = crate::harness::Stage::with(&[("ACCESS_LOG", "json"), ("ACCESS_LOG_PATH", "/dev/stderr")]);
    stage.forwarded("GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
    stage.balancer.wait_until(|balancer| balancer.admin("/api/state").text().contains("\"endpoints\":[{"));
    for path in ["/api/endpoints", "/metrics", "/api/requests", "/api/incidents"] {
        assert!(!stage.balancer.admin(path).text().contains("upstream\""), "{path}");
    }
    let told: Value = serde_json::from_str(stage.balancer.admin("/api/state").text()).unwrap();
    assert_eq!((told.get("upstreams"), told["endpoints"][0].get("upstream")), (None, None));
    stage.balancer.says("\"path\":\"/x\",\"status\":200");
}
