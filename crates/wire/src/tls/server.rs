//! What all connections of a listener have in common, and how its certificates change while it runs.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;

use super::certificates::{self, Certificate, Certificates};
use super::clients::{ClientAuthority, ClientAuthorityError, ClientRefusal, Clients};
use super::directory::{self, Fingerprint, Looks, READINGS};
use super::tickets::Tickets;

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
    oldest: Oldest,
    /// Where it is said who may be a client; `None` where everybody may.
    client_authority: Option<ClientAuthority>,
    provider: Arc<CryptoProvider>,
    terms: RwLock<Arc<Terms>>,
    /// That of the terms.
    version: AtomicU64,
    shown: Arc<Shown>,
    looks: Mutex<Looks>,
    failures: AtomicU64,
    /// What could not be taken up at the last look.
    problems: Mutex<Vec<String>>,
}

/// What handshakes are made on, from one change of it to the next.
///
/// A ticket brings back whom an earlier handshake has verified, and nothing is verified again. So its key lasts no longer than what
/// clients were verified by.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) configuration: Arc<ServerConfig>,
    clients: Option<Arc<Clients>>,
    tickets: Arc<Tickets>,
    /// The how many-th they are.
    pub(crate) version: u64,
}

/// When what clients are verified by ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientsEnd {
    /// The first of the authorities.
    pub authority: SystemTime,
    /// The first of the lists of revoked certificates, where there are any: from then on their issuers' clients are refused.
    pub revoked: Option<SystemTime>,
}

