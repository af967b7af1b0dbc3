//! From text to settings, once, at the edge: every getter records what is wrong and goes on, so that all problems of a
//! component are reported at once.
//!
//! A getter returns `Result<T, Reported>`. A component reads all its variables first and uses `?` only while it puts them
//! together; a [`Reported`] cannot be made elsewhere, so nothing is lost on the way.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
};

use crate::{
    Component, Problem, Problems, Reported, Secret, Setting, Variable,
    component::{Default, Kind},
    environment::{Environment, Unknown},
    file,
    settings_file::Gathered,
};

/// A component's settings while they are being read.
#[derive(Debug)]
pub struct Reading<'a> {
    component: &'a Component,
    environment: Environment,
    problems: Vec<Problem>,
    asked: BTreeSet<&'static str>,
    /// What was in the files that hold values, by the name of the variable: enough to tell that it is something else.
    contents: BTreeMap<String, u64>,
    purpose: Purpose,
    scope: Scope,
}

/// What settings are read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Run,
    /// To say whether they are right (`--check`).
    Check,
}

impl<'a> Reading<'a> {
    /// Reads a component's settings from these variables and reports everything that is wrong with them.
    ///
    /// [`start`](crate::start) does this with the environment of the process; tests call it with their own.
    pub fn of<S>(
        component: &'a Component,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        read: impl FnOnce(&mut Reading<'_>) -> Result<S, Reported>,
    ) -> Result<S, Problems> {
        Self::with(component, variables, Unknown::Refused, Purpose::Run, read)
    }

    /// Reads them from the environment of the process, and from the settings file that it names, once more while it runs.
    pub fn again<S>(
        component: &'a Component,
        read: impl FnOnce(&mut Reading<'_>) -> Result<S, Reported>,
    ) -> Result<S, Problems> {
        Self::with(component, std::env::vars_os(), Unknown::Refused, Purpose::Run, read)
    }

    pub(crate) fn with<S>(
        component: &'a Component,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        unknown: Unknown,
        purpose: Purpose,
        read: impl FnOnce(&mut Reading<'_>) -> Result<S, Reported>,
    ) -> Result<S, Problems> {
        let mut gathered = Gathered::of(component, variables);
        let environment = Environment::of(component, std::mem::take(&mut gathered.variables), unknown);
        let own_file = component.variables.iter().filter(|variable| variable.kind == Kind::SettingsFile);
        let mut reading = Reading {
            component,
            environment,
            problems: Vec::new(),
            asked: own_file.map(|variable| variable.name).collect(),
            contents: BTreeMap::new(),
            purpose,
            scope: Scope::Alone,
        };
        let settings = read(&mut reading);
        let Reading { mut problems, environment, asked, .. } = reading;
        problems.extend(environment.problems);
        for problem in &mut problems {
            gathered.locate(problem);
        }
        problems.append(&mut gathered.problems);
        // What holds for several is read for each of them.
        let mut told = BTreeSet::new();
        problems.retain(|problem| told.insert(problem.to_string()));
        match settings {
            Ok(settings) if problems.is_empty() => {
                debug_assert!(
                    component.variables.iter().all(|variable| asked.contains(variable.name)),
                    "{} declares a variable that it never reads",
                    component.name
                );
                Ok(settings)
            }
            _ => Err(Problems(problems)),
        }
    }

    /// Reads what holds for one of several, which are a family: `NAME` is taken from `<FAMILY>_<MEMBER>_NAME` where that is
    /// set, and names that begin with the family's from `<FAMILY>_<MEMBER>` and the rest.
    pub fn of_member<T>(
        &mut self,
        family: &'static str,
        member: &str,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.within(Scope::Member { family, member: member.to_owned() }, read)
    }

    /// Reads what holds for each of several that has no value of its own.
    pub fn of_all<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        self.within(Scope::General, read)
    }

    fn within<T>(&mut self, scope: Scope, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.scope, scope);
        let result = read(self);
        self.scope = before;
        result
    }

    /// Whether this variable is for what is being read alone. One that holds for several may make no sense for this one.
    pub fn is_own(&self, name: &str) -> bool {
        match &self.scope {
            Scope::Alone => true,
            Scope::General => false,
            Scope::Member { .. } => self.effective(name) != name,
        }
    }

    /// The variable that a name stands for.
    fn effective(&self, name: &str) -> String {
        if let Scope::Member { family, member } = &self.scope {
            let own = member_variable(family, member, name);
            if self.has(&own) || self.has(&format!("{own}_FILE")) {
                return own;
            }
        }
        name.to_owned()
    }

    fn has(&self, name: &str) -> bool {
        self.environment.values.contains_key(name) || self.environment.refused.contains(name)
    }

    /// The value, or the declared default where it is not set. A required variable that is not set is a problem.
    pub fn value<T: Setting>(&mut self, name: &'static str) -> Result<T, Reported> {
        self.value_with(name, T::parse)
    }

    /// The value if it is set, or if there is a default.
    pub fn optional<T: Setting>(&mut self, name: &'static str) -> Result<Option<T>, Reported> {
        self.optional_with(name, T::parse)
    }

    /// Like [`Reading::value`] for one of a few words.
    pub fn choice<T: Copy>(&mut self, name: &'static str, choices: &[(&str, T)]) -> Result<T, Reported> {
        self.value_with(name, |text| {
            choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice).ok_or_else(|| {
                let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
                format!("`{text}` is none of {}", words.join(", "))
            })
        })
    }

    /// Like [`Reading::value`] with a parser of the caller's own; see [`Setting::parse`] for what its error says.
    pub fn value_with<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, Reported> {
        match self.optional_with(name, parse)? {
            Some(value) => Ok(value),
            None => Err(self.problem(name, format!("is required: {}", self.declared(name).help))),
        }
    }

    /// Like [`Reading::optional`] with a parser of the caller's own.
    pub fn optional_with<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Reported> {
        let variable = self.declared(name);
        self.asked.insert(variable.name);
        let text = match (self.text(&self.effective(name))?, variable.default) {
            (Some(text), _) => text,
            (None, Default::Text(default)) => default.to_owned(),
            (None, Default::Unset(_) | Default::Required) => return Ok(None),
        };
        parse(&text).map(Some).map_err(|reason| self.problem(name, reason))
    }

    /// The bytes of `<NAME>` or of the file that `<NAME>_FILE` names. Both at once are a problem.
    pub fn content(&mut self, name: &'static str) -> Result<Option<Vec<u8>>, Reported> {
        let variable = self.declared(name);
        assert!(variable.kind == Kind::OrFile, "{name} is not declared `or_file`");
        self.asked.insert(variable.name);
        let name = self.effective(name);
        let name = name.as_str();
        let file_name = format!("{name}_FILE");
        let (inline, path) = (self.text(name), self.text(&file_name));
        match (inline?, path?) {
            (Some(_), Some(_)) => {
                let other = format!("{}{file_name}", self.component.prefix);
                Err(self.problem(name, format!("is set, and so is {other}; keep one of them")))
            }
            (Some(text), None) => Ok(Some(text.into_bytes())),
            (None, Some(path)) => {
                let read = file::read(&PathBuf::from(path));
                let bytes = read.map_err(|reason| self.problem(&file_name, reason))?;
                let mut hasher = DefaultHasher::new();
                bytes.hash(&mut hasher);
                self.contents.insert(file_name, hasher.finish());
                Ok(Some(bytes))
            }
            (None, None) => Ok(None),
        }
    }

    /// The bytes of the file that `<NAME>` names, if it is set.
    pub fn file(&mut self, name: &'static str) -> Result<Option<Vec<u8>>, Reported> {
        let Some(path) = self.optional::<PathBuf>(name)? else { return Ok(None) };
        file::read(&path).map(Some).map_err(|reason| self.problem(name, reason))
    }

    /// The secret in `<NAME>` or in the file that `<NAME>_FILE` names, without the line break an editor leaves at its end.
    pub fn secret(&mut self, name: &'static str) -> Result<Option<Secret>, Reported> {
        let Some(bytes) = self.content(name)? else { return Ok(None) };
        let Ok(text) = String::from_utf8(bytes) else {
            return Err(self.problem(&format!("{name}_FILE"), "does not hold UTF-8 text".to_owned()));
        };
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            return Err(self.problem(&format!("{name}_FILE"), "holds an empty line only".to_owned()));
        }
        Ok(Some(Secret::new(line)))
    }

    /// All variables of a family: what follows the family's name, and the value.
    pub fn family(&mut self, name: &'static str) -> Vec<(String, String)> {
        let variable = self.declared(name);
        assert!(variable.kind == Kind::Family, "{name} is not declared as a family");
        self.asked.insert(variable.name);
        let declared = |full: &str| {
            let others = self.component.variables.iter().filter(|other| other.kind != Kind::Family);
            others.into_iter().any(|other| other.takes(full))
        };
        self.environment
            .values
            .iter()
            .filter(|(full, _)| variable.takes(full) && !declared(full))
            .map(|(full, value)| (full[name.len()..].to_owned(), value.clone()))
            .collect()
    }

    /// Whether the environment sets this variable, default or not.
    pub fn is_set(&self, name: &str) -> bool {
        self.has(&self.effective(name))
    }

    /// What the environment sets, in the order of declaration: each full name with its value. What may be a secret is not
    /// shown: the value of a variable that is taken from a file as well, and those of a family.
    pub fn in_force(&self) -> Vec<(String, String)> {
        const NOT_SHOWN: &str = "(not shown)";
        let values = &self.environment.values;
        let full = |name: &str| format!("{}{name}", self.component.prefix);
        let mut shown = Vec::new();
        let mut told = BTreeSet::new();
        // A family's name may be the beginning of others, which come under their own.
        let (families, others): (Vec<&Variable>, Vec<&Variable>) =
            self.component.variables.iter().partition(|variable| variable.kind == Kind::Family);
        for variable in others.into_iter().chain(families) {
            for (name, value) in values.iter().filter(|(name, _)| variable.takes(name)) {
                if told.insert(name) {
                    let is_secret = match variable.kind {
                        Kind::One | Kind::SettingsFile => false,
                        Kind::OrFile => name == variable.name,
                        Kind::Family => true,
                    };
                    let value = if is_secret { NOT_SHOWN.to_owned() } else { value.clone() };
                    shown.push((full(name), value));
                }
            }
        }
        shown
    }

    /// Everything that is set, by its name without prefix. Secrets are among it.
    pub fn written(&self) -> &BTreeMap<String, String> {
        &self.environment.values
    }

    /// The variables that name files of values, as far as those were read, each with a number that is another where the file holds
    /// something else.
    pub fn contents(&self) -> &BTreeMap<String, u64> {
        &self.contents
    }

    /// Whether they are read only to say whether they are right. Then also that is a problem which a process could start with.
    pub fn is_check(&self) -> bool {
        self.purpose == Purpose::Check
    }

    /// Records a problem that only the component can see, such as two settings that exclude each other.
    pub fn problem(&mut self, name: &str, reason: impl Into<String>) -> Reported {
        let variable = format!("{}{}", self.component.prefix, self.effective(name));
        self.problems.push(Problem { variable, reason: reason.into() });
        Reported(())
    }

    fn text(&self, name: &str) -> Result<Option<String>, Reported> {
        if self.environment.refused.contains(name) {
            return Err(Reported(()));
        }
        Ok(self.environment.values.get(name).cloned())
    }

    fn declared(&self, name: &str) -> &'static Variable {
        let found = self.component.variables.iter().find(|variable| variable.name == name);
        found.unwrap_or_else(|| panic!("{} reads {name} without declaring it", self.component.name))
    }
}

/// Whose values are read.
#[derive(Debug)]
enum Scope {
    /// There is only one.
    Alone,
    /// Those that hold for each of several.
    General,
    /// Those of one of several.
    Member { family: &'static str, member: String },
}

/// What sets `name` for one member of a family: `POLICY` for `API` of `UPSTREAM` is `UPSTREAM_API_POLICY`.
pub fn member_variable(family: &str, member: &str, name: &str) -> String {
    match name.strip_prefix(family) {
        Some("") => format!("{family}_{member}"),
        Some(rest) if rest.starts_with('_') => format!("{family}_{member}{rest}"),
        _ => format!("{family}_{member}_{name}"),
    }
}

#[cfg(test)]
mod tests;
