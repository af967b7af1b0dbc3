//! The upstreams, and which requests go to which: `BALANCER_UPSTREAM` alone, or others with names of their own beside it.
//!
//! ```text
//! BALANCER_UPSTREAM             whatever no route takes; absent beside others: 404
//! BALANCER_UPSTREAM_API         the servers of the upstream `api`
//! BALANCER_UPSTREAM_API_ROUTE   what it takes
//! BALANCER_UPSTREAM_API_POLICY  … and any setting of an upstream; one that is not set is the general one
//! ```

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_message::routes::{HostPattern, Redirect, Route, Routes};
use evenkeel_service::{Reading, Reported, is_injected, member_variable, nearest};

use super::duration;
use super::redirects::{self, REDIRECT};
use super::upstream::{self, DEFAULT, UpstreamSettings};
use super::variables::{COMPONENT, OF_UPSTREAM};

/// The longest name of an upstream, bytes.
const LONGEST_NAME: usize = 32;

/// What all upstreams are in the environment.
const FAMILY: &str = "UPSTREAM";

/// What names the cookie of sticky sessions.
const STICKY_COOKIE: &str = "STICKY_COOKIE";

/// All upstreams, at least one.
#[derive(Debug)]
pub(crate) struct Upstreams {
    pub(crate) all: Vec<Arc<UpstreamSettings>>,
    /// `None` where there is only one, and it takes every request.
    pub(crate) routing: Option<Routing>,
}

/// Which upstream takes which requests, and which are sent elsewhere.
#[derive(Debug)]
pub(crate) struct Routing {
    pub(crate) routes: Routes<Destination>,
    /// Those among the routes, as they are written.
    pub(crate) redirects: Vec<String>,
    /// Which takes what no route does.
    pub(crate) default: Option<usize>,
}

/// Where a route leads.
#[derive(Clone, Debug)]
pub(crate) enum Destination {
    Upstream(ToUpstream),
    /// Elsewhere: the client is told to ask there.
    Redirect(Arc<Redirect>),
}

/// A way to an upstream.
#[derive(Clone, Debug)]
pub(crate) struct ToUpstream {
    /// Its place among the upstreams.
    pub(crate) upstream: usize,
    /// What is taken off the path.
    pub(crate) prefix: Option<Arc<str>>,
}

/// Reads them, reporting everything that is wrong with them.
pub(super) fn read(reading: &mut Reading<'_>) -> Result<Upstreams, Reported> {
    let set: BTreeMap<String, String> = reading.family("UPSTREAM_").into_iter().collect();
    let set: BTreeMap<&str, &str> = set
        .iter()
        .filter(|(rest, _)| !is_injected(rest))
        .map(|(rest, value)| (rest.as_str(), value.as_str()))
        .collect();
    let named: Vec<&str> = set.keys().copied().filter(|rest| is_upstream(rest)).collect();
    let misplaced: Vec<Reported> = set
        .keys()
        .filter(|rest| !named.contains(rest))
        .filter_map(|rest| Some(reading.problem(&format!("{FAMILY}_{rest}"), misplaced(rest, &named)?)))
        .collect();
    let redirects = redirects::read(reading);
    // The whole balancer's, and so the same for each.
    let body_timeout = duration(reading, "BODY_TIMEOUT");
    let shared = |mut one: UpstreamSettings, body_timeout| {
        one.rules.attempts.body_timeout = body_timeout;
        Arc::new(one)
    };
    if named.is_empty() {
        let only = upstream::read(reading, None);
        let redirects = redirects?;
        let routing = (!redirects.is_empty()).then(|| table(reading, Vec::new(), &redirects, Some(0)));
        misplaced.into_iter().next().map_or(Ok(()), Err)?;
        return Ok(Upstreams { all: vec![shared(only?, body_timeout?)], routing: routing.transpose()? });
    }
    let mut all = Vec::new();
    let has_default = reading.is_set(FAMILY);
    if has_default {
        all.push(reading.of_all(|reading| upstream::read(reading, Some(DEFAULT))));
    }
    let mut routes = Vec::new();
    for name in &named {
        let text = set.get(format!("{name}_ROUTE").as_str()).copied();
        routes.extend(routes_of(reading, name, text, all.len(), has_default));
        let called = name.to_ascii_lowercase();
        let settings = reading.of_member(FAMILY, name, |reading| upstream::read(reading, Some(&called)));
        let written = text.into_iter().flat_map(|text| text.split(',')).map(|route| route.trim().to_owned());
        all.push(settings.map(|settings| UpstreamSettings { routes: written.collect(), ..settings }));
    }
    cookies_apart(reading, &all)?;
    let routes = routes.into_iter().collect::<Result<Vec<_>, _>>()?;
    let routing = table(reading, routes, &redirects?, has_default.then_some(0))?;
    let body_timeout = body_timeout?;
    let all =
        all.into_iter().map(|one| one.map(|one| shared(one, body_timeout))).collect::<Result<_, _>>()?;
    misplaced.into_iter().next().map_or(Ok(()), Err)?;
    Ok(Upstreams { all, routing: Some(routing) })
}

