//! Who runs, and with which variables: the whole set, worked out before anything starts.
//!
//! ```text
//! server 1 … n: addresses claimed ──▶ balancer: upstream = their addresses ──▶ client: target = the balancer
//! ```
//!
//! Every default can be overridden by what the settings hand on.

use std::{
    collections::BTreeMap,
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};

use evenkeel_service::reachable;

use crate::{
    Trouble,
    settings::{Handed, Settings},
    token,
};

/// What kind of process a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Server,
    Balancer,
    Client,
}

impl Kind {
    /// The name of its binary.
    pub(crate) fn binary(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Balancer => "balancer",
            Self::Client => "client",
        }
    }

    /// What its variables begin with.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Server => "SERVER_",
            Self::Balancer => "BALANCER_",
            Self::Client => "CLIENT_",
        }
    }
}

/// One process of the set.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// What it is called in the table and before each line it prints.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// What its variables begin with among the manager's own: `MANAGER_SERVER_2_`.
    pub(crate) handed_as: String,
    /// Its variables, by their full names.
    pub(crate) variables: BTreeMap<String, String>,
    /// Where it is reached; `None` for the client.
    pub(crate) addresses: Option<Addresses>,
}

/// Where a member is reached from this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) traffic: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// All members, in the order in which they start; they stop in the reverse order.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) members: Vec<Member>,
}

/// Traffic of the balancer; server n takes the port n above it.
const TRAFFIC_PORT: u16 = 8080;
/// Admin of the balancer; server n takes the port n above it.
const ADMIN_PORT: u16 = 9090;

/// The most fields of a request through the balancer to the set's own servers: those take 96, of which it adds up to eight.
const MAX_FIELDS: usize = 88;

impl Plan {
    /// Works out the set. The balancer's admin interface has the token of the file `token`, where there is one; `claim` takes an address for this run and says which it became: port 0 stands for any free one.
    pub(crate) fn new(
        settings: &Settings,
        token: Option<&Path>,
        mut claim: impl FnMut(SocketAddr) -> io::Result<SocketAddr>,
    ) -> Result<Self, Trouble> {
        let mut problems = Vec::new();
        let mut members = Vec::new();
        for (number, handed) in (1..).zip(&settings.servers) {
            let mut server =
                Member::new(format!("server-{number}"), Kind::Server, &format!("SERVER_{number}_"), handed);
            server.default("NAME", server.name.clone());
            if !server.has("DATA") && !server.has("DATA_FILE") {
                server.default("DATA", greeting(usize::from(number)));
            }
            server.claim(number, &mut claim, &mut problems);
            members.push(server);
        }
        let mut balancer =
            Member::new("balancer".to_owned(), Kind::Balancer, "BALANCER_", &settings.balancer);
        balancer.claim(0, &mut claim, &mut problems);
        token::hand_to(&mut balancer, token);
        if !balancer.has("UPSTREAM") {
            balancer.default("MAX_FIELDS", MAX_FIELDS.to_string());
        }
        balancer.default("RUNS", "on".to_owned());
        balancer.default("UPSTREAM", list(&members));
        if let Some(handed) = &settings.client {
            let mut client = Member::new("client".to_owned(), Kind::Client, "CLIENT_", handed);
            if let Some(Addresses { traffic, .. }) = balancer.addresses {
                client.default("TARGET", format!("http://{traffic}"));
            }
            members.extend([balancer, client]);
        } else {
            members.push(balancer);
        }
        if problems.is_empty() { Ok(Self { members }) } else { Err(worst(&problems)) }
    }
}

impl Plan {
    /// The balancer.
    pub(crate) fn balancer(&self) -> Option<&Member> {
        self.members.iter().find(|member| member.kind == Kind::Balancer)
    }
}

impl Member {
    fn new(name: String, kind: Kind, family: &str, handed: &Handed) -> Self {
        let variables =
            handed.iter().map(|(name, value)| (format!("{}{name}", kind.prefix()), value.clone())).collect();
        Self { name, kind, handed_as: format!("MANAGER_{family}"), variables, addresses: None }
    }

