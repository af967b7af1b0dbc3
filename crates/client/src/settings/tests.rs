use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Settings, String> {
    let target = ("CLIENT_TARGET", "http://balancer:8080");
    let variables = [&[target], variables].concat();
    of(&variables)
}

pub(super) fn of(variables: &[(&str, &str)]) -> Result<Settings, String> {
    let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
    Reading::of(&COMPONENT, variables, Settings::read).map_err(|problems| problems.to_string())
}

#[test]
fn a_target_alone_sends_a_thousand_requests_sixteen_at_a_time() {
    let settings = read(&[]).unwrap();
    assert_eq!((settings.requests, settings.concurrency), (Some(1000), 16));
    assert_eq!(settings.phases, [Phase { name: "run".into(), lasts: None, load: Load::Closed }]);
    assert_eq!(settings.mix.entries(), [Entry::new("GET", "/").unwrap()]);
}

#[test]
fn a_duration_alone_lifts_the_limit_of_requests_and_both_hold_together() {
    let alone = read(&[("CLIENT_DURATION", "5s")]).unwrap();
    assert_eq!((alone.requests, alone.phases[0].lasts), (None, Some(Duration::from_secs(5))));
    let both = read(&[("CLIENT_DURATION", "5s"), ("CLIENT_REQUESTS", "7")]).unwrap();
    assert_eq!((both.requests, both.phases[0].lasts), (Some(7), Some(Duration::from_secs(5))));
}

#[test]
fn a_rate_opens_the_loop_and_allows_more_at_a_time() {
    let settings = read(&[("CLIENT_RATE", "200")]).unwrap();
    assert_eq!(settings.phases[0].load, Load::Open { from: 200.0, to: 200.0 });
    assert_eq!(settings.concurrency, 1024);
    assert_eq!(read(&[("CLIENT_RATE", "200"), ("CLIENT_CONCURRENCY", "8")]).unwrap().concurrency, 8);
}

#[test]
fn phases_have_durations_of_their_own() {
    let settings = read(&[("CLIENT_PHASES", "warm-up:1s,steady:5s"), ("CLIENT_RATE", "10")]).unwrap();
    assert_eq!(settings.phases.len(), 2);
    assert_eq!((settings.requests, settings.phases[1].load), (None, Load::Open { from: 10.0, to: 10.0 }));
    let error = read(&[("CLIENT_PHASES", "steady:5s"), ("CLIENT_DURATION", "5s")]).unwrap_err();
    assert!(error.starts_with("CLIENT_DURATION: is set, and so is CLIENT_PHASES"), "{error}");
}

#[test]
fn one_kind_of_request_comes_from_four_variables_or_from_a_mix() {
    let single =
        read(&[("CLIENT_METHOD", "POST"), ("CLIENT_PATH", "/echo"), ("CLIENT_BODY", "1KiB")]).unwrap();
    let [entry] = single.mix.entries() else { panic!("one entry") };
    assert_eq!((entry.method.as_str(), entry.path.as_str(), entry.body), ("POST", "/echo", Some(1024)));
    let error =
        read(&[("CLIENT_MIX", "GET /a"), ("CLIENT_PATH", "/b"), ("CLIENT_METHOD", "PUT")]).unwrap_err();
    assert_eq!(error.lines().count(), 2, "{error}");
    assert!(error.contains("CLIENT_PATH: is set, and so is CLIENT_MIX"), "{error}");
}

#[test]
fn a_bad_method_and_a_bad_path_each_name_their_variable() {
    let method = read(&[("CLIENT_METHOD", "GE T")]).unwrap_err();
    assert!(method.starts_with("CLIENT_METHOD: `GE T` is no method"), "{method}");
    let path = read(&[("CLIENT_PATH", "data")]).unwrap_err();
    assert!(path.starts_with("CLIENT_PATH: `data` is no path"), "{path}");
}

