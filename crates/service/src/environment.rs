//! The process environment as one component sees it: its own names only, as text.
//!
//! `envy` reads the names under the prefix into flat strings; everything else about a value is decided once, by
//! [`Reading`](crate::Reading), which can name the variable in its errors. What cannot be a setting at all (bad UTF-8,
//! an empty value, an unknown name) is refused here.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
};

use crate::{Component, Problem};

/// The values of one component, by name without prefix.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    pub(crate) values: BTreeMap<String, String>,
    /// Names that are set to something that cannot be a value; reported already.
    pub(crate) refused: BTreeSet<String>,
    pub(crate) problems: Vec<Problem>,
}

/// Whether a name that the component does not declare is a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    Refused,
    /// For a prefix that others use as well.
    Ignored,
}

impl Environment {
    /// Keeps what is declared, refuses what looks like a mistake, and leaves the rest of the environment alone.
    pub(crate) fn of(
        component: &Component,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        unknown: Unknown,
    ) -> Self {
        let mut seen = Self::default();
        let mut own = Vec::new();
        let mut in_small_letters = Vec::new();
        for (name, value) in variables {
            if !name.as_encoded_bytes().starts_with(component.prefix.as_bytes()) {
                continue;
            }
            let full = name.to_string_lossy().into_owned();
            let short = &full[component.prefix.len()..];
            let declared = component.variables.iter().any(|variable| variable.takes(short));
            let folded = folded(short);
            if declared && folded != short {
                // Of a family: other names are declared in capital letters alone.
                if !is_injected(&folded) {
                    in_small_letters.push((short.to_owned(), folded));
                }
                continue;
            }
            if !declared {
                if unknown == Unknown::Refused && !is_injected(short) {
                    seen.refuse(component, short, unknown_name(component, short));
                }
                continue;
            }
            match value.into_string() {
                Ok(text) if text.is_empty() => {
                    seen.refuse(component, short, "is empty; give it a value or remove it".to_owned());
                }
                Ok(text) => own.push((full, text)),
                Err(bytes) => {
                    let shown = bytes.to_string_lossy().into_owned();
                    seen.refuse(component, short, format!("`{shown}` is not UTF-8"));
                }
            }
        }
        // Every value is a string and no field is named, so there is nothing that envy could find wrong.
        let flat: BTreeMap<String, String> =
            envy::prefixed(component.prefix).from_iter(own).unwrap_or_default();
        // envy folds names to lower case; only what that does not change got this far.
        seen.values = flat.into_iter().map(|(name, value)| (name.to_ascii_uppercase(), value)).collect();
        for (short, folded) in in_small_letters {
            let meant = format!("{}{folded}", component.prefix);
            let reason = if seen.values.contains_key(&folded) || seen.refused.contains(&folded) {
                format!("is not in capital letters, and {meant} is set as well; remove one of them")
            } else {
                format!("is not in capital letters; write {meant}")
            };
            seen.refuse(component, &short, reason);
        }
        seen
    }

    fn refuse(&mut self, component: &Component, short: &str, reason: String) {
        self.refused.insert(short.to_owned());
        self.problems.push(Problem { variable: format!("{}{short}", component.prefix), reason });
    }
}

/// A name as it comes out of envy, in capital letters again.
fn folded(short: &str) -> String {
    short.to_lowercase().to_ascii_uppercase()
}

/// What Kubernetes and old Docker links put into the environment of a neighbour called like the prefix:
/// `*_SERVICE_HOST`, `*_SERVICE_PORT*`, `*_PORT`, `*_PORT_<n>_*`.
pub fn is_injected(short: &str) -> bool {
    // The prefix ends in `_`, so that the whole of `SERVER_PORT` is `_PORT` to these rules.
    let name = format!("_{short}");
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.match_indices("_PORT_").any(|(at, word)| {
            let rest = &name[at + word.len()..];
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            digits > 0 && rest[digits..].starts_with('_')
        })
}

fn unknown_name(component: &Component, short: &str) -> String {
    match nearest(&short.to_ascii_uppercase(), component.variables.iter().map(|variable| variable.name)) {
        Some(name) => format!("is not a setting; did you mean {}{name}?", component.prefix),
        None => format!("is not a setting; `{} --help` lists them", component.name),
    }
}

/// The name that was meant, if one is near enough.
pub fn nearest<'a>(asked: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|name| (distance(asked, name), name))
        .min()
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .map(|(_, name)| name)
}

