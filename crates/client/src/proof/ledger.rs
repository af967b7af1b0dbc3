//! The balancer's ledger, as its admin interface tells it: `GET /ledger?run=<run>&after=<number>`.
//!
//! The first line says what follows and what the ring still holds, every other line is a request or an event:
//!
//! ```text
//! {"ledger":1,"balancer":"evenkeel-1a2b3c","oldest":17,"next":40}
//! {"n":17,"run":"r","id":"r-00000007","status":200,"whole":true,"at":1795441481000,"attempts":[
//!   {"n":1,"endpoint":"172.18.0.3:8080","why":"first","end":"reset","status":null},
//!   {"n":2,"endpoint":"172.18.0.4:8080","why":"retry","end":"answered","status":200}]}
//! {"n":18,"at":1795441481010,"event":"ejected","endpoint":"172.18.0.3:8080"}
//! ```
//! Entries are numbered by the balancer from 0, over all runs; `after` asks for those from that number on. `oldest` is
//! the lowest number it still has: when that is past what was asked for, the part between is lost. An attempt's `end`
//! is `answered`, `abandoned` (another attempt won, or the client went away) or the failure in a word.

use serde::{Deserialize, Serialize};

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Heading {
    /// The format's version; 1.
    pub(crate) ledger: u32,
    /// The balancer's name, new for each process unless it is given one.
    pub(crate) balancer: String,
    /// The lowest number it still has.
    pub(crate) oldest: u64,
    /// The number that the next entry will get.
    pub(crate) next: u64,
}

/// A request on its way through the balancer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Passage {
    /// `X-Evenkeel-Run`.
    pub(crate) run: String,
    /// `X-Request-Id`.
    pub(crate) id: String,
    /// The status sent to the client, if one was.
    pub(crate) status: Option<u16>,
    /// Whether the whole response was sent.
    pub(crate) whole: bool,
    /// When it ended, in milliseconds since 1970.
    pub(crate) at: u64,
    /// The attempts, in order.
    pub(crate) attempts: Vec<Attempt>,
}

/// One try on one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Attempt {
    /// Its number, from 1, as in `X-Attempt`.
    #[serde(rename = "n")]
    pub(crate) number: u32,
    /// Where it went.
    pub(crate) endpoint: String,
    /// What it was for, in a word, such as `first` or `retry`; empty where that is not told.
    #[serde(default)]
    pub(crate) why: String,
    /// How it ended.
    pub(crate) end: String,
    /// The status that the server answered with, if it did.
    pub(crate) status: Option<u16>,
}

impl Attempt {
    #[cfg(test)]
    pub(crate) fn answered(number: u32, endpoint: &str) -> Self {
        Self {
            number,
            endpoint: endpoint.into(),
            why: "first".into(),
            end: "answered".into(),
            status: Some(200),
        }
    }

    /// Whether the endpoint let it down: one that another attempt overtook did not fail.
    pub(crate) fn has_failed(&self) -> bool {
        !matches!(self.end.as_str(), "answered" | "abandoned")
    }
}

/// Something that happened to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Happening {
    /// When, in milliseconds since 1970.
    pub(crate) at: u64,
    /// What, in a word, such as `ejected`.
    pub(crate) event: String,
    /// To which endpoint; empty where it is the whole balancer's.
    pub(crate) endpoint: String,
}

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Line {
    /// The first one.
    Heading(Heading),
    /// A request.
    Passage(Passage),
    /// An event.
    Happening(Happening),
}

impl Line {
    /// Reads one line.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|_| {
            format!("`{}` is no line of a ledger", String::from_utf8_lossy(&bytes[..bytes.len().min(120)]))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_a_request_and_an_event_are_told_apart() {
        let heading =
            Line::parse(br#"{"ledger":1,"balancer":"evenkeel-1a2b3c","oldest":17,"next":40}"#).unwrap();
        assert!(matches!(heading, Line::Heading(Heading { oldest: 17, next: 40, .. })));
        let request = br#"{"n":17,"run":"r","id":"r-00000007","status":200,"whole":true,"at":5,"attempts":[
            {"n":1,"endpoint":"a:1","why":"first","end":"reset","status":null},
            {"n":2,"endpoint":"b:1","why":"retry","end":"answered","status":200}]}"#;
        let Line::Passage(passage) = Line::parse(request).unwrap() else { panic!("a request") };
        assert_eq!((passage.status, passage.attempts.len()), (Some(200), 2));
        assert!(passage.attempts[0].has_failed() && !passage.attempts[1].has_failed());
        let event = Line::parse(br#"{"n":18,"at":6,"event":"ejected","endpoint":"a:1"}"#).unwrap();
        assert!(matches!(event, Line::Happening(Happening { at: 6, .. })));
        let event =
            Line::parse(br#"{"n":19,"at":7,"event":"settings","endpoint":"","changed":["BALANCER_RATE"]}"#)
                .unwrap();
        assert!(matches!(event, Line::Happening(Happening { at: 7, .. })));
    }

    #[test]
    fn what_is_no_line_is_quoted() {
        assert!(Line::parse(b"<html>").unwrap_err().contains("`<html>`"));
    }
}
