//! A process ends, with a status and with words, when a part of it that it cannot do without panics.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::process::{Command, ExitCode, ExitStatus};

use evenkeel_service::{Component, Reported, start, vital};

/// This test as a process of its own does what this variable says.
const PART: &str = "EVENKEEL_TEST_PART";

const COMPONENT: Component =
    Component { name: "broken", about: "Panics.", prefix: "BROKEN_", variables: &[], health: None };

/// Runs this test binary again with a part that panics.
fn run(part: &str) -> (ExitStatus, String) {
    let binary = std::env::current_exe().unwrap();
    let output = Command::new(binary).env(PART, part).output().unwrap();
    (output.status, String::from_utf8(output.stderr).unwrap())
}

fn main() -> ExitCode {
    let Some(part) = std::env::var_os(PART) else {
        a_panic_of_a_task_ends_the_process_only_where_it_is_vital();
        return ExitCode::SUCCESS;
    };
    start(
        &COMPONENT,
        |_| Ok::<(), Reported>(()),
        |()| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let work = async { panic!("a slip") };
                let task = if part == "control" {
                    tokio::spawn(vital::task("control", work))
                } else {
                    tokio::spawn(work)
                };
                assert!(task.await.is_err_and(|error| error.is_panic()));
            });
            ExitCode::SUCCESS
        },
    )
}

fn a_panic_of_a_task_ends_the_process_only_where_it_is_vital() {
    let (status, said) = run("control");
    assert_eq!(status.code(), Some(70), "{said}");
    assert!(
        said.contains("a slip") && said.contains("vital.rs") && said.contains("part=\"control\""),
        "{said}"
    );
    let (status, said) = run("connection");
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("a slip"), "{said}");
}
