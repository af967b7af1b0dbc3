//! Where the access log goes: standard output, or a file that is opened anew when someone has moved it away, so that a
//! rotation needs no signal.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use evenkeel_service::Rarely;
use evenkeel_service::tracing::warn;

use crate::clock::now;

/// An open output.
pub(super) struct Output {
    to: To,
    /// The last write failed: said once, not with every line.
    broken: bool,
}

enum To {
    Standard(io::Stdout),
    File { path: PathBuf, file: File },
}

impl Output {
    pub(super) fn open(path: Option<&Path>) -> io::Result<Self> {
        let to = match path {
            None => To::Standard(io::stdout()),
            Some(path) => To::File { path: path.to_owned(), file: append(path)? },
        };
        Ok(Self { to, broken: false })
    }

    /// Writes whole lines. False when they are lost.
    pub(super) fn write(&mut self, lines: &[u8]) -> bool {
        let written = match &mut self.to {
            To::Standard(out) => out.write_all(lines).and_then(|()| out.flush()),
            To::File { file, .. } => file.write_all(lines),
        };
        if let Err(error) = &written
            && !self.broken
        {
            warn!(%error, "the access log cannot be written; its lines are dropped until it can");
        }
        self.broken = written.is_err();
        written.is_ok()
    }

    /// Opens the file anew when its path no longer leads to it.
    pub(super) fn reopen_if_moved(&mut self) {
        let To::File { path, file } = &mut self.to else { return };
        let there = path.metadata().map(|found| (found.dev(), found.ino())).ok();
        let open = file.metadata().map(|open| (open.dev(), open.ino())).ok();
        if there == open {
            return;
        }
        match append(path) {
            Ok(anew) => *file = anew,
            Err(error) => {
                static CANNOT_BEGIN: Rarely = Rarely::new(1);
                if let Some(more) = CANNOT_BEGIN.admit(now()) {
                    warn!(%error, "the access log was moved away and cannot be begun anew{more}");
                }
            }
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    // A pipe without a reader would be waited for until one came, and one that loses its reader would be broken from then on.
    // Nobody is waited for, and no reader is missed, by who could read it as well.
    let is_pipe = path.metadata().is_ok_and(|found| found.file_type().is_fifo());
    OpenOptions::new().create(true).append(true).read(is_pipe).open(path)
}
