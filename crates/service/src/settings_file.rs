//! A file of settings beside the environment: the same names, one a line, written as Compose writes its `env_file`, but
//! nothing in it is replaced: `$` is a character like any other.
//!
//! ```text
//! # a comment
//! BALANCER_POLICY=peak_ewma          # unquoted: up to a blank and `#`
//! BALANCER_RATE="100/s;burst=200"    # "…" knows \" \\ \n \t, '…' takes everything as it is
//! ```
//! Whatever is wrong is told with file and line, and so is what turns out to be wrong with a value later.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::Path,
};

use crate::{Component, Problem, component::Kind, environment::is_injected, file};

/// The variables of the environment and of the settings file, if it names one.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) variables: Vec<(OsString, OsString)>,
    pub(crate) problems: Vec<Problem>,
    /// Where each variable of the file stands: `path:line`.
    places: BTreeMap<String, String>,
}

impl Gathered {
    pub(crate) fn of(
        component: &Component,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        let mut gathered = Self { variables: variables.into_iter().collect(), ..Self::default() };
        let declared = component.variables.iter().find(|variable| variable.kind == Kind::SettingsFile);
        let Some(own) = declared.map(|variable| format!("{}{}", component.prefix, variable.name)) else {
            return gathered;
        };
        // An empty value is refused with all others that are.
        let named =
            gathered.variables.iter().find(|(name, value)| name == OsStr::new(&own) && !value.is_empty());
        if let Some(path) = named.map(|(_, value)| value.clone()) {
            gathered.take_in(component, &own, Path::new(&path));
        }
        gathered
    }

    fn take_in(&mut self, component: &Component, own: &str, path: &Path) {
        let text = file::read(path).and_then(|bytes| {
            String::from_utf8(bytes).map_err(|_| format!("{} does not hold UTF-8 text", path.display()))
        });
        let text = match text {
            Ok(text) => text,
            Err(reason) => return self.problems.push(Problem { variable: own.to_owned(), reason }),
        };
        for (number, line) in (1..).zip(text.lines()) {
            let place = format!("{}:{number}", path.display());
            let taken = match entry(line) {
                Ok(None) => continue,
                Ok(Some((name, value))) => self.add(component, own, &place, name, value),
                Err(reason) => Err(reason),
            };
            if let Err(reason) = taken {
                self.problems.push(Problem { variable: place, reason });
            }
        }
    }

    fn add(
        &mut self,
        component: &Component,
        own: &str,
        place: &str,
        name: &str,
        value: String,
    ) -> Result<(), String> {
        let Some(short) = name.strip_prefix(component.prefix) else {
            return Err(format!(
                "`{name}` cannot be set here; names in this file begin with {}",
                component.prefix
            ));
        };
        if name == own {
            return Err(format!("{own} names this file and cannot be set in it"));
        }
        if component.health == Some(short) {
            // Whoever asks for health is another process, and must not depend on what the file has become since.
            return Err(format!("{name} can be set in the environment only, where healthcheck finds it"));
        }
        let is_declared = |kind| {
            component.variables.iter().any(|one| (one.kind == Kind::Family) == kind && one.takes(short))
        };
        if is_injected(short) && !is_declared(false) {
            // In the environment it would be an orchestrator's; nobody injects anything into a file.
            return Err(format!("{name} is not a setting; `{} --help` lists them", component.name));
        }
        if let Some(first) = self.places.get(name) {
            return Err(format!("{name} is set in {first} already; keep one of them"));
        }
        if self.variables.iter().any(|(set, _)| set == OsStr::new(name)) {
            return Err(format!("{name} is set in the environment as well; keep one of them"));
        }
        self.places.insert(name.to_owned(), place.to_owned());
        self.variables.push((name.into(), value.into()));
        Ok(())
    }

    /// Says in a problem with a variable of the file where that stands.
    pub(crate) fn locate(&self, problem: &mut Problem) {
        if let Some(place) = self.places.get(&problem.variable) {
            problem.variable = format!("{place}: {}", problem.variable);
        }
    }
}

/// The name and the value in a line; `None` where it is blank or a comment.
fn entry(line: &str) -> Result<Option<(&str, String)>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let Some((name, value)) = line.split_once('=') else {
        return Err("is no setting; write NAME=value, or # before a comment".to_owned());
    };
    let name = name.strip_prefix("export ").unwrap_or(name).trim();
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(format!("`{name}` is no name; write NAME=value"));
    }
    let value = value.trim_start();
    let value = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            quoted(&value[1..], quote).map_err(|reason| format!("{name}: {reason}"))?
        }
        // At the beginning as well: `NAME= # later` has no value.
        Some('#') => String::new(),
        _ => {
            let comment = value.match_indices('#').find(|(at, _)| value[..*at].ends_with([' ', '\t']));
            comment.map_or(value, |(at, _)| &value[..at]).trim_end().to_owned()
        }
    };
    Ok(Some((name, value)))
}

/// What stands before the closing quote.
fn quoted(text: &str, quote: char) -> Result<String, String> {
    let mut value = String::new();
    let mut rest = text.chars();
    loop {
        match rest.next() {
            None => {
                return Err(format!(
                    "the quote is not closed; write {quote} at the end of the value, in the same line"
                ));
            }
            Some(c) if c == quote => break,
            Some('\\') if quote == '"' => match rest.next() {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some(c @ ('"' | '\\')) => value.push(c),
                Some(c) => {
                    return Err(format!(
                        "`\\{c}` means nothing here; write \\\\ for a backslash, or '…' around the value"
                    ));
                }
                None => {}
            },
            Some(c) => value.push(c),
        }
    }
    let after = rest.as_str().trim_start();
    if after.is_empty() || after.starts_with('#') {
        Ok(value)
    } else {
        Err(format!("`{after}` stands behind the closing quote; put it within, or write # before a comment"))
    }
}

#[cfg(test)]
mod tests;