/// Two upstreams with one cookie would take each other's sessions away.
fn cookies_apart(
    reading: &mut Reading<'_>,
    all: &[Result<UpstreamSettings, Reported>],
) -> Result<(), Reported> {
    let mut seen: BTreeMap<&str, String> = BTreeMap::new();
    let mut result = Ok(());
    for one in all.iter().flatten() {
        let (Some(sticky), Some(name)) = (&one.sticky, &one.name) else { continue };
        let own = member_variable(FAMILY, &name.to_ascii_uppercase(), STICKY_COOKIE);
        let variable = if reading.is_set(&own) { own } else { STICKY_COOKIE.to_owned() };
        let Some(other) = seen.get(sticky.cookie.as_str()) else {
            seen.insert(&sticky.cookie, variable);
            continue;
        };
        // Of all and a name is made one cookie for each, so that at least one of the two is an upstream's own.
        let (blamed, other) = match variable.as_str() {
            STICKY_COOKIE => (other.as_str(), STICKY_COOKIE),
            own => (own, other.as_str()),
        };
        let reason = format!(
            "gives the cookie `{}`, and so does BALANCER_{other}: the upstreams would take each other's sessions away; choose \
             another name in one of them",
            sticky.cookie
        );
        result = Err(reading.problem(blamed, reason));
    }
    result
}

/// Whether what follows `BALANCER_UPSTREAM_` is the name of an upstream.
fn is_upstream(rest: &str) -> bool {
    const RESERVED: [&str; 5] = ["DEFAULT", "PORT", "ROUTE", "SERVICE", "TLS"];
    let is_setting = COMPONENT.variables.iter().any(|variable| variable.name == rest);
    rest.len() <= LONGEST_NAME
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && !is_setting
        && !RESERVED.contains(&rest)
}