/// What became of a look at the directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Certificates that are new, or of new content.
    pub changed: Vec<String>,
    /// Certificates that are not there any more.
    pub removed: Vec<String>,
    /// Authorities without a key that were left alone: they are there for somebody else.
    pub ignored: Vec<String>,
    /// Whether clients are verified by something new.
    pub has_other_clients: bool,
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
    /// It cannot be known who may be a client.
    Clients(ClientAuthorityError),
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
            Self::Clients(error) => write!(f, "{error}"),
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
    pub fn new(
        directory: PathBuf,
        oldest: Oldest,
        client_authority: Option<ClientAuthority>,
    ) -> Result<(Self, Reloaded), TlsError> {
        let provider = Arc::new(provider());
        let unreadable = |error| TlsError::Directory(directory.clone(), error);
        let pairs = directory::pairs(&directory).map_err(unreadable)?;
        let fingerprint = Fingerprint::of(&pairs, client_authority.iter().flat_map(ClientAuthority::files));
        let (all, reloaded) = read(&pairs, &[], &provider);
        let Some(certificates) = Certificates::new(all) else {
            let stray = directory::stray(&directory).filter(|_| pairs.is_empty());
            let problems = reloaded.problems.into_iter().chain(stray).collect();
            return Err(TlsError::NoCertificate(directory, problems));
        };
        let shown = Arc::new(Shown(RwLock::new(Arc::new(certificates))));
        let clients = client_authority.as_ref().map(|authority| authority.read(&provider));
        let clients = clients.transpose().map_err(TlsError::Clients)?.map(Arc::new);
        let terms = terms(&provider, oldest, shown.clone(), clients, 0).map_err(TlsError::Cryptography)?;
        let server = Self {
            looks: Mutex::new(Looks::begin(fingerprint, reloaded.problems.is_empty())),
            failures: AtomicU64::new(u64::from(!reloaded.problems.is_empty())),
            problems: Mutex::new(reloaded.problems.clone()),
            version: AtomicU64::new(terms.version),
            terms: RwLock::new(Arc::new(terms)),
            directory,
            oldest,
            client_authority,
            provider,
            shown,
        };
        Ok((server, reloaded))
    }

    /// Looks at the files again and takes up what has changed and is at rest. `None` where there is nothing to be read; with `anyway`
    /// they are read even then.
    ///
    /// Reads files, and waits for whoever does so already: not for a thread that has anything better to do.
    pub fn reload(&self, anyway: bool) -> Option<Reloaded> {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..READINGS {
            let (found, fingerprint) = self.look();
            if !looks.wants(&fingerprint) && !anyway {
                return None;
            }
            let before = self.shown.now();
            let certificates = found
                .as_ref()
                .map(|pairs| read(pairs, before.all(), &self.provider))
                .map_err(|error| format!("{} cannot be read: {error}", self.directory.display()));
            let clients = self.client_authority.as_ref().map(|authority| authority.read(&self.provider));
            if self.look().1 != fingerprint {
                looks.is_written();
                continue;
            }
            let mut reloaded = match certificates {
                Ok((all, reloaded)) => self.show(all, reloaded),
                Err(problem) => Reloaded { problems: vec![problem], ..Reloaded::default() },
            };
            match self.verify_by(clients) {
                Ok(has_changed) => reloaded.has_other_clients = has_changed,
                Err(problem) => reloaded.problems.push(problem),
            }
            let is_whole = reloaded.problems.is_empty();
            self.failures.fetch_add(u64::from(!is_whole), Ordering::Relaxed);
            looks.read(fingerprint, is_whole);
            self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&reloaded.problems);
            return Some(reloaded);
        }
        None
    }

    /// Whether something has changed and is not at rest yet: the next look need not be far.
    pub fn is_settling(&self) -> bool {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner).is_settling()
    }

    fn look(&self) -> (io::Result<Vec<directory::Pair>>, Fingerprint) {
        let found = directory::pairs(&self.directory);
        let others = self.client_authority.iter().flat_map(ClientAuthority::files);
        let fingerprint = Fingerprint::of(found.as_deref().unwrap_or_default(), others);
        (found, fingerprint)
    }

    fn show(&self, all: Vec<Certificate>, mut reloaded: Reloaded) -> Reloaded {
        if let Some(certificates) = Certificates::new(all) {
            *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certificates);
        } else {
            reloaded.removed.clear();
            let nothing = TlsError::NoCertificate(self.directory.clone(), Vec::new());
            reloaded.problems.push(nothing.to_string());
        }
        reloaded
    }

    /// Whether clients are verified by something else from now on.
    fn verify_by(&self, read: Option<Result<Clients, ClientAuthorityError>>) -> Result<bool, String> {
        let Some(read) = read else { return Ok(false) };
        let new = read.map_err(|error| error.to_string())?;
        if self.terms().clients.as_ref().is_some_and(|old| old.is_same(&new)) {
            return Ok(false);
        }
        self.set_terms(Some(Arc::new(new))).map_err(|error| error.to_string())?;
        Ok(true)
    }

    /// The certificates that clients are shown now.
    pub fn certificates(&self) -> Vec<Certificate> {
        self.shown.now().all().to_vec()
    }

    /// When what clients are verified by ends; `None` where they are not.
    pub fn clients_end(&self) -> Option<ClientsEnd> {
        let terms = self.terms();
        let clients = terms.clients.as_ref()?;
        Some(ClientsEnd { authority: clients.authority_ends, revoked: clients.revoked_ends })
    }

    /// What could not be taken up when the files were last looked at, each with why.
    pub fn problems(&self) -> Vec<String> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often the files were looked at and something in them could not be taken up.
    pub fn reload_failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// The names of the certificate that is shown to whoever asks for `host`, where that is one of them.
    pub(crate) fn names_beside(&self, host: &str) -> Option<Arc<[String]>> {
        let shown = self.shown.now();
        let names = &shown.find(Some(host)).hosts;
        certificates::is_for(names, host.as_bytes()).then(|| names.clone())
    }

    /// Whether one of the certificates that clients are shown is for this host, which may be in any case.
    pub fn is_for(&self, host: &[u8]) -> bool {
        self.shown.now().all().iter().any(|certificate| certificates::is_for(&certificate.hosts, host))
    }

    /// What a handshake that begins now is made on.
    pub(crate) fn terms(&self) -> Arc<Terms> {
        self.terms.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_terms(&self, clients: Option<Arc<Clients>>) -> Result<(), rustls::Error> {
        let mut known = self.terms.write().unwrap_or_else(PoisonError::into_inner);
        let version = known.version + 1;
        *known = Arc::new(terms(&self.provider, self.oldest, self.shown.clone(), clients, version)?);
        self.version.store(version, Ordering::Release);
        Ok(())
    }

    /// Whether the client that a ticket has brought back, by a handshake on `terms`, may come in now.
    ///
    /// Each resumption gives a new ticket, so without this a certificate could be shown for ever that ended long ago. A client
    /// that has got a new one in the meantime must be able to show it: the tickets of the old one are taken back, and its next
    /// handshake is a full one.
    pub(crate) fn check_resumed(
        &self,
        terms: &Arc<Terms>,
        chain: &[CertificateDer<'_>],
    ) -> Result<(), ClientRefusal> {
        let Some(clients) = &terms.clients else { return Ok(()) };
        let checked = clients.still_verify(chain);
        if checked.is_err()
            && chain.first().is_some_and(|certificate| !terms.tickets.take_back(certificate))
            && Arc::ptr_eq(terms, &self.terms())
        {
            // Where there is no new key, the client is refused all the same.
            let _ = self.set_terms(Some(clients.clone()));
        }
        checked
    }

    /// Whether a client that was verified on terms of that version may stay: the version that it is verified on now.
    pub(crate) fn check_again(
        &self,
        verified: u64,
        chain: &[CertificateDer<'_>],
    ) -> Result<u64, ClientRefusal> {
        if verified == self.version.load(Ordering::Acquire) {
            return Ok(verified);
        }
        let terms = self.terms();
        terms.clients.as_ref().map_or(Ok(()), |clients| clients.still_verify(chain))?;
        Ok(terms.version)
    }
}

/// Each pair as it is in its files, or as it was before where those cannot be used.
fn read(
    pairs: &[directory::Pair],
    before: &[Certificate],
    provider: &CryptoProvider,
) -> (Vec<Certificate>, Reloaded) {
    let mut reloaded = Reloaded::default();
    let mut all = Vec::new();
    for pair in pairs {
        let old = before.iter().find(|certificate| certificate.name == pair.name);
        // A key of somebody else's. That of a certificate which is shown is for one that is being written.
        if old.is_none() && !pair.has_chain() {
            continue;
        }
        if old.is_none() && !pair.has_key() && pair.chain().is_ok_and(|pem| certificates::is_authority(&pem))
        {
            reloaded.ignored.push(pair.name.clone());
            continue;
        }
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

/// With a new key for tickets.
fn terms(
    provider: &Arc<CryptoProvider>,
    oldest: Oldest,
    shown: Arc<Shown>,
    clients: Option<Arc<Clients>>,
    version: u64,
) -> Result<Terms, rustls::Error> {
    let tickets = Arc::new(Tickets::new(aws_lc_rs::Ticketer::new()?));
    let configuration = configure(provider, oldest, shown, clients.as_deref(), tickets.clone())?.into();
    Ok(Terms { configuration, clients, tickets, version })
}

fn configure(
    provider: &Arc<CryptoProvider>,
    oldest: Oldest,
    shown: Arc<Shown>,
    clients: Option<&Clients>,
    tickets: Arc<Tickets>,
) -> Result<ServerConfig, rustls::Error> {
    let versions: &[_] = match oldest {
        Oldest::Tls12 => rustls::ALL_VERSIONS,
        Oldest::Tls13 => &[&rustls::version::TLS13],
    };
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions)?;
    let builder = match clients {
        Some(clients) => builder.with_client_cert_verifier(clients.verifier.clone()),
        None => builder.with_no_client_auth(),
    };
    let mut configuration = builder.with_cert_resolver(shown);
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    configuration.ticketer = tickets;
    // Tickets are with the clients: nothing to be kept here, or to be told to another worker.
    configuration.session_storage = Arc::new(NoServerSessionStorage {});
    configuration.require_ems = true;
    Ok(configuration)
}
