//! The page about speed: its words are written by hand, its figures by this. A figure that is nowhere but in the JSON cannot
//! be wrong on the page.
//!
//! ```text
//! docs/speed.json ──▶ docs/speed.md, between `<!-- figures: NAME -->` and `<!-- end of figures -->`
//!                └──▶ docs/speed.svg
//! ```

use std::fs;

use crate::{Result, options::Page, report::Report};

mod blocks;
mod chart;
mod over_runs;

const JSON: &str = "docs/speed.json";
const PAGE: &str = "docs/speed.md";
const CHART: &str = "docs/speed.svg";

/// Writes page and chart, or compares them with the figures: then the answer is whether they are the same.
pub(crate) fn make(what: Page) -> Result<bool> {
    let report: Report = serde_json::from_str(&read(JSON)?).map_err(|error| format!("{JSON}: {error}"))?;
    let page = read(PAGE)?;
    let made = [(PAGE, fill(&page, |name| blocks::block(&report, name))?), (CHART, chart::svg(&report))];
    let mut is_same = true;
    for (path, text) in made {
        match what {
            Page::Write => fs::write(path, text).map_err(|error| format!("{path}: {error}"))?,
            Page::Check if fs::read_to_string(path).is_ok_and(|there| there == text) => {}
            Page::Check => {
                crate::say(&format!("{path} is not what {JSON} says; `scripts/bench --page` writes it\n"));
                is_same = false;
            }
        }
    }
    Ok(is_same)
}

const BEGIN: &str = "<!-- figures: ";
const NAME_ENDS: &str = " -->\n";
const END: &str = "<!-- end of figures -->";

/// The page with each block as `block` says it, by its name.
fn fill(page: &str, block: impl Fn(&str) -> Option<String>) -> Result<String> {
    let mut filled = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, after) = after.split_once(NAME_ENDS).ok_or("a block of figures has no name")?;
        let (_, after) = after.split_once(END).ok_or_else(|| format!("the figures `{name}` have no end"))?;
        let text = block(name).ok_or_else(|| format!("there are no figures `{name}`"))?;
        filled.extend([before, BEGIN, name, NAME_ENDS, "\n", &text, "\n", END]);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).map_err(|error| format!("{path}: {error}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_and_figures_are_replaced() {
        let page = "Words.\n<!-- figures: one -->\nold\n<!-- end of figures -->\nMore.\n";
        let new = fill(page, |name| Some(format!("new {name}\n"))).unwrap();
        assert_eq!(new, "Words.\n<!-- figures: one -->\n\nnew one\n\n<!-- end of figures -->\nMore.\n");
        assert_eq!(fill(&new, |name| Some(format!("new {name}\n"))).unwrap(), new);
    }

    #[test]
    fn a_block_without_figures_or_end_is_an_error() {
        assert!(fill("<!-- figures: one -->\n<!-- end of figures -->", |_| None).is_err());
        assert!(fill("<!-- figures: one -->\nwords", |_| Some(String::new())).is_err());
    }
}
