//! Settings that are read again while the balancer runs: what differs, what cannot, and what goes on because it does not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use evenkeel_service::{Problems, Reading, member_variable};
use serde::Serialize;

use super::upstream::UpstreamSettings;
use super::variables::{COMPONENT, FIXED};
use super::{NOT_SHOWN, Settings, read};

/// What settings were read from.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Each variable that is set, without its prefix, with the text that it is set to.
    variables: BTreeMap<String, String>,
    /// Of those that name the file of a value: which value that was.
    contents: BTreeMap<String, u64>,
}

/// Secrets are among them.
impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish_non_exhaustive()
    }
}

/// A variable that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Changed {
    /// Its whole name.
    pub(crate) variable: String,
    /// `None` where it was not set; a secret's value is not shown.
    before: Option<String>,
    now: Option<String>,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { variable, before, now } = self;
        let (before, now) = (before.as_deref().map(in_a_line), now.as_deref().map(in_a_line));
        match (before, now) {
            (Some(before), Some(now)) => write!(f, "{variable}={now} (was {before})"),
            (None, Some(now)) => write!(f, "{variable}={now} (was not set)"),
            (Some(before), None) => write!(f, "{variable} is not set any more (was {before})"),
            (None, None) => f.write_str(variable),
        }
    }
}

/// A value may hold line breaks.
fn in_a_line(value: &str) -> String {
    value.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

impl Written {
    pub(super) fn of(reading: &Reading<'_>) -> Self {
        Self { variables: reading.written().clone(), contents: reading.contents().clone() }
    }

    /// The file that others stand in, where the environment names one.
    pub(crate) fn file(&self) -> Option<&str> {
        self.variables.get("SETTINGS").map(String::as_str)
    }

    /// What is not in `later` as it is here.
    pub(crate) fn changed_in(&self, later: &Self) -> Vec<Changed> {
        let shown = |name: &str, value: &String| if is_secret(name) { NOT_SHOWN } else { value }.to_owned();
        let changed = |name: &str| Changed {
            variable: format!("{}{name}", COMPONENT.prefix),
            before: self.variables.get(name).map(|value| shown(name, value)),
            now: later.variables.get(name).map(|value| shown(name, value)),
        };
        let rewritten = self.contents.iter().filter(|(name, content)| {
            let is_same_file = self.variables.get(*name) == later.variables.get(*name);
            is_same_file && later.contents.get(*name).is_some_and(|later| later != *content)
        });
        let rewritten = rewritten.map(|(name, _)| {
            let changed = changed(name);
            Changed { now: changed.now.map(|file| format!("{file}, which holds something else")), ..changed }
        });
        self.differing(later).map(changed).chain(rewritten).collect()
    }

    fn differing<'a>(&'a self, later: &'a Self) -> impl Iterator<Item = &'a str> {
        let names: BTreeSet<&String> = self.variables.keys().chain(later.variables.keys()).collect();
        names
            .into_iter()
            .filter(|name| self.variables.get(*name) != later.variables.get(*name))
            .map(String::as_str)
    }

    /// What goes for this upstream.
    fn for_upstream(&self, settings: &UpstreamSettings, name: &str) -> Option<&str> {
        let own = settings
            .name
            .as_deref()
            .map(|upstream| member_variable("UPSTREAM", &upstream.to_ascii_uppercase(), name));
        own.and_then(|own| self.variables.get(&own)).or_else(|| self.variables.get(name)).map(String::as_str)
    }
}

/// The value of a variable that is never in a file of its own is shown.
fn is_secret(name: &str) -> bool {
    let mut variables = COMPONENT.variables.iter();
    let own = variables.find(|variable| variable.name == name);
    let is_of_upstream = own.is_none() && name.starts_with("UPSTREAM_") && name.contains("_KEY");
    is_of_upstream || own.is_some_and(|variable| variable.shown_name() != name)
}

/// Reads the settings again, and says everything that is wrong with them: also what differs and cannot while the balancer runs.
/// What they have in common with those `before` goes on in them.
pub(crate) fn read_again(before: &Settings) -> Result<Settings, Problems> {
    let read = |reading: &mut Reading<'_>| {
        let written = Written::of(reading);
        let fixed = before.written.differing(&written).filter(|name| FIXED.contains(name));
        for name in fixed.map(str::to_owned).collect::<Vec<_>>() {
            let before = before.written.variables.get(&name).map_or("not set", String::as_str);
            let reason = format!(
                "was {before} at the start and stays so while the balancer runs; restart to change it"
            );
            reading.problem(&name, reason);
        }
        read(reading)
    };
    let mut settings = Reading::again(&COMPONENT, read)?;
    settings.go_on_from(before);
    Ok(settings)
}

impl Settings {
    /// Takes over what was made of the settings `before` where it would be the same: names and keys that were drawn at the start, and
    /// what is read from files that somebody keeps an eye on.
    fn go_on_from(&mut self, before: &Self) {
        let is_same = |name| before.written.variables.get(name) == self.written.variables.get(name);
        self.name.clone_from(&before.name);
        if let (Some(tls), Some(before)) = (&mut self.tls, &before.tls) {
            tls.server.clone_from(&before.server);
            tls.begun.clone_from(&before.begun);
        }
        if is_same("ERROR_PAGES") {
            self.pages.clone_from(&before.pages);
        }
        let written = &self.written;
        let all = std::mem::take(&mut self.upstreams.all).into_iter().map(|upstream| {
            let Some(one) = before.upstreams.all.iter().find(|one| one.key() == upstream.key()) else {
                return upstream;
            };
            let of_both =
                |name| (before.written.for_upstream(one, name), written.for_upstream(&upstream, name));
            let is_same_tls = TLS_FILES.iter().map(|name| of_both(name)).all(|(before, now)| before == now);
            let is_drawn = ["STICKY_KEY", "STICKY_KEY_FILE"].map(of_both) == [(None, None); 2];
            let Ok(mut upstream) = Arc::try_unwrap(upstream) else { return one.clone() };
            if let (true, Some(tls), Some(before)) = (is_same_tls, &mut upstream.server_tls, &one.server_tls)
            {
                tls.tls.clone_from(&before.tls);
            }
            if let (true, Some(sticky), Some(before)) = (is_drawn, &mut upstream.sticky, &one.sticky) {
                sticky.key.clone_from(&before.key);
                upstream.rules.stickiness = Some(before.key.clone());
            }
            Arc::new(upstream)
        });
        self.upstreams.all = all.collect();
    }
}

/// What TLS to servers is made of, beside the name that each is asked for.
const TLS_FILES: [&str; 4] =
    ["UPSTREAM_TLS", "UPSTREAM_TLS_CA", "UPSTREAM_TLS_CERTIFICATE", "UPSTREAM_TLS_KEY"];
