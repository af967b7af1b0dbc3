//! What a request asks for, as far as it is of interest.

use httparse::{EMPTY_HEADER, Header, Request, Status};

use crate::page::{Answer, Pages};

/// The most fields there may be.
const FIELDS: usize = 64;

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// The end has not come.
    Unfinished,
    /// It is not understood, and neither is what comes behind it.
    Refused(Answer),
    /// A request.
    Whole {
        /// Of its head, in bytes.
        length: usize,
        /// Of its body, in bytes.
        body: u64,
        /// What it is answered with.
        answer: Answer,
    },
}

/// Reads the head that these bytes begin with.
pub(crate) fn read(bytes: &[u8], pages: &Pages) -> Head {
    let mut fields = [EMPTY_HEADER; FIELDS];
    let mut request = Request::new(&mut fields);
    let length = match request.parse(bytes) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Head::Unfinished,
        Err(_) => return Head::Refused(Answer::BAD),
    };
    let Some(meant) = Fields::of(request.headers) else { return Head::Refused(Answer::BAD) };
    // No proxy that is measured sends anything else to its servers.
    if meant.is_chunked || !matches!(request.method, Some("GET" | "POST")) {
        return Head::Refused(Answer::UNKNOWN);
    }
    let is_last = meant.is_last || request.version == Some(0);
    let answer = pages.find(request.path.unwrap_or_default(), is_last);
    Head::Whole { length, body: meant.body, answer }
}

/// What fields say.
#[derive(Default)]
struct Fields {
    body: u64,
    is_chunked: bool,
    is_last: bool,
}

impl Fields {
    /// Nothing where the length of the body is no number.
    fn of(fields: &[Header<'_>]) -> Option<Self> {
        let mut meant = Self::default();
        for field in fields {
            // Lengths tell nearly all others apart.
            match field.name.len() {
                14 if field.name.eq_ignore_ascii_case("Content-Length") => {
                    meant.body = str::from_utf8(field.value).ok()?.parse().ok()?;
                }
                17 if field.name.eq_ignore_ascii_case("Transfer-Encoding") => meant.is_chunked = true,
                10 if field.name.eq_ignore_ascii_case("Connection") => {
                    meant.is_last |= field.value.eq_ignore_ascii_case(b"close");
                }
                _ => {}
            }
        }
        Some(meant)
    }
}
