//! `BALANCER_SETTINGS`: a file of settings beside the environment.

use std::fs;

use tempfile::TempDir;

use crate::harness::{Balancer, OK_CLOSE, Servers};

/// A settings file; it ends with the test.
struct File {
    _directory: TempDir,
    path: String,
}

impl File {
    fn of(text: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("balancer.env");
        fs::write(&path, text).unwrap();
        Self { path: path.to_str().unwrap().to_owned(), _directory: directory }
    }

    /// What is said of it, with `F` for its path.
    fn checked(&self, settings: &[(&str, &str)]) -> Result<(), String> {
        let settings: Vec<_> = settings.iter().copied().chain([("SETTINGS", self.path.as_str())]).collect();
        let checked = Balancer::checked(&settings);
        if let Err(said) = &checked {
            assert_eq!(&Balancer::refused(&settings), said, "a start says something else");
        }
        checked.map_err(|said| said.replace(&self.path, "F"))
    }
}

#[test]
fn what_stands_in_the_file_is_in_force() {
    let servers = Servers::listen(1);
    let file = File::of(&format!(
        "# who serves\nBALANCER_UPSTREAM={}\nBALANCER_RESPONSE_SET='X-Set: \"by\" the # file'\n",
        servers.upstream()
    ));
    let balancer = Balancer::without_default(&[("SETTINGS", &file.path), ("NAME", "of-environment")]);
    balancer.wait_until(|balancer| balancer.admin("/api/endpoints").text().contains("\"usable\":true"));
    let mut client = balancer.connect();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut server = servers.accept();
    server.message();
    server.send(OK_CLOSE);
    assert_eq!(client.message().field("x-set"), Some("\"by\" the # file"));
    let settings = balancer.admin("/api/state");
    assert!(settings.text().contains(&file.path), "{}", settings.text());
    assert!(settings.text().contains("the # file"), "{}", settings.text());
}

#[test]
fn a_bad_file_is_refused_at_the_start_and_by_check_with_file_and_line() {
    let fine = File::of("BALANCER_POLICY=peak_ewma\n");
    assert_eq!(fine.checked(&[]), Ok(()));
    assert_eq!(
        fine.checked(&[("POLICY", "peak_ewma")]).unwrap_err().trim_end(),
        "F:1: BALANCER_POLICY is set in the environment as well; keep one of them"
    );
    let bad =
        File::of("BALANCER_POLICY=fastest\n\nBALANCER_POLCY=peak_ewma\nBALANCER_ADMIN_BIND=0.0.0.0:9091\n");
    let said = bad.checked(&[]).unwrap_err();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    for begins in [
        "F:1: BALANCER_POLICY: `fastest` is none of ",
        "F:3: BALANCER_POLCY: is not a setting; did you mean BALANCER_POLICY?",
        "F:4: BALANCER_ADMIN_BIND can be set in the environment only, where healthcheck finds it",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(begins)), "{begins} in\n{said}");
    }
}
