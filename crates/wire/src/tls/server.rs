//! What all connections of a listener have in common, and how its certificates change while it runs.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection};

use super::certificates::{Certificate, Certificates};
use super::directory::{self, Fingerprint};

/// The oldest version of TLS that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oldest {
    /// TLS 1.2, and 1.3.
    Tls12,
    /// TLS 1.3 alone.
    Tls13,
}

/// TLS as all workers speak it.
#[derive(Debug)]
pub struct TlsServer {
    directory: PathBuf,
    provider: Arc<CryptoProvider>,
    configuration: Arc<ServerConfig>,
    shown: Arc<Shown>,
    /// What the certificates were read from, where all of it could be read.
    read: Mutex<Option<Fingerprint>>,
    failures: AtomicU64,
}

/// What became of a look at the directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Certificates that are new, or of new content.
    pub changed: Vec<String>,
    /// Certificates that are not there any more.
    pub removed: Vec<String>,
    /// What could not be read, each with why. The certificate of that name, if there was one, is shown as before.
    pub problems: Vec<String>,
}

/// Why TLS cannot be spoken.
#[derive(Debug)]
pub enum TlsError {
    /// The directory of certificates cannot be read.
    Directory(PathBuf, io::Error),
    /// There is nothing to show to a client; each with why.
    NoCertificate(PathBuf, Vec<String>),
    /// No key for tickets, or no configuration.
    Cryptography(rustls::Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path, error) => write!(f, "{} cannot be read: {error}", path.display()),
            Self::NoCertificate(path, problems) if problems.is_empty() => {
                write!(
                    f,
                    "there is no NAME.crt with NAME.key, and no NAME/fullchain.pem, in {}",
                    path.display()
                )
            }
            Self::NoCertificate(_, problems) => f.write_str(&problems.join("; ")),
            Self::Cryptography(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for TlsError {}

/// The certificates as they are now.
#[derive(Debug)]
struct Shown(RwLock<Arc<Certificates>>);

impl Shown {
    fn now(&self) -> Arc<Certificates> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now().find(hello.server_name()).key.clone())
    }
}

pub(super) fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

impl TlsServer {
    /// With the certificates in `directory`. Those that cannot be read are named in what comes with it.
    pub fn new(directory: PathBuf, oldest: Oldest) -> Result<(Self, Reloaded), TlsError> {
        let provider = Arc::new(provider());
        let unreadable = |error| TlsError::Directory(directory.clone(), error);
        let pairs = directory::pairs(&directory).map_err(unreadable)?;
        let fingerprint = Fingerprint::of(&pairs);
        let (all, reloaded) = read(&pairs, &[], &provider);
        let Some(certificates) = Certificates::new(all) else {
            return Err(TlsError::NoCertificate(directory, reloaded.problems));
        };
        let shown = Arc::new(Shown(RwLock::new(Arc::new(certificates))));
        let configuration =
            configure(&provider, oldest, shown.clone()).map_err(TlsError::Cryptography)?.into();
        let read = Mutex::new(reloaded.problems.is_empty().then_some(fingerprint));
        let failures = AtomicU64::new(u64::from(!reloaded.problems.is_empty()));
        Ok((Self { directory, provider, configuration, shown, read, failures }, reloaded))
    }

    /// Looks at the directory again and takes up what has changed. `None` where nothing has since all of it could be read; with
    /// `anyway` it is read even then.
    ///
    /// Reads files, and waits for whoever does so already: not for a thread that has anything better to do.
    pub fn reload(&self, anyway: bool) -> Option<Reloaded> {
        let mut seen = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs = match directory::pairs(&self.directory) {
            Ok(pairs) => pairs,
            Err(error) => {
                *seen = None;
                self.failures.fetch_add(1, Ordering::Relaxed);
                let problem = TlsError::Directory(self.directory.clone(), error).to_string();
                return Some(Reloaded { changed: Vec::new(), removed: Vec::new(), problems: vec![problem] });
            }
        };
        // Taken before the files are read: whatever changes in the meantime is seen the next time.
        let fingerprint = Fingerprint::of(&pairs);
        if !anyway && seen.as_ref() == Some(&fingerprint) {
            return None;
        }
        let before = self.shown.now();
        let (all, mut reloaded) = read(&pairs, before.all(), &self.provider);
        if let Some(certificates) = Certificates::new(all) {
            *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certificates);
        } else {
            reloaded.removed.clear();
            let nothing = TlsError::NoCertificate(self.directory.clone(), Vec::new());
            reloaded.problems.push(nothing.to_string());
        }
        self.failures.fetch_add(u64::from(!reloaded.problems.is_empty()), Ordering::Relaxed);
        *seen = reloaded.problems.is_empty().then_some(fingerprint);
        Some(reloaded)
    }

    /// The certificates that clients are shown now.
    pub fn certificates(&self) -> Vec<Certificate> {
        self.shown.now().all().to_vec()
    }

    /// How often the directory was looked at and something in it could not be taken up.
    pub fn reload_failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    pub(crate) fn connection(&self) -> Result<ServerConnection, rustls::Error> {
        ServerConnection::new(self.configuration.clone())
    }
}

