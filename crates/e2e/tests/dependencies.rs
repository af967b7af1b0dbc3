//! What stays out of the binaries that carry traffic.

use std::process::Command;

use evenkeel_stage::root;

/// The names of the crates that a package is built of.
fn built_of(package: &str) -> Vec<String> {
    let cargo = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"])
        .args(["--package", package])
        .current_dir(root())
        .output()
        .expect("cargo can be run");
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let tree = String::from_utf8(cargo.stdout).expect("names are UTF-8");
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn awc_and_its_http2_are_the_clients_alone() {
    let client = built_of("evenkeel-client");
    for name in ["awc", "h2"] {
        assert!(client.iter().any(|known| known == name), "{name} is what this test looks for");
        for package in ["evenkeel-balancer", "evenkeel-server", "evenkeel-manager"] {
            assert!(built_of(package).iter().all(|known| known != name), "{package} is built of {name}");
        }
    }
}

#[test]
fn no_tls_is_built_into_the_client_with_which_awc_would_speak_http2() {
    for name in built_of("evenkeel-client") {
        // `rustls` alone is `evenkeel-wire`'s; awc would need one of these to speak over it.
        assert!(!["openssl", "tokio-rustls", "tokio-openssl"].contains(&name.as_str()), "{name}");
    }
}
