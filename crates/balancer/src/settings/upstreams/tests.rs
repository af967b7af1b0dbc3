use std::time::Duration;

use super::super::{Settings, read as read_all};
use super::*;

fn of(variables: &[(&str, &str)]) -> Result<Settings, String> {
    let variables = variables.iter().map(|(name, value)| (format!("BALANCER_{name}").into(), value.into()));
    Reading::of(&COMPONENT, variables, read_all).map_err(|problems| problems.to_string())
}

/// `api` beside the one that takes what no route does.
fn with(more: &[(&str, &str)]) -> Result<Settings, String> {
    let two = [("UPSTREAM", "web:1"), ("UPSTREAM_API", "api:1"), ("UPSTREAM_API_ROUTE", "/api")];
    let names: Vec<&str> = more.iter().map(|(name, _)| *name).collect();
    let kept = two.into_iter().filter(|(name, _)| !names.contains(name));
    of(&kept.chain(more.iter().copied()).collect::<Vec<_>>())
}

#[test]
fn one_upstream_has_no_name_and_needs_no_route() {
    let upstreams = of(&[("UPSTREAM", "web:1")]).unwrap().upstreams;
    assert!(upstreams.routing.is_none());
    assert_eq!(upstreams.all.iter().map(|one| one.name.as_deref()).collect::<Vec<_>>(), [None]);
}

#[test]
fn what_is_not_set_for_one_is_the_general_one() {
    let settings =
        with(&[("RESPONSE_TIMEOUT", "7s"), ("UPSTREAM_API_RESPONSE_TIMEOUT", "90s"), ("HEDGE", "off")])
            .unwrap();
    let told: Vec<_> = settings
        .upstreams
        .all
        .iter()
        .map(|one| {
            (one.name.as_deref(), one.rules.attempts.response_timeout.as_secs(), one.rules.attempts.hedge)
        })
        .collect();
    assert_eq!(told, [(Some("default"), 7, false), (Some("api"), 90, false)]);
    assert_eq!(settings.upstreams.all[1].variable(), "BALANCER_UPSTREAM_API");
}

#[test]
fn every_setting_of_an_upstream_may_be_set_for_one() {
    for of in OF_UPSTREAM {
        let variable = COMPONENT.variables.iter().find(|variable| variable.name == *of).unwrap();
        let variable_name = member_variable(FAMILY, "API", variable.name);
        // Whatever it takes: it is never called unknown.
        let said = with(&[(&variable_name, "~")]).err().unwrap_or_default();
        assert!(!said.contains("is no setting") && !said.contains("did you mean"), "{said}");
    }
}

/// What is not of an upstream must not be missed out when it becomes one: each is read for the upstream or for the process.
#[test]
fn every_setting_that_is_read_for_an_upstream_is_of_an_upstream() {
    let mut read = Vec::new();
    for variable in COMPONENT.variables.iter().filter(|variable| !variable.name.ends_with('_')) {
        let own = member_variable(FAMILY, "API", variable.name);
        let variables = [("UPSTREAM", "a:1"), ("UPSTREAM_API", "b:1"), (own.as_str(), "\u{1}")];
        let variables =
            variables.iter().map(|(name, value)| (format!("BALANCER_{name}").into(), value.into()));
        let said = Reading::of(&COMPONENT, variables, |reading| {
            let general = reading.of_all(|reading| upstream::read(reading, None));
            let _ = reading.of_member(FAMILY, "API", |reading| upstream::read(reading, None));
            general.and_then(|_| {
                Err::<(), _>(reading.problem("UPSTREAM", "so that nothing is asked of the rest"))
            })
        });
        if said.unwrap_err().to_string().contains(&format!("BALANCER_{own}: ")) {
            read.push(variable.name);
        }
    }
    // Those of TLS and a cookie's key are read only with others, and some texts take anything.
    assert!(read.len() > 25, "{read:?}");
    for name in read {
        assert!(name == FAMILY || OF_UPSTREAM.contains(&name), "{name} is read for an upstream");
    }
}