#[test]
fn credentials_come_in_pairs() {
    let both = read(&[("CLIENT_USERNAME", "student"), ("CLIENT_PASSWORD", "evenkeel")]).unwrap();
    assert_eq!(both.credentials.unwrap().username, "student");
    assert!(read(&[("CLIENT_USERNAME", "student")]).unwrap_err().starts_with("CLIENT_PASSWORD: is not set"));
    assert!(read(&[("CLIENT_PASSWORD", "x")]).unwrap_err().starts_with("CLIENT_USERNAME: is not set"));
    assert!(read(&[("CLIENT_USERNAME", "a:b"), ("CLIENT_PASSWORD", "x")]).unwrap_err().contains("colon"));
}

#[test]
fn every_problem_has_a_line_of_its_own() {
    let problems = of(&[
        ("CLIENT_TARGET", "balancer"),
        ("CLIENT_RATE", "fast"),
        ("CLIENT_PHASES", "steady"),
        ("CLIENT_CONCURRENCY", "0"),
        ("CLIENT_TIMEOUT", "0s"),
        ("CLIENT_VERIFY", "maybe"),
        ("CLIENT_RUN", "a b"),
        ("CLIENT_TARGETS", "http://a"),
    ])
    .unwrap_err();
    let named: Vec<_> = problems.lines().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(
        named,
        [
            "CLIENT_TARGET",
            "CLIENT_RATE",
            "CLIENT_PHASES",
            "CLIENT_CONCURRENCY",
            "CLIENT_TIMEOUT",
            "CLIENT_VERIFY",
            "CLIENT_RUN",
            "CLIENT_TARGETS"
        ],
        "{problems}"
    );
}

#[test]
fn several_targets_are_measured_one_after_the_other() {
    let settings = of(&[("CLIENT_TARGET", "http://balancer:8080, http://nginx")]).unwrap();
    assert_eq!(
        settings.targets.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["http://balancer:8080", "http://nginx"]
    );
}

#[test]
fn fields_are_named_by_their_variables() {
    let settings =
        read(&[("CLIENT_FIELD_ACCEPT", "text/plain"), ("CLIENT_FIELD_X_DEMO_1", " a, b ")]).unwrap();
    let fields: Vec<_> =
        settings.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(fields, [("Accept", "text/plain"), ("X-Demo-1", "a, b")]);
}

#[test]
fn a_field_that_the_client_sets_itself_is_refused() {
    let error = read(&[("CLIENT_FIELD_CONTENT_LENGTH", "5"), ("CLIENT_FIELD_A", "b\r\nX: y")]).unwrap_err();
    assert!(
        error.contains("CLIENT_FIELD_CONTENT_LENGTH: Content-Length is set by the client itself"),
        "{error}"
    );
    assert!(error.contains("CLIENT_FIELD_A: it holds characters that a field cannot carry"), "{error}");
}

#[test]
fn a_proof_is_of_one_target() {
    let error = of(&[("CLIENT_TARGET", "http://a,http://b"), ("CLIENT_JOURNALS", "/journals")]).unwrap_err();
    assert!(error.starts_with("CLIENT_JOURNALS: is set, but CLIENT_TARGET has several targets"), "{error}");
}

#[test]
fn a_report_that_cannot_be_written_is_known_before_the_run_and_none_is_left_where_one_can() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("report.json");
    let possible = read(&[("CLIENT_REPORT_JSON", path.to_str().unwrap())]).unwrap();
    assert_eq!((possible.report_json.as_deref(), path.exists()), (Some(path.as_path()), false));
    let missing = directory.path().join("nowhere/report.json");
    let variables = [
        ("CLIENT_REPORT_JSON", missing.to_str().unwrap()),
        ("CLIENT_REPORT_HTML", directory.path().to_str().unwrap()),
    ];
    let error = read(&variables).unwrap_err();
    assert!(
        error.contains("CLIENT_REPORT_JSON: `") && error.contains("cannot be written: No such file"),
        "{error}"
    );
    assert!(error.contains("CLIENT_REPORT_HTML: `") && error.contains("Is a directory"), "{error}");
}

#[test]
fn a_report_that_is_there_already_is_not_touched_by_the_look_at_it() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "the last one").unwrap();
    read(&[("CLIENT_REPORT_JSON", file.path().to_str().unwrap())]).unwrap();
    assert_eq!(fs::read_to_string(file.path()).unwrap(), "the last one");
}
