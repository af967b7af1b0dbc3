//! The binaries under test, built in the profile of the test that asks.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The root of the workspace.
pub fn root() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::parent);
    crates.expect("this crate is two levels below the root").to_owned()
}

/// The path of one of the set's binaries. All of them are built the first time a test asks.
pub fn binary(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(build).join(name)
}

/// Builds all binaries beside the running test's directory (`target/debug/deps`) and says where that is.
fn build() -> PathBuf {
    let test = env::current_exe().expect("a test knows its own path");
    let directory =
        test.parent().and_then(Path::parent).expect("cargo puts tests into <profile>/deps").to_owned();
    let profile = match directory.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    // The binaries alone would do. But `cargo test --workspace` has just built all this with the features that the tests
    // ask of shared dependencies; for a smaller selection cargo would compile those a second time.
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--workspace", "--bins", "--tests", "--profile", profile])
        .current_dir(root())
        .status()
        .expect("cargo can be run");
    assert!(built.success(), "cargo build: {built}");
    directory
}