/// What is wrong with a variable that names no upstream; `None` where it is a setting of one.
fn misplaced(rest: &str, named: &[&str]) -> Option<String> {
    let bare = |text: &str| text.strip_suffix("_FILE").unwrap_or(text).to_owned();
    let is_of_upstream = |name: &str| {
        let variable = OF_UPSTREAM.iter().find(|of| **of == name || **of == bare(name));
        variable.is_some_and(|of| *of == name || is_or_file(of))
    };
    let is_setting = |name: &str| COMPONENT.variables.iter().any(|variable| variable.name == bare(name));
    if let Some((name, setting)) = rest.split_once('_')
        && is_upstream(name)
    {
        // As it is written for all upstreams.
        let general =
            if setting.starts_with("TLS") { format!("{FAMILY}_{setting}") } else { setting.to_owned() };
        if named.contains(&name) {
            return match () {
                () if setting == "ROUTE" || is_of_upstream(&general) => None,
                () if is_setting(setting) => Some(format!(
                    "is no setting of one upstream; for the whole balancer write BALANCER_{setting}"
                )),
                () => {
                    let own = OF_UPSTREAM.iter().map(|of| member_variable(FAMILY, name, of));
                    let own: Vec<String> = own.chain([format!("{FAMILY}_{name}_ROUTE")]).collect();
                    let meant = nearest(&format!("{FAMILY}_{rest}"), own.iter().map(String::as_str));
                    Some(meant.map_or_else(
                        || "is no setting of an upstream; `balancer --help` lists them".to_owned(),
                        |meant| format!("is not a setting; did you mean BALANCER_{meant}?"),
                    ))
                }
            };
        }
        if !is_setting(rest) && (setting == "ROUTE" || is_of_upstream(&general)) {
            return Some(format!("there is no BALANCER_{FAMILY}_{name}; name its servers there"));
        }
    }
    if is_setting(rest) {
        let whom = if is_of_upstream(rest) { "for all upstreams" } else { "for the whole balancer" };
        return Some(format!("is no upstream; {whom} write BALANCER_{rest}"));
    }
    Some(match rest {
        "ROUTE" => "is no upstream; give the upstream a name, as in BALANCER_UPSTREAM_API and BALANCER_UPSTREAM_API_ROUTE".to_owned(),
        "DEFAULT" => "is no name for an upstream; what no route takes goes to BALANCER_UPSTREAM".to_owned(),
        _ => format!(
            "is no upstream and no setting of one; an upstream's name has up to {LONGEST_NAME} letters and digits, as in \
             BALANCER_UPSTREAM_API"
        ),
    })
}

fn is_or_file(name: &str) -> bool {
    COMPONENT.variables.iter().any(|variable| variable.name == name && variable.shown_name() != name)
}

/// A route, where it leads, and the variable that says so.
type Written = (Route, Destination, String);

/// What one upstream takes, with its place among all.
fn routes_of(
    reading: &mut Reading<'_>,
    name: &str,
    text: Option<&str>,
    upstream: usize,
    has_default: bool,
) -> Vec<Result<Written, Reported>> {
    let variable = format!("{FAMILY}_{name}_ROUTE");
    let Some(text) = text else {
        let why = format!(
            "is required: without it no request would reach BALANCER_{FAMILY}_{name}; write example.com, /api or example.com/api;strip"
        );
        return vec![Err(reading.problem(&variable, why))];
    };
    let takes_all = |route: &Route| *route.host() == HostPattern::Any && route.prefix().is_empty();
    let routes = text.split(',').map(|text| match text.trim().parse::<Route>() {
        Ok(route) if has_default && takes_all(&route) => Err(reading.problem(
            &variable,
            format!("`{route}` leaves nothing to BALANCER_{FAMILY}, which takes what no route does; take one of them away"),
        )),
        Ok(route) => {
            let prefix = route.strips().then(|| route.prefix().into());
            Ok((route, Destination::Upstream(ToUpstream { upstream, prefix }), variable.clone()))
        }
        Err(why) => Err(reading.problem(&variable, why)),
    });
    routes.collect()
}

fn table(
    reading: &mut Reading<'_>,
    mut written: Vec<Written>,
    redirects: &[Arc<Redirect>],
    default: Option<usize>,
) -> Result<Routing, Reported> {
    let led = |redirect: &Arc<Redirect>| {
        (redirect.route().clone(), Destination::Redirect(redirect.clone()), REDIRECT.to_owned())
    };
    written.extend(redirects.iter().map(led));
    let whose: Vec<(String, String)> =
        written.iter().map(|(route, _, variable)| (variable.clone(), route.to_string())).collect();
    let entries = written.into_iter().map(|(route, to, _)| (route, to)).collect();
    let routes = Routes::new(entries).map_err(|twice| {
        let said = twice.into_iter().map(|(first, second)| {
            let ((other, _), (variable, route)) = (&whose[first], &whose[second]);
            reading.problem(
                variable,
                format!("`{route}` is taken by BALANCER_{other} already; leave it out of one of them"),
            )
        });
        match said.last() {
            Some(reported) => reported,
            None => reading.problem(FAMILY, "has routes that contradict each other"),
        }
    })?;
    redirects::lead_somewhere(reading, redirects, &routes)?;
    let redirects = redirects.iter().map(ToString::to_string).collect();
    Ok(Routing { routes, redirects, default })
}
