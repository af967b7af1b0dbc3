//! The lab without Docker: the set as processes, with the binaries that are there already.

use evenkeel_stage::{binary, free_addresses};

use crate::{WITHOUT_DOCKER, labs, play};

#[test]
fn the_lab_without_docker_shows_what_it_promises() {
    let labs = labs();
    let lab = labs.iter().find(|lab| lab.title == WITHOUT_DOCKER).expect("it is on the page");
    let addresses = free_addresses::<8>().map(|address| address.to_string());
    let mut environment = Vec::new();
    for (member, addresses) in
        ["BALANCER", "SERVER_1", "SERVER_2", "SERVER_3"].iter().zip(addresses.chunks(2))
    {
        environment.push((format!("MANAGER_{member}_BIND"), addresses[0].clone()));
        environment.push((format!("MANAGER_{member}_ADMIN_BIND"), addresses[1].clone()));
    }
    let environment: Vec<_> =
        environment.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let log = tempfile::tempdir().expect("a directory can be made");
    let otherwise = [
        ("cargo run --release", binary("manager").display().to_string()),
        ("target/release/client", binary("client").display().to_string()),
        ("127.0.0.1:8080", addresses[0].clone()),
        ("127.0.0.1:9090", addresses[1].clone()),
        ("/tmp/evenkeel", format!("{}/evenkeel", log.path().display())),
    ];
    if let Err(trouble) = play(lab, &otherwise, &environment) {
        panic!("{trouble}");
    }
}
