//! The stack of `deploy/swarm.yml`, of which every task is replaced under load.
//!
//! The clients are in the stack's network and ask `tasks.balancer`, whose addresses are the balancers' own. They look it up again
//! when a connection is to be opened and the last answer is a second old, and go to the next address where one takes no connection.
//! The plain name and the published port go through Swarm's ingress, which needs a kernel with IPVS; they are not asked.

use std::{
    collections::BTreeSet,
    fs::read_to_string,
    io::Write as _,
    process::{Command, Stdio},
    sync::MutexGuard,
    time::{Duration, Instant},
};

use evenkeel_stage::{alone, build_images, docker, finished, free_addresses, root};

/// From the deployment to the end of the load. Without it, whatever hangs fails only after a minute for each step.
const LONGEST: Duration = Duration::from_secs(100);

/// For the stack's containers and its network to go. What is there after it is left to the engine.
const LONGEST_REMOVAL: Duration = Duration::from_secs(20);

/// By kind of connection: those that are kept, and those that are opened for each request. 200 requests a second together.
const CLIENTS: [&str; 2] = ["keep-alive", "fresh"];

const SETTINGS: &[&str] = &[
    "CLIENT_TARGET=http://tasks.balancer:8080",
    "CLIENT_MIX=GET /,POST /echo;body=1KiB;echo",
    "CLIENT_RATE=100",
    // More than it takes: the client is told to end, and reports what it has seen.
    "CLIENT_DURATION=5m",
    "CLIENT_PROGRESS=lines",
    "CLIENT_USERNAME=student",
    "CLIENT_PASSWORD_FILE=/run/secrets/password",
];

/// The network that every swarm makes, and none takes away.
const BRIDGE: &str = "docker_gwbridge";

#[test]
fn updating_all_servers_and_then_all_balancers_of_a_stack_loses_nothing() {
    let stack = Stack::deploy();
    let before = stack.running("server", 3);
    stack.running("balancer", 2);
    let clients = CLIENTS.map(|connections| Client::start(&stack, connections));
    let go_on = || clients.iter().for_each(|client| client.goes_on(&stack));
    go_on();
    for (service, replicas) in [("server", 3), ("balancer", 2)] {
        let old = stack.running(service, replicas);
        stack.update(service);
        let new = stack.running(service, replicas);
        assert!(old.is_disjoint(&new), "{service}: {old:?} and {new:?}");
        go_on();
    }
    let after = stack.running("server", 3);
    for client in &clients {
        let report = client.end();
        assert!(report.contains("Every request was answered rightly."), "{report}");
        // So the load was there before and after: each server has answered it, by its host name.
        for server in before.union(&after) {
            assert!(report.contains(server), "{server} is not in the report:\n{report}");
        }
    }
}

/// A stack of its own, in the swarm that the engine is in, or in one that ends with it.
struct Stack {
    name: String,
    begun: Instant,
    /// Whether the engine was in no swarm.
    leaves: bool,
    bridge_was_there: bool,
    /// One set at a time: they would disturb each other's measurements.
    _alone: MutexGuard<'static, ()>,
}

