use std::fs;

use tempfile::TempDir;

use super::*;
use crate::{Reading, Reported, Variable};

const COMPONENT: Component = Component {
    name: "demo",
    about: "",
    prefix: "DEMO_",
    variables: &[
        Variable::settings_file("SETTINGS", "a file"),
        Variable::new("BIND", "127.0.0.1", "where to listen"),
        Variable::new("PATIENCE", "5", "how long to wait"),
        Variable::new("MODE", "fast", "how to go about it"),
        Variable::family("CHILD_", "what the children get"),
    ],
    health: Some("BIND"),
};

type Demo = (u16, String, Vec<(String, String)>);

fn read(reading: &mut Reading<'_>) -> Result<Demo, Reported> {
    let _: Result<String, _> = reading.value("BIND");
    let patience = reading.value("PATIENCE");
    let mode = reading.value("MODE");
    let children = reading.family("CHILD_");
    Ok((patience?, mode?, children))
}

/// What comes of this file beside these variables; errors name the file `F`.
fn of(file: impl AsRef<[u8]>, environment: &[(&str, &str)]) -> Result<Demo, String> {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("demo.env");
    fs::write(&path, file).unwrap();
    let own = [("DEMO_SETTINGS".into(), path.clone().into_os_string())];
    let variables = environment.iter().map(|(name, value)| (name.into(), value.into())).chain(own);
    Reading::of(&COMPONENT, variables, read)
        .map_err(|problems| problems.to_string().replace(path.to_str().unwrap(), "F"))
}

fn mode(line: &str) -> Result<String, String> {
    of(line, &[]).map(|(_, mode, _)| mode)
}

#[test]
fn the_file_and_the_environment_are_one() {
    let read =
        of("# first\n\nDEMO_PATIENCE=7\r\n  DEMO_CHILD_A=x # why\n", &[("DEMO_MODE", "slow")]).unwrap();
    assert_eq!(read, (7, "slow".to_owned(), vec![("A".to_owned(), "x".to_owned())]));
}

#[test]
fn values_are_read_as_compose_reads_them_but_nothing_is_replaced() {
    for (line, value) in [
        ("DEMO_MODE=a b", "a b"),
        ("DEMO_MODE = a ", "a"),
        ("export DEMO_MODE=a", "a"),
        ("DEMO_MODE=a#b", "a#b"),
        ("DEMO_MODE=a\t# b # c", "a"),
        ("DEMO_MODE=a=b=c", "a=b=c"),
        ("DEMO_MODE=$HOME${X}", "$HOME${X}"),
        ("DEMO_MODE=it's", "it's"),
        (r"DEMO_MODE='a # \n b' # c", r"a # \n b"),
        (r#"DEMO_MODE="a # \"\\\n\tü" "#, "a # \"\\\n\tü"),
    ] {
        assert_eq!(mode(line).as_deref(), Ok(value), "{line}");
    }
}

#[test]
fn a_line_that_is_no_setting_is_told_with_file_and_line() {
    for (line, says) in [
        ("\nDEMO_MODE", "F:2: is no setting; write NAME=value, or # before a comment"),
        ("DEMO-MODE=x", "F:1: `DEMO-MODE` is no name; write NAME=value"),
        ("=x", "F:1: `` is no name; write NAME=value"),
        (
            "DEMO_MODE='x",
            "F:1: DEMO_MODE: the quote is not closed; write ' at the end of the value, in the same line",
        ),
        (
            r#"DEMO_MODE="x\""#,
            "F:1: DEMO_MODE: the quote is not closed; write \" at the end of the value, in the same line",
        ),
        (
            r#"DEMO_MODE="\d""#,
            r"F:1: DEMO_MODE: `\d` means nothing here; write \\ for a backslash, or '…' around the value",
        ),
        (
            "DEMO_MODE='x'y",
            "F:1: DEMO_MODE: `y` stands behind the closing quote; put it within, or write # before a comment",
        ),
        ("PATH=/bin", "F:1: `PATH` cannot be set here; names in this file begin with DEMO_"),
        ("DEMO_SETTINGS=x", "F:1: DEMO_SETTINGS names this file and cannot be set in it"),
        ("DEMO_BIND=::1", "F:1: DEMO_BIND can be set in the environment only, where healthcheck finds it"),
        ("DEMO_PORT=80", "F:1: DEMO_PORT is not a setting; `demo --help` lists them"),
        ("DEMO_CHILD_PORT=80", "F:1: DEMO_CHILD_PORT is not a setting; `demo --help` lists them"),
        ("DEMO_MODE=a\nDEMO_MODE=a", "F:2: DEMO_MODE is set in F:1 already; keep one of them"),
        ("DEMO_MODE= # a", "F:1: DEMO_MODE: is empty; give it a value or remove it"),
        ("\n\nDEMO_MODDE=a", "F:3: DEMO_MODDE: is not a setting; did you mean DEMO_MODE?"),
    ] {
        assert_eq!(mode(line).unwrap_err(), says, "{line}");
    }
}

#[test]
fn a_name_that_is_set_in_both_places_is_refused_and_both_are_named() {
    assert_eq!(
        of("\nDEMO_MODE=a", &[("DEMO_MODE", "a")]).unwrap_err(),
        "F:2: DEMO_MODE is set in the environment as well; keep one of them"
    );
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let said = of("DEMO_PATIENCE=long\nDEMO_MOD=b\nnonsense\n", &[("DEMO_MDOE", "x")]).unwrap_err();
    assert_eq!(said.lines().count(), 4, "{said}");
    for begins in ["F:1: DEMO_PATIENCE: ", "F:2: DEMO_MOD: ", "F:3: is no setting", "DEMO_MDOE: is not"] {
        assert!(said.lines().any(|line| line.starts_with(begins)), "{begins} in\n{said}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_the_problem_of_the_variable_that_names_it() {
    let variables = [("DEMO_SETTINGS".into(), "/nowhere/demo.env".into())];
    let said = Reading::of(&COMPONENT, variables, read).unwrap_err().to_string();
    assert!(said.starts_with("DEMO_SETTINGS: /nowhere/demo.env does not exist"), "{said}");
    assert_eq!(of(b"\xff", &[]).unwrap_err(), "DEMO_SETTINGS: F does not hold UTF-8 text");
}