    /// Whether it has this variable of its component.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.variables.contains_key(&format!("{}{name}", self.kind.prefix()))
    }

    /// Gives it this variable of its component, unless it has it.
    pub(crate) fn default(&mut self, name: &str, value: String) {
        self.variables.entry(format!("{}{name}", self.kind.prefix())).or_insert(value);
    }

    /// Takes both addresses, so that the next member can be told of them and a taken port is known now.
    fn claim(
        &mut self,
        above: u16,
        claim: &mut impl FnMut(SocketAddr) -> io::Result<SocketAddr>,
        problems: &mut Vec<Problem>,
    ) {
        let traffic = self.claim_one("BIND", TRAFFIC_PORT + above, claim);
        let admin = self.claim_one("ADMIN_BIND", ADMIN_PORT + above, claim);
        match (traffic, admin) {
            (Ok(traffic), Ok(admin)) => self.addresses = Some(Addresses { traffic, admin }),
            (traffic, admin) => problems.extend([traffic.err(), admin.err()].into_iter().flatten()),
        }
    }

    fn claim_one(
        &mut self,
        name: &str,
        default_port: u16,
        claim: &mut impl FnMut(SocketAddr) -> io::Result<SocketAddr>,
    ) -> Result<SocketAddr, Problem> {
        let variable = format!("{}{name}", self.handed_as);
        let default = SocketAddr::from((Ipv4Addr::LOCALHOST, default_port));
        let value =
            self.variables.entry(format!("{}{name}", self.kind.prefix())).or_insert(default.to_string());
        let Ok(asked) = value.parse::<SocketAddr>() else {
            return Err(Problem::Unreadable { variable, value: value.clone(), example: default });
        };
        let claimed = claim(asked).map_err(|error| Problem::Unusable { variable, asked, error })?;
        *value = claimed.to_string();
        Ok(reachable(claimed))
    }
}

/// Why a member cannot have an address.
enum Problem {
    Unreadable { variable: String, value: String, example: SocketAddr },
    Unusable { variable: String, asked: SocketAddr, error: io::Error },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { variable, value, example } => {
                write!(f, "{variable}: `{value}` is not an address and port; write it as {example}")
            }
            Self::Unusable { variable, asked, error } if error.kind() == io::ErrorKind::AddrInUse => write!(
                f,
                "{variable}: {asked} is taken by another process; end that one, or set {variable}={} for any free port",
                SocketAddr::new(asked.ip(), 0)
            ),
            Self::Unusable { variable, asked, error } => {
                write!(f, "{variable}: {asked} cannot be used: {error}")
            }
        }
    }
}

/// A setting that cannot be read outweighs a port that somebody else has.
fn worst(problems: &[Problem]) -> Trouble {
    let usage = problems.iter().any(|problem| matches!(problem, Problem::Unreadable { .. }));
    let lines = problems.iter().map(Problem::to_string).collect();
    if usage { Trouble::usage(lines) } else { Trouble { lines, ..Trouble::unavailable(String::new()) } }
}

/// The servers by their names, or the balancer could only call them by their ports.
fn list(servers: &[Member]) -> String {
    let entry = |server: &Member| Some(format!("{}={}", server.name, server.addresses?.traffic));
    servers.iter().filter_map(entry).collect::<Vec<_>>().join(",")
}

