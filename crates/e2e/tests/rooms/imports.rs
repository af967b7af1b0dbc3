//! Which room of a crate imports which, and where. Read from tokens: in them neither a comment nor a text looks like a path,
//! and what stands in the call of a macro looks like any other.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use proc_macro2::{Spacing, TokenStream, TokenTree};

use crate::Sources;

/// The first place where one room imports another, by the two: `file:line`.
pub(crate) type Imports = BTreeMap<(String, String), String>;

/// All imports between different rooms. Files are found as the compiler finds them, from the root by its `mod …;`, so that what
/// is only for tests is left out with its files.
pub(crate) fn imports(sources: &Sources) -> Imports {
    let root = ["lib.rs", "main.rs"].map(PathBuf::from).into_iter().find(|path| sources.contains_key(path));
    let root = root.expect("a crate has a root");
    let mut reader = Reader {
        sources,
        root: root.file_stem().expect("it has a name").to_string_lossy().into_owned(),
        rooms: Vec::new(),
        waiting: VecDeque::from([(root, Vec::new())]),
        file: PathBuf::new(),
        imports: Imports::new(),
    };
    while let Some((file, module)) = reader.waiting.pop_front() {
        let text = &sources[&file];
        let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let tokens: Vec<_> = tokens.into_iter().collect();
        reader.file = file;
        if module.is_empty() {
            reader.rooms = (0..tokens.len()).filter_map(|at| declared(&tokens[at..])).collect();
        }
        reader.tokens(&tokens, &module);
    }
    reader.imports
}

struct Reader<'a> {
    sources: &'a Sources,
    /// What the root is called among the rooms.
    root: String,
    rooms: Vec<String>,
    /// Files that are still to be read, with the modules that they are.
    waiting: VecDeque<(PathBuf, Vec<String>)>,
    file: PathBuf,
    imports: Imports,
}

impl Reader<'_> {
    /// Reads what stands in a module.
    fn tokens(&mut self, tokens: &[TokenTree], module: &[String]) {
        let mut at = 0;
        while at < tokens.len() {
            let rest = &tokens[at..];
            if is_for_tests(rest) {
                at += item(rest);
            } else if let Some(name) = declared(rest) {
                let below = [module, &[name]].concat();
                match &rest[2] {
                    TokenTree::Group(body) => self.tokens(&inside(&TokenTree::Group(body.clone())), &below),
                    _ => self.wait_for(below),
                }
                at += 3;
            } else {
                let further = at >= 1 && is_punct(&tokens[at - 1], ':');
                if !further && is_path(rest) {
                    self.path(rest, None, module);
                }
                if let TokenTree::Group(_) = &tokens[at] {
                    self.tokens(&inside(&tokens[at]), module);
                }
                at += 1;
            }
        }
    }

    fn wait_for(&mut self, module: Vec<String>) {
        let stem: PathBuf = module.iter().collect();
        let files = [stem.with_extension("rs"), stem.join("mod.rs")];
        let file = files.into_iter().find(|file| self.sources.contains_key(file));
        let file =
            file.unwrap_or_else(|| panic!("{}: no file for `{}`", self.file.display(), module.join("::")));
        self.waiting.push_back((file, module));
    }

    /// Follows a path that goes on from `base`, or begins here, to all that it names.
    fn path(&mut self, tokens: &[TokenTree], base: Option<Vec<String>>, module: &[String]) {
        let line = match tokens.first() {
            Some(token) => token.span().start().line,
            None => return,
        };
        let leads_to = match (word(&tokens[0]).as_deref(), base) {
            (Some("crate"), _) => Vec::new(),
            (Some("self"), base) => base.unwrap_or_else(|| module.to_vec()),
            (Some("super"), base) => {
                let mut above = base.unwrap_or_else(|| module.to_vec());
                above.pop();
                above
            }
            (Some(name), Some(mut base)) => {
                base.push(name.to_owned());
                base
            }
            // At the root a room needs no more than its name.
            (Some(name), None) if module.is_empty() && self.rooms.iter().any(|room| room == name) => {
                vec![name.to_owned()]
            }
            (None, Some(base)) if is_punct(&tokens[0], '*') => base,
            (None, Some(base)) if matches!(tokens[0], TokenTree::Group(_)) => {
                for piece in inside(&tokens[0]).split(|token| is_punct(token, ',')) {
                    self.path(piece, Some(base.clone()), module);
                }
                return;
            }
            _ => return,
        };
        if is_path(tokens) && goes_on(tokens.get(3)) {
            self.path(&tokens[3..], Some(leads_to), module);
        } else {
            self.note(module, &leads_to, line);
        }
    }

    fn note(&mut self, from: &[String], to: &[String], line: usize) {
        let room = |module: &[String]| match module.first() {
            Some(name) if self.rooms.contains(name) => name.clone(),
            _ => self.root.clone(),
        };
        let (from, to) = (room(from), room(to));
        if from != to {
            let place = format!("{}:{line}", self.file.display());
            self.imports.entry((from, to)).or_insert(place);
        }
    }
}

