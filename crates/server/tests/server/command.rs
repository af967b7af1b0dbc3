//! The command line and bad settings.

use std::{net::TcpListener, process::Output};

use crate::process::{Server, command};

fn run(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    evenkeel_stage::output(command().args(arguments).envs(settings.iter().copied()))
}

fn refused(settings: &[(&str, &str)]) -> String {
    let output = run(&["--check"], settings);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(64), 0));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn each_bad_setting_is_one_clear_line() {
    let problems = refused(&[
        ("SERVER_BIND", "8080"),
        ("SERVER_PASSWORD", "x"),
        ("SERVER_PASSWORD_FILE", "/y"),
        ("SERVER_DATA_FILE", "/no/such/file"),
        ("SERVER_KEEP_ALIVE", "75"),
        ("SERVER_NAME", ""),
        ("SERVER_FAULT", "hang"),
        ("EVENKEEL_LOG_FORMAT", "xml"),
    ]);
    let lines: Vec<_> = problems.lines().collect();
    assert_eq!(lines.len(), 7, "{problems}");
    for begins in [
        "SERVER_BIND: `8080` is not an address and port; write it as 0.0.0.0:8080",
        "SERVER_PASSWORD: is set, and so is SERVER_PASSWORD_FILE; keep one of them",
        "SERVER_DATA_FILE: /no/such/file does not exist",
        "SERVER_KEEP_ALIVE: `75` is not a duration; write it as 250ms",
        "SERVER_NAME: is empty",
        "SERVER_FAULT: is not a setting; did you mean SERVER_FAULTS?",
        "EVENKEEL_LOG_FORMAT: `xml` is none of text, json",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(begins)), "{begins} is missing in\n{problems}");
    }
}

#[test]
fn bad_settings_end_a_start_as_they_end_a_check() {
    let output = run(&[], &[("SERVER_BIND", "x")]);
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("SERVER_BIND: `x` is not"));
}

#[test]
fn good_settings_pass_the_check() {
    let output =
        run(&["--check"], &[("SERVER_PORT", "tcp://10.0.0.1:80"), ("SERVER_SERVICE_HOST", "10.0.0.1")]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"server: settings are fine\n");
}

#[test]
fn help_goes_to_standard_output_and_nonsense_is_refused() {
    let help = run(&["--help"], &[]);
    assert_eq!(help.status.code(), Some(0));
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(text.contains("  SERVER_BIND = 0.0.0.0:8080\n") && text.contains("  SERVER_LEAVE_AFTER = 3s\n"));
    let nonsense = run(&["--verbose"], &[]);
    assert_eq!(nonsense.status.code(), Some(64));
    let said = String::from_utf8(nonsense.stderr).unwrap();
    assert!(said.starts_with("server: `--verbose` is not understood; usage: server [--check | healthcheck"));
}

#[test]
fn a_healthcheck_asks_the_admin_port() {
    let server = Server::start(&[]);
    let admin = server.admin.to_string();
    assert_eq!(run(&["healthcheck"], &[("SERVER_ADMIN_BIND", &admin)]).status.code(), Some(0));
    drop(server);
    assert_eq!(run(&["healthcheck"], &[("SERVER_ADMIN_BIND", &admin)]).status.code(), Some(1));
}

#[test]
fn a_port_in_use_is_named_and_ends_with_69() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&[], &[("SERVER_BIND", &address), ("SERVER_ADMIN_BIND", "127.0.0.1:0")]);
    assert_eq!(output.status.code(), Some(69));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&format!("SERVER_BIND: cannot listen on {address}: ")), "{said}");
}
