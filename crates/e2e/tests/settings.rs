//! Bad settings: for every binary each kind of mistake is one clear line and exit status 64.

use std::process::{Command, Output};

use evenkeel_stage::{binary, output};

/// A binary, and what it needs to be content.
const BINARIES: [(&str, &[(&str, &str)]); 4] = [
    ("server", &[]),
    ("balancer", &[("BALANCER_UPSTREAM", "server:8080")]),
    ("client", &[("CLIENT_TARGET", "http://balancer:8080")]),
    ("manager", &[]),
];

fn run(name: &str, variables: &[(&str, &str)], argument: Option<&str>) -> Output {
    let needed = BINARIES.iter().find(|(binary, _)| *binary == name).map_or(&[][..], |(_, needed)| needed);
    let mut command = Command::new(binary(name));
    command.env_clear().envs(needed.iter().chain(variables).copied()).args(argument);
    output(&mut command)
}

/// The one line that the binary says about these variables.
fn complaint(name: &str, variables: &[(&str, &str)]) -> String {
    let ran = run(name, variables, None);
    let said = String::from_utf8(ran.stderr).expect("complaints are UTF-8");
    assert_eq!(ran.status.code(), Some(64), "{name} with {variables:?}: {}\n{said}", ran.status);
    assert_eq!(said.lines().count(), 1, "{name} with {variables:?}:\n{said}");
    said.trim_end().to_owned()
}

#[test]
fn the_settings_of_this_test_are_fine_without_mistakes() {
    for (name, _) in BINARIES {
        let ran = run(name, &[], Some("--check"));
        assert_eq!(ran.status.code(), Some(0), "{name}: {}", String::from_utf8_lossy(&ran.stderr));
    }
}

#[test]
fn an_unknown_name_is_refused_with_the_name_that_was_meant() {
    assert_eq!(
        complaint("server", &[("SERVER_NMAE", "x")]),
        "SERVER_NMAE: is not a setting; did you mean SERVER_NAME?"
    );
    assert_eq!(
        complaint("balancer", &[("BALANCER_POLICE", "x")]),
        "BALANCER_POLICE: is not a setting; did you mean BALANCER_POLICY?"
    );
    assert_eq!(
        complaint("client", &[("CLIENT_REQUEST", "x")]),
        "CLIENT_REQUEST: is not a setting; did you mean CLIENT_REQUESTS?"
    );
    assert_eq!(
        complaint("manager", &[("MANAGER_SERVES", "x")]),
        "MANAGER_SERVES: is not a setting; did you mean MANAGER_SERVERS?"
    );
}

#[test]
fn an_empty_value_is_refused() {
    for (name, variable) in [
        ("server", "SERVER_NAME"),
        ("balancer", "BALANCER_POLICY"),
        ("client", "CLIENT_REQUESTS"),
        ("manager", "MANAGER_SERVERS"),
    ] {
        assert_eq!(
            complaint(name, &[(variable, "")]),
            format!("{variable}: is empty; give it a value or remove it")
        );
    }
}

#[test]
fn a_bad_value_is_quoted_with_what_to_write() {
    assert_eq!(
        complaint("server", &[("SERVER_BIND", "here")]),
        "SERVER_BIND: `here` is not an address and port; write it as 0.0.0.0:8080 or [::1]:8080"
    );
    let no_port = complaint("balancer", &[("BALANCER_UPSTREAM", "server")]);
    assert!(
        no_port.starts_with("BALANCER_UPSTREAM: `server` has no port; write it as server:8080"),
        "{no_port}"
    );
    let many = complaint("client", &[("CLIENT_REQUESTS", "many")]);
    assert!(many.starts_with("CLIENT_REQUESTS: `many` is not a whole number"), "{many}");
    assert_eq!(
        complaint("manager", &[("MANAGER_CLIENT", "yes")]),
        "MANAGER_CLIENT: `yes` is neither on nor off"
    );
}

#[test]
fn a_missing_file_is_named() {
    let nowhere = "/nowhere/password";
    for (name, variable) in [
        ("server", "SERVER_PASSWORD_FILE"),
        ("client", "CLIENT_PASSWORD_FILE"),
        ("manager", "MANAGER_SERVER_1_PASSWORD_FILE"),
    ] {
        let said = complaint(
            name,
            &[(variable, nowhere), (&variable.replace("PASSWORD_FILE", "USERNAME"), "student")],
        );
        assert!(said.starts_with(&format!("{variable}: {nowhere} does not exist; ")), "{said}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    for (name, variable) in [("server", "SERVER_PASSWORD_FILE"), ("client", "CLIENT_PASSWORD_FILE")] {
        let said =
            complaint(name, &[(variable, path), (&variable.replace("PASSWORD_FILE", "USERNAME"), "student")]);
        assert!(said.starts_with(&format!("{variable}: {path} cannot be read: ")), "{said}");
    }
}

#[test]
fn a_value_given_twice_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    for (name, prefix) in [("server", "SERVER_"), ("client", "CLIENT_"), ("manager", "MANAGER_SERVER_1_")] {
        let (password, password_file) = (format!("{prefix}PASSWORD"), format!("{prefix}PASSWORD_FILE"));
        let said = complaint(
            name,
            &[(&format!("{prefix}USERNAME"), "student"), (&password, "x"), (&password_file, path)],
        );
        assert_eq!(said, format!("{password}: is set, and so is {password_file}; keep one of them"));
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let ran =
        run("server", &[("SERVER_BIND", "x"), ("SERVER_ADMIN_BIND", "y"), ("SERVER_COLOUR", "z")], None);
    assert_eq!(ran.status.code(), Some(64));
    let said = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(said.lines().count(), 3, "{said}");
}

#[test]
fn what_an_orchestrator_injects_is_no_mistake() {
    for (name, variable) in [
        ("server", "SERVER_PORT_8080_TCP_ADDR"),
        ("balancer", "BALANCER_SERVICE_HOST"),
        ("client", "CLIENT_PORT"),
        ("manager", "MANAGER_SERVICE_PORT_HTTP"),
    ] {
        let ran = run(name, &[(variable, "tcp://10.0.0.1:8080")], Some("--check"));
        assert_eq!(ran.status.code(), Some(0), "{name}: {}", String::from_utf8_lossy(&ran.stderr));
    }
}