/// Data that differ from server to server, so that one sees at once who answered.
fn greeting(number: usize) -> String {
    const HELLO: [&str; 6] = ["Hello", "Bonjour", "Hallo", "Hola", "Ciao", "Hej"];
    format!(r#"{{"greeting":"{} from server {number}"}}"#, HELLO[(number - 1) % HELLO.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(
        servers: &[&[(&str, &str)]],
        balancer: &[(&str, &str)],
        client: Option<&[(&str, &str)]>,
    ) -> Settings {
        let handed = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Handed>()
        };
        Settings {
            servers: servers.iter().map(|pairs| handed(pairs)).collect(),
            balancer: handed(balancer),
            client: client.map(handed),
            restart: false,
        }
    }

    /// Grants every address, and numbers those that ask for any port.
    fn grant() -> impl FnMut(SocketAddr) -> io::Result<SocketAddr> {
        let mut next = 40_000;
        move |asked| {
            next += 1;
            Ok(if asked.port() == 0 { SocketAddr::new(asked.ip(), next) } else { asked })
        }
    }

    #[test]
    fn servers_differ_in_name_data_and_port() {
        let plan = Plan::new(&settings(&[&[], &[], &[]], &[], None), None, grant()).unwrap();
        for variable in ["SERVER_NAME", "SERVER_DATA", "SERVER_BIND", "SERVER_ADMIN_BIND"] {
            let values: std::collections::BTreeSet<_> =
                plan.members[..3].iter().map(|server| server.variables[variable].clone()).collect();
            assert_eq!(values.len(), 3, "{variable}: {values:?}");
        }
        assert_eq!(plan.members[2].variables["SERVER_BIND"], "127.0.0.1:8083");
    }

    #[test]
    fn the_balancer_knows_the_servers_and_the_client_the_balancer() {
        let any = [("BIND", "0.0.0.0:0")];
        let plan = Plan::new(&settings(&[&any, &[]], &any, Some(&[])), None, grant()).unwrap();
        let names: Vec<_> = plan.members.iter().map(|member| member.name.as_str()).collect();
        assert_eq!(names, ["server-1", "server-2", "balancer", "client"]);
        assert_eq!(plan.members[0].variables["SERVER_BIND"], "0.0.0.0:40001");
        assert_eq!(
            plan.members[2].variables["BALANCER_UPSTREAM"],
            "server-1=127.0.0.1:40001,server-2=127.0.0.1:8082"
        );
        assert_eq!(plan.members[2].variables["BALANCER_MAX_FIELDS"], "88", "what the servers take");
        assert_eq!(plan.members[3].variables["CLIENT_TARGET"], "http://127.0.0.1:40005");
    }

    #[test]
    fn what_is_handed_on_outweighs_the_defaults() {
        let server = [("NAME", "anna"), ("DATA_FILE", "/data")];
        let plan = Plan::new(&settings(&[&server], &[("UPSTREAM", "x:1")], None), None, grant()).unwrap();
        assert_eq!(plan.members[0].variables["SERVER_NAME"], "anna");
        assert!(!plan.members[0].variables.contains_key("SERVER_DATA"));
        assert_eq!(plan.members[1].variables["BALANCER_UPSTREAM"], "x:1");
        assert!(
            !plan.members[1].variables.contains_key("BALANCER_MAX_FIELDS"),
            "nothing is known of other servers"
        );
    }

    #[test]
    fn a_taken_port_is_named_with_what_to_do() {
        let taken = |asked: SocketAddr| {
            if asked.port() == 8080 { Err(io::ErrorKind::AddrInUse.into()) } else { Ok(asked) }
        };
        let trouble = Plan::new(&settings(&[&[]], &[], None), None, taken).unwrap_err();
        assert_eq!(
            trouble,
            Trouble::unavailable(
                "MANAGER_BALANCER_BIND: 127.0.0.1:8080 is taken by another process; end that one, or set \
                 MANAGER_BALANCER_BIND=127.0.0.1:0 for any free port"
                    .to_owned()
            )
        );
    }

    #[test]
    fn an_address_that_is_none_is_a_usage_error() {
        let trouble = Plan::new(&settings(&[&[("BIND", "here")]], &[], None), None, grant()).unwrap_err();
        let line = "MANAGER_SERVER_1_BIND: `here` is not an address and port; write it as 127.0.0.1:8081";
        assert_eq!(trouble, Trouble::usage(vec![line.to_owned()]));
    }
}
