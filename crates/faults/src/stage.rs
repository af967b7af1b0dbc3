//! What a scenario is given: a project name, a place for journals, who stands before the servers, how many clients.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use evenkeel_stage::Tls;

use crate::{
    Result,
    load::{Load, Plan, Work},
    options::Options,
    proxy::Peer,
    set::{Set, authorization},
};

/// The surroundings of one scenario.
#[derive(Debug)]
pub(crate) struct Stage {
    /// The Compose project; the script removes what is left of it.
    pub(crate) project: String,
    /// Where the servers leave their journals.
    pub(crate) journals: PathBuf,
    /// Where the witness leaves its report.
    pub(crate) reports: PathBuf,
    /// Where the balancer's settings file is.
    pub(crate) settings: PathBuf,
    /// Where a peer's configuration goes.
    pub(crate) scratch: PathBuf,
    /// Who balances instead of the balancer.
    pub(crate) peer: Option<Peer>,
    /// How many clients a full load has.
    pub(crate) clients: usize,
    /// How long each of them waits between two requests.
    pub(crate) think: Duration,
    /// How many requests a second the witness sends.
    pub(crate) witness: u32,
    /// Where the certificates are and whom to believe, where it is played over TLS.
    pub(crate) tls: Option<(PathBuf, Tls)>,
    /// What the journals know the scenario by.
    pub(crate) run: String,
}

impl Stage {
    /// Sets it up, with empty places for journals and reports.
    pub(crate) fn new(options: &Options, peer: Option<Peer>, run: String) -> Result<Self> {
        let Options { project, scratch, clients, think, witness, .. } = options.clone();
        let journals = empty(scratch.join("journals"))?;
        let reports = empty(scratch.join("reports"))?;
        let settings = empty(scratch.join("settings"))?;
        let tls = options.tls.then(|| certificates(&scratch)).transpose()?;
        Ok(Self { project, journals, reports, settings, scratch, peer, clients, think, witness, tls, run })
    }

    /// The set as it is by default.
    pub(crate) fn set(&self) -> Result<Set> {
        Set::up(self, &[])
    }

    /// The full load: small bodies, no pause.
    pub(crate) fn load(&self, set: &Set) -> Result<Load> {
        Ok(Load::start(&self.plan(set)?))
    }

    /// A full load of another kind of work.
    pub(crate) fn load_of(&self, work: Work, set: &Set) -> Result<Load> {
        Ok(Load::start(&Plan { work, ..self.plan(set)? }))
    }

    /// Few requests, so that no time is spent waiting for the processor: for what is judged by the millisecond.
    pub(crate) fn light_load(&self, set: &Set) -> Result<Load> {
        Ok(Load::start(&Plan { clients: 8, think: Duration::from_millis(10), ..self.plan(set)? }))
    }

    fn plan(&self, set: &Set) -> Result<Plan> {
        Ok(Plan {
            address: set.address(),
            tls: set.tls().cloned(),
            clients: self.clients,
            think: self.think,
            work: Work::Small,
            authorization: authorization()?,
            run: self.run.clone(),
        })
    }
}

/// Those that the script has made, and their authority.
fn certificates(scratch: &Path) -> Result<(PathBuf, Tls)> {
    let directory = scratch.join("certificates");
    let authority = fs::read(directory.join("ca.crt"))
        .map_err(|error| format!("{}: {error}", directory.join("ca.crt").display()))?;
    Ok((directory, Tls::new(&authority, "balancer")?))
}

/// An empty directory that every user may write to: those in the containers are nobody in particular.
fn empty(directory: PathBuf) -> Result<PathBuf> {
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory)?;
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o777))?;
    Ok(directory)
}