/// Each pair as it is in its files, or as it was before where those cannot be used.
fn read(
    pairs: &[directory::Pair],
    before: &[Certificate],
    provider: &CryptoProvider,
) -> (Vec<Certificate>, Reloaded) {
    let mut reloaded = Reloaded { changed: Vec::new(), removed: Vec::new(), problems: Vec::new() };
    let mut all = Vec::new();
    for pair in pairs {
        let old = before.iter().find(|certificate| certificate.name == pair.name);
        let read = pair.read().and_then(|(chain, key)| Certificate::read(&pair.name, &chain, &key, provider));
        match (read, old) {
            (Ok(new), Some(old)) if new.key.cert == old.key.cert => all.push(old.clone()),
            (Ok(new), _) => {
                reloaded.changed.push(pair.name.clone());
                all.push(new);
            }
            (Err(problem), old) => {
                reloaded.problems.push(format!("{}: {problem}", pair.name));
                all.extend(old.cloned());
            }
        }
    }
    let is_there = |certificate: &&Certificate| all.iter().any(|there| there.name == certificate.name);
    let removed = before.iter().filter(|certificate| !is_there(certificate));
    reloaded.removed = removed.map(|certificate| certificate.name.clone()).collect();
    (all, reloaded)
}

fn configure(
    provider: &Arc<CryptoProvider>,
    oldest: Oldest,
    shown: Arc<Shown>,
) -> Result<ServerConfig, rustls::Error> {
    let versions: &[_] = match oldest {
        Oldest::Tls12 => rustls::ALL_VERSIONS,
        Oldest::Tls13 => &[&rustls::version::TLS13],
    };
    let mut configuration = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_cert_resolver(shown);
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    configuration.ticketer = aws_lc_rs::Ticketer::new()?;
    // Tickets are with the clients: nothing to be kept here, or to be told to another worker.
    configuration.session_storage = Arc::new(NoServerSessionStorage {});
    configuration.require_ems = true;
    Ok(configuration)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// A new certificate for this host, in these files.
    fn put(directory: &Path, name: &str, host: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        fs::write(directory.join(format!("{name}.crt")), &chain).unwrap();
        fs::write(directory.join(format!("{name}.key")), &key).unwrap();
        (chain, key)
    }

    fn hosts(server: &TlsServer) -> Vec<String> {
        server.certificates().into_iter().flat_map(|certificate| certificate.hosts).collect()
    }

    #[test]
    fn a_pair_is_taken_up_when_it_fits_and_not_before() {
        let directory = tempfile::tempdir().unwrap();
        put(directory.path(), "a", "old.example");
        let (server, begun) = TlsServer::new(directory.path().into(), Oldest::Tls12).unwrap();
        assert!(begun.problems.is_empty() && begun.changed == ["a"]);
        assert_eq!(server.reload(false), None);
        let made = rcgen::generate_simple_self_signed(vec!["new.example".to_owned()]).unwrap();
        fs::write(directory.path().join("a.crt"), made.cert.pem()).unwrap();
        for _ in 0..2 {
            let reloaded = server.reload(false).expect("it is tried again while it does not fit");
            assert_eq!((reloaded.changed.len(), reloaded.problems.len()), (0, 1), "{reloaded:?}");
            assert_eq!(hosts(&server), ["old.example"]);
        }
        fs::write(directory.path().join("a.key"), made.signing_key.serialize_pem()).unwrap();
        assert_eq!(server.reload(false).unwrap().changed, ["a"]);
        assert_eq!(hosts(&server), ["new.example"]);
        assert_eq!(server.reload(false), None);
        assert_eq!(server.reload(true).unwrap().changed, [""; 0], "the content is the same");
    }

    #[test]
    fn what_is_removed_is_shown_no_more_unless_it_is_the_last() {
        let directory = tempfile::tempdir().unwrap();
        put(directory.path(), "a", "a.example");
        put(directory.path(), "b", "b.example");
        let (server, _) = TlsServer::new(directory.path().into(), Oldest::Tls13).unwrap();
        fs::remove_file(directory.path().join("a.crt")).unwrap();
        assert_eq!(server.reload(false).unwrap().removed, ["a"]);
        assert_eq!(hosts(&server), ["b.example"]);
        fs::remove_file(directory.path().join("b.crt")).unwrap();
        let reloaded = server.reload(false).unwrap();
        assert!(reloaded.removed.is_empty() && reloaded.problems.len() == 1, "{reloaded:?}");
        assert_eq!(hosts(&server), ["b.example"]);
    }

    #[test]
    fn without_a_certificate_there_is_no_server() {
        let directory = tempfile::tempdir().unwrap();
        let error = TlsServer::new(directory.path().into(), Oldest::Tls12).unwrap_err().to_string();
        assert!(error.starts_with("there is no NAME.crt"), "{error}");
        fs::write(directory.path().join("a.crt"), "").unwrap();
        let error = TlsServer::new(directory.path().into(), Oldest::Tls12).unwrap_err().to_string();
        assert!(error.contains("a.key cannot be read"), "{error}");
    }
}
