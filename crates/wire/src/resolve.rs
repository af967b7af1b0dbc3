//! Name look-ups by polling, from a static binary in an empty image: `/etc/hosts` is read here and `/etc/resolv.conf` by
//! hickory, since glibc's resolver needs libraries at run time that a `FROM scratch` image does not have.
//!
//! ```text
//! an address ──▶ itself        a name ──▶ /etc/hosts ──unknown──▶ the nameservers of /etc/resolv.conf
//! ```
//! Both files are read again when they have changed: a machine gets its nameservers when it gets its network, which may be
//! after the process began. Without a nameserver addresses and the names in `/etc/hosts` are found all the same.

mod hosts;

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData};
use hickory_resolver::system_conf::parse_resolv_conf;

/// Why a name gave no address.
#[derive(Debug)]
pub struct ResolveError(String);

impl std::fmt::Display for ResolveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ResolveError {}

/// Looks names up as the system is configured, without a cache: Docker's DNS promises 600 s for records that
/// change within one. Clones share what they have read.
#[derive(Debug, Clone)]
pub struct Resolver {
    files: Arc<Mutex<Files>>,
}

#[derive(Debug)]
struct Files {
    hosts: Watched<String>,
    nameservers: Watched<Nameservers>,
}

/// Or why there are none.
type Nameservers = Result<TokioResolver, String>;

impl Resolver {
    /// How long one question may take before the next server is asked.
    const TIMEOUT: Duration = Duration::from_secs(1);

    /// As `/etc/resolv.conf` and `/etc/hosts` say, whenever a name is looked up.
    pub fn from_system() -> Self {
        Self::from_files("/etc/hosts", "/etc/resolv.conf")
    }

    fn from_files(hosts: impl Into<PathBuf>, resolv_conf: impl Into<PathBuf>) -> Self {
        let hosts = Watched::new(hosts.into());
        let nameservers = Watched::new(resolv_conf.into());
        Self { files: Arc::new(Mutex::new(Files { hosts, nameservers })) }
    }

    /// All addresses of `host`, IPv4 and IPv6, sorted; a literal address is itself. Never an empty list.
    pub async fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse() {
            return Ok(vec![address]);
        }
        let (mut addresses, nameservers) = {
            let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
            let known =
                files.hosts.get(|text| String::from_utf8_lossy(&text.unwrap_or_default()).into_owned());
            let addresses: Vec<IpAddr> = hosts::addresses(known, host).collect();
            (addresses, files.nameservers.get(nameservers).clone())
        };
        if addresses.is_empty() {
            let nameservers = nameservers.map_err(ResolveError)?;
            // Names of machines have letters, digits and hyphens; but Compose names its services `my_app`, and Docker's DNS
            // knows them.
            let name = Name::from_str_relaxed(host).map_err(|error| ResolveError(error.to_string()))?;
            let answer = nameservers.lookup_ip(name).await.map_err(|error| {
                ResolveError(if error.is_no_records_found() {
                    "the nameserver knows no address of it".to_owned()
                } else {
                    error.to_string()
                })
            })?;
            addresses.extend(answer.iter());
        }
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() {
            return Err(ResolveError(format!("{host} has no address")));
        }
        Ok(addresses)
    }

    /// What the machine at `address` is called: as `/etc/hosts` says, else the nameserver (RFC 1035 §3.5), without the dot at
    /// the end. `None` where nobody knows a name.
    pub async fn name_of(&self, address: IpAddr) -> Option<String> {
        let nameservers = {
            let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
            let known =
                files.hosts.get(|text| String::from_utf8_lossy(&text.unwrap_or_default()).into_owned());
            if let Some(name) = hosts::name(known, address) {
                return Some(name.to_owned());
            }
            files.nameservers.get(nameservers).clone().ok()?
        };
        let answer = nameservers.reverse_lookup(Name::from(address)).await.ok()?;
        let name = answer.answers().iter().find_map(|record| match &record.data {
            RData::PTR(name) => Some(name.to_string()),
            _ => None,
        })?;
        Some(name.trim_end_matches('.').to_owned())
    }
}

/// Whoever answers for names according to the text of a `resolv.conf`.
fn nameservers(text: io::Result<Vec<u8>>) -> Nameservers {
    let said = |error: &dyn std::fmt::Display| format!("/etc/resolv.conf: {error}");
    let text = text.map_err(|error| said(&error))?;
    let (config, options) = parse_resolv_conf(text).map_err(|error| said(&error))?;
    ask(config, options).map_err(|error| said(&error))
}

fn ask(config: ResolverConfig, mut options: ResolverOpts) -> Result<TokioResolver, NetError> {
    options.cache_size = 0;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.timeout = Resolver::TIMEOUT;
    options.attempts = 2;
    options.use_hosts_file = ResolveHosts::Never;
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    *builder.options_mut() = options;
    builder.build()
}

/// What was made of a file, made anew when the file has changed.
#[derive(Debug)]
struct Watched<T> {
    path: PathBuf,
    made: Option<(Stamp, T)>,
}

/// What tells one state of a file from another: a mount or a rename changes the inode, a rewrite the time. `None` where
/// there is no file.
type Stamp = Option<(u64, u64, i64, i64, u64)>;

impl<T> Watched<T> {
    fn new(path: PathBuf) -> Self {
        Self { path, made: None }
    }

    fn get(&mut self, make: impl FnOnce(io::Result<Vec<u8>>) -> T) -> &T {
        // Looked at first: a change between the two is seen the next time.
        let stamp = stamp(&self.path);
        let still_holds = self.made.take().filter(|(made_of, _)| *made_of == stamp);
        &self.made.insert(still_holds.unwrap_or_else(|| (stamp, make(fs::read(&self.path))))).1
    }
}

