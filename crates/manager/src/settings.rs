//! The manager's own settings, and those it hands on.
//!
//! What is handed on is not understood here: `MANAGER_SERVER_2_DATA` becomes `SERVER_DATA` for the second server, whose own
//! `--check` judges it.

use std::num::NonZero;

use evenkeel_service::{Component, Reading, Reported, Variable};

/// The manager, as `--help` describes it.
pub(crate) const COMPONENT: Component = Component {
    name: "manager",
    about: "Runs the whole set as processes on this machine: servers, the balancer and, on request, the client.",
    prefix: "MANAGER_",
    variables: &[
        Variable::new("SERVERS", "3", "how many servers, 1 to 64"),
        Variable::new("CLIENT", "off", "on: the client runs once the balancer is ready"),
        Variable::new(
            "RESTART",
            "off",
            "on: a server or balancer that ends is started again, after 250ms at first, then slower, up to 8s",
        ),
        Variable::family(
            "SERVER_",
            "MANAGER_SERVER_<n>_<NAME> is SERVER_<NAME> of server n; 127.0.0.1:8080+n and 127.0.0.1:9090+n by default",
        ),
        Variable::family(
            "BALANCER_",
            "MANAGER_BALANCER_<NAME> is BALANCER_<NAME>; 127.0.0.1:8080 and :9090, RUNS=on, MAX_FIELDS=88 and the token of secrets/admin-token by default",
        ),
        Variable::family("CLIENT_", "MANAGER_CLIENT_<NAME> is CLIENT_<NAME>"),
    ],
    health: None,
};

/// The most servers a set can have: their default ports (8081 to 8144) stay clear of the admin ports.
const MOST_SERVERS: u16 = 64;

/// Variables that are handed on: the name without its component's prefix, and the value.
pub(crate) type Handed = Vec<(String, String)>;

/// What the set consists of.
#[derive(Debug)]
pub(crate) struct Settings {
    /// What each server is given, in order; at least one.
    pub(crate) servers: Vec<Handed>,
    /// What the balancer is given.
    pub(crate) balancer: Handed,
    /// What the client is given, if there is to be one.
    pub(crate) client: Option<Handed>,
    /// Whether a server or balancer that ends is started again.
    pub(crate) restart: bool,
}

impl Settings {
    /// Reads the settings; every problem is recorded in `reading`.
    pub(crate) fn read(reading: &mut Reading<'_>) -> Result<Self, Reported> {
        let count = reading.value_with("SERVERS", |text| {
            let count = text.parse().ok().filter(|count: &NonZero<u16>| count.get() <= MOST_SERVERS);
            count.ok_or_else(|| format!("`{text}` is not a whole number from 1 to {MOST_SERVERS}"))
        });
        let client = reading.value("CLIENT");
        let restart = reading.value("RESTART");
        let servers = servers(reading, count.map_or(MOST_SERVERS, NonZero::get));
        let balancer = reading.family("BALANCER_");
        let handed_to_client = reading.family("CLIENT_");
        let (count, client) = (count?, client?);
        let mut servers = servers?;
        servers.truncate(usize::from(count.get()));
        Ok(Self {
            servers,
            balancer,
            client: if client { Some(handed_to_client) } else { None },
            restart: restart?,
        })
    }
}

/// Sorts `SERVER_<n>_<NAME>` by server. A number that no server has is a problem: the setting would be lost.
fn servers(reading: &mut Reading<'_>, count: u16) -> Result<Vec<Handed>, Reported> {
    let mut servers = vec![Handed::new(); usize::from(count)];
    let mut outcome = Ok(());
    for (rest, value) in reading.family("SERVER_") {
        let place = rest.split_once('_').and_then(|(number, name)| {
            let number = number.parse::<NonZero<usize>>().ok()?;
            (!name.is_empty()).then_some((number.get() - 1, name))
        });
        match place {
            Some((index, name)) if index < servers.len() => servers[index].push((name.to_owned(), value)),
            Some(_) => {
                let reason = format!("there are {count} servers; raise MANAGER_SERVERS or remove it");
                outcome = Err(reading.problem(&format!("SERVER_{rest}"), reason));
            }
            None => {
                let reason = "names no server; write it as MANAGER_SERVER_1_DATA".to_owned();
                outcome = Err(reading.problem(&format!("SERVER_{rest}"), reason));
            }
        }
    }
    outcome.map(|()| servers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, String> {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        Reading::of(&COMPONENT, variables, Settings::read).map_err(|problems| problems.to_string())
    }

    #[test]
    fn three_servers_and_no_client_are_the_default() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.servers, [Handed::new(), Handed::new(), Handed::new()]);
        assert_eq!(settings.balancer, []);
        assert_eq!(settings.client, None);
        assert!(!settings.restart);
    }

    #[test]
    fn each_child_gets_its_own_variables() {
        let settings = read(&[
            ("MANAGER_SERVERS", "2"),
            ("MANAGER_SERVER_2_DATA", "two"),
            ("MANAGER_BALANCER_POLICY", "round_robin"),
            ("MANAGER_CLIENT", "on"),
            ("MANAGER_CLIENT_REQUESTS", "7"),
        ])
        .unwrap();
        assert_eq!(settings.servers, [vec![], vec![("DATA".to_owned(), "two".to_owned())]]);
        assert_eq!(settings.balancer, [("POLICY".to_owned(), "round_robin".to_owned())]);
        assert_eq!(settings.client, Some(vec![("REQUESTS".to_owned(), "7".to_owned())]));
    }

    #[test]
    fn a_variable_for_a_server_that_there_is_not_is_refused() {
        assert_eq!(
            read(&[("MANAGER_SERVER_4_DATA", "x")]).unwrap_err(),
            "MANAGER_SERVER_4_DATA: there are 3 servers; raise MANAGER_SERVERS or remove it"
        );
        for name in ["MANAGER_SERVER_DATA", "MANAGER_SERVER_0_DATA", "MANAGER_SERVER_1_", "MANAGER_SERVER_1"]
        {
            let problem = read(&[(name, "x")]).unwrap_err();
            assert_eq!(problem, format!("{name}: names no server; write it as MANAGER_SERVER_1_DATA"));
        }
    }

    #[test]
    fn the_number_of_servers_has_bounds() {
        for bad in ["0", "65", "-1", "many"] {
            let problem = read(&[("MANAGER_SERVERS", bad)]).unwrap_err();
            assert_eq!(problem, format!("MANAGER_SERVERS: `{bad}` is not a whole number from 1 to 64"));
        }
    }
}
