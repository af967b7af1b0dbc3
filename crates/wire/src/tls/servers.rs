//! TLS to the servers of an upstream: whom this side trusts and who it is itself, as files say, and how both change while it runs.
//!
//! ```text
//! authorities, own pair ──read──▶ Known ──▶ a client for each server, with the tickets of that one
//!                         reload ──▶ swapped whole, and the tickets forgotten with it
//! ```
//! A handshake that goes on from an earlier one verifies nothing: so tickets live no longer than the authorities that they
//! were got under, and no longer than the certificate that was shown for them.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::client::{TlsClient, TlsFailure, TlsName, Untrusted};
use super::directory::{self, Fingerprint, Looks, READINGS};
use super::server::Reloaded;
use super::session::Handshake;
use super::x509;
use crate::{ConnectError, Stream, connect_securely};

/// The most servers whose tickets are kept; one more has those of all others forgotten.
const MOST_SERVERS: usize = 1_024;

/// Where that is which TLS is spoken with to servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates in PEM: whoever has one that these have signed is trusted. One that has signed itself may be among them.
    pub authorities: PathBuf,
    /// This side's own certificate, for servers that ask for one.
    pub own: Option<OwnFiles>,
}

/// A certificate with its chain, and its key, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnFiles {
    /// The certificate first, then its chain.
    pub certificate: PathBuf,
    /// The key of the first.
    pub key: PathBuf,
}

/// One of these files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFile {
    /// [`TlsFiles::authorities`]
    Authorities,
    /// [`OwnFiles::certificate`], or that with its key.
    Certificate,
    /// [`OwnFiles::key`]
    Key,
}

/// What is wrong with a file, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFileProblem {
    /// With which.
    pub file: TlsFile,
    /// What.
    pub why: String,
}

/// What a server is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// The ticket of an earlier connection, for as long as the certificate that came with it holds.
    Kept,
    /// Nothing but a certificate, verified now.
    Anew,
}

/// TLS as all workers speak it to servers.
#[derive(Debug)]
pub struct TlsServers {
    files: TlsFiles,
    known: RwLock<Arc<Known>>,
    looks: Mutex<Looks>,
    failures: AtomicU64,
}

/// When what TLS is spoken with to servers ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServersEnd {
    /// The first of the authorities.
    pub authority: SystemTime,
    /// This side's own certificate, where there is one.
    pub own: Option<SystemTime>,
}

/// What the files held.
struct Known {
    authorities: Vec<u8>,
    own: Option<(Vec<u8>, Vec<u8>)>,
    ends: ServersEnd,
    client: TlsClient,
    /// Remembers no server.
    anew: TlsClient,
    /// Each with the tickets of its server: those of another would be of no use there, though it has the same name.
    by_server: Mutex<HashMap<SocketAddr, TlsClient>>,
}

/// Without what is secret.
impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").field("has_own", &self.own.is_some()).finish_non_exhaustive()
    }
}

impl TlsServers {
    /// With what is in these files, or with all that is wrong with them.
    pub fn new(files: TlsFiles) -> Result<Self, Vec<TlsFileProblem>> {
        let fingerprint = fingerprint(&files);
        let known = Known::read(&files)?;
        Ok(Self {
            files,
            known: RwLock::new(Arc::new(known)),
            looks: Mutex::new(Looks::begin(fingerprint, true)),
            failures: AtomicU64::new(0),
        })
    }

    /// Opens a connection to the server at `address`, which has to be who is called `name`, all within `timeout`.
    pub async fn connect(
        &self,
        address: SocketAddr,
        name: &TlsName,
        trust: Trust,
        timeout: Duration,
    ) -> Result<(Stream, Handshake), ConnectError> {
        let known = self.now();
        if trust == Trust::Anew {
            return connect_securely(address, &known.anew, name, timeout).await;
        }
        let begun = Instant::now();
        match connect_securely(address, &known.with_tickets_of(address), name, timeout).await {
            // What has ended may be the certificate that its tickets came with, and it has another since.
            Err(ConnectError::Tls(TlsFailure::Expired)) => {
                known.forget_tickets_of(address);
                let left = timeout.saturating_sub(begun.elapsed());
                connect_securely(address, &known.with_tickets_of(address), name, left).await
            }
            connected => connected,
        }
    }

    /// Looks at the files again and takes up what has changed and is at rest, all of it or nothing. `None` where there is nothing to be
    /// read; with `anyway` they are read even then.
    ///
    /// Reads files, and waits for whoever does so already: not for a thread that has anything better to do.
    pub fn reload(&self, anyway: bool) -> Option<Reloaded> {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..READINGS {
            let found = fingerprint(&self.files);
            if !looks.wants(&found) && !anyway {
                return None;
            }
            let known = Known::read(&self.files);
            if fingerprint(&self.files) == found {
                looks.read(found, known.is_ok());
                return Some(self.take_up(known));
            }
            looks.is_written();
        }
        None
    }

