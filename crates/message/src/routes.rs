//! Which of several upstreams a request is for, by its host and the beginning of its path.
//!
//! ```text
//! authority ──normal form──▶ exact host ─▶ *.host, the longest first ─▶ any host     the first that has a route for the path
//! path ──whole segments──▶ the longest prefix there
//!   └── as every server might read it ──▶ the same route each time? no: 400
//! ```
//! Servers decode, fold and tidy paths, each in its own way, so that what a proxy takes for one path may be another to the
//! server behind it. A path is routed as it is written, and refused where any reading of it would have been routed otherwise
//! (`readings`). What is beyond the part that decides may be written in any way.

mod host;
mod readings;
mod redirect;
mod route;
#[cfg(test)]
mod tests;

use rustc_hash::FxHashMap;

use crate::Refusal;
use host::NormalHost;
pub use redirect::Redirect;
pub use route::{HostPattern, Route};

/// A table of routes, each leading to a `T`.
#[derive(Debug, Clone)]
pub struct Routes<T> {
    entries: Vec<(Route, T)>,
    nodes: Vec<Node>,
    exact: FxHashMap<Box<[u8]>, NodeNo>,
    below: FxHashMap<Box<[u8]>, NodeNo>,
    any: Option<NodeNo>,
    /// Whether a path can make a difference.
    has_paths: bool,
}

type NodeNo = usize;
type EntryNo = usize;

/// A place in the tree of the segments of one host pattern's prefixes.
#[derive(Debug, Clone, Default)]
struct Node {
    entry: Option<EntryNo>,
    children: FxHashMap<Box<[u8]>, NodeNo>,
}

const AMBIGUOUS: Refusal = Refusal::bad(
    "The request's path can be read in more than one way, and not all of them lead to the same place.",
);
const HOST_ENCODED: Refusal = Refusal::bad("The request's host is percent-encoded.");
const AUTHORITY_LIKE: Refusal =
    Refusal::bad("What the request's path has after its prefix can be read as the name of a host.");

impl<T> Routes<T> {
    /// The table of these routes.
    ///
    /// # Errors
    /// With the positions of each two that would take the same requests.
    pub fn new(entries: Vec<(Route, T)>) -> Result<Self, Vec<(usize, usize)>> {
        let mut table = Self {
            nodes: Vec::new(),
            exact: FxHashMap::default(),
            below: FxHashMap::default(),
            any: None,
            has_paths: entries.iter().any(|(route, _)| !route.prefix().is_empty()),
            entries,
        };
        let mut twice = Vec::new();
        for number in 0..table.entries.len() {
            let node = table.place(number);
            match table.nodes[node].entry {
                Some(first) => twice.push((first, number)),
                None => table.nodes[node].entry = Some(number),
            }
        }
        if twice.is_empty() { Ok(table) } else { Err(twice) }
    }

    /// The route of a request for `target` (a path with or without a query, or `*`) of the host in `authority`; `None` where no
    /// route takes it.
    ///
    /// # Errors
    /// Where the path or the host can be read in several ways that are routed differently.
    pub fn pick(&self, authority: &[u8], target: &[u8]) -> Result<Option<(&Route, &T)>, Refusal> {
        let host = NormalHost::of(authority);
        if authority.contains(&b'%') && !(self.exact.is_empty() && self.below.is_empty()) {
            return Err(HOST_ENCODED);
        }
        let path = target.split(|&byte| byte == b'?').next().unwrap_or_default();
        let found = self.find(host.bytes(), path);
        let is_doubtful = self.has_paths && readings::is_doubtful(path);
        if is_doubtful && !self.is_settled(host.bytes(), path, found) {
            return Err(AMBIGUOUS);
        }
        let Some((route, to)) = found.and_then(|number| self.entries.get(number)) else { return Ok(None) };
        if is_doubtful && route.strips() && readings::may_name_a_host(&path[route.prefix().len()..]) {
            return Err(AUTHORITY_LIKE);
        }
        Ok(Some((route, to)))
    }

    /// All routes, in the order in which they were given.
    pub fn entries(&self) -> &[(Route, T)] {
        &self.entries
    }

    /// Where the route with this number belongs, in a tree that is grown for it.
    fn place(&mut self, number: EntryNo) -> NodeNo {
        let Self { entries, nodes, exact, below, any, .. } = self;
        let (route, _) = &entries[number];
        let new = || {
            nodes.push(Node::default());
            nodes.len() - 1
        };
        let mut node = match route.host() {
            HostPattern::Any => *any.get_or_insert_with(new),
            HostPattern::Exact(host) => *exact.entry(host.as_bytes().into()).or_insert_with(new),
            HostPattern::Below(host) => *below.entry(host.as_bytes().into()).or_insert_with(new),
        };
        for segment in route.prefix().split('/').skip(1) {
            let next = nodes.len();
            let child = *nodes[node].children.entry(segment.as_bytes().into()).or_insert(next);
            if child == next {
                nodes.push(Node::default());
            }
            node = child;
        }
        node
    }

    /// The route of a path as it is written.
    fn find(&self, host: &[u8], path: &[u8]) -> Option<EntryNo> {
        let exact = self.exact.get(host).and_then(|&root| self.walk(root, path));
        exact
            .or_else(|| self.find_below(host, path))
            .or_else(|| self.any.and_then(|root| self.walk(root, path)))
    }

    fn find_below(&self, host: &[u8], path: &[u8]) -> Option<EntryNo> {
        if self.below.is_empty() {
            return None;
        }
        // From the longest domain on; bounded by the labels of a host, of which NormalHost bounds the bytes.
        let mut rest = host;
        while let Some(dot) = memchr::memchr(b'.', rest) {
            rest = &rest[dot + 1..];
            let found = self.below.get(rest).and_then(|&root| self.walk(root, path));
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// The longest prefix of `path` by whole segments; no deeper than the longest route.
    fn walk(&self, root: NodeNo, path: &[u8]) -> Option<EntryNo> {
        let mut node = &self.nodes[root];
        let mut best = node.entry;
        let mut rest = path;
        while let [b'/', after @ ..] = rest {
            let end = memchr::memchr(b'/', after).unwrap_or(after.len());
            let Some(&child) = node.children.get(&after[..end]) else { break };
            node = &self.nodes[child];
            best = node.entry.or(best);
            rest = &after[end..];
        }
        best
    }

    #[cold]
    fn is_settled(&self, host: &[u8], path: &[u8], found: Option<EntryNo>) -> bool {
        readings::all(path).is_some_and(|readings| readings.iter().all(|read| self.find(host, read) == found))
    }
}
