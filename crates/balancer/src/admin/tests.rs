//! The interface over its real routes, with a real control task behind it.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;

use actix_web::body::MessageBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HOST, ORIGIN};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use evenkeel_service::Reading;
use evenkeel_upstream::EndpointIds;
use serde_json::Value;

use super::*;
use crate::context::edition::Edition;
use crate::context::leaving::Leaving;
use crate::context::permit::Connections;
use crate::context::served::Served;
use crate::records::events::Events;
use crate::records::ledger::Ledger;
use crate::records::metrics::ControlStats;
use crate::records::reloads::Reloads;
use crate::records::roster::Roster;
use crate::records::story::Story;
use crate::settings;
use crate::watch::control;

const ENDPOINT: &str = "127.0.0.1:1";
const TOKEN: &str = "canary-token-6f1d";

/// An interface over one endpoint that nobody probes, with or without a token.
async fn admin(token: Option<&str>) -> Admin {
    let mut variables = vec![("BALANCER_UPSTREAM", ENDPOINT), ("BALANCER_PROBE", "off")];
    variables.extend(token.map(|token| ("BALANCER_ADMIN_TOKEN", token)));
    let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
    let settings = Reading::of(&settings::COMPONENT, variables, settings::read).unwrap();
    let of_upstream = settings.upstreams.all[0].clone();
    let (served, control, told) = Served::new(&settings.upstreams.all[0], &EndpointIds::default());
    let (story, mishaps) = Story::new(false);
    let shared = Arc::new(Shared {
        editions: watch::Sender::new(Edition::new(settings, vec![served], None)),
        connections: Connections::new(1, None),
        pipes: AtomicUsize::default(),
        leaving: Leaving::default(),
        tls: None,
        reloads: Reloads::new(None),
        events: Events::new(),
        roster: Roster::default(),
        story: Arc::new(story),
        control_stats: ControlStats::default(),
        access_log: None,
        ledger: Some(Arc::new(Ledger::new(1 << 20))),
    });
    actix_web::rt::spawn(crate::records::story::run(shared.story.clone(), mishaps));
    let mut found = shared.events.watch();
    control::start(control, of_upstream, &shared, told);
    found.changed().await.unwrap();
    let (beat, pulse) = watch::channel(Arc::default());
    let admin = Admin {
        shared,
        stats: vec![Arc::default()],
        settings: None,
        pulse: pulse.clone(),
        feed: Arc::new(Feed::new()),
        readers: Arc::default(),
        ledger_readers: Arc::new(Semaphore::new(1)),
        started: SystemTime::now(),
    };
    actix_web::rt::spawn(feed::run(admin.shared.clone(), admin.feed.clone()));
    actix_web::rt::spawn(pulse::run(admin.clone(), beat));
    let mut pulse = pulse;
    pulse.wait_for(|pulse| !pulse.state.endpoints.is_empty()).await.unwrap();
    admin
}

/// The status and the body of the answer to a request that comes as a browser on this machine sends it.
async fn answer(admin: &Admin, request: TestRequest) -> (StatusCode, String) {
    let app = App::new().app_data(web::Data::new(admin.clone())).wrap(middleware::from_fn(guard::guard));
    let app = init_service(app.configure(configure)).await;
    let response = call_service(&app, request.to_request()).await;
    let status = response.status();
    (status, String::from_utf8(read_body(response).await.to_vec()).unwrap())
}

fn get(path: &str) -> TestRequest {
    TestRequest::get().uri(path).insert_header((HOST, "localhost:9090"))
}

fn post(path: &str) -> TestRequest {
    TestRequest::post().uri(path).insert_header((HOST, "localhost:9090"))
}

fn with_token(request: TestRequest) -> TestRequest {
    request.insert_header((AUTHORIZATION, format!("Bearer {TOKEN}")))
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[actix_web::test]
async fn every_route_is_described_and_every_description_is_a_route() {
    let (_, text) = answer(&admin(None).await, get("/api/openapi.json")).await;
    let description = parsed(&text);
    let mut described = BTreeSet::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            described.insert((method.as_str(), path.as_str()));
        }
    }
    assert_eq!(described, ROUTES.iter().copied().collect::<BTreeSet<_>>());
}

