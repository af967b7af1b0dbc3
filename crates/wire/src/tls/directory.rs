//! Where certificates are kept: a directory of `NAME.crt` with `NAME.key`, or of directories `NAME` with `fullchain.pem` and
//! `privkey.pem`, as ACME clients keep them. Symbolic links are followed, because that is how both kinds are changed at once.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The largest file that is read, bytes: a chain of ten certificates with large keys has less than half of it.
const LARGEST: u64 = 256 * 1024;

/// The most pairs of one directory.
const MOST: usize = 1_000;

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

/// The pairs in `directory`, by name.
pub(super) fn pairs(directory: &Path) -> io::Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let Some(file) = path.file_name().and_then(|name| name.to_str()) else { continue };
        // Kubernetes keeps the versions of a mounted secret in directories that begin with dots.
        if file.starts_with('.') {
            continue;
        }
        let pair = if let Some(name) = file.strip_suffix(".crt") {
            Pair { name: name.to_owned(), key: path.with_extension("key"), chain: path }
        } else if path.join("fullchain.pem").exists() {
            Pair { name: file.to_owned(), chain: path.join("fullchain.pem"), key: path.join("privkey.pem") }
        } else {
            continue;
        };
        pairs.push(pair);
        if pairs.len() > MOST {
            return Err(io::Error::other(format!("there are more than {MOST} certificates in it")));
        }
    }
    pairs.sort_unstable();
    Ok(pairs)
}

impl Pair {
    /// The certificate with its chain, and the key, as they are in the files.
    pub(super) fn read(&self) -> Result<(Vec<u8>, Vec<u8>), String> {
        Ok((read(&self.chain)?, read(&self.key)?))
    }
}

impl Fingerprint {
    /// That of these pairs as they are now.
    pub(super) fn of(pairs: &[Pair]) -> Self {
        let files = pairs.iter().flat_map(|pair| [&pair.chain, &pair.key]);
        let seen = files.map(|path| {
            let found = fs::metadata(path).ok()?;
            let [device, inode, size] = [found.dev(), found.ino(), found.size()].map(u64::cast_signed);
            Some([device, inode, size, found.mtime(), found.mtime_nsec(), found.ctime_nsec()])
        });
        Self(seen.collect(), pairs.to_vec())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: io::Error| format!("{} cannot be read: {error}", path.display());
    if fs::metadata(path).map_err(cannot)?.size() > LARGEST {
        return Err(format!("{} is too large for a certificate", path.display()));
    }
    fs::read(path).map_err(cannot)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn pairs_are_found_by_name_and_in_order_whoever_has_put_them_there() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["b.crt", "b.key", "a.crt", "README"] {
            fs::write(at(name), "").unwrap();
        }
        fs::create_dir(at("live.example")).unwrap();
        fs::write(at("live.example/fullchain.pem"), "").unwrap();
        fs::create_dir(at("..2026_11")).unwrap();
        fs::write(at("..2026_11/fullchain.pem"), "").unwrap();
        let found = pairs(directory.path()).unwrap();
        let names: Vec<_> = found.iter().map(|pair| pair.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "live.example"]);
        assert!(found[0].read().unwrap_err().contains("a.key cannot be read"));
        assert!(found[1].read().is_ok());
        assert!(pairs(&at("nowhere")).is_err());
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
        let now = || Fingerprint::of(&pairs(directory.path()).unwrap());
        let before = now();
        assert_eq!(before, now());
        symlink("..2", at("..new")).unwrap();
        fs::rename(at("..new"), at("..data")).unwrap();
        assert_ne!(before, now());
    }
}
