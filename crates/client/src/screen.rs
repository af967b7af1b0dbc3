//! The run on a terminal while it goes on: how fast, from whom, what just happened.
//!
//! ```text
//! the run ──View, a few times a second──▶ a thread of its own ──bytes──▶ the outlet of standard error
//! ```
//! The run never waits for the terminal: a view that the thread has no time for is left out, and so is a drawing that the
//! terminal has no time for. The keyboard is left as it is, so Ctrl-C interrupts as ever. Lines of the log, and on the same
//! terminal the responses shown, wait until the drawing ends; it ends with the run, with a panic, and with the process.

mod draw;
mod view;

use std::io::{self, Write};
use std::num::NonZero;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use evenkeel_service::outlet::{self, Held};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};

pub(crate) use view::{View, recent};

/// Takes the whole terminal and hides the cursor.
const BEGIN: &[u8] = b"\x1b[?1049h\x1b[?25l";

/// Gives the terminal back as it was.
const END: &[u8] = b"\x1b[0m\x1b[?25h\x1b[?1049l";

/// How long a terminal that takes nothing may keep the report.
const PATIENCE: Duration = Duration::from_secs(1);

/// Draws on standard error until it is dropped.
#[derive(Debug)]
pub(crate) struct Screen {
    views: Option<SyncSender<View>>,
    thread: Option<JoinHandle<()>>,
    /// Standard output, where it is a terminal as well: what comes there waits.
    beside: Option<Held>,
}

impl Screen {
    /// Takes the terminal; `None` where there is none that can be drawn on.
    pub(crate) fn begin() -> Option<Self> {
        if !outlet::is_drawable() {
            return None;
        }
        size()?;
        let beside = io::IsTerminal::is_terminal(&io::stdout()).then(|| outlet::stdout().hold(b""));
        let held = outlet::stderr().hold(END);
        held.draw(BEGIN);
        let (views, received) = sync_channel(1);
        let colours = outlet::is_coloured();
        let thread =
            thread::Builder::new().name("screen".into()).spawn(move || draw_all(&received, &held, colours));
        Some(Self { views: Some(views), thread: thread.ok(), beside })
    }

    /// Shows this, if there is time for it.
    pub(crate) fn show(&self, view: View) {
        if let Some(views) = &self.views {
            let _ = views.try_send(view);
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Without views the thread ends, and with it its hold.
        self.views = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // What comes on standard output must not be taken away with the drawing.
        outlet::stderr().finish(PATIENCE);
        self.beside = None;
    }
}

/// Draws each view as it comes.
fn draw_all(views: &Receiver<View>, held: &Held, colours: bool) {
    let Some(area) = size() else { return };
    let viewport = TerminalOptions { viewport: Viewport::Fixed(area) };
    let brush = Brush { held, bytes: Vec::new() };
    // Nothing of this can fail: it is all written to memory first.
    let Ok(mut terminal) = Terminal::with_options(CrosstermBackend::new(brush), viewport) else { return };
    let mut drawn = area;
    while let Ok(view) = views.recv() {
        if !held.is_ready() {
            continue;
        }
        let area = size().unwrap_or(drawn);
        if area != drawn {
            drawn = area;
            if terminal.resize(area).is_err() {
                return;
            }
        }
        if terminal.draw(|frame| draw::draw(frame, &view, colours)).is_err() {
            return;
        }
    }
}

/// Hands over what was drawn, all that there is at a time. What is not taken goes with the next: since nothing is drawn until
/// the last drawing is out, that is little.
struct Brush<'a> {
    held: &'a Held,
    bytes: Vec<u8>,
}

impl Write for Brush<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.held.draw(&self.bytes) {
            self.bytes.clear();
        }
        Ok(())
    }
}

/// How large the terminal is that standard error goes to.
fn size() -> Option<Rect> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    // A terminal that does not know its size has that of the first ones.
    let or = |size: u16, usual: u16| NonZero::new(size).map_or(usual, NonZero::get);
    Some(Rect::new(0, 0, or(size.ws_col, 80), or(size.ws_row, 24)))
}
