//! The token of the balancer's admin interface: the file that the Compose set has it from, so that draining works from the live
//! page here as it does there.

use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::plan::{Addresses, Member};

/// The file, relative to the root of the sources.
const FILE: &str = "secrets/admin-token";

/// Where the file is: below the directory that this was started in or, under `cargo run`, below that of the sources.
pub(crate) fn file() -> Option<PathBuf> {
    let sources = env::var_os("CARGO_MANIFEST_DIR").map(|manager| Path::new(&manager).join("../.."));
    found([PathBuf::new()].into_iter().chain(sources))
}

fn found(mut directories: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    directories.find_map(|directory| {
        let file = directory.join(FILE);
        let file = if directory.as_os_str().is_empty() { Ok(file) } else { file.canonicalize() };
        file.ok().filter(|file| file.is_file())
    })
}

/// Gives the balancer the token of this file, unless it was given one or is reached from other machines: what the file holds
/// at first is known to everybody.
pub(crate) fn hand_to(balancer: &mut Member, file: Option<&Path>) {
    let is_local = balancer.addresses.is_some_and(|Addresses { admin, .. }| admin.ip().is_loopback());
    let has_its_own = balancer.has("ADMIN_TOKEN") || balancer.has("ADMIN_TOKEN_FILE");
    if let Some(file) = file
        && is_local
        && !has_its_own
    {
        balancer.default("ADMIN_TOKEN_FILE", file.display().to_string());
    }
}

/// Where the live page is, and where its token.
pub(crate) fn page(balancer: &Member, admin: SocketAddr) -> String {
    let token = if let Some(file) = balancer.variables.get("BALANCER_ADMIN_TOKEN_FILE") {
        format!("the token that its buttons ask for is in {file}")
    } else if balancer.has("ADMIN_TOKEN") {
        "its buttons ask for MANAGER_BALANCER_ADMIN_TOKEN".to_owned()
    } else {
        "read-only: MANAGER_BALANCER_ADMIN_TOKEN_FILE names a file with a token for its buttons".to_owned()
    };
    format!("live page: http://{admin}/ ({token})")
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs};

    use super::*;
    use crate::plan::Kind;

    fn balancer(admin: &str, variables: &[(&str, &str)]) -> Member {
        let traffic = "127.0.0.1:8080".parse().unwrap();
        Member {
            name: "balancer".to_owned(),
            kind: Kind::Balancer,
            handed_as: String::new(),
            variables: variables
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect::<BTreeMap<_, _>>(),
            addresses: Some(Addresses { traffic, admin: admin.parse().unwrap() }),
        }
    }

    fn told(admin: &str, variables: &[(&str, &str)], file: Option<&str>) -> String {
        let mut balancer = balancer(admin, variables);
        hand_to(&mut balancer, file.map(Path::new));
        page(&balancer, balancer.addresses.unwrap().admin)
    }

    #[test]
    fn the_page_is_named_with_where_its_token_is() {
        for (variables, file, expected) in [
            (
                &[][..],
                Some("secrets/admin-token"),
                "the token that its buttons ask for is in secrets/admin-token",
            ),
            (&[("BALANCER_ADMIN_TOKEN_FILE", "/own")], Some("secrets/admin-token"), "is in /own"),
            (&[("BALANCER_ADMIN_TOKEN", "x")], Some("secrets/admin-token"), "MANAGER_BALANCER_ADMIN_TOKEN)"),
            (&[], None, "(read-only: MANAGER_BALANCER_ADMIN_TOKEN_FILE names"),
        ] {
            let told = told("127.0.0.1:9090", variables, file);
            assert!(
                told.starts_with("live page: http://127.0.0.1:9090/ (") && told.contains(expected),
                "{told}"
            );
        }
    }

    #[test]
    fn a_token_that_everybody_knows_is_not_for_other_machines() {
        assert!(told("192.0.2.1:9090", &[], Some("secrets/admin-token")).contains("read-only"));
    }

    #[test]
    fn the_file_of_the_first_directory_that_has_one_is_it() {
        let (without, with) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let directories = || [without.path().to_owned(), with.path().to_owned()].into_iter();
        assert_eq!(found(directories()), None);
        fs::create_dir(with.path().join("secrets")).unwrap();
        fs::write(with.path().join(FILE), "evenkeel\n").unwrap();
        assert_eq!(found(directories()), Some(with.path().canonicalize().unwrap().join(FILE)));
    }
}