#[test]
fn a_cookie_for_all_is_one_for_each() {
    let settings = with(&[("STICKY_COOKIE", "at"), ("STICKY_KEY", "0123456789abcdef")]).unwrap();
    let cookies = settings.upstreams.all.iter().map(|one| one.sticky.as_ref().unwrap().cookie.as_str());
    assert_eq!(cookies.collect::<Vec<_>>(), ["at-default", "at-api"]);
    let own = with(&[("UPSTREAM_API_STICKY_COOKIE", "mine"), ("STICKY_KEY", "0123456789abcdef")]).unwrap();
    assert_eq!(own.upstreams.all[1].sticky.as_ref().unwrap().cookie, "mine");
    assert!(own.upstreams.all[0].sticky.is_none());
}

#[test]
fn two_upstreams_with_one_cookie_are_told_by_both_variables() {
    let key = ("STICKY_KEY", "0123456789abcdef");
    let shop = [("UPSTREAM_SHOP", "shop:1"), ("UPSTREAM_SHOP_ROUTE", "/shop"), key];
    let said = |more: &[(&str, &str)]| with(&[&shop[..], more].concat()).err().unwrap_or_default();
    let told = said(&[("UPSTREAM_API_STICKY_COOKIE", "s"), ("UPSTREAM_SHOP_STICKY_COOKIE", "s")]);
    let expected = "BALANCER_UPSTREAM_SHOP_STICKY_COOKIE: gives the cookie `s`, and so does BALANCER_UPSTREAM_API_STICKY_COOKIE: ";
    assert!(told.starts_with(expected) && told.lines().count() == 1, "{told}");
    // The explicit one comes after the one that is made, and before it.
    for (name, made) in [("API", "s-default"), ("API", "s-shop")] {
        let variable = format!("UPSTREAM_{name}_STICKY_COOKIE");
        let told = said(&[("STICKY_COOKIE", "s"), (&variable, made)]);
        let expected =
            format!("BALANCER_{variable}: gives the cookie `{made}`, and so does BALANCER_STICKY_COOKIE: ");
        assert!(told.starts_with(&expected) && told.lines().count() == 1, "{told}");
    }
    assert_eq!(said(&[("UPSTREAM_API_STICKY_COOKIE", "s"), ("UPSTREAM_SHOP_STICKY_COOKIE", "S")]), "");
    assert_eq!(said(&[("STICKY_COOKIE", "s"), ("UPSTREAM_API_STICKY_COOKIE", "s")]), "");
}

#[test]
fn an_upstream_in_small_letters_is_told_and_not_lost() {
    let said = with(&[("UPSTREAM_api", "other:1")]).unwrap_err();
    let expected =
        "BALANCER_UPSTREAM_api: is not in capital letters, and BALANCER_UPSTREAM_API is set as well";
    assert!(said.starts_with(expected) && said.lines().count() == 1, "{said}");
}

#[test]
fn what_an_orchestrator_injects_is_no_upstream() {
    let settings = with(&[
        ("UPSTREAM_SERVICE_HOST", "10.0.0.1"),
        ("UPSTREAM_PORT", "tcp://10.0.0.1:80"),
        ("UPSTREAM_PORT_8080_TCP", "tcp://10.0.0.1:80"),
        ("UPSTREAM_API_SERVICE_PORT", "80"),
        ("UPSTREAM_API_PORT_80_TCP_ADDR", "10.0.0.1"),
    ]);
    assert_eq!(settings.unwrap().upstreams.all.len(), 2);
}

