//! Name look-ups by polling, from a static binary in an empty image: /etc/hosts and /etc/resolv.conf are read by
//! hickory, since glibc's resolver needs libraries at run time that a `FROM scratch` image does not have.

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;

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
/// change within one.
#[derive(Debug, Clone)]
pub struct Resolver {
    inner: TokioResolver,
}

impl Resolver {
    /// How long one question may take before the next server is asked.
    const TIMEOUT: Duration = Duration::from_secs(1);

    /// Reads `/etc/resolv.conf` and `/etc/hosts`, once.
    pub fn from_system() -> Result<Self, ResolveError> {
        let mut builder = TokioResolver::builder_tokio().map_err(|error| ResolveError(error.to_string()))?;
        let options = builder.options_mut();
        options.cache_size = 0;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.timeout = Self::TIMEOUT;
        options.attempts = 2;
        let inner = builder.build().map_err(|error| ResolveError(error.to_string()))?;
        Ok(Self { inner })
    }

    /// All addresses of `host`, IPv4 and IPv6, sorted; a literal address is itself. Never an empty list.
    pub async fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse() {
            return Ok(vec![address]);
        }
        let answer = self.inner.lookup_ip(host).await.map_err(|error| ResolveError(error.to_string()))?;
        let mut addresses: Vec<IpAddr> = answer.iter().collect();
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() {
            return Err(ResolveError(format!("{host} has no address")));
        }
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_literal_address_needs_no_look_up() {
        let resolver = Resolver::from_system().unwrap();
        assert_eq!(resolver.lookup("127.0.0.1").await.unwrap(), ["127.0.0.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(resolver.lookup("[::1]").await.unwrap(), ["::1".parse::<IpAddr>().unwrap()]);
    }

    #[tokio::test]
    async fn the_hosts_file_is_read() {
        let resolver = Resolver::from_system().unwrap();
        assert!(resolver.lookup("localhost").await.unwrap().iter().all(IpAddr::is_loopback));
    }
}
