//! The access log, as a person says it.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// What is logged, and where to.
#[derive(Clone, Debug)]
pub(crate) struct AccessLogSettings {
    pub(crate) format: Format,
    /// One in so many of the requests that went as usual; none of them when 0. The others are all logged.
    pub(crate) sample: u64,
    /// Standard output where there is none.
    pub(crate) path: Option<PathBuf>,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people: `name=value`.
    Text,
    /// For programs: an object a line.
    Json,
}

/// Whether lines could be appended to this file; why not, where they could not. Nothing is opened or made for it.
pub(super) fn could_be_written(path: &Path) -> Result<(), String> {
    let shown = path.display();
    if fs::metadata(path).is_ok_and(|found| found.is_dir()) {
        return Err(format!(
            "{shown} is a directory; give the path of a file in it, such as {shown}/access.log"
        ));
    }
    let (place, what) = match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        _ if path.exists() => (path, "be written"),
        Some(parent) if !parent.is_dir() => {
            return Err(format!(
                "{shown} cannot be made: {} is no directory; make it, or mount it",
                parent.display()
            ));
        }
        Some(parent) => (parent, "be made"),
        None => (Path::new("."), "be made"),
    };
    access(place, Access::WRITE_OK).map_err(|error| {
        let user = rustix::process::geteuid().as_raw();
        format!("{shown} cannot {what} by user {user}: {error}; give {} to that user", place.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_written_is_told_and_what_could_is_not_made() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        assert_eq!(could_be_written(&at("access.log")), Ok(()));
        assert!(!at("access.log").exists());
        fs::write(at("there.log"), "").unwrap();
        assert_eq!(could_be_written(&at("there.log")), Ok(()));
        assert_eq!(could_be_written(Path::new("/dev/stderr")), Ok(()));
        let said = could_be_written(&at("none/access.log")).unwrap_err();
        assert!(said.ends_with("none is no directory; make it, or mount it"), "{said}");
        assert!(could_be_written(&at("there.log/access.log")).unwrap_err().contains("is no directory"));
        assert!(
            could_be_written(directory.path())
                .unwrap_err()
                .contains("is a directory; give the path of a file")
        );
    }
}
