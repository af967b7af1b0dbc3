//! The labs of `docs/labs.md`, each run as it is printed, against a set of the test's own.
//!
//! A lab's block is what a student pastes: one `bash` runs it, and what it prints has to have the lines that the page shows
//! under it. Only what would disturb other sets on this machine is written otherwise: the names of containers and networks, and
//! ports. So that a student can go from any lab to the next, each has to leave the set as it found it.
//!
//! `EVENKEEL_LAB=pause cargo test -p evenkeel-e2e --features docker --test labs` runs those labs whose title has the word.

#[cfg(feature = "docker")]
mod containers;
mod page;
mod processes;

use std::{fs, process::Command};

use evenkeel_stage::root;

use page::Lab;

/// Where the one lab is that needs no Docker.
const WITHOUT_DOCKER: &str = "Without Docker";

/// How long a lab may take, in seconds; then it is ended. The first one builds the images, where they are not up to date.
const PATIENCE: &str = "600";

fn labs() -> Vec<Lab> {
    page::labs(&fs::read_to_string(root().join("docs/labs.md")).expect("the page can be read"))
}

/// Runs the block of a lab with these words written otherwise, in this environment, and holds what it prints to what the page
/// shows. Returns what it printed, or why it is not as it should be.
fn play(lab: &Lab, otherwise: &[(&str, String)], environment: &[(&str, String)]) -> Result<String, String> {
    let written =
        |text: &String| otherwise.iter().fold(text.clone(), |text, (word, other)| text.replace(word, other));
    let block = written(&lab.blocks.concat());
    let ran = Command::new("timeout")
        .args([PATIENCE, "bash", "-e", "-u", "-o", "pipefail", "-c", &format!("exec 2>&1\n{block}")])
        .current_dir(root())
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .output()
        .expect("bash can be run");
    let seen = String::from_utf8_lossy(&ran.stdout).into_owned();
    let trouble = if ran.status.success() {
        let mut missing = lab.promised.iter().filter_map(|promised| page::missing(&written(promised), &seen));
        missing.next().map(|lines| format!("this is not there, or not where it is promised:\n{lines}\n"))
    } else {
        Some(format!("ended with {}", ran.status))
    };
    match trouble {
        None => Ok(seen),
        Some(trouble) => Err(format!("{}: {trouble}\n{block}\n{seen}", lab.title)),
    }
}

#[test]
fn each_lab_begins_with_a_question_and_ends_with_what_was_to_be_seen_and_why() {
    let labs = labs();
    assert!(labs.len() >= 12, "{}", labs.len());
    for lab in labs {
        let (question, answer) = (lab.prose.find("**Predict:** "), lab.prose.find("**Seen:** "));
        let (Some(question), Some(answer)) = (question, answer) else {
            panic!("{}: a question to predict, and what was to be seen", lab.title)
        };
        assert!(lab.prose[..question].trim().is_empty(), "{}: the question comes first", lab.title);
        assert!(question < answer && lab.prose[question..answer].contains('?'), "{}", lab.title);
        assert_eq!(
            (lab.blocks.len(), lab.promised.len()),
            (1, 1),
            "{}: one block to paste, one to compare",
            lab.title
        );
    }
}

#[test]
fn the_second_lab_corrupts() {
    assert!(labs()[1].blocks[0].contains("SERVER_FAULTS=corrupt:20%"));
}
