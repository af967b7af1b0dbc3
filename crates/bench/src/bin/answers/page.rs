//! What is answered: whole messages made in advance, in which only the date changes.

use std::{fs::File, io, io::Write as _, os::fd::OwnedFd};

use jiff::Timestamp;
use rustix::{
    fs::{MemfdFlags, memfd_create, sendfile},
    io::Errno,
    net::{SendFlags, send},
};

/// From here on a body goes from a file to the socket: one more call, and the pages are not copied.
const LARGE: usize = 64 << 10;

/// The form of a date (RFC 9110 §5.6.7), whose length is always the same.
const DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";

/// Which answer, and whether the connection ends with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    page: usize,
    /// Whether it is the last on its connection.
    pub(crate) is_last: bool,
}

/// Without a name, and before those that have one.
const ERRORS: [&str; 4] =
    ["400 Bad Request", "404 Not Found", "431 Request Header Fields Too Large", "501 Not Implemented"];

/// The place of the second of them.
const NOWHERE: usize = 1;

impl Answer {
    /// To what is not HTTP.
    pub(crate) const BAD: Self = Self { page: 0, is_last: true };
    /// To a head that has no end.
    pub(crate) const TOO_LONG: Self = Self { page: 2, is_last: true };
    /// To what may be right, and is not understood.
    pub(crate) const UNKNOWN: Self = Self { page: 3, is_last: true };
}

/// All answers.
pub(crate) struct Pages {
    names: Vec<(String, usize)>,
    all: Vec<Page>,
    /// The second that the dates tell.
    second: i64,
}

struct Page {
    kept: Message,
    last: Message,
    /// The body, where it is large: then messages are heads.
    file: Option<(File, usize)>,
}

struct Message {
    bytes: Vec<u8>,
    /// Where the date begins.
    date: usize,
}

impl Pages {
    /// One for each name, with a body of so many bytes, and those that there always are.
    pub(crate) fn new(files: &[(String, usize)]) -> io::Result<Self> {
        let mut all = ERRORS.iter().map(|status| Page::new(status, 0)).collect::<io::Result<Vec<_>>>()?;
        let mut names = Vec::new();
        let ready = ("readyz".to_owned(), 0);
        for (name, length) in files.iter().chain([&ready]) {
            names.push((name.clone(), all.len()));
            all.push(Page::new("200 OK", *length)?);
        }
        Ok(Self { names, all, second: 0 })
    }

    /// The answer to a request of this path; what it brings makes no difference.
    pub(crate) fn find(&self, path: &str, is_last: bool) -> Answer {
        let name = path.strip_prefix("/take/").or_else(|| path.strip_prefix('/')).unwrap_or_default();
        let known = self.names.iter().find(|(known, _)| known == name);
        Answer { page: known.map_or(NOWHERE, |(_, page)| *page), is_last }
    }

    /// Has all tell this moment, to the second.
    pub(crate) fn date(&mut self, now: Timestamp) {
        if now.as_second() == self.second {
            return;
        }
        self.second = now.as_second();
        let date = now.strftime(DATE).to_string();
        for message in self.all.iter_mut().flat_map(|page| [&mut page.kept, &mut page.last]) {
            message.bytes[message.date..][..date.len()].copy_from_slice(date.as_bytes());
        }
    }

    /// Sends what is taken of an answer of which so much is sent; whether it is sent to its end.
    pub(crate) fn send(&self, socket: &OwnedFd, answer: Answer, sent: &mut usize) -> Result<bool, Errno> {
        let page = &self.all[answer.page];
        let message = if answer.is_last { &page.last.bytes } else { &page.kept.bytes };
        let (length, flags) = match page.file {
            // The kernel puts the head into one segment with what follows it.
            Some((_, body)) => (message.len() + body, SendFlags::MORE),
            None => (message.len(), SendFlags::empty()),
        };
        while *sent < length {
            let done = match (message.get(*sent..), &page.file) {
                (Some(rest @ [_, ..]), _) => send(socket, rest, flags | SendFlags::NOSIGNAL),
                (_, Some((file, _))) => {
                    sendfile(socket, file, Some(&mut ((*sent - message.len()) as u64)), length - *sent)
                }
                (_, None) => return Ok(true),
            };
            match done {
                Ok(count) => *sent += count,
                Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

impl Page {
    fn new(status: &str, length: usize) -> io::Result<Self> {
        let body = vec![b'x'; length];
        let (mut kept, mut last) =
            (Message::head(status, length, "keep-alive"), Message::head(status, length, "close"));
        let file = if length >= LARGE {
            let mut file = File::from(memfd_create("page", MemfdFlags::CLOEXEC)?);
            file.write_all(&body)?;
            Some((file, length))
        } else {
            kept.bytes.extend_from_slice(&body);
            last.bytes.extend_from_slice(&body);
            None
        };
        Ok(Self { kept, last, file })
    }
}

impl Message {
    /// With the fields that nginx has for a file: fewer would be less work for a proxy than there usually is.
    fn head(status: &str, length: usize, connection: &str) -> Self {
        let epoch = Timestamp::UNIX_EPOCH.strftime(DATE);
        let before = format!("HTTP/1.1 {status}\r\nServer: answers\r\nDate: ");
        let behind = format!(
            "\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\nLast-Modified: {epoch}\r\n\
             Connection: {connection}\r\nETag: \"{length:x}\"\r\nAccept-Ranges: bytes\r\n\r\n"
        );
        Self { bytes: format!("{before}{epoch}{behind}").into_bytes(), date: before.len() }
    }
}