#[actix_web::test]
async fn answers_have_what_their_schema_requires_and_nothing_it_lacks() {
    let admin = admin(None).await;
    let (_, description) = answer(&admin, get("/api/openapi.json")).await;
    let schemas = parsed(&description)["components"]["schemas"].clone();
    let (_, state) = answer(&admin, get("/api/state")).await;
    let mut state = parsed(&state);
    fits(&schemas["Endpoint"], &state["endpoints"][0]);
    fits(&schemas["Point"], &state["now"]);
    fits(&schemas["Totals"], &state["totals"]);
    fits(&schemas["Totals"], &state["lately"]);
    fits(&schemas["Setting"], &state["settings"][0]);
    assert_eq!(state["endpoints"][0]["server"], ENDPOINT);
    assert_eq!(state["known"], 1);
    let whole = state.as_object_mut().unwrap();
    assert!(whole.remove("history").is_some() && whole.remove("settings").is_some());
    fits(&schemas["State"], &state);
    fits(&schemas["Event"], &serde_json::to_value(&admin.shared.events.after(0)[0]).unwrap());
}

#[actix_web::test]
async fn what_went_wrong_is_told_as_it_is_described() {
    let admin = admin(Some(TOKEN)).await;
    let (_, description) = answer(&admin, get("/api/openapi.json")).await;
    let schemas = parsed(&description)["components"]["schemas"].clone();
    answer(&admin, with_token(post(&format!("/api/endpoints/{ENDPOINT}/drain")))).await;
    let mut pulse = admin.pulse.clone();
    pulse.wait_for(|pulse| pulse.state.endpoints[0].draining).await.unwrap();
    let (_, told) = answer(&admin, get("/api/incidents")).await;
    let told = parsed(&told);
    let feed = admin.feed.clone();
    feed.watch()
        .wait_for(|_| {
            feed.after(0, u64::MAX).0.iter().any(|frame| frame.starts_with(b"event: incident\ndata: {"))
        })
        .await
        .unwrap();
    assert_eq!((&told["newest"], &told["incidents"][0]["cause"]), (&1.into(), &"drained".into()), "{told}");
    fits(&schemas["Incident"], &told["incidents"][0]);
    fits(&schemas["Incident"]["properties"]["counts"], &told["incidents"][0]["counts"]);
    fits(&schemas["Incident"]["properties"]["steps"]["items"], &told["incidents"][0]["steps"][0]);
    let (_, requests) = answer(&admin, get("/api/requests")).await;
    assert_eq!(parsed(&requests), json!({ "requests": [] }));
}

fn fits(schema: &Value, value: &Value) {
    let (known, value) = (schema["properties"].as_object().unwrap(), value.as_object().unwrap());
    for name in value.keys() {
        assert!(known.contains_key(name), "{name} is not described");
    }
    for name in schema["required"].as_array().unwrap() {
        assert!(value.contains_key(name.as_str().unwrap()), "{name} is missing");
    }
}

#[actix_web::test]
async fn without_a_token_nothing_can_be_changed() {
    let admin = admin(None).await;
    let path = format!("/api/endpoints/{ENDPOINT}/drain");
    let (status, body) = answer(&admin, with_token(post(&path))).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(body.contains("read-only") && body.contains("BALANCER_ADMIN_TOKEN"), "{body}");
    assert!(!admin.endpoints().await[0].draining);
}

#[actix_web::test]
async fn a_change_needs_the_token_itself() {
    let admin = admin(Some(TOKEN)).await;
    let path = format!("/api/endpoints/{ENDPOINT}/drain");
    for wrong in ["", "Bearer ", "Bearer wrong", "Basic Y2FuYXJ5", TOKEN] {
        let (status, body) = answer(&admin, post(&path).insert_header((AUTHORIZATION, wrong))).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{wrong:?}");
        assert!(!body.contains(TOKEN), "{body}");
    }
    assert!(!admin.endpoints().await[0].draining);
}

