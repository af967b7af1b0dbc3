//! Where certificates are kept: a directory of `NAME.crt` with `NAME.key`, or of directories `NAME` with `fullchain.pem` and
//! `privkey.pem`, as ACME clients keep them. Symbolic links are followed, because that is how both kinds are changed at once.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::pem;

/// The largest file that is read, bytes. Chains have a hundredth of it; lists of revoked certificates are what is large.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The most pairs of one directory.
const MOST: usize = 1_000;

/// How often files are read in a row that change while they are.
pub(super) const READINGS: usize = 3;

/// The files of one certificate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair {
    pub(super) name: String,
    chain: PathBuf,
    key: PathBuf,
}

/// What tells files that have changed from those that have not, without reading them: where they are in the end, how large
/// they are, and when they were written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fingerprint(Vec<Option<[i64; 6]>>, Vec<Pair>);

/// What was seen at the last looks at some files. What has just changed may be half written, and half a chain or half a list can be
/// read as well as the whole: so it is read once it was the same at two looks.
#[derive(Debug)]
pub(super) struct Looks {
    /// What everything was read from, where all of it could be.
    read: Option<Fingerprint>,
    /// What was there at the last look.
    last: Fingerprint,
    is_settling: bool,
}

impl Looks {
    /// After a first reading, which was of all there was or not.
    pub(super) fn begin(first: Fingerprint, is_whole: bool) -> Self {
        Self { read: is_whole.then(|| first.clone()), last: first, is_settling: false }
    }

    /// Whether the files are to be read as they are now: something has changed and is at rest, or could not be read before.
    pub(super) fn wants(&mut self, now: &Fingerprint) -> bool {
        let (is_read, is_at_rest) = (self.read.as_ref() == Some(now), self.last == *now);
        self.is_settling = !is_read && !is_at_rest;
        self.last = now.clone();
        !is_read && is_at_rest
    }

    /// Something was written while it was read.
    pub(super) fn is_written(&mut self) {
        self.is_settling = true;
    }

    /// They were read, all of them or not.
    pub(super) fn read(&mut self, now: Fingerprint, is_whole: bool) {
        *self = Self::begin(now, is_whole);
    }

    /// Whether something has changed that was not at rest at the last look: the next need not be far.
    pub(super) fn is_settling(&self) -> bool {
        self.is_settling
    }
}

/// The pairs in `directory`, by name. Those of which there is only one file are among them.
pub(super) fn pairs(directory: &Path) -> io::Result<Vec<Pair>> {
    let mut pairs = BTreeSet::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let Some(file) = path.file_name().and_then(|name| name.to_str()) else { continue };
        // Kubernetes keeps the versions of a mounted secret in directories that begin with dots.
        if file.starts_with('.') {
            continue;
        }
        let pair = if let Some(name) = file.strip_suffix(".crt") {
            Pair { name: name.to_owned(), key: path.with_extension("key"), chain: path }
        } else if let Some(name) = file.strip_suffix(".key") {
            Pair { name: name.to_owned(), chain: path.with_extension("crt"), key: path }
        } else if path.join("fullchain.pem").exists() || path.join("privkey.pem").exists() {
            Pair { name: file.to_owned(), chain: path.join("fullchain.pem"), key: path.join("privkey.pem") }
        } else {
            continue;
        };
        pairs.insert(pair);
        if pairs.len() > MOST {
            return Err(io::Error::other(format!("there are more than {MOST} certificates in it")));
        }
    }
    Ok(pairs.into_iter().collect())
}

/// What is wrong with a directory in which there is no pair, where that can be told: certificates and key in one file.
pub(super) fn stray(directory: &Path) -> Option<String> {
    let paths = fs::read_dir(directory).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let path = paths.filter(|path| path.extension().is_some_and(|extension| extension == "pem")).min()?;
    let (shown, name) = (path.display(), path.file_stem()?.display());
    Some(format!(
        "{shown} is not looked at; write its certificates to {name}.crt beside it, and its key to {name}.key"
    ))
}

impl Pair {
    /// The certificate with its chain, and the key, as they are in the files.
    pub(super) fn read(&self) -> Result<(Vec<u8>, Vec<u8>), String> {
        let chain = self.chain()?;
        let key = read(&self.key).map_err(|why| {
            if !self.has_key() && pem::has_key(&chain) {
                format!("{why}; the key in {} belongs there", self.chain.display())
            } else {
                why
            }
        })?;
        Ok((chain, key))
    }

    /// The certificate with its chain alone.
    pub(super) fn chain(&self) -> Result<Vec<u8>, String> {
        read(&self.chain)
    }

    /// Whether there is a file for the certificate.
    pub(super) fn has_chain(&self) -> bool {
        self.chain.exists()
    }

    /// Whether there is a file for the key.
    pub(super) fn has_key(&self) -> bool {
        self.key.exists()
    }
}

