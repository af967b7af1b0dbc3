//! What a row is measured on: the servers, the cores, and who there is to compare.

use std::path::Path;

use crate::{
    Result,
    contenders::{Build, Contender, OWN},
    cores::Cores,
    identity::Identity,
    options::Options,
    servers::Servers,
    tools::Tools,
};

/// Who takes part in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    All,
    Closest,
}

/// The surroundings of all rows.
#[derive(Debug)]
pub(crate) struct Stage {
    /// What was asked for.
    pub(crate) options: Options,
    /// What is installed.
    pub(crate) tools: Tools,
    /// Who runs where.
    pub(crate) cores: Cores,
    /// What stands behind all.
    pub(crate) servers: Servers,
    /// What everyone shows over TLS.
    pub(crate) identity: Identity,
}

impl Stage {
    /// Starts the servers.
    pub(crate) fn new(options: Options) -> Result<Self> {
        let tools = Tools::find()?;
        let cores = Cores::choose()?;
        let load = cores.load.to_string();
        let servers = Servers::start(options.servers, &tools, &load, &options.scratch)?;
        let identity = Identity::make(&options.scratch)?;
        Ok(Self { options, tools, cores, servers, identity })
    }

    /// Where files go that nobody keeps.
    pub(crate) fn scratch(&self) -> &Path {
        &self.options.scratch
    }

    /// Starts everyone there is to compare.
    pub(crate) fn contenders(&self) -> Result<Vec<Contender>> {
        self.start(Field::All, None, |build| Contender::own(self, build, &self.servers))
    }

    /// The same without Envoy and Caddy. A rate that is half of the slowest one's would become another with them.
    pub(crate) fn closest(&self) -> Result<Vec<Contender>> {
        self.start(Field::Closest, None, |build| Contender::own(self, build, &self.servers))
    }

    /// Everyone there is to compare, and each takes its clients over TLS.
    pub(crate) fn secure_contenders(&self) -> Result<Vec<Contender>> {
        self.start(Field::All, Some(&self.identity), |build| Contender::own_secure(self, build))
    }

    fn start(
        &self,
        field: Field,
        shown: Option<&Identity>,
        own: impl Fn(Build) -> Result<Contender>,
    ) -> Result<Vec<Contender>> {
        let mut all = Vec::new();
        if let Some(nginx) = &self.tools.nginx {
            all.push(Contender::nginx(self, nginx, shown)?);
        }
        if let Some(haproxy) = &self.tools.haproxy {
            all.push(Contender::haproxy(self, haproxy, shown)?);
        }
        if let Some(envoy) = self.tools.envoy.as_ref().filter(|_| field == Field::All) {
            all.push(Contender::envoy(self, envoy, shown)?);
        }
        if let Some(caddy) = self.tools.caddy.as_ref().filter(|_| field == Field::All) {
            all.push(Contender::caddy(self, caddy, shown)?);
        }
        all.push(own(self.build(OWN))?);
        for path in &self.options.against {
            all.push(own(Build { program: path.clone(), ..self.build(&path.display().to_string()) })?);
        }
        Ok(all)
    }

    /// The balancer that is measured, under this name, on the proxies' core, with its defaults.
    pub(crate) fn build(&self, name: &str) -> Build {
        Build {
            name: name.to_owned(),
            program: self.tools.balancer.clone(),
            cores: self.cores.proxy.to_string(),
            variables: Vec::new(),
        }
    }
}