impl Stack {
    fn deploy() -> Self {
        let alone = alone();
        build_images();
        let [published] = free_addresses();
        let stack = Self {
            name: format!("evenkeel-e2e-{}-{}", std::process::id(), published.port()),
            begun: Instant::now(),
            leaves: docker(&["info", "--format", "{{.Swarm.LocalNodeState}}"]) == "inactive",
            bridge_was_there: !docker(&["network", "ls", "--quiet", "--filter", &format!("name={BRIDGE}")])
                .is_empty(),
            _alone: alone,
        };
        if stack.leaves {
            docker(&["swarm", "init", "--advertise-addr", "127.0.0.1"]);
        }
        // As it is shipped, but for the port: 8080 may be somebody's. A second file could only add a port to it.
        let file = read_to_string(root().join("deploy/swarm.yml")).expect("the stack's file can be read");
        let shipped = "published: 8080";
        assert_eq!(file.matches(shipped).count(), 1, "the published port is not where it was:\n{file}");
        let file = file.replace(shipped, &format!("published: {}", published.port()));
        let mut deploy = Command::new("docker")
            .args(["stack", "deploy", "--compose-file", "-", &stack.name])
            // The paths in it are relative to it.
            .current_dir(root().join("deploy"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker can be run");
        let written = deploy.stdin.take().map(|mut stdin| stdin.write_all(file.as_bytes()));
        let deployed = finished(&mut deploy);
        assert!(deployed.status.success(), "{deployed:?}, {written:?}");
        stack
    }

    /// Replaces every task of a service as its file says, and returns when Swarm calls that done.
    fn update(&self, service: &str) {
        let service = format!("{}_{service}", self.name);
        docker(&["service", "update", "--force", "--detach", "--quiet", &service]);
        let format = "{{with .UpdateStatus}}{{.State}}: {{.Message}}{{end}}";
        self.until(&format!("{service} is updated"), || {
            let state = docker(&["service", "inspect", "--format", format, &service]);
            assert!(!state.starts_with("rollback") && !state.starts_with("paused"), "{service}: {state}");
            state.starts_with("completed").then_some(())
        });
    }

    /// The host names of a service's containers, once as many as that are healthy and no other runs.
    fn running(&self, service: &str, replicas: usize) -> BTreeSet<String> {
        let name = format!("label=com.docker.swarm.service.name={}_{service}", self.name);
        self.until(&format!("{replicas} of {service} run and are healthy, and no other runs"), || {
            let listed = docker(&["ps", "--filter", &name, "--format", "{{.ID}} {{.Status}}"]);
            let all_healthy = listed.lines().all(|line| line.ends_with("(healthy)"));
            let names = listed.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned);
            let names: BTreeSet<_> = names.collect();
            (all_healthy && names.len() == replicas).then_some(names)
        })
    }

    /// Asks again and again until the answer is there. Panics where it does not come before the stack's time is over.
    fn until<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            if self.begun.elapsed() > LONGEST {
                let tasks = docker(&["stack", "ps", "--no-trunc", &self.name]);
                panic!("it did not come true in {LONGEST:?} that {what}:\n{tasks}");
            }
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // Without panicking: a test that fails has said why.
        let run = |arguments: &[&str]| Command::new("docker").args(arguments).output();
        let _ = run(&["stack", "rm", &self.name]);
        let label = format!("label=com.docker.stack.namespace={}", self.name);
        let is_left = |list: &[&str]| {
            run(&[list, &["--quiet", "--filter", &label]].concat())
                .is_ok_and(|listed| !listed.stdout.is_empty())
        };
        let begun = Instant::now();
        while (is_left(&["ps", "--all"]) || is_left(&["network", "ls"])) && begun.elapsed() < LONGEST_REMOVAL
        {
        }
        if self.leaves {
            let _ = run(&["swarm", "leave", "--force"]);
            if !self.bridge_was_there {
                let _ = run(&["network", "rm", BRIDGE]);
            }
        }
    }
}

/// A client in the stack's network. It sends each request once, whatever comes of it.
struct Client {
    container: String,
}

impl Client {
    fn start(stack: &Stack, connections: &str) -> Self {
        let network = format!("{}_evenkeel", stack.name);
        let password = root().join("secrets/password");
        let password = format!("{}:/run/secrets/password:ro", password.display());
        let connections = format!("CLIENT_CONNECTIONS={connections}");
        let mut arguments = vec!["run", "--detach", "--network", &network, "--volume", &password];
        for setting in SETTINGS.iter().copied().chain([connections.as_str()]) {
            arguments.extend(["--env", setting]);
        }
        arguments.push("evenkeel-client");
        Self { container: docker(&arguments) }
    }

    /// Waits until it tells of further right answers.
    fn goes_on(&self, stack: &Stack) {
        let so_far = self.right();
        stack.until("a client goes on", || (self.right() > so_far).then_some(()));
    }

    /// How many right answers it had when it last told of its progress, which it does every five seconds.
    fn right(&self) -> u64 {
        let logs = Command::new("docker").args(["logs", &self.container]).output();
        let logs = logs.expect("docker can be run").stderr;
        let logs = String::from_utf8_lossy(&logs);
        let right = logs.lines().rev().find_map(|line| line.split_once(" right, ")?.0.split(' ').next_back());
        right.map_or(0, |right| right.replace(',', "").parse().expect("it tells a number"))
    }

    /// Has it end, and returns its report.
    fn end(&self) -> String {
        docker(&["stop", &self.container]);
        let status = docker(&["inspect", "--format", "{{.State.ExitCode}}", &self.container]);
        let report = docker(&["logs", &self.container]);
        assert_eq!(status, "0", "{report}");
        report
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rm", "--force", &self.container]).output();
    }
}
