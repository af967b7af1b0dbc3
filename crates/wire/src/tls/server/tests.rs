//! Certificates that change while they are shown.

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
    server.certificates().iter().flat_map(|certificate| certificate.hosts.to_vec()).collect()
}

/// What comes of a change that nobody goes on writing at.
fn at_rest(server: &TlsServer) -> Reloaded {
    assert_eq!(server.reload(false), None);
    server.reload(false).unwrap()
}

#[test]
fn a_file_that_grows_is_not_taken_up_before_it_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let (chain, _) = put(directory.path(), "a", "a.example");
    let (server, _) = TlsServer::new(directory.path().into(), Oldest::Tls13, None).unwrap();
    // Cut where one certificate ends: it can be read as well as the whole.
    let file = directory.path().join("a.crt");
    for copies in 1..4 {
        fs::write(&file, chain.repeat(copies) + "\n").unwrap();
        assert_eq!(server.reload(false), None);
    }
    assert_eq!(server.reload(false).unwrap().changed, ["a"]);
    assert_eq!(server.certificates()[0].key.cert.len(), 3);
    // Whoever asks for it is believed that it is whole.
    fs::write(&file, chain).unwrap();
    assert_eq!(server.reload(true).unwrap().changed, ["a"]);
}

#[test]
fn a_pair_is_taken_up_when_it_fits_and_not_before() {
    let directory = tempfile::tempdir().unwrap();
    put(directory.path(), "a", "old.example");
    let (server, begun) = TlsServer::new(directory.path().into(), Oldest::Tls12, None).unwrap();
    assert!(begun.problems.is_empty() && begun.changed == ["a"]);
    assert_eq!(server.reload(false), None);
    let made = rcgen::generate_simple_self_signed(vec!["new.example".to_owned()]).unwrap();
    fs::write(directory.path().join("a.crt"), made.cert.pem()).unwrap();
    assert_eq!(server.reload(false), None, "it may be half written");
    assert!(server.is_settling());
    for _ in 0..2 {
        let reloaded = server.reload(false).expect("it is tried again while it does not fit");
        assert_eq!((reloaded.changed.len(), reloaded.problems.len()), (0, 1), "{reloaded:?}");
        assert_eq!(hosts(&server), ["old.example"]);
    }
    fs::write(directory.path().join("a.key"), made.signing_key.serialize_pem()).unwrap();
    assert_eq!(at_rest(&server).changed, ["a"]);
    assert_eq!(hosts(&server), ["new.example"]);
    assert_eq!(server.reload(false), None);
    assert_eq!(server.reload(true).unwrap().changed, [""; 0], "the content is the same");
}

#[test]
fn what_is_removed_is_shown_no_more_unless_it_is_the_last() {
    let directory = tempfile::tempdir().unwrap();
    put(directory.path(), "a", "a.example");
    put(directory.path(), "b", "b.example");
    let (server, _) = TlsServer::new(directory.path().into(), Oldest::Tls13, None).unwrap();
    let remove = |file: &str| fs::remove_file(directory.path().join(file)).unwrap();
    remove("a.crt");
    let reloaded = at_rest(&server);
    assert_eq!((reloaded.removed.len(), reloaded.problems.len()), (0, 1), "its successor may be on the way");
    remove("a.key");
    assert_eq!(at_rest(&server).removed, ["a"]);
    assert_eq!(hosts(&server), ["b.example"]);
    remove("b.crt");
    remove("b.key");
    let reloaded = at_rest(&server);
    assert!(reloaded.removed.is_empty() && reloaded.problems.len() == 1, "{reloaded:?}");
    assert_eq!(hosts(&server), ["b.example"]);
}

#[test]
fn without_a_certificate_there_is_no_server() {
    let directory = tempfile::tempdir().unwrap();
    let error = TlsServer::new(directory.path().into(), Oldest::Tls12, None).unwrap_err().to_string();
    assert!(error.starts_with("there is no NAME.crt"), "{error}");
    fs::write(directory.path().join("a.crt"), "").unwrap();
    let error = TlsServer::new(directory.path().into(), Oldest::Tls12, None).unwrap_err().to_string();
    assert!(error.contains("a.key cannot be read"), "{error}");
}
