//! Sends, verifies, measures and reports.
//!
//! ```text
//! settings ──▶ ready? ──▶ run (pace, senders, exchanges, measurements) ──▶ report ──▶ exit status
//! ```
//! Exit status: 0 the run achieved what `CLIENT_SLO` asks for, by default that every request was answered rightly; 1
//! it did not; 64 the settings are wrong; 69 the target never became ready.

mod addresses;
mod admin;
mod clock;
mod conclusion;
mod control;
mod exchange;
mod incident;
mod measure;
mod ms;
mod observe;
mod outcome;
mod pace;
mod phases;
mod progress;
mod proof;
mod ready;
mod report;
mod request;
mod run;
mod screen;
mod settings;
mod show;
mod slo;
mod slowest;
mod target;
mod tls;
mod told;
mod verify;
mod witness;
mod words;
mod workload;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use evenkeel_service::{Shutdown, descriptors, exit, outlet};
use evenkeel_wire::Resolver;

use crate::addresses::Addresses;
use crate::exchange::{Idle, Sender};
use crate::observe::{Metrics, Observer};
use crate::progress::Progress;
use crate::proof::Collector;
use crate::ready::Ended;
use crate::report::{Report, Reports};
use crate::request::Origin;
use crate::run::Plan;
use crate::settings::{COMPONENT, Settings};
use crate::target::Target;
use crate::tls::Secure;
use crate::told::Asker;

fn main() -> ExitCode {
    evenkeel_service::start(&COMPONENT, Settings::read, |settings| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => runtime.block_on(measure_all(Rc::new(settings))),
            Err(error) => unavailable(&format!("no runtime: {error}")),
        }
    })
}

/// Measures one target after the other.
async fn measure_all(settings: Rc<Settings>) -> ExitCode {
    descriptors::raise();
    let shutdown = match Shutdown::on_signal() {
        Ok(shutdown) => shutdown,
        Err(error) => return unavailable(&format!("signals cannot be caught: {error}")),
    };
    let resolver = Resolver::from_system();
    let mut metrics = Metrics::default();
    if let Some(bind) = settings.admin_bind
        && let Err(error) = answer_admin(&metrics, bind)
    {
        return unavailable(&format!("CLIENT_ADMIN_BIND: cannot listen on {bind}: {error}"));
    }
    let base = settings.run.clone().unwrap_or_else(|| format!("{:08x}", fastrand::u32(..)));
    let mut reports = Vec::new();
    for (number, target) in settings.targets.iter().enumerate() {
        match ready::wait(target, &resolver, &settings, &shutdown).await {
            Ended::Ready => {}
            Ended::NotInTime(reason) => {
                return unavailable(&format!(
                    "the target was not ready within {:?}: {reason}",
                    settings.wait
                ));
            }
            Ended::Mistaken(reason) => return unavailable(&format!("the target cannot be asked: {reason}")),
            Ended::Stopped => break,
        }
        let name = run_name(&base, settings.targets.len(), number);
        let observer = metrics.of(target);
        let report = measure(name, target, observer, &resolver, &settings, &shutdown).await;
        outlet::stdout().insist(format!("{report}\n").as_bytes());
        reports.push(report);
        if shutdown.is_requested() {
            break;
        }
    }
    let status = conclude(&Reports::new(reports, settings.targets.len()), &settings);
    report_is_read(&shutdown).await;
    match outlet::stdout().failure() {
        Some(error) => {
            tracing::error!(%error, "the report could not be written to the standard output");
            ExitCode::FAILURE
        }
        None => status,
    }
}

/// How often it is asked whether the report is out.
const LOOK: Duration = Duration::from_millis(5);

/// Waits for the reader of the report: a pager may take its time, and a second signal tells that nobody wants it. A reader
/// that went away changes nothing about what was measured: the exit status still tells.
async fn report_is_read(shutdown: &Shutdown) {
    // A run that was ended by a signal is reported like any other.
    let ended_early = shutdown.is_requested();
    while !outlet::stdout().is_done() && shutdown.is_requested() == ended_early {
        tokio::time::sleep(LOOK).await;
    }
}

/// Answers on `bind` from now until the process ends.
fn answer_admin(metrics: &Metrics, bind: SocketAddr) -> io::Result<()> {
    let (server, address) = admin::listen(metrics.registry(), bind)?;
    // The form of this line is relied on: it is how a test finds a port that the system chose.
    tracing::info!(admin = %address, "listening");
    tokio::spawn(server);
    Ok(())
}

/// Writes the reports where they are wanted and says how it went.
fn conclude(reports: &Reports, settings: &Settings) -> ExitCode {
    if let Some(comparison) = reports.comparison() {
        outlet::stdout().insist(format!("{comparison}\n").as_bytes());
    }
    let mut passed = reports.passed;
    let wanted = [
        (&settings.report_json, Reports::json as fn(&Reports) -> String),
        (&settings.report_html, Reports::html),
    ];
    for (path, render) in wanted {
        let Some(path) = path else { continue };
        if let Err(error) = fs::write(path, render(reports)) {
            tracing::error!(path = %path.display(), %error, "the report could not be written");
            passed = false;
        }
    }
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn measure(
    name: String,
    target: &Target,
    observer: Rc<Observer>,
    resolver: &Resolver,
    settings: &Rc<Settings>,
    shutdown: &Shutdown,
) -> Report {
    let origin = Origin {
        run: &name,
        target,
        credentials: settings.credentials.as_ref(),
        fields: &settings.fields,
        connections: settings.connections,
    };
    let templates = origin.templates(&settings.mix, settings.seed);
    let sender = Sender {
        addresses: Addresses::new(resolver.clone(), target),
        secure: Secure::new(settings.tls.as_ref(), target),
        idle: Idle::default(),
        connections: settings.connections,
        timeout: settings.timeout,
        connect_timeout: settings.connect_timeout,
        verify: settings.verify,
    };
    let collector = settings
        .journals
        .clone()
        .map(|journals| Collector::new(&name, settings.admin.clone(), journals, resolver.clone()));
    let asker = settings.admin.clone().map(|admin| Asker::new(admin, resolver.clone()));
    let progress = Progress::new(&name, target, settings.progress, settings.requests, &settings.phases);
    let plan = Plan { name: name.clone(), sender, templates, collector, asker, progress, observer };
    let finished = run::run(plan, settings.clone(), shutdown).await;
    conclusion::of(&name, target, settings, finished)
}

/// The name of the run against one of so many targets: each needs its own.
fn run_name(base: &str, targets: usize, number: usize) -> String {
    if targets == 1 { base.to_owned() } else { format!("{base}.{number}") }
}

fn unavailable(reason: &str) -> ExitCode {
    tracing::error!("{reason}");
    ExitCode::from(exit::UNAVAILABLE)
}