    fn take_up(&self, known: Result<Known, Vec<TlsFileProblem>>) -> Reloaded {
        let mut reloaded = Reloaded::default();
        match known {
            Ok(new) => {
                reloaded.changed = self.differences(&new);
                if !reloaded.changed.is_empty() {
                    *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                }
            }
            Err(problems) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                reloaded.problems = problems.into_iter().map(|problem| problem.why).collect();
            }
        }
        reloaded
    }

    /// Whether something has changed and is not at rest yet: the next look need not be far.
    pub fn is_settling(&self) -> bool {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner).is_settling()
    }

    /// When what is in the files ends.
    pub fn ends(&self) -> ServersEnd {
        self.now().ends
    }

    /// How often the files were looked at and could not be taken up.
    pub fn reload_failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    fn now(&self) -> Arc<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The files whose content is another now.
    fn differences(&self, new: &Known) -> Vec<String> {
        let old = self.now();
        let mut different = Vec::new();
        if new.authorities != old.authorities {
            different.push(self.files.authorities.display().to_string());
        }
        if let Some(own) = self.files.own.as_ref().filter(|_| new.own != old.own) {
            different.push(own.certificate.display().to_string());
        }
        different
    }
}

impl Known {
    fn read(files: &TlsFiles) -> Result<Self, Vec<TlsFileProblem>> {
        let mut problems = Vec::new();
        let mut read = |path: &PathBuf, file| {
            let read = directory::read(path);
            read.map_err(|why| problems.push(TlsFileProblem { file, why })).unwrap_or_default()
        };
        let authorities = read(&files.authorities, TlsFile::Authorities);
        let own = files
            .own
            .as_ref()
            .map(|own| (read(&own.certificate, TlsFile::Certificate), read(&own.key, TlsFile::Key)));
        if !problems.is_empty() {
            return Err(problems);
        }
        let pair = own.as_ref().map(|(chain, key)| (&chain[..], &key[..]));
        let client = TlsClient::new(&authorities, pair, true);
        let client = client.map_err(|untrusted| {
            let problem = |untrusted: Untrusted| match untrusted {
                Untrusted::Authorities(why) => {
                    let why = format!("{}: {why}", files.authorities.display());
                    TlsFileProblem { file: TlsFile::Authorities, why }
                }
                Untrusted::Pair(why) => {
                    let path = files.own.as_ref().map(|own| own.certificate.display().to_string());
                    let why = format!("{}: {why}", path.unwrap_or_default());
                    TlsFileProblem { file: TlsFile::Certificate, why }
                }
            };
            let mut problems = vec![problem(untrusted)];
            // The pair is looked at only where the authorities will do.
            if problems[0].file == TlsFile::Authorities
                && let Some((chain, key)) = pair
                && let Err(why) = TlsClient::fits(chain, key)
            {
                problems.push(problem(Untrusted::Pair(why)));
            }
            problems
        })?;
        let anew = client.forgetful();
        // What could be read above has an end.
        let ends = ServersEnd {
            authority: ends(&authorities).min().unwrap_or(SystemTime::UNIX_EPOCH),
            own: own.as_ref().and_then(|(chain, _)| ends(chain).next()),
        };
        Ok(Self { authorities, own, ends, client, anew, by_server: Mutex::default() })
    }

    fn forget_tickets_of(&self, server: SocketAddr) {
        self.by_server.lock().unwrap_or_else(PoisonError::into_inner).remove(&server);
    }

    fn with_tickets_of(&self, server: SocketAddr) -> TlsClient {
        let mut by_server = self.by_server.lock().unwrap_or_else(PoisonError::into_inner);
        if by_server.len() >= MOST_SERVERS && !by_server.contains_key(&server) {
            by_server.clear();
        }
        by_server.entry(server).or_insert_with(|| self.client.apart()).clone()
    }
}

/// Of each of the certificates in PEM.
fn ends(pem: &[u8]) -> impl Iterator<Item = SystemTime> {
    CertificateDer::pem_slice_iter(pem).flatten().filter_map(|one| Some(x509::read(&one)?.ends))
}

fn fingerprint(files: &TlsFiles) -> Fingerprint {
    let own = files.own.iter().flat_map(|own| [&own.certificate, &own.key]);
    Fingerprint::of(&[], std::iter::once(&files.authorities).chain(own))
}