#[test]
fn mistakes_name_the_variable_and_what_to_write() {
    for (variables, said) in [
        (
            &[("UPSTREAM_POLICY", "peak_ewma")][..],
            "BALANCER_UPSTREAM_POLICY: is no upstream; for all upstreams write BALANCER_POLICY",
        ),
        (
            &[("UPSTREAM_PROBE_EXPECT", "200")],
            "BALANCER_UPSTREAM_PROBE_EXPECT: is no upstream; for all upstreams write BALANCER_PROBE_EXPECT",
        ),
        (
            &[("UPSTREAM_GRACE", "1s")],
            "BALANCER_UPSTREAM_GRACE: is no upstream; for the whole balancer write BALANCER_GRACE",
        ),
        (
            &[("UPSTREAM_API_POLCY", "peak_ewma")],
            "BALANCER_UPSTREAM_API_POLCY: is not a setting; did you mean BALANCER_UPSTREAM_API_POLICY?",
        ),
        (
            &[("UPSTREAM_API_GRACE", "1s")],
            "BALANCER_UPSTREAM_API_GRACE: is no setting of one upstream; for the whole balancer write BALANCER_GRACE",
        ),
        (
            &[("UPSTREAM_SHOP_POLICY", "peak_ewma")],
            "BALANCER_UPSTREAM_SHOP_POLICY: there is no BALANCER_UPSTREAM_SHOP",
        ),
        (
            &[("UPSTREAM_SHOP_ROUTE", "/shop")],
            "BALANCER_UPSTREAM_SHOP_ROUTE: there is no BALANCER_UPSTREAM_SHOP",
        ),
        (&[("UPSTREAM_SHOP", "shop:1")], "BALANCER_UPSTREAM_SHOP_ROUTE: is required"),
        (
            &[("UPSTREAM_SHOP", "shop:1"), ("UPSTREAM_SHOP_ROUTE", "/api/")],
            "BALANCER_UPSTREAM_SHOP_ROUTE: `/api` is taken by BALANCER_UPSTREAM_API_ROUTE already",
        ),
        (
            &[("UPSTREAM_API_ROUTE", "/api//v2")],
            "BALANCER_UPSTREAM_API_ROUTE: `/api//v2` is no path for a route",
        ),
        (
            &[("UPSTREAM_API_RESPONSE_TIMEOUT", "0s")],
            "BALANCER_UPSTREAM_API_RESPONSE_TIMEOUT: `0s` leaves no time at all",
        ),
        (&[("UPSTREAM_DEFAULT", "a:1")], "BALANCER_UPSTREAM_DEFAULT: is no name for an upstream"),
        (&[("UPSTREAM_A_B_C", "a:1")], "BALANCER_UPSTREAM_A_B_C: is no upstream and no setting of one"),
        (
            &[("UPSTREAM_API_TLS_CA", "/ca.pem")],
            "BALANCER_UPSTREAM_API_TLS_CA: is set without TLS to servers",
        ),
        (
            &[("UPSTREAM_API_STICKY_KEY", "0123456789abcdef")],
            "BALANCER_UPSTREAM_API_STICKY_KEY: is set without a cookie",
        ),
        // Said once, though it holds for both.
        (&[("RESPONSE_TIMEOUT", "0s")], "BALANCER_RESPONSE_TIMEOUT: `0s` leaves no time at all"),
    ] {
        let problems = with(variables).unwrap_err();
        assert!(problems.starts_with(said), "{problems}\n{said}");
        assert_eq!(problems.lines().count(), 1, "{problems}");
    }
}

#[test]
fn every_mistake_is_said_at_once() {
    let problems = with(&[
        ("UPSTREAM_POLICY", "x"),
        ("UPSTREAM_API", "api"),
        ("UPSTREAM_API_HEDGE", "no"),
        ("GRACE", "x"),
    ]);
    assert_eq!(problems.unwrap_err().lines().count(), 4);
}

#[test]
fn where_all_have_names_there_is_none_for_what_no_route_takes() {
    let settings =
        of(&[("UPSTREAM_API", "api:1"), ("UPSTREAM_API_ROUTE", "/api"), ("UPSTREAM_API_SLOW_START", "5s")])
            .unwrap();
    assert_eq!(settings.upstreams.routing.unwrap().default, None);
    assert_eq!(settings.upstreams.all[0].rules.slow_start, Some(Duration::from_secs(5)));
}

