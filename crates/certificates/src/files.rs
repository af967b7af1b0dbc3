//! Files that are never seen half written, and keys that nobody else reads, not even for a moment.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use crate::Result;

/// Who may read what is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Readers {
    Owner,
    All,
}

/// Puts `text` in the place of the file, or of nothing.
pub(crate) fn replace(path: &Path, text: &str, readers: Readers) -> Result<()> {
    let mode = match readers {
        Readers::Owner => 0o600,
        Readers::All => 0o644,
    };
    let beside = beside(path);
    write(&beside, text, mode)
        .and_then(|()| fs::rename(&beside, path))
        .map_err(|error| format!("{} cannot be written: {error}", path.display()).into())
}

/// Makes the directory unless it is there.
pub(crate) fn directory(path: &Path, readers: Readers) -> Result<()> {
    let mode = match readers {
        Readers::Owner => 0o700,
        Readers::All => 0o755,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(|error| format!("{} cannot be made: {error}", path.display()).into())
}

fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    // One that an interrupted run has left may have another mode.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// In the same directory, since renaming does not reach over file systems; whoever looks for pairs passes it over.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    path.with_file_name(format!(".{name}.new"))
}
