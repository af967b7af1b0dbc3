//! Pages of one's own for the errors that the balancer answers itself (`BALANCER_ERROR_PAGES`): a directory of `503.html` and the
//! like. They are in memory, so that an error costs no disk, and read with the settings, so that `--check` knows of them.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use evenkeel_service::{Reading, Reported};

/// The largest page, bytes. What it shows beside text is better elsewhere: the servers may all be gone.
const LARGEST_PAGE: u64 = 256 * 1024;

/// The statuses that the balancer answers errors with.
const ERRORS: std::ops::Range<u16> = 400..600;

type Pages = BTreeMap<u16, Arc<[u8]>>;

/// The pages, as they were last read.
#[derive(Debug)]
pub(crate) struct ErrorPages {
    directory: PathBuf,
    pages: ArcSwap<Pages>,
    seen: Mutex<Vec<Seen>>,
}

/// What tells whether a file has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    status: u16,
    len: u64,
    modified: Option<SystemTime>,
    inode: u64,
}

impl ErrorPages {
    fn read(directory: PathBuf) -> Result<Self, String> {
        let seen = look(&directory)?;
        let pages = load(&directory, &seen)?;
        if pages.is_empty() {
            return Err(format!("{} has no page; name them as 503.html", directory.display()));
        }
        Ok(Self { directory, pages: ArcSwap::from_pointee(pages), seen: Mutex::new(seen) })
    }

    /// The page of this status.
    pub(crate) fn of(&self, status: u16) -> Option<Arc<[u8]>> {
        self.pages.load().get(&status).cloned()
    }

    /// Of which statuses there are pages.
    pub(crate) fn statuses(&self) -> Vec<u16> {
        self.pages.load().keys().copied().collect()
    }

    /// Reads them anew where a file has changed, or in any case. `None` where none has.
    ///
    /// # Errors
    /// Where one of them cannot be read: then all stay as they were.
    pub(crate) fn reload(&self, anyway: bool) -> Option<Result<(), String>> {
        let mut last = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = match look(&self.directory) {
            Ok(seen) => seen,
            Err(problem) => return Some(Err(problem)),
        };
        if !anyway && seen == *last {
            return None;
        }
        Some(load(&self.directory, &seen).map(|pages| {
            self.pages.store(Arc::new(pages));
            *last = seen;
        }))
    }
}

pub(super) fn read(reading: &mut Reading<'_>) -> Result<Option<Arc<ErrorPages>>, Reported> {
    let Some(directory) = reading.optional::<PathBuf>("ERROR_PAGES")? else { return Ok(None) };
    let pages = ErrorPages::read(directory);
    pages.map(|pages| Some(Arc::new(pages))).map_err(|problem| reading.problem("ERROR_PAGES", problem))
}

/// The files that are pages, in the order of their statuses. Other names are left alone.
fn look(directory: &Path) -> Result<Vec<Seen>, String> {
    let cannot = |error: io::Error| format!("{} cannot be read: {error}", directory.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(cannot)? {
        let name = entry.map_err(cannot)?.file_name();
        let status: Option<u16> = name.to_str().and_then(|name| name.strip_suffix(".html")?.parse().ok());
        let Some(status) = status.filter(|status| ERRORS.contains(status)) else { continue };
        let path = path(directory, status);
        // A number can be written in other ways.
        if path.file_name() != Some(&name) {
            continue;
        }
        // Through symbolic links: a mounted ConfigMap is nothing else.
        let metadata = fs::metadata(&path).map_err(cannot)?;
        // A pipe would be waited for without end.
        if !metadata.is_file() {
            return Err(format!("{} is no regular file", path.display()));
        }
        found.push(seen(status, &metadata));
    }
    found.sort_by_key(|seen| seen.status);
    Ok(found)
}

fn seen(status: u16, metadata: &Metadata) -> Seen {
    use std::os::unix::fs::MetadataExt as _;
    Seen { status, len: metadata.len(), modified: metadata.modified().ok(), inode: metadata.ino() }
}

fn load(directory: &Path, seen: &[Seen]) -> Result<Pages, String> {
    seen.iter().map(|seen| Ok((seen.status, page(&path(directory, seen.status))?))).collect()
}

fn page(path: &Path) -> Result<Arc<[u8]>, String> {
    let mut page = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST_PAGE + 1).read_to_end(&mut page));
    read.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    match page.len() as u64 {
        0 => Err(format!("{} is empty", path.display())),
        // As which it is sent.
        1..=LARGEST_PAGE if std::str::from_utf8(&page).is_err() => {
            Err(format!("{} is not UTF-8", path.display()))
        }
        1..=LARGEST_PAGE => Ok(page.into()),
        _ => Err(format!("{} has more than {LARGEST_PAGE} bytes", path.display())),
    }
}

