//! No circle of imports among the rooms of a crate: who reads one room needs to know the rooms below it, and no other.
//!
//! A room is a module at the top of a crate, with all that lies below it. The crate's root counts as one, so that what is
//! declared there and imported elsewhere is seen.

mod circles;
mod imports;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use circles::circles;
use evenkeel_stage::root;
use imports::imports;

/// The crates whose rooms have no circle.
const CRATES: [&str; 3] = ["balancer", "client", "server"];

/// A crate's sources, by their path below `src`.
type Sources = BTreeMap<PathBuf, String>;

/// What is wrong with a crate's rooms: a paragraph for each circle.
fn wrong(sources: &Sources) -> Vec<String> {
    circles(&imports(sources)).iter().map(ToString::to_string).collect()
}

fn read(directory: &Path) -> Sources {
    let mut sources = Sources::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(&next).expect("a directory of sources can be read") {
            let path = entry.expect("an entry can be read").path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source can be read");
                sources.insert(path.strip_prefix(directory).expect("it was found there").to_owned(), text);
            }
        }
    }
    sources
}

#[test]
fn no_circle_of_imports_exists_among_the_rooms() {
    for name in CRATES {
        let wrong = wrong(&read(&root().join("crates").join(name).join("src")));
        assert!(wrong.is_empty(), "circles of imports in `{name}`:\n\n{}", wrong.join("\n\n"));
    }
}

/// The sources of an invented crate.
fn invented(files: &[(&str, &str)]) -> Sources {
    files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect()
}

#[test]
fn two_rooms_that_import_each_other_are_a_circle_with_file_and_line() {
    let sources = invented(&[
        ("main.rs", "mod a;\nmod b;\n\nfn main() {\n    a::run();\n}\n"),
        ("a.rs", "//! A.\n\nuse crate::b::B;\n"),
        ("b.rs", "use std::fmt;\nuse crate::{\n    a::{self, A},\n};\n"),
    ]);
    assert_eq!(wrong(&sources), ["a → b → a\n  a → b: a.rs:3\n  b → a: b.rs:3"]);
}

#[test]
fn the_shortest_circle_of_an_entanglement_is_told_and_who_else_is_in_it() {
    let sources = invented(&[
        ("lib.rs", "mod a; mod b; mod c; mod d;"),
        ("a.rs", "use crate::b;"),
        ("b.rs", "use crate::c;"),
        ("c.rs", "use crate::{a, d};"),
        ("d.rs", "use crate::c;"),
    ]);
    let told = "c → d → c\n  c → d: c.rs:1\n  d → c: d.rs:1\n  in one entanglement with them: a, b";
    assert_eq!(wrong(&sources), [told]);
}

#[test]
fn a_path_in_a_body_or_in_a_macro_is_an_import_and_one_in_a_comment_or_text_is_none() {
    let sources = invented(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "fn f() { println!(\"{}\", crate::b::NAME) }"),
        ("b.rs", "// crate::a::f\n/// [`crate::a::f`]\nfn g() -> &'static str { \"crate::a::f\" }"),
        ("c.rs", "fn h() { super::b::g() }"),
    ]);
    assert!(wrong(&sources).is_empty());
    let mut sources = sources;
    sources.insert("b.rs".into(), "fn g() {\n    super::c::h()\n}".to_owned());
    assert_eq!(wrong(&sources), ["b → c → b\n  b → c: b.rs:2\n  c → b: c.rs:1"]);
}

#[test]
fn tests_may_import_whatever_they_look_at() {
    let sources = invented(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b;\n#[cfg(test)]\nmod tests;\n"),
        ("a/tests.rs", "use crate::b;"),
        (
            "b.rs",
            "#[cfg(test)]\nuse crate::a;\n#[cfg(test)]\n#[path = \"x\"]\npub(crate) mod tests { use crate::a; }",
        ),
    ]);
    assert!(wrong(&sources).is_empty());
}

#[test]
fn what_lies_in_a_folder_is_of_one_room_however_deep_a_path_starts() {
    let sources = invented(&[
        ("lib.rs", "mod a; mod b;"),
        ("a/mod.rs", "mod inner; pub(super) mod other; use self::inner::I;"),
        ("a/inner.rs", "use super::other; use crate::a::other::O; mod deep;"),
        ("a/other.rs", "use super::inner;"),
        ("a/inner/deep.rs", "fn f() { super::super::super::b::g() }"),
        ("b.rs", "mod inside { fn h() { super::super::a::f() } }"),
    ]);
    assert_eq!(wrong(&sources), ["a → b → a\n  a → b: a/inner/deep.rs:1\n  b → a: b.rs:1"]);
}

#[test]
fn the_root_is_a_room_for_whoever_imports_from_it() {
    let sources = invented(&[
        ("lib.rs", "mod a;\npub use a::A;\npub struct Root;"),
        ("a.rs", "use crate::Root;\npub struct A;"),
    ]);
    assert_eq!(wrong(&sources), ["a → lib → a\n  a → lib: a.rs:1\n  lib → a: lib.rs:2"]);
}
