//! The run on a real terminal: drawn while it goes on, given back at its end, whatever ends it.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use evenkeel_stage::{PATIENCE, ended, until};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::client;
use crate::origin::{Origin, Reply};

/// What takes the whole terminal, and what gives it back.
const TAKEN: &str = "\u{1b}[?1049h";
const GIVEN_BACK: &str = "\u{1b}[?25h\u{1b}[?1049l";

#[expect(clippy::disallowed_methods, reason = "every wait of a test has its deadline")]
fn now() -> Instant {
    Instant::now()
}

/// A client whose standard output and standard error are one terminal.
struct OnTerminal {
    child: Child,
    pieces: Receiver<Vec<u8>>,
    seen: String,
}

impl OnTerminal {
    fn start(origin: &Origin, variables: &[(&str, &str)]) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap();
        tcsetwinsize(&controller, Winsize { ws_row: 24, ws_col: 90, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let terminal = OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let mut command = client(&format!("http://{}", origin.address), variables);
        command.env(
            "TERM",
            variables.iter().find(|(name, _)| *name == "TERM").map_or("xterm", |(_, term)| term),
        );
        let child = command.stdout(terminal.try_clone().unwrap()).stderr(terminal).spawn().unwrap();
        // The command holds the terminal as well, and would keep its end from being seen.
        drop(command);
        let (sender, pieces) = channel();
        let mut controller = File::from(controller);
        thread::spawn(move || {
            let mut piece = [0; 4096];
            // Fails when the client has closed the terminal.
            while let Ok(count @ 1..) = controller.read(&mut piece) {
                if sender.send(piece[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, pieces, seen: String::new() }
    }

    /// Waits until the terminal has shown this. Blanks without a style are stepped over, not drawn: best ask for one word.
    fn wait_for(&mut self, text: &str) {
        let deadline = now() + PATIENCE;
        while !self.seen.contains(text) {
            match self.pieces.recv_timeout(deadline.saturating_duration_since(now())) {
                Ok(piece) => self.seen.push_str(&String::from_utf8_lossy(&piece)),
                Err(error) => panic!("{error}: no `{}` in {:?}", text.escape_debug(), self.seen),
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end of the client: its status, and all that the terminal has shown.
    fn end(mut self) -> (ExitStatus, String) {
        let deadline = now() + PATIENCE;
        loop {
            match self.pieces.recv_timeout(deadline.saturating_duration_since(now())) {
                Ok(piece) => self.seen.push_str(&String::from_utf8_lossy(&piece)),
                Err(RecvTimeoutError::Disconnected) => {
                    return (ended(&mut self.child), self.seen.clone());
                }
                Err(RecvTimeoutError::Timeout) => panic!("the client does not end: {:?}", self.seen),
            }
        }
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        // The error says that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answering() -> Origin {
    Origin::start(|_| Reply::whole(200, "X-Server: alpha\r\n", b"hello"))
}

/// What came after the terminal was given back, which happened once.
fn afterwards(seen: &str) -> &str {
    let parts: Vec<_> = seen.split(GIVEN_BACK).collect();
    let [_, after] = parts.as_slice() else { panic!("given back {} times: {seen:?}", parts.len() - 1) };
    after
}

/// A run that goes on until it is interrupted.
const ENDLESS: [(&str, &str); 2] = [("CLIENT_RATE", "50"), ("CLIENT_DURATION", "1h")];

#[test]
fn a_run_is_drawn_while_it_goes_on_and_then_the_report_stands_where_the_terminal_was() {
    let origin = answering();
    let variables = [("CLIENT_RATE", "50"), ("CLIENT_DURATION", "2s"), ("CLIENT_SHOW", "1")];
    let mut client = OnTerminal::start(&origin, &variables);
    for text in [TAKEN, "Evenkeel client", "Answered from", "alpha", "flight", "nothing so far"] {
        client.wait_for(text);
    }
    let (status, seen) = client.end();
    assert!(status.success(), "{seen:?}");
    let after = afterwards(&seen);
    assert!(after.contains("GET / → 200 from alpha"), "what is shown waits for the drawing's end: {after:?}");
    assert!(after.contains("Every request was answered rightly."), "{after:?}");
    assert!(!after.contains("\u{1b}["), "{after:?}");
}

#[test]
fn an_interrupt_gives_the_terminal_back_and_the_run_is_reported() {
    let origin = answering();
    let mut client = OnTerminal::start(&origin, &ENDLESS);
    client.wait_for("alpha");
    client.signal(Signal::INT);
    let (status, seen) = client.end();
    assert!(status.success(), "{seen:?}");
    let after = afterwards(&seen);
    assert!(
        after.contains("leaving; a second signal ends at once") && after.contains("ended before its time"),
        "{after:?}"
    );
}

#[test]
fn a_second_interrupt_ends_at_once_and_gives_the_terminal_back_all_the_same() {
    let origin = Origin::start(|seen| {
        // Readiness is answered, the run is not.
        if seen.field("x-evenkeel-run").is_some() {
            Reply::Hang(Vec::new())
        } else {
            Reply::whole(200, "", b"")
        }
    });
    let mut client = OnTerminal::start(&origin, &[("CLIENT_REQUESTS", "1")]);
    client.wait_for("flight");
    client.signal(Signal::INT);
    // Signals are not queued: the second would be lost in the first.
    let status = until("the client ends", || {
        client.signal(Signal::INT);
        client.child.try_wait().unwrap()
    });
    assert_eq!(status.code(), Some(130));
    assert!(afterwards(&client.end().1).contains("ended by a second signal"));
}

#[test]
fn no_color_draws_without_colours() {
    let origin = answering();
    let coloured = |variables: &[(&str, &str)]| {
        let short = [("CLIENT_RATE", "50"), ("CLIENT_DURATION", "1s")];
        let (_, seen) = OnTerminal::start(&origin, &[&short, variables].concat()).end();
        assert!(seen.contains("Answered from"), "{seen:?}");
        seen.contains("\u{1b}[38;5;")
    };
    assert!(coloured(&[]));
    assert!(!coloured(&[("NO_COLOR", "1")]));
}

#[test]
fn lines_are_lines_on_a_terminal_too_and_so_it_is_where_none_can_be_drawn() {
    let origin = answering();
    for variables in [[("CLIENT_PROGRESS", "lines")], [("CLIENT_PROGRESS", "none")], [("TERM", "dumb")]] {
        let short = [("CLIENT_REQUESTS", "10")];
        let (status, seen) = OnTerminal::start(&origin, &[&short[..], &variables].concat()).end();
        assert!(status.success() && !seen.contains(TAKEN), "{variables:?}: {seen:?}");
    }
}
