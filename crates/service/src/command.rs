//! The command line, the same for every binary: nothing to run, `--help`, `--version`, `--check`, `healthcheck`.
//!
//! All printing outside the logs happens here.

use std::{
    env,
    ffi::OsString,
    fmt::Write as _,
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use crate::{
    Component, Problems, Reading, Reported, Variable, environment::Unknown, exit, healthcheck, logs,
    logs::Logs, outlet, parent, reading::Purpose,
};

/// How long the end of the process waits for a reader of its output that has stopped reading.
const LAST_LINES: Duration = Duration::from_millis(250);

/// Does what the command line asks for: reads the settings with `read` and hands them to `run`, or one of the
/// subcommands. Bad settings are printed, one line each, and end in exit status 64.
pub fn start<S>(
    component: &Component,
    read: impl FnOnce(&mut Reading<'_>) -> Result<S, Reported>,
    run: impl FnOnce(S) -> ExitCode,
) -> ExitCode {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    match Command::of(&arguments) {
        Some(Command::Run) => match settings(component, Purpose::Run, read) {
            Ok((settings, logs)) => match parent::bind() {
                Ok(()) => {
                    logs.install();
                    let status = run(settings);
                    outlet::finish(LAST_LINES);
                    status
                }
                Err(reason) => refuse(&reason),
            },
            Err(problems) => refuse(&problems.to_string()),
        },
        Some(Command::Check) => match settings(component, Purpose::Check, read) {
            Ok(_) => say(&format!("{}: settings are fine\n", component.name)),
            Err(problems) => refuse(&problems.to_string()),
        },
        Some(Command::Healthcheck) => match healthcheck::run(component, env::vars_os()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) => {
                complain(&format!("{}: {reason}", component.name));
                ExitCode::FAILURE
            }
        },
        Some(Command::Help) => say(&help(component)),
        Some(Command::Version) => say(&format!("{} {}\n", component.name, env!("CARGO_PKG_VERSION"))),
        None => refuse(&format!(
            "{}: {} is not understood; {}",
            component.name,
            arguments
                .iter()
                .map(|argument| format!("`{}`", argument.display()))
                .collect::<Vec<_>>()
                .join(" "),
            usage(component),
        )),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Command {
    Run,
    Check,
    Healthcheck,
    Help,
    Version,
}

impl Command {
    fn of(arguments: &[OsString]) -> Option<Self> {
        let words: Option<Vec<_>> = arguments.iter().map(|argument| argument.to_str()).collect();
        match words?.as_slice() {
            [] => Some(Self::Run),
            ["--check"] => Some(Self::Check),
            ["healthcheck"] => Some(Self::Healthcheck),
            ["--help" | "-h"] => Some(Self::Help),
            ["--version" | "-V"] => Some(Self::Version),
            _ => None,
        }
    }
}

fn settings<S>(
    component: &Component,
    purpose: Purpose,
    read: impl FnOnce(&mut Reading<'_>) -> Result<S, Reported>,
) -> Result<(S, Logs), Problems> {
    let own = Reading::with(component, env::vars_os(), Unknown::Refused, purpose, read);
    let logs = Reading::with(&logs::SHARED, env::vars_os(), Unknown::Ignored, purpose, Logs::read);
    match (own, logs) {
        (Ok(settings), Ok(logs)) => Ok((settings, logs)),
        (Err(mut problems), Err(shared)) => {
            problems.0.extend(shared.0);
            Err(problems)
        }
        (Err(problems), Ok(_)) | (Ok(_), Err(problems)) => Err(problems),
    }
}

fn usage(component: &Component) -> String {
    let healthcheck = if component.health.is_some() { " | healthcheck" } else { "" };
    format!("usage: {} [--check{healthcheck} | --help | --version]", component.name)
}

fn help(component: &Component) -> String {
    let mut text = format!(
        "{}\n\n{}\n\n\
         Without an argument it runs. --check validates the settings and exits with 0 or 64.\n",
        component.about,
        usage(component)
    );
    if component.health.is_some() {
        text.push_str("healthcheck asks the running process for /readyz and exits with 0 or 1.\n");
    }
    text.push_str(
        "\nSettings come from the environment. Durations are written 250ms, 5s, 2m; sizes 512, 64KiB, 1MiB.\n\
         NAME[_FILE] may be given as NAME_FILE instead, the path of a file that holds the value.\n",
    );
    for part in [component, &logs::SHARED] {
        text.push('\n');
        for variable in part.variables {
            describe(&mut text, part.prefix, variable);
        }
    }
    text
}

/// Two lines a variable: `  NAME = default`, then what it is for. The tables of docs/settings.md are held against this form.
fn describe(text: &mut String, prefix: &str, variable: &Variable) {
    let (name, default) = (variable.shown_name(), variable.shown_default());
    // Writing into a String cannot fail.
    let _ = writeln!(text, "  {prefix}{name} = {default}\n      {}", variable.help);
}

fn say(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of a pipe went away: nobody is left to be told.
        Err(_) => ExitCode::FAILURE,
    }
}

fn refuse(text: &str) -> ExitCode {
    complain(text);
    ExitCode::from(exit::USAGE)
}

fn complain(text: &str) {
    // Without a standard error there is nowhere else to say it.
    let _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_unexpected_on_the_command_line_is_refused() {
        let command = |words: &[&str]| Command::of(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(command(&[]), Some(Command::Run));
        assert_eq!(command(&["--check"]), Some(Command::Check));
        assert_eq!(command(&["healthcheck"]), Some(Command::Healthcheck));
        assert_eq!(command(&["--check", "--help"]), None);
        assert_eq!(command(&[""]), None);
        assert_eq!(command(&["run"]), None);
    }

    #[test]
    fn help_lists_every_variable_with_its_default() {
        const DEMO: Component = Component {
            name: "demo",
            about: "Shows how.",
            prefix: "DEMO_",
            variables: &[
                Variable::new("BIND", "0.0.0.0:8080", "where to listen"),
                Variable::optional("PASSWORD", "no authentication", "what to know").or_file(),
                Variable::required("TARGET", "where to send"),
            ],
            health: Some("BIND"),
        };
        let text = help(&DEMO);
        assert!(text.contains("  DEMO_BIND = 0.0.0.0:8080\n      where to listen\n"), "{text}");
        assert!(text.contains("  DEMO_PASSWORD[_FILE] = no authentication\n"), "{text}");
        assert!(text.contains("  DEMO_TARGET = required\n"), "{text}");
        assert!(text.contains("  EVENKEEL_LOG = info,actix_server=warn,actix_http=off\n"), "{text}");
        assert!(text.contains("usage: demo [--check | healthcheck | --help | --version]"), "{text}");
    }
}
