use evenkeel_upstream::PolicySettings;

use super::probe::ProbeKind;
use super::*;

fn of(variables: &[(&str, &str)]) -> Result<Settings, String> {
    let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
    Reading::of(&COMPONENT, variables, read).map_err(|problems| problems.to_string())
}

#[test]
fn only_the_upstream_is_required() {
    let settings = of(&[("BALANCER_UPSTREAM", "server:8080")]).unwrap();
    assert_eq!(settings.upstreams.all[0].probe, ProbeKind::Http { port: None, path: "/readyz".to_owned() });
    assert!(settings.name.starts_with("evenkeel-"));
    assert!(of(&[]).unwrap_err().starts_with("BALANCER_UPSTREAM: is required"));
}

#[test]
fn what_needs_a_restart_is_declared_and_the_page_names_just_that() {
    let page = include_str!("../../../../docs/settings.md");
    let list = page.split("need\na restart, and are refused until then: ").nth(1).unwrap();
    let list = list.split(".\n").next().unwrap();
    let told: Vec<&str> = list.split('`').filter_map(|word| word.strip_prefix(COMPONENT.prefix)).collect();
    assert_eq!(told, variables::FIXED);
    for name in variables::FIXED {
        assert!(COMPONENT.variables.iter().any(|variable| variable.name == *name), "{name}");
    }
}

#[test]
fn what_is_in_force_is_shown_without_secrets() {
    let settings = of(&[
        ("BALANCER_UPSTREAM", "server:8080"),
        ("BALANCER_ADMIN_TOKEN", "hunter2-hunter2-hunter2"),
        ("BALANCER_GRACE", "3s"),
    ])
    .unwrap();
    let shown = serde_json::to_string(&settings.in_force).unwrap();
    assert!(!shown.contains("hunter2-hunter2-hunter2"), "{shown}");
    assert!(!format!("{settings:?}").contains("hunter2-hunter2-hunter2"), "{settings:?}");
    let value = |variable: &str| {
        let found = settings.in_force.iter().find(|shown| shown.variable == variable).unwrap();
        (found.value.as_str(), found.default)
    };
    assert_eq!(value("BALANCER_ADMIN_TOKEN"), ("(set, not shown)", false));
    assert_eq!(value("BALANCER_GRACE"), ("3s", false));
    assert_eq!(value("BALANCER_KEEP"), ("64KiB", true));
}

#[test]
fn tls_needs_an_address_and_certificates_and_clients_need_one_or_the_other() {
    let with = |more: &[(&str, &str)]| of(&[&[("BALANCER_UPSTREAM", "a:1")], more].concat());
    let directory = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["shop.example".to_owned()]).unwrap();
    std::fs::write(directory.path().join("shop.crt"), made.cert.pem()).unwrap();
    std::fs::write(directory.path().join("shop.key"), made.signing_key.serialize_pem()).unwrap();
    let path = directory.path().to_str().unwrap();
    let (bind, certificates) = (("BALANCER_TLS_BIND", "0.0.0.0:8443"), ("BALANCER_TLS_CERTIFICATES", path));
    assert!(with(&[]).unwrap().tls.is_none());
    let both = with(&[bind, certificates, ("BALANCER_BIND", "off"), ("BALANCER_TLS_MIN", "1.3")]).unwrap();
    assert!(both.bind.is_none());
    assert_eq!(both.tls.unwrap().server.certificates()[0].hosts[..], ["shop.example"]);
    let nowhere = with(&[bind, ("BALANCER_TLS_CERTIFICATES", "/nowhere")]).unwrap_err();
    assert!(nowhere.starts_with("BALANCER_TLS_CERTIFICATES: /nowhere cannot be read"), "{nowhere}");
    let chain = directory.path().join("shop.crt");
    let ca = ("BALANCER_TLS_CLIENT_CA", chain.to_str().unwrap());
    for (name, value) in [("BALANCER_TLS_CLIENT_AUTH", "optional"), ("BALANCER_TLS_CLIENT_CRL", "/nowhere")] {
        let alone = with(&[bind, certificates, (name, value)]).unwrap_err();
        assert!(alone.starts_with(&format!("{name}: is set without authorities")), "{alone}");
    }
    assert!(with(&[ca]).unwrap_err().starts_with("BALANCER_TLS_CLIENT_CA: is set without TLS"));
    assert!(with(&[bind, certificates, ca]).is_ok());
    for name in ["BALANCER_TLS_CLIENT_CA", "BALANCER_TLS_CLIENT_CRL"] {
        let key = directory.path().join("shop.key");
        let wrong = with(&[bind, certificates, ca, (name, key.to_str().unwrap())]).unwrap_err();
        assert!(wrong.starts_with(&format!("{name}: {}", key.display())), "{wrong}");
    }
    assert!(with(&[bind]).unwrap_err().starts_with("BALANCER_TLS_BIND: is set without certificates"));
    assert!(with(&[certificates]).unwrap_err().starts_with("BALANCER_TLS_CERTIFICATES: is set without TLS"));
    assert!(
        with(&[("BALANCER_BIND", "off")]).unwrap_err().starts_with("BALANCER_BIND: leaves clients nowhere")
    );
    assert!(
        with(&[bind, certificates, ("BALANCER_TLS_MIN", "1.1")]).unwrap_err().contains("BALANCER_TLS_MIN")
    );
}

