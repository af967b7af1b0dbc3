//! The pages link to what is there: files that exist, and headings that the pages have. No address of another machine is
//! asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use evenkeel_stage::root;

/// Directories that hold no page of the project's.
const PASSED_OVER: [&str; 4] = ["target", ".git", "corpus", "node_modules"];

/// A page without what is code in it, line by line with their numbers.
fn prose(page: &str) -> Vec<(usize, String)> {
    let mut fence: Option<&str> = None;
    let mut lines = Vec::new();
    for (index, line) in page.lines().enumerate() {
        let start = line.trim_start();
        match fence {
            Some(open) => fence = (!start.starts_with(open)).then_some(open),
            None if start.starts_with("```") => fence = Some("```"),
            None if start.starts_with("~~~") => fence = Some("~~~"),
            // Every other piece between backticks is code.
            None => lines.push((index + 1, line.split('`').step_by(2).collect::<Vec<_>>().join("`"))),
        }
    }
    lines
}

/// Where a page's links go, with the lines they stand in: `[text](target)`, `[name]: target`, `href`, `src` and `srcset`.
fn links(page: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(page) {
        let inline = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
        let attributes = ["href=\"", "src=\"", "srcset=\""];
        let attributes = attributes.iter().flat_map(|attribute| {
            line.split(attribute).skip(1).filter_map(|rest| rest.split(['"', ' ']).next())
        });
        let defined = line.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        let defined = defined.and_then(|(_, rest)| rest.split_whitespace().next());
        found.extend(inline.chain(attributes).chain(defined).map(|target| (number, target.to_owned())));
    }
    found
}

/// The anchors that GitHub gives a page's headings, and those that it sets itself (`<a id="…">`).
fn anchors(page: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    // Code in a heading is part of its anchor; what is fenced is no heading.
    let numbers: BTreeSet<usize> = prose(page).into_iter().map(|(number, _)| number).collect();
    for (index, line) in page.lines().enumerate() {
        if !numbers.contains(&(index + 1)) {
            continue;
        }
        for attribute in ["id=\"", "name=\""] {
            let set = line.split(attribute).skip(1).filter_map(|rest| rest.split('"').next());
            anchors.extend(set.map(str::to_owned));
        }
        let Some((level, heading)) = line.split_once(' ') else { continue };
        if level.is_empty() || level.len() > 6 || level.bytes().any(|byte| byte != b'#') {
            continue;
        }
        let slug = slug(heading);
        let times = seen.entry(slug.clone()).and_modify(|times| *times += 1).or_insert(0);
        anchors.insert(if *times == 0 { slug } else { format!("{slug}-{times}") });
    }
    anchors
}

/// What GitHub makes of a heading: lower case, punctuation gone, a dash for a space. Of a link its text.
fn slug(heading: &str) -> String {
    let mut text = String::new();
    let mut rest = heading.trim();
    while let Some((before, after)) = rest.split_once("](") {
        text.push_str(before);
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).flat_map(char::to_lowercase).collect()
}

/// Every link of the page at `path` that leads nowhere, as `page:line: target`.
fn broken(root: &Path, path: &Path) -> Vec<String> {
    let page = fs::read_to_string(path).expect("a page can be read");
    let leads_nowhere = |target: &str| {
        if target.contains("://") || target.starts_with("mailto:") {
            return false;
        }
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let file = match file {
            "" => path.to_owned(),
            file => match file.strip_prefix('/') {
                Some(file) => root.join(file),
                None => path.parent().expect("a page is in a directory").join(file),
            },
        };
        if !file.exists() {
            return true;
        }
        let is_page = file.extension().is_some_and(|extension| extension == "md");
        // Of other files GitHub has the lines.
        is_page
            && !anchor.is_empty()
            && !anchors(&fs::read_to_string(&file).expect("a page can be read")).contains(anchor)
    };
    let name = path.strip_prefix(root).unwrap_or(path).display();
    links(&page)
        .into_iter()
        .filter(|(_, target)| leads_nowhere(target))
        .map(|(line, target)| format!("{name}:{line}: {target}"))
        .collect()
}

/// All pages below a directory.
fn pages(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory can be read") {
        let path = entry.expect("an entry can be read").path();
        let passed_over = path.file_name().is_some_and(|name| PASSED_OVER.iter().any(|known| name == *known));
        if path.is_dir() && !passed_over {
            found.extend(pages(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_link_of_every_page_leads_somewhere() {
    let root = root();
    let pages = pages(&root);
    assert!(pages.contains(&root.join("README.md")), "{pages:?}");
    let broken: Vec<_> = pages.iter().flat_map(|page| broken(&root, page)).collect();
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn a_link_to_what_is_not_there_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let page = directory.path().join("page.md");
    fs::write(
        directory.path().join("other.md"),
        "# A `b` of [c](d), e!\n```\n# no heading\n```\n## x\n## x\n",
    )
    .unwrap();
    fs::write(
        &page,
        "[a](other.md) [b](other.md#a-b-of-c-e) ![c](other.md#x-1) [d](#here) [e](https://nobody.invalid/)\n\
         # Here\n`[code](no.md)`\n```\n[code](no.md)\n```\n\
         [f](gone.md)\n[g](other.md#no-heading), [h](other.md#x-2)\n[i](#there)\n<img src=\"gone.png\">\n[j]: gone\n",
    )
    .unwrap();
    let found = broken(directory.path(), &page);
    let expected = [
        "page.md:7: gone.md",
        "page.md:8: other.md#no-heading",
        "page.md:8: other.md#x-2",
        "page.md:9: #there",
        "page.md:10: gone.png",
        "page.md:11: gone",
    ];
    assert_eq!(found, expected);
}

#[test]
fn every_script_has_a_recipe_in_the_justfile() {
    let justfile = fs::read_to_string(root().join("justfile")).unwrap();
    let scripts = fs::read_dir(root().join("scripts")).unwrap();
    for script in scripts.map(|entry| entry.unwrap().path()) {
        // What has an extension is part of a script.
        if script.extension().is_none() {
            let name = script.file_name().unwrap().to_str().unwrap();
            let recipe = format!("\n{name} *arguments:\n    scripts/{name} {{{{arguments}}}}\n");
            assert!(justfile.contains(&recipe), "the justfile lacks:{recipe}");
        }
    }
}
