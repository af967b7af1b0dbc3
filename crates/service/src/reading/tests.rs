use std::{fs, net::SocketAddr, time::Duration};

use super::*;

const COMPONENT: Component = Component {
    name: "demo",
    about: "",
    prefix: "DEMO_",
    variables: &[
        Variable::new("BIND", "0.0.0.0:8080", "where to listen"),
        Variable::new("PATIENCE", "5s", "how long to wait"),
        Variable::new("MODE", "fast", "how to go about it"),
        Variable::required("TARGET", "where to send"),
        Variable::optional("PASSWORD", "no authentication", "what to know").or_file(),
        Variable::family("CHILD_", "what the children get"),
    ],
    health: None,
};

#[derive(Debug, PartialEq)]
struct Demo {
    bind: SocketAddr,
    patience: Duration,
    mode: char,
    target: String,
    password: Option<Secret>,
    children: Vec<(String, String)>,
}

fn read(reading: &mut Reading) -> Result<Demo, Reported> {
    let bind = reading.value("BIND");
    let patience = reading.value("PATIENCE");
    let mode = reading.choice("MODE", &[("fast", 'f'), ("slow", 's')]);
    let target = reading.value("TARGET");
    let password = reading.secret("PASSWORD");
    let children = reading.family("CHILD_");
    Ok(Demo { bind: bind?, patience: patience?, mode: mode?, target: target?, password: password?, children })
}

fn of(variables: &[(&str, &str)]) -> Result<Demo, String> {
    let variables = variables.iter().map(|(k, v)| (k.into(), v.into()));
    Reading::of(&COMPONENT, variables, read).map_err(|problems| problems.to_string())
}

#[test]
fn what_is_not_set_has_its_declared_default() {
    let demo = of(&[("DEMO_TARGET", "there"), ("DEMO_CHILD_1_X", "y")]).unwrap();
    assert_eq!(demo.bind, "0.0.0.0:8080".parse().unwrap());
    assert_eq!((demo.patience, demo.mode), (Duration::from_secs(5), 'f'));
    assert_eq!((demo.target.as_str(), demo.password), ("there", None));
    assert_eq!(demo.children, [("1_X".to_owned(), "y".to_owned())]);
}

#[test]
fn what_is_set_is_listed_in_the_order_of_declaration_and_without_secrets() {
    let variables = [
        ("DEMO_TARGET", "there"),
        ("DEMO_CHILD_KEY", "k"),
        ("DEMO_BIND", "1.2.3.4:5"),
        ("DEMO_PASSWORD", "p"),
    ];
    let variables = variables.iter().map(|(k, v)| (k.into(), v.into()));
    let listed = Reading::of(&COMPONENT, variables, |reading| {
        let _ = read(reading);
        Ok(reading.in_force())
    });
    let listed = listed.unwrap();
    let listed: Vec<_> = listed.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [
        ("DEMO_BIND", "1.2.3.4:5"),
        ("DEMO_TARGET", "there"),
        ("DEMO_PASSWORD", "(not shown)"),
        ("DEMO_CHILD_KEY", "(not shown)"),
    ];
    assert_eq!(listed, expected);
}

#[test]
fn all_problems_are_reported_at_once_one_line_each() {
    let problems =
        of(&[("DEMO_BIND", "8080"), ("DEMO_PATIENCE", "5"), ("DEMO_MODE", "idle"), ("DEMO_BINT", "x")])
            .unwrap_err();
    assert_eq!(
        problems,
        "DEMO_BIND: `8080` is not an address and port; write it as 0.0.0.0:8080 or [::1]:8080\n\
         DEMO_PATIENCE: `5` is not a duration; write it as 250ms, 5s, 2m or 1h\n\
         DEMO_MODE: `idle` is none of fast, slow\n\
         DEMO_TARGET: is required: where to send\n\
         DEMO_BINT: is not a setting; did you mean DEMO_BIND?"
    );
}

#[test]
fn an_empty_required_value_is_one_problem_not_two() {
    assert_eq!(
        of(&[("DEMO_TARGET", "")]).unwrap_err(),
        "DEMO_TARGET: is empty; give it a value or remove it"
    );
}

#[test]
fn a_secret_comes_from_a_file_without_its_line_break() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("password");
    fs::write(&path, "correct horse\r\n").unwrap();
    let demo = of(&[("DEMO_TARGET", "t"), ("DEMO_PASSWORD_FILE", path.to_str().unwrap())]).unwrap();
    assert_eq!(demo.password.unwrap().expose(), "correct horse");
}

#[test]
fn a_secret_given_twice_is_a_problem() {
    let problems =
        of(&[("DEMO_TARGET", "t"), ("DEMO_PASSWORD", "a"), ("DEMO_PASSWORD_FILE", "/b")]).unwrap_err();
    assert_eq!(problems, "DEMO_PASSWORD: is set, and so is DEMO_PASSWORD_FILE; keep one of them");
}

#[test]
fn a_missing_secret_file_names_the_variable_and_the_path() {
    let problems = of(&[("DEMO_TARGET", "t"), ("DEMO_PASSWORD_FILE", "/nowhere/at/all")]).unwrap_err();
    assert!(problems.starts_with("DEMO_PASSWORD_FILE: /nowhere/at/all does not exist"), "{problems}");
}

#[test]
fn a_secret_is_not_shown_by_debug() {
    let demo = of(&[("DEMO_TARGET", "t"), ("DEMO_PASSWORD", "hunter2")]).unwrap();
    assert!(!format!("{demo:?}").contains("hunter2"));
}
