//! What the fuzzer looks for in digest fields, tried on the corpus it has collected.

use std::path::Path;

use evenkeel_digest::{Algorithm, Expected};

/// What is read from the lines of a field reads back the same when it is written again, and when the lines are one.
fn holds(data: &[u8]) {
    let lines: Vec<_> = data.split(|&byte| byte == b'\n').collect();
    let Ok(expected) = Expected::parse(lines.iter().copied()) else { return };
    let filled: Vec<_> = lines.iter().filter(|line| !line.trim_ascii().is_empty()).copied().collect();
    let one_line = filled.join(&b", "[..]);
    assert_eq!(Expected::parse([one_line.as_slice()]), Ok(expected));
    let written: Vec<_> = [Algorithm::Sha256, Algorithm::Sha512]
        .into_iter()
        .filter_map(|algorithm| expected.get(algorithm))
        .map(|digest| digest.field_value())
        .collect();
    assert_eq!(Expected::parse(written.iter().map(String::as_bytes)), Ok(expected));
}

#[test]
fn the_corpus_of_structured_fields_holds() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/structured_fields");
    let files: Vec<_> = std::fs::read_dir(directory).expect("the corpus is there").collect();
    assert!(!files.is_empty());
    for file in files {
        holds(&std::fs::read(file.expect("a directory entry").path()).expect("a file of the corpus"));
    }
}
