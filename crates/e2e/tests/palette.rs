//! One palette: what the live page and the client's report both name has the same colour in both, by day and by night, and
//! whatever is read can be read.

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
    let page = read("crates/balancer/src/admin/page/palette.css");
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

/// What text is written in on the page, and what it is written on.
const READ: [&str; 10] = [
    "--text",
    "--soft",
    "--accent",
    "--serving",
    "--suspect",
    "--ejected",
    "--draining",
    "--unproven",
    "--p99",
    "--hedges",
];
const WRITTEN_ON: [&str; 3] = ["--ground", "--panel", "--ghost"];

/// The contrast that text needs (WCAG 2.2, AA).
const CONTRAST: f64 = 4.5;

/// The relative luminance of a colour such as `#0b6e75` (WCAG 2.2).
fn luminance(colour: &str) -> f64 {
    let channel = |at: usize| {
        let value = u8::from_str_radix(&colour[at..at + 2], 16).expect("a colour is written as #rrggbb");
        let value = f64::from(value) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

fn contrast(one: &str, other: &str) -> f64 {
    let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
    one.max(other) / one.min(other)
}

#[test]
fn what_is_read_on_the_page_can_be_read() {
    let page = read("crates/balancer/src/admin/page/palette.css");
    let mut faint = Vec::new();
    for scheme in ["light", "dark"] {
        let colour = |name: &str| page[&(scheme, name.to_owned())].clone();
        let pairs = READ.iter().flat_map(|text| WRITTEN_ON.map(|ground| (*text, ground)));
        for (text, ground) in pairs.chain([("--accent-text", "--accent")]) {
            let contrast = contrast(&colour(text), &colour(ground));
            if contrast < CONTRAST {
                faint.push(format!("{scheme} {text} on {ground}: {contrast:.2}"));
            }
        }
    }
    assert!(faint.is_empty(), "{}", faint.join("\n"));
}

#[test]
fn contrast_is_that_of_the_rule() {
    assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 1e-9);
    assert!((contrast("#777777", "#ffffff") - 4.48).abs() < 0.01);
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