fn stamp(path: &Path) -> Stamp {
    let found = path.metadata().ok()?;
    Some((found.dev(), found.ino(), found.mtime(), found.mtime_nsec(), found.size()))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::UdpSocket;

    use super::*;

    /// A nameserver that knows one address for every name, one name for every address, and the names it was asked for.
    async fn nameserver() -> (std::net::SocketAddr, tokio::sync::mpsc::UnboundedReceiver<Vec<u8>>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (asked, names) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                let question = &question[..length];
                // The name begins after the header of 12 bytes and ends with an empty label.
                let end = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap() + 1;
                asked.send(question[12..end].to_vec()).unwrap();
                let (is_a, is_ptr) = (question[end..end + 2] == [0, 1], question[end..end + 2] == [0, 12]);
                let mut answer = question[..2].to_vec();
                answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_a || is_ptr), 0, 0, 0, 0]);
                answer.extend(&question[12..end + 4]);
                if is_a {
                    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
                }
                if is_ptr {
                    answer.extend([0xc0, 12, 0, 12, 0, 1, 0, 0, 0, 60, 0, 14]);
                    answer.extend(b"\x08server-2\x03net\0");
                }
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        (address, names)
    }

    fn files(directory: &Path, hosts: &str, resolv_conf: &str) -> Resolver {
        let paths = [("hosts", hosts), ("resolv.conf", resolv_conf)].map(|(name, text)| {
            let path = directory.join(name);
            fs::write(&path, text).unwrap();
            path
        });
        let [hosts, resolv_conf] = paths;
        Resolver::from_files(hosts, resolv_conf)
    }

    /// A resolver that asks this nameserver.
    fn asking(directory: &Path, hosts: &str, nameserver: std::net::SocketAddr) -> Resolver {
        let resolver = files(directory, hosts, "");
        let (mut config, options) = parse_resolv_conf("nameserver 127.0.0.1\n").unwrap();
        for connection in config.name_servers.iter_mut().flat_map(|server| &mut server.connections) {
            connection.port = nameserver.port();
        }
        {
            let nameservers = &mut resolver.files.lock().unwrap().nameservers;
            nameservers.made = Some((stamp(&nameservers.path), Ok(ask(config, options).unwrap())));
        }
        resolver
    }

    #[tokio::test]
    async fn an_address_has_the_name_that_the_hosts_file_or_the_nameserver_knows() {
        let directory = tempfile::tempdir().unwrap();
        let (address, mut asked) = nameserver().await;
        let resolver = asking(directory.path(), "10.0.0.5 cleo cleo.example\n", address);
        assert_eq!(resolver.name_of([10, 0, 0, 5].into()).await.unwrap(), "cleo");
        assert_eq!(resolver.name_of([172, 18, 0, 4].into()).await.unwrap(), "server-2.net");
        assert_eq!(asked.recv().await.unwrap(), b"\x014\x010\x0218\x03172\x07in-addr\x04arpa\0");
        assert_eq!(files(directory.path(), "", "").name_of([172, 18, 0, 4].into()).await, None);
    }

    #[tokio::test]
    async fn a_literal_address_needs_no_look_up() {
        let resolver = Resolver::from_files("/nowhere", "/nowhere");
        assert_eq!(resolver.lookup("127.0.0.1").await.unwrap(), ["127.0.0.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(resolver.lookup("[::1]").await.unwrap(), ["::1".parse::<IpAddr>().unwrap()]);
    }

    #[tokio::test]
    async fn the_hosts_file_is_read() {
        let resolver = Resolver::from_system();
        assert!(resolver.lookup("localhost").await.unwrap().iter().all(IpAddr::is_loopback));
    }

    #[tokio::test]
    async fn without_a_nameserver_the_hosts_file_still_holds() {
        let directory = tempfile::tempdir().unwrap();
        let resolver = files(directory.path(), "10.0.0.1 my_app\n", "# none yet\n");
        assert_eq!(resolver.lookup("my_app").await.unwrap(), [Ipv4Addr::new(10, 0, 0, 1)]);
        let error = resolver.lookup("elsewhere").await.unwrap_err().to_string();
        assert!(error.contains("/etc/resolv.conf") && error.contains("nameserver"), "{error}");
    }

    #[tokio::test]
    async fn a_name_with_an_underscore_is_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let (address, mut asked) = nameserver().await;
        let resolver = asking(directory.path(), "", address);
        assert_eq!(resolver.lookup("my_app").await.unwrap(), [Ipv4Addr::new(192, 0, 2, 7)]);
        assert_eq!(asked.recv().await.unwrap(), b"\x06my_app\0");
        resolver.lookup("not a name").await.unwrap_err();
    }

    #[tokio::test]
    async fn both_files_are_read_again_when_they_change() {
        let directory = tempfile::tempdir().unwrap();
        let resolver = files(directory.path(), "", "");
        resolver.lookup("app").await.unwrap_err();
        fs::write(directory.path().join("hosts"), "10.0.0.1 app\n").unwrap();
        assert_eq!(resolver.lookup("app").await.unwrap(), [Ipv4Addr::new(10, 0, 0, 1)]);
        // A clone that was made before sees it as well.
        fs::write(directory.path().join("hosts"), "10.0.0.22 app\n").unwrap();
        assert_eq!(resolver.clone().lookup("app").await.unwrap(), [Ipv4Addr::new(10, 0, 0, 22)]);
        let nameservers =
            |resolver: &Resolver| resolver.files.lock().unwrap().nameservers.get(nameservers).clone().is_ok();
        assert!(!nameservers(&resolver));
        fs::write(directory.path().join("resolv.conf"), "nameserver 192.0.2.53\n").unwrap();
        assert!(nameservers(&resolver));
    }
}
