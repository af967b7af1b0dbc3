//! What a binary says about itself: its name, its prefix and every variable it takes.
//!
//! The declaration is the only place where a default is written: `--help` prints it and [`Reading`](crate::Reading)
//! parses it, so the two cannot differ.

/// A binary of the set.
#[derive(Clone, Copy, Debug)]
pub struct Component {
    /// The binary's name, such as `server`.
    pub name: &'static str,
    /// What it is, in a sentence, for `--help`.
    pub about: &'static str,
    /// What its variables begin with, such as `SERVER_`.
    pub prefix: &'static str,
    /// Every variable it takes, in the order in which `--help` shows them.
    pub variables: &'static [Variable],
    /// The variable (without prefix) that holds the address on which `/readyz` is answered, for the `healthcheck`
    /// subcommand; `None` for a component that has no such address.
    pub health: Option<&'static str>,
}

/// One environment variable that a component takes.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// The name without the component's prefix. For a family, what every name in it begins with.
    pub name: &'static str,
    /// What it is for, and what it takes where that is not obvious from the default.
    pub help: &'static str,
    pub(crate) default: Default,
    pub(crate) kind: Kind,
}

/// What holds where a variable is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Default {
    /// This text, parsed like a value.
    Text(&'static str),
    /// Nothing, and that means what the words say.
    Unset(&'static str),
    /// The component cannot run.
    Required,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    One,
    /// Also as `<NAME>_FILE`, the path of a file that holds the value.
    OrFile,
    /// Any name that begins with this one.
    Family,
    /// The path of a file that holds further variables.
    SettingsFile,
}

impl Variable {
    /// A variable with a default that is parsed like a value.
    pub const fn new(name: &'static str, default: &'static str, help: &'static str) -> Self {
        Self { name, help, default: Default::Text(default), kind: Kind::One }
    }

    /// A variable that may be absent; `meaning` says what holds then (`no authentication`).
    pub const fn optional(name: &'static str, meaning: &'static str, help: &'static str) -> Self {
        Self { name, help, default: Default::Unset(meaning), kind: Kind::One }
    }

    /// A variable without which the component cannot run.
    pub const fn required(name: &'static str, help: &'static str) -> Self {
        Self { name, help, default: Default::Required, kind: Kind::One }
    }

    /// Any number of variables whose names begin with `name`.
    pub const fn family(name: &'static str, help: &'static str) -> Self {
        Self { name, help, default: Default::Unset("none"), kind: Kind::Family }
    }

    /// The path of a file that holds further variables of the component, beside those of the environment.
    pub const fn settings_file(name: &'static str, help: &'static str) -> Self {
        Self { name, help, default: Default::Unset("the environment alone"), kind: Kind::SettingsFile }
    }

    /// The same variable, taken also as `<NAME>_FILE`: the path of a file that holds the value.
    #[must_use]
    pub const fn or_file(self) -> Self {
        Self { kind: Kind::OrFile, ..self }
    }

    /// Whether `name` (without the prefix) belongs to this declaration.
    pub(crate) fn takes(&self, name: &str) -> bool {
        match self.kind {
            Kind::One | Kind::SettingsFile => name == self.name,
            Kind::OrFile => name == self.name || name.strip_suffix("_FILE") == Some(self.name),
            Kind::Family => name.len() > self.name.len() && name.starts_with(self.name),
        }
    }

    /// The default as `--help` and docs/settings.md show it.
    pub fn shown_default(&self) -> &'static str {
        match self.default {
            Default::Text(text) => text,
            Default::Unset(meaning) => meaning,
            Default::Required => "required",
        }
    }

    /// The name as `--help` shows it, without prefix: `PASSWORD[_FILE]`, `SERVER_…`.
    pub fn shown_name(&self) -> String {
        match self.kind {
            Kind::One | Kind::SettingsFile => self.name.to_owned(),
            Kind::OrFile => format!("{}[_FILE]", self.name),
            Kind::Family => format!("{}…", self.name),
        }
    }
}
