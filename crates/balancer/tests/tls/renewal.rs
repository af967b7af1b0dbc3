//! Certificates that are renewed, well or badly, while clients come and go: not one of them is turned away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use rustix::process::{Signal, kill_process};

use crate::Secured;
use crate::client::{Authority, Client};

/// Answered by the balancer itself.
const ASK: &str = "OPTIONS * HTTP/1.1\r\nHost: shop.example\r\nMax-Forwards: 0\r\n\r\n";

const FAILURES: &str = "evenkeel_certificate_reload_failures_total";

/// Clients that ask without a pause: some on a connection that they keep, some on a new one each time. Any that is not
/// answered panics.
struct Load {
    over: Arc<AtomicBool>,
    kept: Arc<AtomicU64>,
    new: Arc<AtomicU64>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Load {
    fn on(secured: &Secured) -> Self {
        let mut load =
            Self { over: Arc::default(), kept: Arc::default(), new: Arc::default(), threads: Vec::new() };
        let address = secured.stage.balancer.secured();
        // Each handshake is a full one, with a certificate to be verified.
        let configs: Vec<_> = (0..2).map(|_| secured.authority.trusted(rustls::ALL_VERSIONS)).collect();
        for (config, keeps) in configs.into_iter().zip([true, false]) {
            let (over, done) = (load.over.clone(), if keeps { load.kept.clone() } else { load.new.clone() });
            load.threads.push(thread::spawn(move || {
                let connect = || {
                    let mut config = (*config).clone();
                    config.resumption = rustls::client::Resumption::disabled();
                    Client::to(address, &Arc::new(config), "shop.example").unwrap()
                };
                let mut client = connect();
                while !over.load(Ordering::Relaxed) {
                    client.send(ASK);
                    assert!(client.through("\r\n\r\n").starts_with("HTTP/1.1 204 "));
                    done.fetch_add(1, Ordering::Relaxed);
                    if !keeps {
                        client = connect();
                    }
                }
            }));
        }
        load
    }

    /// Waits until both kinds have asked some more, or one of them has panicked.
    fn goes_on(&self, secured: &Secured) {
        let before = [&self.kept, &self.new].map(|count| count.load(Ordering::Relaxed));
        secured.stage.balancer.wait_until(|_| {
            assert!(!self.threads.iter().any(thread::JoinHandle::is_finished), "a client was turned away");
            [&self.kept, &self.new]
                .iter()
                .zip(before)
                .all(|(count, before)| count.load(Ordering::Relaxed) > before + 10)
        });
    }

    fn ends(self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

fn read_again(secured: &Secured) {
    kill_process(secured.stage.balancer.pid(), Signal::HUP).unwrap();
}

/// Has it look, and waits until it has found something unusable.
fn finds_it_unusable(secured: &Secured, load: &Load) {
    let before = secured.count(FAILURES);
    read_again(secured);
    secured.stage.balancer.wait_until(|_| secured.count(FAILURES) > before);
    load.goes_on(secured);
}

fn shown(secured: &Secured) -> Vec<u8> {
    let config = secured.authority.trusted(rustls::ALL_VERSIONS);
    let client = Client::to(secured.stage.balancer.secured(), &config, "shop.example").unwrap();
    client.tls().peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn no_client_is_turned_away_whatever_becomes_of_the_files() {
    let secured = Secured::new();
    let load = Load::on(&secured);
    load.goes_on(&secured);
    let first = shown(&secured);
    let new = secured.authority.sign_through("shop.example");
    let (own, issuer) = new.chain.split_at(new.chain.find("-----END CERTIFICATE-----").unwrap() + 26);
    // Half written, of another key than is there, and in the wrong order.
    for (chain, key) in [
        (&new.chain[..new.chain.len() / 3], None),
        (&new.chain, None),
        (&format!("{issuer}{own}"), Some(&new.key)),
    ] {
        secured.authority.place("shop.crt", chain);
        if let Some(key) = key {
            secured.authority.place("shop.key", key);
        }
        finds_it_unusable(&secured, &load);
        assert!(shown(&secured) == first);
    }
    secured.authority.place("shop.crt", &new.chain);
    read_again(&secured);
    secured.stage.balancer.wait_until(|_| shown(&secured) == *new.certificates()[0]);
    load.goes_on(&secured);
    load.ends();
}

#[test]
fn nor_when_a_whole_directory_is_swapped_time_and_again() {
    let authority = Authority::new();
    let mut certificates = Vec::new();
    for version in ["..0", "..1"] {
        std::fs::create_dir(authority.file(version)).unwrap();
        let files = authority.sign("shop.example");
        certificates.push(files.certificates()[0].to_vec());
        std::fs::write(authority.file(version).join("tls.crt"), files.chain).unwrap();
        std::fs::write(authority.file(version).join("tls.key"), files.key).unwrap();
    }
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, authority.file(name)).unwrap();
    link("..0", "..data");
    link("..data/tls.crt", "tls.crt");
    link("..data/tls.key", "tls.key");
    let secured = Secured::of(authority, &[]);
    let load = Load::on(&secured);
    for round in 1..6 {
        let to = round % 2;
        let link = secured.authority.file("..new");
        std::os::unix::fs::symlink(format!("..{to}"), &link).unwrap();
        std::fs::rename(&link, secured.authority.file("..data")).unwrap();
        read_again(&secured);
        secured.stage.balancer.wait_until(|_| shown(&secured) == certificates[to]);
        load.goes_on(&secured);
    }
    assert_eq!(secured.count(FAILURES), 0);
    load.ends();
}
