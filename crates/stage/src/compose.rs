//! The set as containers: a Compose project of its own, on ports of its own, gone when the test ends.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use crate::{basic, free_addresses, root};

/// A running Compose project. Dropping it removes its containers, its network and its volumes.
#[derive(Debug)]
pub struct Compose {
    project: String,
    files: Vec<PathBuf>,
    traffic: SocketAddr,
    admin: SocketAddr,
    secure: SocketAddr,
    second_admin: SocketAddr,
    /// One project at a time: they would disturb each other's measurements.
    _alone: MutexGuard<'static, ()>,
}

impl Compose {
    /// A project of these files (relative to the root), of which nothing runs yet.
    pub fn of(files: &[&str]) -> Self {
        let alone = alone();
        let [traffic, admin, secure, second_admin] = free_addresses();
        let project = format!("evenkeel-e2e-{}-{}", std::process::id(), traffic.port());
        let files = files.iter().map(|file| root().join(file)).collect();
        Self { project, files, traffic, admin, secure, second_admin, _alone: alone }
    }

    /// Brings up the services of these files (relative to the root) and waits until all are healthy.
    pub fn up(files: &[&str], services: &[&str]) -> Self {
        let compose = Self::of(files);
        build_images();
        compose.run(&[&["up", "--detach", "--no-build", "--wait"], services].concat());
        compose
    }

    /// What its containers' names begin with.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// What has a `docker compose` without arguments mean this project.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("COMPOSE_PROJECT_NAME", self.project.clone()),
            ("EVENKEEL_PORT", self.traffic.port().to_string()),
            ("EVENKEEL_ADMIN_PORT", self.admin.port().to_string()),
            ("EVENKEEL_TLS_PORT", self.secure.port().to_string()),
            ("EVENKEEL_SECOND_ADMIN_PORT", self.second_admin.port().to_string()),
        ]
    }

    /// Where the balancer takes requests.
    pub fn balancer(&self) -> SocketAddr {
        self.traffic
    }

    /// The balancer's admin interface.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Where the balancer takes requests over TLS, with `docker-compose.tls.yml`.
    pub fn secure(&self) -> SocketAddr {
        self.secure
    }

    /// The `Authorization` that the servers of `docker-compose.yml` take.
    pub fn authorization(&self) -> String {
        let password =
            std::fs::read_to_string(root().join("secrets/password")).expect("secrets/password is there");
        basic("student", password.trim_end())
    }

    /// The containers of a service.
    pub fn containers(&self, service: &str) -> Vec<String> {
        self.run(&["ps", "--all", "--quiet", service]).lines().map(str::to_owned).collect()
    }

    /// Runs `docker compose` on this project and returns what it printed. Panics where it fails.
    pub fn run(&self, arguments: &[&str]) -> String {
        finish(self.command().args(arguments))
    }

    /// The same for a command whose exit status is of interest.
    pub fn try_run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let ran = self.command().args(arguments).output().expect("docker can be run");
        (ran.status.code(), String::from_utf8_lossy(&ran.stdout).into_owned())
    }

    fn command(&self) -> Command {
        let mut command = Command::new("docker");
        command.args(["compose", "--project-name", &self.project, "--project-directory"]).arg(root());
        for file in &self.files {
            command.arg("--file").arg(file);
        }
        command.envs(self.environment());
        command
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        // Without panicking: a test that fails has said why.
        let down = ["down", "--volumes", "--remove-orphans", "--timeout", "1"];
        let _ = self.command().args(down).output();
    }
}

/// Waits until no other set of containers of this process is up, and keeps others waiting.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    // A test that failed holding it has removed its set all the same.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Builds the images the first time a test asks: all files use the same. What failed once is not tried again.
pub fn build_images() {
    static BUILT: OnceLock<Result<(), String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let mut command = Command::new("docker");
        command.args(["compose", "--progress", "plain", "build"]).current_dir(root());
        let ran = command.output().map_err(|error| error.to_string())?;
        if ran.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&ran.stderr).into_owned()) }
    });
    if let Err(reason) = built {
        panic!("the images cannot be built: {reason}");
    }
}

/// Runs `docker` and returns what it printed. Panics where it fails.
pub fn docker(arguments: &[&str]) -> String {
    finish(Command::new("docker").args(arguments))
}

fn finish(command: &mut Command) -> String {
    let ran = command.output().expect("docker can be run");
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{command:?}: {}\n{out}\n{err}", ran.status);
    out.trim_end().to_owned()
}
