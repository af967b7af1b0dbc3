//! Logs go to standard error, one event a line, with UTC timestamps; `EVENKEEL_LOG` says what and
//! `EVENKEEL_LOG_FORMAT` how, for every binary alike.
//!
//! Logging never ends and never blocks anything: a line goes to an [`outlet`], which may lose it.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use std::panic::{self, PanicHookInfo};

use tracing_subscriber::{EnvFilter, fmt};

use crate::{Component, Reading, Reported, Variable, outlet};

/// The variables that all binaries share. Compose uses the prefix for names of its own, so unknown ones are ignored.
pub(crate) const SHARED: Component = Component {
    name: "every binary",
    about: "",
    prefix: "EVENKEEL_",
    variables: &[
        Variable::new(
            "LOG",
            "info,actix_server=warn,actix_http=off",
            "what is logged: error, warn, info, debug, trace, or a list of module=level",
        ),
        Variable::new("LOG_FORMAT", "text", "how: text or json"),
    ],
    health: None,
};

/// What is logged, and how.
pub(crate) struct Logs {
    filter: EnvFilter,
    format: Format,
}

#[derive(Clone, Copy)]
enum Format {
    Text,
    Json,
}

impl Logs {
    pub(crate) fn read(reading: &mut Reading) -> Result<Self, Reported> {
        let filter = reading.value_with("LOG", |text| {
            EnvFilter::try_new(text).map_err(|error| {
                format!(
                    "`{text}` is not a log filter ({error}); write it as info or warn,evenkeel_wire=debug"
                )
            })
        });
        let format = reading.choice("LOG_FORMAT", &[("text", Format::Text), ("json", Format::Json)]);
        Ok(Self { filter: filter?, format: format? })
    }

    /// Sends the events of this process, and what its panics say, to standard error from now on. A second call changes
    /// nothing.
    pub(crate) fn install(self) {
        // What the subscriber says about itself would go past the outlet, and panic where that fails.
        let base = fmt().with_env_filter(self.filter).log_internal_errors(false).with_writer(|| Line);
        // The error says that a subscriber is already there, which is what was wanted.
        let _ = match self.format {
            Format::Text => base.with_ansi(io::stderr().is_terminal() && outlet::is_coloured()).try_init(),
            Format::Json => base.json().flatten_event(true).try_init(),
        };
        panic::set_hook(Box::new(say));
    }
}

/// One event's line on its way out.
struct Line;

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        outlet::stderr().put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The standard library's own hook writes to standard error while it holds it locked: a reader that does not read would
/// block the thread that panics, and every other that does later.
fn say(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let said = panic.payload_as_str().unwrap_or("without a word");
    let backtrace = Backtrace::capture();
    let backtrace =
        (backtrace.status() == BacktraceStatus::Captured).then(|| tracing::field::display(backtrace));
    tracing::error!(place, backtrace, "a bug: panicked: {said}");
}