impl Fingerprint {
    /// That of these pairs, and of other files, as they are now.
    pub(super) fn of<'a>(pairs: &'a [Pair], others: impl Iterator<Item = &'a PathBuf>) -> Self {
        let files = pairs.iter().flat_map(|pair| [&pair.chain, &pair.key]);
        let seen = files.chain(others).map(|path| {
            let found = fs::metadata(path).ok()?;
            let [device, inode, size] = [found.dev(), found.ino(), found.size()].map(u64::cast_signed);
            Some([device, inode, size, found.mtime(), found.mtime_nsec(), found.ctime_nsec()])
        });
        Self(seen.collect(), pairs.to_vec())
    }
}

/// The whole file, or why not.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: io::Error| match error.kind() {
        io::ErrorKind::PermissionDenied => denied(path),
        _ => format!("{} cannot be read: {error}", path.display()),
    };
    let found = fs::metadata(path).map_err(cannot)?;
    // A pipe would be waited for without end.
    if !found.is_file() {
        return Err(format!("{} is no regular file", path.display()));
    }
    if found.size() > LARGEST {
        return Err(format!("{} is larger than {} MiB", path.display(), LARGEST >> 20));
    }
    fs::read(path).map(pem::unmarked).map_err(cannot)
}

/// A mounted key keeps its owner and its mode, and most keys are their owner's alone. Everybody's they should not become.
fn denied(path: &Path) -> String {
    let shown = path.display();
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    match fs::metadata(path) {
        Ok(file) => format!(
            "{shown} cannot be read: it belongs to user {}, group {}, with mode {:04o}, and this process is user {user}; \
             give it to that user (chown {user}), or to group {group} with mode 0640",
            file.uid(),
            file.gid(),
            file.mode() & 0o7777,
        ),
        Err(_) => {
            format!("{shown} cannot be read by user {user}: one of its directories is closed to it")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn one_file_of_certificates_and_key_is_told_how_to_be_two() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("README"), "").unwrap();
        assert_eq!(stray(directory.path()), None);
        fs::write(directory.path().join("site.pem"), "").unwrap();
        let said = stray(directory.path()).unwrap();
        assert!(said.ends_with("site.pem is not looked at; write its certificates to site.crt beside it, and its key to site.key"), "{said}");
    }

    #[test]
    fn pairs_are_found_by_name_and_in_order_whoever_has_put_them_there() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["b.crt", "b.key", "a.crt", "c.key", "README"] {
            fs::write(at(name), "").unwrap();
        }
        fs::create_dir(at("live.example")).unwrap();
        fs::write(at("live.example/fullchain.pem"), "").unwrap();
        fs::create_dir(at("..2026_11")).unwrap();
        fs::write(at("..2026_11/fullchain.pem"), "").unwrap();
        let found = pairs(directory.path()).unwrap();
        let names: Vec<_> = found.iter().map(|pair| pair.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c", "live.example"]);
        assert!(!found[2].has_chain());
        assert!(found[0].read().unwrap_err().contains("a.key cannot be read"));
        assert!(found[1].read().is_ok());
        assert!(pairs(&at("nowhere")).is_err());
    }

    #[test]
    fn a_key_beside_its_certificate_is_missed_in_words_and_a_mark_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("a.crt"), "\u{feff}-----BEGIN PRIVATE KEY-----").unwrap();
        let pair = pairs(directory.path()).unwrap().remove(0);
        assert!(pair.read().unwrap_err().ends_with("a.crt belongs there"));
        fs::write(at("a.key"), "key").unwrap();
        assert_eq!(pair.read().unwrap(), (b"-----BEGIN PRIVATE KEY-----".to_vec(), b"key".to_vec()));
    }

    #[test]
    fn what_is_no_regular_file_is_told_and_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("a.key");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(read(&pipe).unwrap_err().ends_with("a.key is no regular file"));
        assert!(read(directory.path()).unwrap_err().ends_with("is no regular file"));
        symlink("/dev/zero", directory.path().join("a.crt")).unwrap();
        assert!(read(&directory.path().join("a.crt")).unwrap_err().ends_with("a.crt is no regular file"));
    }

    #[test]
    fn a_denied_key_names_its_owner_and_a_remedy_that_keeps_it_from_others() {
        let file = tempfile::NamedTempFile::new().unwrap();
        // Called directly: a test that runs as root is never denied.
        let reason = denied(file.path());
        assert!(reason.contains("with mode 0600") && reason.contains("(chown "), "{reason}");
        assert!(reason.ends_with("with mode 0640"), "{reason}");
    }

    #[test]
    fn a_link_that_leads_elsewhere_changes_the_fingerprint_and_nothing_else_does() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for version in ["..1", "..2"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("tls.crt"), "same size").unwrap();
            fs::write(at(version).join("tls.key"), "same size").unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/tls.crt", at("tls.crt")).unwrap();
        symlink("..data/tls.key", at("tls.key")).unwrap();
        let now = || Fingerprint::of(&pairs(directory.path()).unwrap(), std::iter::empty());
        let before = now();
        assert_eq!(before, now());
        symlink("..2", at("..new")).unwrap();
        fs::rename(at("..new"), at("..data")).unwrap();
        assert_ne!(before, now());
    }
}
