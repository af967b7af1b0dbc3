//! Files that settings name. A secret file keeps the owner and mode it has outside a container, so the error for one that
//! cannot be read says who owns it, who asks, and what to do: nothing that lets everybody read it.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read},
    os::unix::fs::MetadataExt,
    path::Path,
};

/// The largest file that is read whole for a setting, in bytes.
pub(crate) const LARGEST: u64 = 64 << 20;

/// The whole file, or one line that says why not.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    // A pipe would be waited for without end, and holds nothing the second time.
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return Err(format!("{shown} is no regular file; give the path of one"));
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() as u64 > LARGEST => Err(format!("{shown} is larger than {} MiB", LARGEST >> 20)),
        Ok(0) => Err(format!("{shown} is empty")),
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(format!("{shown} does not exist; give the path of a file, and mount it when in a container"))
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(denied(path)),
        Err(error) => Err(format!("{shown} cannot be read: {error}")),
    }
}

fn denied(path: &Path) -> String {
    let shown = path.display();
    let (asks, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    match fs::metadata(path) {
        Ok(file) => format!(
            "{shown} cannot be read: it belongs to user {}, group {}, with mode {:04o}, and this process is user {asks}; \
             a mounted file keeps its owner and mode, so give it to that user (chown {asks}), or to group {group} with mode 0640",
            file.uid(),
            file.gid(),
            file.mode() & 0o7777,
        ),
        Err(_) => format!(
            "{shown} cannot be read by user {asks}: one of its directories is closed; give them mode 0755"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_missing_an_empty_and_a_wrong_file_are_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let empty = directory.path().join("empty");
        fs::write(&empty, "").unwrap();
        assert!(read(&directory.path().join("none")).unwrap_err().contains("does not exist"));
        assert!(read(&empty).unwrap_err().ends_with("is empty"));
        assert!(read(directory.path()).unwrap_err().contains("cannot be read: "));
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(read(&pipe).unwrap_err().ends_with("pipe is no regular file; give the path of one"));
        assert!(read(Path::new("/dev/zero")).unwrap_err().contains("/dev/zero is no regular file"));
    }

    #[test]
    fn a_denied_file_names_its_owner_its_mode_and_the_remedy() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secret");
        fs::write(&file, "x").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        // Called directly: a test that runs as root is never denied.
        let reason = denied(&file);
        assert!(reason.contains("with mode 0600") && reason.ends_with("with mode 0640"), "{reason}");
    }
}
