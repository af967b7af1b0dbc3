//! Logs go to standard error, one event a line, with UTC timestamps; `EVENKEEL_LOG` says what and
//! `EVENKEEL_LOG_FORMAT` how, for every binary alike.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt};

use crate::{Component, Reading, Reported, Variable};

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

    /// Sends the events of this process to standard error from now on. A second call changes nothing.
    pub(crate) fn install(self) {
        let base = fmt().with_env_filter(self.filter).with_writer(std::io::stderr);
        // The error says that a subscriber is already there, which is what was wanted.
        let _ = match self.format {
            Format::Text => base.with_ansi(std::io::stderr().is_terminal()).try_init(),
            Format::Json => base.json().flatten_event(true).try_init(),
        };
    }
}