#[actix_web::test]
async fn a_token_can_be_tried_without_changing_anything() {
    let admin = admin(Some(TOKEN)).await;
    let (status, body) = answer(&admin, with_token(post("/api/token"))).await;
    assert_eq!((status, body.as_str()), (StatusCode::NO_CONTENT, ""));
    let wrong = post("/api/token").insert_header((AUTHORIZATION, "Bearer wrong"));
    let (status, body) = answer(&admin, wrong).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(body.contains("secrets/admin-token"), "{body}");
    let foreign = with_token(post("/api/token")).insert_header((ORIGIN, "http://evil.example"));
    assert_eq!(answer(&admin, foreign).await.0, StatusCode::FORBIDDEN);
    let (status, _) = answer(&self::admin(None).await, with_token(post("/api/token"))).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[actix_web::test]
async fn the_scheme_of_the_token_has_no_case() {
    let admin = admin(Some(TOKEN)).await;
    for scheme in ["bearer", "BEARER", "beArer "] {
        let request = post(&format!("/api/endpoints/{ENDPOINT}/activate"))
            .insert_header((AUTHORIZATION, format!("{scheme} {TOKEN}")));
        assert_eq!(answer(&admin, request).await.0, StatusCode::OK, "{scheme:?}");
    }
}

#[actix_web::test]
async fn a_page_of_another_site_gets_nothing() {
    let admin = admin(Some(TOKEN)).await;
    let drain = format!("/api/endpoints/{ENDPOINT}/drain");
    for request in [get("/"), get("/livez"), get("/metrics"), get("/api/events"), post(&drain)] {
        let foreign = with_token(request).insert_header(("Sec-Fetch-Site", "cross-site"));
        let (status, body) = answer(&admin, foreign).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{body}");
    }
    assert!(!admin.endpoints().await[0].draining);
    for own in ["none", "same-origin"] {
        let request = get("/metrics").insert_header(("Sec-Fetch-Site", own));
        assert_eq!(answer(&admin, request).await.0, StatusCode::OK, "{own}");
    }
}

#[actix_web::test]
async fn an_endpoint_is_drained_weighted_and_activated() {
    let admin = admin(Some(TOKEN)).await;
    let told = |what: &str| with_token(post(&format!("/api/endpoints/{ENDPOINT}/{what}")));
    let (status, body) = answer(&admin, told("drain")).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let done = parsed(&body);
    assert_eq!(done["endpoint"]["draining"], true);
    assert!(done["holds"].as_str().unwrap().starts_with("until the balancer restarts"));
    let (status, _) = answer(&admin, get("/readyz")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let (_, body) = answer(&admin, told("weight").set_payload("{\"weight\": 7}")).await;
    assert_eq!(parsed(&body)["endpoint"]["weight"], 7);
    let (_, body) = answer(&admin, told("activate")).await;
    assert_eq!(parsed(&body)["endpoint"]["draining"], false);
    let texts = serde_json::to_string(&admin.shared.events.after(0)).unwrap();
    for text in ["was told to drain", "has weight 7", "was told to serve again"] {
        assert!(texts.contains(text), "{texts}");
    }
}

#[actix_web::test]
async fn what_cannot_be_done_says_why() {
    let admin = admin(Some(TOKEN)).await;
    let weight = format!("/api/endpoints/{ENDPOINT}/weight");
    for (path, body, status) in [
        ("/api/endpoints/server/drain", "", StatusCode::BAD_REQUEST),
        ("/api/endpoints/127.0.0.1:2/drain", "", StatusCode::NOT_FOUND),
        (weight.as_str(), "", StatusCode::BAD_REQUEST),
        (weight.as_str(), "{\"weight\": 0}", StatusCode::BAD_REQUEST),
        (weight.as_str(), "{\"weight\": 257}", StatusCode::BAD_REQUEST),
        (weight.as_str(), "{\"weight\": 2, \"x\": 1}", StatusCode::BAD_REQUEST),
        ("/api/state", "", StatusCode::METHOD_NOT_ALLOWED),
        ("/api/nothing", "", StatusCode::NOT_FOUND),
    ] {
        let (got, text) = answer(&admin, with_token(post(path)).set_payload(body)).await;
        assert_eq!(got, status, "{path} {body}");
        assert!(!parsed(&text)["detail"].as_str().unwrap().is_empty(), "{text}");
    }
    assert_eq!(admin.endpoints().await[0].weight.get(), 1);
}

#[actix_web::test]
async fn foreign_pages_neither_read_nor_change() {
    let admin = admin(Some(TOKEN)).await;
    let drain = format!("/api/endpoints/{ENDPOINT}/drain");
    for path in ["/", "/api/state", "/api/events", "/metrics"] {
        let rebound = TestRequest::get().uri(path).insert_header((HOST, "evil.example:9090"));
        assert_eq!(answer(&admin, rebound).await.0, StatusCode::FORBIDDEN, "{path}");
        let foreign = get(path).insert_header((ORIGIN, "http://evil.example"));
        assert_eq!(answer(&admin, foreign).await.0, StatusCode::FORBIDDEN, "{path}");
    }
    let foreign = with_token(post(&drain)).insert_header((ORIGIN, "http://localhost:3000"));
    assert_eq!(answer(&admin, foreign).await.0, StatusCode::FORBIDDEN);
    assert!(!admin.endpoints().await[0].draining);
    let own = with_token(post(&drain)).insert_header((ORIGIN, "http://localhost:9090"));
    assert_eq!(answer(&admin, own).await.0, StatusCode::OK);
    let probe = TestRequest::get().uri("/livez").insert_header((HOST, "evil.example"));
    assert_eq!(answer(&admin, probe).await.0, StatusCode::OK);
}

#[actix_web::test]
async fn no_secret_is_shown() {
    let admin = admin(Some(TOKEN)).await;
    for path in ["/", "/api/state", "/api/endpoints", "/metrics", "/api/openapi.json"] {
        let (status, text) = answer(&admin, get(path)).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(!text.contains(TOKEN), "{path}");
    }
}

#[actix_web::test]
async fn a_reader_hears_what_was_and_what_comes() {
    let admin = admin(None).await;
    let request = get("/api/events").to_request();
    let app = App::new().app_data(web::Data::new(admin.clone())).configure(configure);
    let app = init_service(app).await;
    let mut body = pin!(call_service(&app, request).await.into_body());
    let mut heard = String::new();
    let mut wait_for = async |wanted: &str| {
        while !heard.contains(wanted) {
            let frame = poll_fn(|cx| body.as_mut().poll_next(cx)).await;
            heard.push_str(std::str::from_utf8(&frame.unwrap().ok().unwrap()).unwrap());
        }
    };
    wait_for("event: history\ndata: [").await;
    wait_for("event: events\ndata: [{\"id\":1,").await;
    wait_for("event: state\ndata: {").await;
    admin.shared.events.note("moved", "canary in the mine".to_owned());
    wait_for("event: event\ndata: {").await;
    wait_for("canary in the mine\"}\n\n").await;
}

#[actix_web::test]
async fn the_ledger_tells_what_happened_from_a_number_on() {
    let admin = admin(None).await;
    let (status, text) = answer(&admin, get("/ledger")).await;
    assert_eq!(status, StatusCode::OK);
    let lines: Vec<Value> = text.lines().map(parsed).collect();
    assert_eq!((&lines[0]["ledger"], &lines[0]["oldest"]), (&1.into(), &0.into()), "{text}");
    assert_eq!((&lines[1]["n"], &lines[1]["event"]), (&0.into(), &"added".into()), "{text}");
    assert_eq!(lines[1]["endpoint"], ENDPOINT);
    let next = lines[0]["next"].as_u64().unwrap();
    assert_eq!(next as usize, lines.len() - 1);
    let (_, text) = answer(&admin, get(&format!("/ledger?run=r&after={next}"))).await;
    assert_eq!(text.lines().count(), 1, "nothing happened since: {text}");
}

#[actix_web::test]
async fn a_ledger_that_cannot_be_told_says_why() {
    let admin = admin(None).await;
    for query in ["after=-1", "after=x", "since=1"] {
        let (status, text) = answer(&admin, get(&format!("/ledger?{query}"))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert!(parsed(&text)["detail"].as_str().unwrap().contains("/ledger?run=<name>"), "{text}");
    }
    let reading = admin.ledger_readers.clone().try_acquire_owned().unwrap();
    assert_eq!(answer(&admin, get("/ledger")).await.0, StatusCode::SERVICE_UNAVAILABLE);
    drop(reading);
    assert_eq!(answer(&admin, get("/ledger")).await.0, StatusCode::OK);
    assert_eq!(admin.ledger_readers.available_permits(), 1, "the place is given back with the answer");
}

#[actix_web::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let admin = admin(None).await;
    let (_, index) = answer(&admin, get("/")).await;
    let mut wanted: Vec<String> = quoted(&index).filter(|text| text.starts_with("/page/")).collect();
    let mut loaded = BTreeSet::new();
    while let Some(path) = wanted.pop() {
        if !loaded.insert(path.clone()) {
            continue;
        }
        let (status, text) = answer(&admin, get(&path)).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(!text.contains("https://"), "{path}");
        let modules =
            quoted(&text).filter_map(|text| text.strip_prefix("./").map(|name| format!("/page/{name}")));
        wanted.extend(modules.chain(quoted(&text).filter(|text| text.starts_with("/page/"))));
    }
    assert!(!index.contains("https://"));
    let known = page::FILES.iter().map(|(name, ..)| format!("/page/{name}")).collect();
    assert_eq!(loaded, known, "what is embedded is what is loaded");
}

/// What stands between quotation marks.
fn quoted(text: &str) -> impl Iterator<Item = String> {
    text.split('"').skip(1).step_by(2).map(str::to_owned)
}