/// The name in `mod name;` and `mod name { … }`.
fn declared(tokens: &[TokenTree]) -> Option<String> {
    let [first, second, third, ..] = tokens else { return None };
    let ends = is_punct(third, ';') || matches!(third, TokenTree::Group(_));
    (ends && word(first)? == "mod").then(|| word(second))?
}

/// Whether what follows is compiled for tests alone.
fn is_for_tests(tokens: &[TokenTree]) -> bool {
    let [first, attribute @ TokenTree::Group(_), ..] = tokens else { return false };
    let attribute: String = attribute.to_string().split_whitespace().collect();
    is_punct(first, '#') && (attribute == "[cfg(test)]" || attribute.starts_with("[cfg(all(test,"))
}

/// How many tokens an item has, with its attributes.
fn item(tokens: &[TokenTree]) -> usize {
    const WITHOUT_BODY: [&str; 4] = ["use", "const", "static", "type"];
    const WITH_BODY: [&str; 10] =
        ["fn", "mod", "impl", "struct", "enum", "trait", "unsafe", "async", "extern", "macro_rules"];
    let mut begin = 0;
    while begin + 1 < tokens.len() && is_punct(&tokens[begin], '#') {
        begin += 2;
    }
    let words: Vec<_> =
        tokens[begin..].iter().take(6).filter_map(word).filter(|word| word != "pub").collect();
    let first = words.first().map_or("", String::as_str);
    let is_constant_function = first == "const" && words.get(1).is_some_and(|word| word == "fn");
    let has_body = !WITHOUT_BODY.contains(&first) || is_constant_function;
    let is_item = WITH_BODY.contains(&first) || is_constant_function || !has_body;
    let is_end = |token: &TokenTree| {
        is_punct(token, ';')
            || has_body && token.to_string().starts_with('{')
            // A field or a variant.
            || !is_item && is_punct(token, ',')
    };
    let length = tokens[begin..].iter().position(is_end).map_or(tokens.len() - begin, |last| last + 1);
    begin + length
}

/// Whether a word is followed by `::`.
fn is_path(tokens: &[TokenTree]) -> bool {
    let [first, colon @ TokenTree::Punct(joint), second, ..] = tokens else { return false };
    word(first).is_some()
        && is_punct(colon, ':')
        && joint.spacing() == Spacing::Joint
        && is_punct(second, ':')
}

/// Whether a path goes on with this, after its `::`.
fn goes_on(token: Option<&TokenTree>) -> bool {
    token.is_some_and(|token| {
        word(token).is_some() || is_punct(token, '*') || matches!(token, TokenTree::Group(_))
    })
}

fn word(token: &TokenTree) -> Option<String> {
    match token {
        TokenTree::Ident(word) => Some(word.to_string()),
        _ => None,
    }
}

fn is_punct(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

fn inside(group: &TokenTree) -> Vec<TokenTree> {
    match group {
        TokenTree::Group(group) => group.stream().into_iter().collect(),
        _ => Vec::new(),
    }
}
