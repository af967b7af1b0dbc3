//! One palette: what the live page and the client's report both name has the same colour in both, by day and by night.

use std::collections::BTreeMap;
use std::fs;

use evenkeel_stage::root;

/// What the report takes from the page.
const SHARED: [&str; 9] =
    ["--ground", "--text", "--soft", "--line", "--serving", "--suspect", "--ejected", "--p50", "--p99"];

/// The custom properties that a style sheet declares, by scheme (`light`, `dark`) and name. A later declaration wins, as in a
/// browser.
fn declared(style: &str) -> BTreeMap<(&'static str, String), String> {
    let (light, dark) = style.split_once("prefers-color-scheme: dark").expect("it has a dark scheme");
    // Its one block; what comes behind it is for both schemes, and declares nothing.
    let dark = dark.split('}').next().expect("a text has a first part");
    let mut found = BTreeMap::new();
    for (scheme, text) in [("light", light), ("dark", dark)] {
        for declaration in text.split([';', '{', '}']) {
            if let Some((name, value)) = declaration.trim().split_once(':')
                && name.starts_with("--")
            {
                found.insert((scheme, name.to_owned()), value.trim().to_owned());
            }
        }
    }
    found
}

fn read(path: &str) -> BTreeMap<(&'static str, String), String> {
    declared(&fs::read_to_string(root().join(path)).expect("a style sheet can be read"))
}

#[test]
fn page_and_report_have_one_palette() {
    let page = read("crates/balancer/src/admin/page/page.css");
    let report = read("crates/client/src/report/html/style.css");
    let mut wrong = Vec::new();
    for scheme in ["light", "dark"] {
        for name in SHARED {
            let key = (scheme, name.to_owned());
            let (page, report) = (page.get(&key), report.get(&key));
            if page.is_none() || page != report {
                wrong.push(format!("{scheme} {name}: {page:?} on the page, {report:?} in the report"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_colour_that_differs_in_one_scheme_is_seen() {
    let style = |night: &str| {
        declared(&format!(
            ":root {{ --a: #fff; --b: 1px }}\n@media (prefers-color-scheme: dark) {{ :root {{ --a: {night}; }} }}\n.x {{ --a: red; }}"
        ))
    };
    let (one, other) = (style("#000"), style("#111"));
    assert_eq!(one[&("light", "--a".to_owned())], "#fff");
    assert_eq!(one[&("dark", "--a".to_owned())], "#000");
    assert_ne!(one, other);
}