fn redirects(text: &str) -> Result<Vec<String>, String> {
    let settings = of(&[("UPSTREAM", "web:1"), ("REDIRECT", text)])?;
    Ok(settings.upstreams.routing.map(|routing| routing.redirects).unwrap_or_default())
}

#[test]
fn redirects_are_separated_by_commas_or_lines() {
    let text = "www.a -> https://a, /old -> /new;302\n\nb -> http://c\n";
    assert_eq!(redirects(text).unwrap(), ["www.a -> https://a", "/old -> /new;302", "b -> http://c"]);
    let said = redirects("www.a -> https://a, /old").unwrap_err();
    assert!(said.contains("BALANCER_REDIRECT: `/old` does not say where to; write "), "{said}");
}

#[test]
fn a_redirect_and_an_upstream_with_the_same_route_are_both_named() {
    let said = with(&[("REDIRECT", "/api/ -> /v2")]).unwrap_err();
    assert!(
        said.contains("BALANCER_REDIRECT: `/api` is taken by BALANCER_UPSTREAM_API_ROUTE already"),
        "{said}"
    );
    let said = redirects("a -> https://b, A. -> https://c").unwrap_err();
    assert!(said.contains("BALANCER_REDIRECT: `a` is taken by BALANCER_REDIRECT already"), "{said}");
    assert!(with(&[("REDIRECT", "/api/old -> /api/new, example.com -> https://example.org")]).is_ok());
}

#[test]
fn a_redirect_that_leads_back_to_itself_is_refused() {
    for (text, why) in [
        ("/ -> /app", "`/ -> /app` leads to itself; what follows the left side is kept"),
        ("/a -> /a/b", "leads to itself; what follows"),
        ("a -> https://a", "leads to itself; for https alone write BALANCER_HTTPS_REDIRECT=443"),
        ("*.a -> https://www.a", "leads to itself; for https"),
        ("a/x -> https://b, b -> https://a/x/y", "leads back to itself through `b -> https://a/x/y`"),
        ("/a -> /b, /b -> /c, /c -> /a", "leads back to itself through `/b -> /c`"),
        ("*.a -> /x, *.a/x -> /x/y", "`*.a/x -> /x/y` leads to itself"),
    ] {
        let said = redirects(text).unwrap_err();
        assert!(said.contains(why), "{text}: {said}");
    }
    for text in ["www.a -> https://a", "/a -> /b, /b -> /c", "*.a -> https://a", "a -> https://a:8443"] {
        assert_eq!(redirects(text).err(), None, "{text}");
    }
    // The upstream's own route takes it out of the circle.
    let own = [("UPSTREAM_API_ROUTE", "www.a"), ("REDIRECT", "*.a -> https://www.a")];
    assert!(with(&own).is_ok());
}

#[test]
fn a_route_that_leaves_nothing_to_the_upstream_without_one_is_refused() {
    for route in ["/", "*", "shop.example, /"] {
        let said = with(&[("UPSTREAM_API_ROUTE", route)]).unwrap_err();
        assert!(
            said.contains(
                "BALANCER_UPSTREAM_API_ROUTE: `/` leaves nothing to BALANCER_UPSTREAM, which takes"
            ),
            "{said}"
        );
    }
    assert!(of(&[("UPSTREAM_API", "api:1"), ("UPSTREAM_API_ROUTE", "/")]).is_ok());
}

#[test]
fn https_without_a_port_is_told_to_name_it() {
    let said = of(&[("UPSTREAM", "a:1"), ("HTTPS_REDIRECT", "on")]).unwrap_err();
    assert!(said.contains("BALANCER_HTTPS_REDIRECT: `on` is no port; write the port of https"), "{said}");
}
