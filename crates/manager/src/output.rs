//! What the children say, each line with the name of who said it; what the manager says, under its own.
//!
//! Standard output and standard error stay apart, so that `manager >report.txt` keeps the client's report. On a terminal
//! each name has its colour.
//!
//! Whoever reads all that may stop reading, or go away: the children never notice, since lines are taken from them at once and
//! go to an [`outlet`].

use std::{
    env,
    io::{self, IsTerminal},
};

use evenkeel_service::outlet;
use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// The longest line that is shown whole, in bytes; what is longer is continued on the next line.
const LONGEST_LINE: usize = 8192;

/// Room for the longest usual name, so that what is said lines up.
const NAME_WIDTH: usize = 9;

/// Escape codes of the colours that names take in turn: those that are legible on light and dark.
const COLOURS: [u8; 6] = [32, 33, 34, 35, 36, 31];

/// Where a line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Err,
}

/// The manager's standard output and standard error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    coloured_out: bool,
    coloured_err: bool,
}

/// Who says something.
#[derive(Clone, Debug)]
pub(crate) struct Speaker {
    name: String,
    colour: u8,
}

impl Speaker {
    /// The member at this place in the plan.
    pub(crate) fn new(name: &str, place: usize) -> Self {
        Self { name: name.to_owned(), colour: COLOURS[place % COLOURS.len()] }
    }

    /// The line as it is shown, with its line break. It is bytes because children may say anything.
    fn line(&self, said: &[u8], coloured: bool) -> Vec<u8> {
        let Self { name, colour } = self;
        let mut line = if coloured {
            format!("\x1b[{colour}m{name:NAME_WIDTH$} |\x1b[0m ").into_bytes()
        } else {
            format!("{name:NAME_WIDTH$} | ").into_bytes()
        };
        line.extend_from_slice(said);
        line.push(b'\n');
        line
    }
}

impl Output {
    /// Colours where a terminal shows them, unless `NO_COLOR` (<https://no-color.org>) asks for none.
    pub(crate) fn new() -> Self {
        let wanted = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            coloured_out: wanted && io::stdout().is_terminal(),
            coloured_err: wanted && io::stderr().is_terminal(),
        }
    }

    /// Something of the manager's own, one line or several.
    pub(crate) fn say(self, text: &str) {
        let manager = Speaker { name: "manager".to_owned(), colour: 1 };
        for line in text.lines() {
            self.pass(&manager, Stream::Out, line.as_bytes());
        }
    }

    /// Why the manager cannot do what it was asked to.
    #[expect(clippy::unused_self, reason = "whoever complains has to have an output")]
    pub(crate) fn complain(self, line: &str) {
        outlet::stderr().put(format!("{line}\n").as_bytes());
    }

    /// One line of a child.
    fn pass(self, speaker: &Speaker, stream: Stream, said: &[u8]) {
        match stream {
            Stream::Out => outlet::stdout().put(&speaker.line(said, self.coloured_out)),
            Stream::Err => outlet::stderr().put(&speaker.line(said, self.coloured_err)),
        }
    }

    /// Passes on everything that `from` says until it ends.
    pub(crate) async fn follow(self, speaker: Speaker, stream: Stream, mut from: impl AsyncBufRead + Unpin) {
        let mut line = Vec::new();
        while let Ok(true) = next_line(&mut from, &mut line).await {
            self.pass(&speaker, stream, &line);
        }
    }
}

/// Reads the next line, without its line break, into `line`; `false` at the end. A line longer than [`LONGEST_LINE`] comes
/// in pieces.
async fn next_line(from: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    loop {
        let available = from.fill_buf().await?;
        if available.is_empty() {
            return Ok(!line.is_empty());
        }
        let room = LONGEST_LINE - line.len();
        let part = &available[..available.len().min(room)];
        if let Some(end) = part.iter().position(|byte| *byte == b'\n') {
            line.extend_from_slice(&part[..end]);
            from.consume(end + 1);
            return Ok(true);
        }
        let taken = part.len();
        line.extend_from_slice(part);
        from.consume(taken);
        if line.len() == LONGEST_LINE {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(mut said: &[u8]) -> Vec<Vec<u8>> {
        let (mut lines, mut line) = (Vec::new(), Vec::new());
        while next_line(&mut said, &mut line).await.unwrap() {
            lines.push(line.clone());
        }
        lines
    }

    #[tokio::test]
    async fn a_last_line_without_a_break_is_a_line() {
        assert_eq!(lines(b"one\n\ntwo").await, [b"one".to_vec(), vec![], b"two".to_vec()]);
    }

    #[tokio::test]
    async fn an_endless_line_comes_in_bounded_pieces() {
        let lines = lines(&vec![b'x'; LONGEST_LINE * 2 + 1]).await;
        assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [LONGEST_LINE, LONGEST_LINE, 1]);
    }

    #[test]
    fn every_line_begins_with_the_name_of_who_said_it() {
        let speaker = Speaker::new("server-1", 0);
        assert_eq!(speaker.line(b"hello", false), b"server-1  | hello\n");
        assert_eq!(speaker.line(b"\xff", true), b"\x1b[32mserver-1  |\x1b[0m \xff\n");
    }
}
