//! `docs/labs.md` as the tests read it: the labs, what each has one paste, and what it promises that one then reads.

use std::collections::BTreeMap;

/// One lab.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lab {
    /// Its heading, without the number.
    pub(crate) title: String,
    /// Its prose, without code.
    pub(crate) prose: String,
    /// What is pasted, each block as it is printed.
    pub(crate) blocks: Vec<String>,
    /// What is then read, shortened: see [`missing`].
    pub(crate) promised: Vec<String>,
}

/// The labs of the page: its headings with a number.
pub(crate) fn labs(page: &str) -> Vec<Lab> {
    let mut labs: Vec<Lab> = Vec::new();
    let mut numbered = false;
    let mut fence: Option<(String, String)> = None;
    for line in page.lines() {
        if let Some((language, mut code)) = fence.take() {
            if line != "```" {
                code.push_str(line);
                code.push('\n');
                fence = Some((language, code));
            } else if let Some(lab) = labs.last_mut().filter(|_| numbered) {
                match language.as_str() {
                    "sh" => lab.blocks.push(code),
                    "text" => lab.promised.push(code),
                    _ => panic!("{}: a block is `sh` or `text`, not `{language}`", lab.title),
                }
            }
        } else if let Some(language) = line.strip_prefix("```") {
            fence = Some((language.to_owned(), String::new()));
        } else if let Some(heading) = line.strip_prefix("## ") {
            let title = heading.split_once(". ").filter(|(number, _)| number.parse::<u32>().is_ok());
            numbered = title.is_some();
            labs.extend(title.map(|(_, title)| Lab {
                title: title.to_owned(),
                prose: String::new(),
                blocks: Vec::new(),
                promised: Vec::new(),
            }));
        } else if let Some(lab) = labs.last_mut().filter(|_| numbered) {
            lab.prose.push_str(line);
            lab.prose.push('\n');
        }
    }
    labs
}

/// The first promised lines that `seen` does not have where it should.
///
/// Lines that stand together are found together, in the order of the page; a line of `…` stands for others that are left out. In a
/// line `…` stands for anything, and `‹name›` for a word: the same wherever it has the same name, and another where it has
/// another. Spaces do not count.
pub(crate) fn missing(promised: &str, seen: &str) -> Option<String> {
    let promised: Vec<String> = promised.lines().map(single_spaced).filter(|line| !line.is_empty()).collect();
    let seen: Vec<String> = seen.lines().map(single_spaced).filter(|line| !line.is_empty()).collect();
    let mut names = BTreeMap::new();
    let mut from = 0;
    for together in promised.split(|line| line == "…").filter(|lines| !lines.is_empty()) {
        let found = (from..seen.len()).find_map(|at| {
            let lines = seen.get(at..at + together.len())?;
            let mut names = names.clone();
            let all = together.iter().zip(lines).all(|(promised, seen)| is_like(promised, seen, &mut names));
            all.then_some((at, names))
        });
        match found {
            Some((at, found)) => (from, names) = (at + together.len(), found),
            None => return Some(together.join("\n")),
        }
    }
    None
}

/// `docker compose logs` begins each line with the order to clear it.
const CLEAR: &str = "\x1b[2K";

fn single_spaced(line: &str) -> String {
    line.replace(CLEAR, "").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a line is as it was promised, with the words that names stand for; new ones are added.
fn is_like(promised: &str, seen: &str, names: &mut BTreeMap<String, String>) -> bool {
    let Some(at) = promised.find(['…', '‹']) else { return promised == seen };
    let (literal, rest) = promised.split_at(at);
    let Some(seen) = seen.strip_prefix(literal) else { return false };
    let places = seen.char_indices().map(|(at, _)| at).chain([seen.len()]);
    if let Some(rest) = rest.strip_prefix('…') {
        return places.into_iter().any(|at| is_like(rest, &seen[at..], names));
    }
    let (name, rest) = rest.trim_start_matches('‹').split_once('›').expect("a name ends with ›");
    let is_other = |word: &&str| {
        names.get(name).map_or(!names.values().any(|known| known == word), |known| known == word)
    };
    let words = places.map(|at| &seen[..at]).filter(|word| !word.is_empty() && !word.contains(' '));
    let fits: Vec<&str> = words.filter(is_other).collect();
    // The longest first: a name stands for a whole word.
    fits.into_iter().rev().any(|word| {
        let mut more = names.clone();
        more.insert(name.to_owned(), word.to_owned());
        let is_like = is_like(rest, &seen[word.len()..], &mut more);
        if is_like {
            *names = more;
        }
        is_like
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_is_a_numbered_heading_with_its_blocks() {
        let page = "# Labs\n```sh\nno\n```\n## 1. One\na\n```sh\nx\ny\n```\nb\n```text\nz\n```\n## Not one\nc\n## 2. Two\n";
        let lab = |title: &str, prose: &str, blocks: &[&str], promised: &[&str]| Lab {
            title: title.to_owned(),
            prose: prose.to_owned(),
            blocks: blocks.iter().map(|&block| block.to_owned()).collect(),
            promised: promised.iter().map(|&block| block.to_owned()).collect(),
        };
        assert_eq!(labs(page), [lab("One", "a\nb\n", &["x\ny\n"], &["z\n"]), lab("Two", "", &[], &[])]);
    }

    #[test]
    fn what_is_promised_is_found_together_and_in_order_and_spaces_do_not_count() {
        let seen = "one\n  2,000 answered rightly\n      0 failed\n\nliar  26  0  1.3 %\nended\n";
        for promised in [
            "2,000 answered rightly\n0 failed",
            "one\n…\nliar … %\n",
            "…failed\nliar 26 … 1.3 %",
            "liar…\n…ended",
            "one\n…\n…\nended\n…",
            "",
        ] {
            assert_eq!(missing(promised, seen), None, "{promised}");
        }
        for (promised, lines) in [
            ("0 failed\n…\n2,000 answered rightly", "2,000 answered rightly"),
            ("answered rightly", "answered rightly"),
            ("one\n0 failed", "one\n0 failed"),
            ("one\n…\none", "one"),
            ("liar … 27 … %", "liar … 27 … %"),
            ("one\n…\nliar … .3 %", "liar … .3 %"),
        ] {
            assert_eq!(missing(promised, seen).as_deref(), Some(lines), "{promised}");
        }
    }

    #[test]
    fn a_name_stands_for_the_same_word_and_another_name_for_another() {
        let seen = "digest: :abc=:\nabc=\nx y\na\na\nb\n";
        for promised in ["digest: :‹digest›:\n‹digest›", "‹one›\n‹one›\n‹other›", "‹one› ‹other›"]
        {
            assert_eq!(missing(promised, seen), None, "{promised}");
        }
        for promised in
            ["digest: :‹digest›:\n…\n‹digest›\n‹digest›", "‹one›\n‹one›\n‹one›", "‹one› ‹one›", "‹a› ‹b› ‹c›"]
        {
            assert!(missing(promised, seen).is_some(), "{promised}");
        }
    }
}
