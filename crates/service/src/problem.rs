//! What is wrong with the settings, collected until all of them are known.

use std::fmt;

/// One thing that is wrong with one variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The variable's full name, as in the environment; behind file and line where it stands in a file.
    pub variable: String,
    /// What it got and what it takes, in one line.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A value may hold line breaks or escapes; one problem stays one harmless line.
        write!(f, "{}: ", self.variable)?;
        self.reason.chars().try_for_each(|c| {
            if c.is_control() { write!(f, "{}", c.escape_default()) } else { write!(f, "{c}") }
        })
    }
}

/// Everything that is wrong with a component's settings, one line each. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub(crate) Vec<Problem>);

impl Problems {
    /// The problems in the order of the component's declaration, unknown names last.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(i, problem)| {
            if i > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)
        })
    }
}

impl std::error::Error for Problems {}

/// The proof that a problem was recorded: it comes only from a [`Reading`](crate::Reading), so whoever holds one may
/// stop without saying anything more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported(pub(crate) ());