/// Levenshtein's edit distance, in bytes: names are ASCII.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;
    use crate::Variable;

    const COMPONENT: Component = Component {
        name: "server",
        about: "",
        prefix: "SERVER_",
        variables: &[
            Variable::new("BIND", "0.0.0.0:8080", ""),
            Variable::optional("PASSWORD", "none", "").or_file(),
            Variable::family("CHILD_", ""),
        ],
        health: None,
    };

    fn seen(variables: &[(&str, &str)]) -> Environment {
        Environment::of(&COMPONENT, variables.iter().map(|(k, v)| (k.into(), v.into())), Unknown::Refused)
    }

    fn problem(name: &str, value: &str) -> String {
        seen(&[(name, value)]).problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn declared_names_are_kept_and_the_rest_of_the_environment_is_left_alone() {
        let seen = seen(&[
            ("SERVER_BIND", "[::]:1"),
            ("SERVER_PASSWORD_FILE", "/p"),
            ("SERVER_CHILD_1_X", "y"),
            ("PATH", ""),
        ]);
        assert_eq!(seen.problems, []);
        let names: Vec<_> = seen.values.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(names, [("BIND", "[::]:1"), ("CHILD_1_X", "y"), ("PASSWORD_FILE", "/p")]);
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest_one() {
        assert_eq!(problem("SERVER_BNID", "x"), "SERVER_BNID: is not a setting; did you mean SERVER_BIND?");
        assert_eq!(problem("SERVER_bind", "x"), "SERVER_bind: is not a setting; did you mean SERVER_BIND?");
        assert_eq!(
            problem("SERVER_COLOUR", "x"),
            "SERVER_COLOUR: is not a setting; `server --help` lists them"
        );
    }

    #[test]
    fn a_name_of_a_family_that_is_not_in_capital_letters_is_refused() {
        assert_eq!(
            problem("SERVER_CHILD_api", "x"),
            "SERVER_CHILD_api: is not in capital letters; write SERVER_CHILD_API"
        );
        // The sign of kelvins, which folds to a letter.
        assert!(problem("SERVER_CHILD_\u{212a}", "x").ends_with("write SERVER_CHILD_K"));
        assert_eq!(problem("SERVER_CHILD_api_PORT", "x"), "");
    }

    #[test]
    fn of_two_names_that_differ_in_case_alone_none_is_lost_in_silence() {
        let both = [("SERVER_CHILD_api", "x"), ("SERVER_CHILD_API", "y")];
        for variables in [both, [both[1], both[0]]] {
            let seen = seen(&variables);
            let told: Vec<_> = seen.problems.iter().map(ToString::to_string).collect();
            let expected = "SERVER_CHILD_api: is not in capital letters, and SERVER_CHILD_API is set as well; remove one of them";
            assert_eq!(told, [expected]);
            assert_eq!(seen.values.get("CHILD_API").map(String::as_str), Some("y"));
        }
    }

    #[test]
    fn an_empty_value_is_refused() {
        assert_eq!(problem("SERVER_BIND", ""), "SERVER_BIND: is empty; give it a value or remove it");
    }

    #[test]
    fn a_value_that_is_not_utf8_is_refused_and_stays_one_line() {
        let value = OsString::from_vec(b"a\xff\n".to_vec());
        let seen = Environment::of(&COMPONENT, [("SERVER_BIND".into(), value)], Unknown::Refused);
        assert_eq!(seen.problems[0].to_string(), "SERVER_BIND: `a\u{fffd}\\n` is not UTF-8");
        assert!(seen.refused.contains("BIND"));
    }

    #[test]
    fn names_that_an_orchestrator_injects_are_ignored() {
        for name in [
            "SERVER_SERVICE_HOST",
            "SERVER_SERVICE_PORT",
            "SERVER_SERVICE_PORT_HTTP",
            "SERVER_PORT",
            "SERVER_PORT_8080_TCP",
            "SERVER_PORT_8080_TCP_ADDR",
            "SERVER_ADMIN_SERVICE_HOST",
            "SERVER_ADMIN_PORT_9090_TCP_PROTO",
        ] {
            assert_eq!(problem(name, "tcp://10.0.0.1:80"), "", "{name}");
        }
        assert_ne!(problem("SERVER_PORT_NAME", "x"), "");
    }
}