fn path(directory: &Path, status: u16) -> PathBuf {
    directory.join(format!("{status}.html"))
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn pages_are_read_anew_where_a_file_has_changed_and_stay_where_it_cannot_be_read() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        write("503.html", "later");
        write("200.html", "no error");
        write("readme.txt", "no page");
        let pages = ErrorPages::read(directory.path().to_owned()).unwrap();
        assert_eq!(pages.statuses(), [503]);
        assert!(pages.reload(false).is_none());
        write("404.html", "nothing");
        write("503.html", "much later");
        assert_eq!(pages.reload(false), Some(Ok(())));
        assert_eq!(pages.of(503).as_deref(), Some(&b"much later"[..]));
        assert_eq!(pages.statuses(), [404, 503]);
        write("404.html", "");
        assert!(pages.reload(false).unwrap().unwrap_err().contains("404.html is empty"));
        assert_eq!(pages.of(404).as_deref(), Some(&b"nothing"[..]));
        assert!(pages.reload(false).is_some(), "it is tried again");
        write("404.html", &"x".repeat(256 * 1024 + 1));
        assert!(pages.reload(false).unwrap().unwrap_err().contains("more than 262144 bytes"));
        fs::remove_file(directory.path().join("404.html")).unwrap();
        assert_eq!(pages.reload(false), Some(Ok(())));
        assert_eq!(pages.statuses(), [503]);
    }

    #[test]
    fn what_is_no_regular_file_is_told_and_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("503.html"), "later").unwrap();
        let pages = ErrorPages::read(directory.path().to_owned()).unwrap();
        let pipe = directory.path().join("404.html");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        for anyway in [false, true] {
            let said = pages.reload(anyway).unwrap().unwrap_err();
            assert!(said.ends_with("404.html is no regular file"), "{said}");
        }
        assert_eq!(pages.statuses(), [503]);
        assert!(ErrorPages::read(directory.path().to_owned()).is_err());
        fs::remove_file(&pipe).unwrap();
        fs::create_dir(&pipe).unwrap();
        assert!(ErrorPages::read(directory.path().to_owned()).unwrap_err().ends_with("is no regular file"));
    }

    #[test]
    fn a_page_is_utf8_and_called_by_its_status_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(directory.path().join(name), bytes).unwrap();
        write("503.html", "später".as_bytes());
        // The same numbers, written in other ways.
        write("0404.html", b"x");
        write("+405.html", b"x");
        let pages = ErrorPages::read(directory.path().to_owned()).unwrap();
        assert_eq!(pages.statuses(), [503]);
        write("503.html", b"sp\xe4ter");
        assert!(pages.reload(true).unwrap().unwrap_err().ends_with("503.html is not UTF-8"));
        assert_eq!(pages.of(503).as_deref(), Some("später".as_bytes()));
    }

    #[test]
    fn a_directory_without_a_page_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let said = ErrorPages::read(directory.path().to_owned()).unwrap_err();
        assert!(said.contains("has no page; name them as 503.html"), "{said}");
        assert!(ErrorPages::read("/nowhere/at/all".into()).unwrap_err().contains("cannot be read"));
    }
}
