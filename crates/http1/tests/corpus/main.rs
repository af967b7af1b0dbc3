//! What the fuzzers look for, tried on the corpus they have collected: `fuzz/` at the top of the repository runs
//! the same checks on whatever it can think of.

pub mod checks;

use std::path::Path;

/// Runs `check` on every file that `fuzz/corpus/<target>` holds.
fn on_corpus(target: &str, check: impl Fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files =
        std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut count = 0;
    for file in files {
        let path = file.expect("a directory entry").path();
        check(&std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        count += 1;
    }
    assert!(count > 0, "{} is empty", directory.display());
}

#[test]
fn the_corpus_of_request_heads_holds() {
    on_corpus("request_head", checks::request_head);
}

#[test]
fn the_corpus_of_response_heads_holds() {
    on_corpus("response_head", checks::response_head);
}

#[test]
fn the_corpus_of_chunked_bodies_holds() {
    on_corpus("chunked_body", checks::chunked_body);
}

#[test]
fn the_corpus_of_framing_holds() {
    on_corpus("framing", checks::framing);
}

#[test]
fn the_corpus_of_basic_credentials_holds() {
    on_corpus("basic", checks::basic);
}

#[test]
fn the_corpus_of_forwarded_holds() {
    on_corpus("forwarded", checks::forwarded);
}

#[test]
fn the_corpus_of_the_proxy_protocol_holds() {
    on_corpus("proxy_protocol", checks::proxy_protocol);
}
