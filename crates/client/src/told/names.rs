//! One name for one server: what the balancer calls the address that a server answers at, tied to what the server calls itself.
//!
//! ```text
//! answer     request 17 was answered from 527a23307711 ─┐
//! ledger     request 17 was answered at 172.18.0.4:8080 ─┴─▶ 527a23307711 is 172.18.0.4:8080
//! /api/state 172.18.0.4:8080 is server-2 ───────────────────▶ 527a23307711 is server-2
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;

/// The most addresses whose names are kept, and the most servers that are tied to one.
const SERVERS: usize = 1024;

/// Of how many answers of a server that is not tied yet it is remembered that they were its own.
const REMEMBERED_ANSWERS: u32 = 64;

/// What is known of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    /// What the balancer calls it.
    pub(crate) name: String,
    /// Where it answers.
    pub(crate) address: String,
}

/// Who is who.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// What the balancer calls an address.
    called: BTreeMap<String, String>,
    /// Where a server answers, by what it calls itself.
    tied: BTreeMap<String, String>,
    /// What the last server that answered at an address calls itself.
    ids: BTreeMap<String, String>,
    /// How many answers of a server that is not tied were remembered.
    remembered: BTreeMap<String, u32>,
    /// Who answered these requests, by their number.
    answers: BTreeMap<u64, String>,
}

impl Names {
    /// The balancer calls this address so.
    pub(crate) fn call(&mut self, address: String, name: String) {
        if self.called.len() < SERVERS || self.called.contains_key(&address) {
            self.called.insert(address, name);
        }
    }

    /// A server that calls itself `id` answered a request.
    pub(crate) fn answered_from(&mut self, sequence: u64, id: &str) {
        if self.tied.contains_key(id) {
            return;
        }
        let known = self.remembered.len();
        match self.remembered.get_mut(id) {
            Some(REMEMBERED_ANSWERS..) => return,
            Some(count) => *count += 1,
            None if known < SERVERS => {
                self.remembered.insert(id.to_owned(), 1);
            }
            None => return,
        }
        self.answers.insert(sequence, id.to_owned());
    }

    /// The request with this number was answered at this address.
    pub(crate) fn answered_at(&mut self, sequence: u64, address: &str) {
        let Some(id) = self.answers.remove(&sequence) else { return };
        self.remembered.remove(&id);
        self.answers.retain(|_, other| *other != id);
        self.ids.insert(address.to_owned(), id.clone());
        self.tied.insert(id, address.to_owned());
    }

    /// What is known of the server that calls itself `id`; `None` where nobody knows where it answers. Where the balancer has no
    /// name for it, its own is as good.
    pub(crate) fn of(&self, id: &str) -> Option<Known> {
        if let Some(address) = self.tied.get(id) {
            let name = self.called.get(address).map_or(id, String::as_str);
            return Some(Known { name: name.to_owned(), address: address.clone() });
        }
        // A server may call itself what the balancer calls it.
        let (address, name) = self.called.iter().find(|(_, name)| *name == id)?;
        Some(Known { name: name.clone(), address: address.clone() })
    }

    /// What the server at this address is called; the address itself where it has no name.
    pub(crate) fn at<'a>(&'a self, address: &'a str) -> &'a str {
        self.called.get(address).or_else(|| self.ids.get(address)).map_or(address, String::as_str)
    }

    /// What the server that calls itself `id` is called; that where nothing else is known.
    pub(crate) fn called(&self, id: &str) -> String {
        self.of(id).map_or_else(|| id.to_owned(), |known| known.name)
    }
}

/// Addresses and names in what `GET /api/state` answers.
pub(super) fn read(body: &[u8]) -> Vec<(String, String)> {
    #[derive(Deserialize)]
    struct State {
        endpoints: Vec<Endpoint>,
        /// Those that left a short while ago.
        #[serde(default)]
        gone: Vec<Endpoint>,
    }
    #[derive(Deserialize)]
    struct Endpoint {
        address: String,
        server: Option<String>,
    }
    let Ok(State { endpoints, gone }) = serde_json::from_slice(body) else { return Vec::new() };
    // Who is there now comes last, and so has the last word about an address.
    let all = gone.into_iter().chain(endpoints);
    let named = all.filter_map(|Endpoint { address, server }| Some((address, server?)));
    named.filter(|(address, name)| !name.is_empty() && name != address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str, address: &str) -> Known {
        Known { name: name.into(), address: address.into() }
    }

    #[test]
    fn a_server_is_tied_to_its_address_by_one_request_that_both_tell_of() {
        let mut names = Names::default();
        names.call("172.18.0.4:8080".into(), "server-2".into());
        names.answered_from(16, "527a23307711");
        names.answered_from(17, "527a23307711");
        assert_eq!((names.of("527a23307711"), names.called("527a23307711")), (None, "527a23307711".into()));
        names.answered_at(3, "172.18.0.9:8080");
        names.answered_at(17, "172.18.0.4:8080");
        assert_eq!(names.of("527a23307711"), Some(known("server-2", "172.18.0.4:8080")));
        assert!(names.answers.is_empty() && names.remembered.is_empty());
        names.answered_from(18, "alpha");
        names.answered_at(18, "10.0.0.7:80");
        assert_eq!(
            (names.of("alpha"), names.at("10.0.0.7:80")),
            (Some(known("alpha", "10.0.0.7:80")), "alpha")
        );
        assert_eq!(
            (names.at("172.18.0.4:8080"), names.at("172.18.0.9:8080")),
            ("server-2", "172.18.0.9:8080")
        );
    }

    #[test]
    fn a_server_that_calls_itself_what_the_balancer_calls_it_needs_no_ledger() {
        let mut names = Names::default();
        names.call("10.0.0.1:80".into(), "server-1".into());
        assert_eq!(names.of("server-1"), Some(known("server-1", "10.0.0.1:80")));
    }

    #[test]
    fn what_is_remembered_of_servers_that_are_never_tied_is_bounded() {
        let mut names = Names::default();
        (0..10_000).for_each(|sequence| names.answered_from(sequence, "a"));
        assert_eq!(names.answers.len(), REMEMBERED_ANSWERS as usize);
        (0..10_000).for_each(|number| names.answered_from(number, &format!("server-{number}")));
        assert_eq!(names.remembered.len(), SERVERS);
    }

    #[test]
    fn endpoints_without_a_name_have_none() {
        let state =
            br#"{"name":"b","endpoints":[{"address":"10.0.0.1:80","name":"server:80","server":"server-1"},
            {"address":"10.0.0.2:80","name":"server:80"},{"address":"10.0.0.3:80","server":null},
            {"address":"10.0.0.4:80","server":"10.0.0.4:80"}],"gone":[{"address":"10.0.0.5:80","server":"server-5","left":"crashed"}]}"#;
        let named = |address: &str, name: &str| (address.to_owned(), name.to_owned());
        assert_eq!(read(state), [named("10.0.0.5:80", "server-5"), named("10.0.0.1:80", "server-1")]);
        assert!(read(b"<html>").is_empty());
    }
}