#[test]
fn https_is_said_and_sent_to_only_where_it_is_spoken() {
    let upstream = ("BALANCER_UPSTREAM", "a:1");
    for (name, value) in [("BALANCER_HTTPS_REDIRECT", "443"), ("BALANCER_HSTS", "1y")] {
        let problem = of(&[upstream, (name, value)]).unwrap_err();
        assert!(
            problem.starts_with(&format!("{name}: ")) && problem.contains("BALANCER_TLS_BIND"),
            "{problem}"
        );
    }
    let said = |text: &str| {
        let variables = [("BALANCER_HSTS", text), ("BALANCER_TLS_BIND", "0.0.0.0:1")];
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        let component = evenkeel_service::Component { variables: &HSTS_ALONE, ..COMPONENT };
        Reading::of(&component, variables, |reading| {
            let _ = reading.optional::<String>("TLS_BIND");
            tls::hsts(reading)
        })
    };
    for (text, value) in [("1y", "max-age=31536000"), ("180d", "max-age=15552000"), ("0s", "max-age=0")] {
        assert_eq!(said(text).unwrap().as_deref(), Some(value));
    }
    for wrong in ["", "y", "1", "-1d", "9999999999999999999y", "1y; preload"] {
        assert!(said(wrong).is_err(), "{wrong}");
    }
}

const HSTS_ALONE: [Variable; 2] =
    [Variable::optional("HSTS", "", ""), Variable::optional("TLS_BIND", "", "")];

#[test]
fn a_token_and_hosts_have_to_fit_into_headers() {
    let problems = of(&[
        ("BALANCER_UPSTREAM", "server:8080"),
        ("BALANCER_ADMIN_TOKEN", "two words"),
        ("BALANCER_ADMIN_HOSTS", "lb.example.net:9090"),
        ("BALANCER_ACCESS_LOG", "xml"),
    ])
    .unwrap_err();
    assert_eq!(problems.lines().count(), 3, "{problems}");
}

#[test]
fn a_token_is_long_enough_not_to_be_guessed_or_that_of_the_demonstration() {
    let with = |token| of(&[("BALANCER_UPSTREAM", "a:1"), ("BALANCER_ADMIN_TOKEN", token)]);
    let problem = with("123456789012345").unwrap_err();
    assert!(problem.starts_with("BALANCER_ADMIN_TOKEN: is too short"), "{problem}");
    assert!(problem.contains("at least 16 characters") && !problem.contains("1234"), "{problem}");
    assert!(with("1234567890123456").is_ok() && with("evenkeel").is_ok());
}

#[test]
fn a_sticky_session_needs_a_cookie_and_a_key_that_nobody_guesses() {
    let with = |more: &[(&str, &str)]| of(&[&[("BALANCER_UPSTREAM", "a:1")], more].concat());
    assert!(with(&[("BALANCER_STICKY_COOKIE", "at")]).unwrap().upstreams.all[0].sticky.is_some());
    assert!(with(&[("BALANCER_STICKY_COOKIE", "a;b")]).is_err());
    assert!(with(&[("BALANCER_STICKY_COOKIE", "on")]).unwrap_err().contains("`on` is not a cookie's name"));
    assert!(with(&[("BALANCER_STICKY_KEY", "0123456789abcdef")]).unwrap_err().contains("STICKY_COOKIE"));
    let short = [("BALANCER_STICKY_COOKIE", "at"), ("BALANCER_STICKY_KEY", "short")];
    assert!(with(&short).unwrap_err().contains("at least 16 characters"));
}

#[test]
fn the_help_names_every_policy() {
    let help = COMPONENT.variables.iter().find(|variable| variable.name == "POLICY").unwrap().help;
    for policy in PolicySettings::ALL {
        assert!(help.contains(policy.name()), "{policy} is missing in `{help}`");
        let settings = of(&[("BALANCER_UPSTREAM", "a:1"), ("BALANCER_POLICY", policy.name())]).unwrap();
        assert_eq!(settings.upstreams.all[0].rules.policy, policy);
    }
}

#[test]
fn every_problem_is_one_line() {
    let problems = of(&[
        ("BALANCER_UPSTREAM", "server"),
        ("BALANCER_CONNECT_TIMEOUT", "0s"),
        ("BALANCER_ATTEMPTS", "5"),
        ("BALANCER_NAME", "a b"),
        ("BALANCER_POLICI", "x"),
    ])
    .unwrap_err();
    assert_eq!(problems.lines().count(), 5, "{problems}");
    assert!(problems.contains("BALANCER_ATTEMPTS: `5` is not a whole number from 1 to 4"), "{problems}");
}
