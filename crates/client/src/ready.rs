//! Waiting until the target is ready, within a bound.
//!
//! Ready is a target that answers the readiness path with anything below 500: credentials may be wrong, or the path
//! missing, and the run will show it. Where the balancer's admin interface is named, its `/readyz` must say 200 too.

use std::fmt;
use std::time::Duration;

use evenkeel_service::Shutdown;
use evenkeel_wire::Resolver;
use tokio::time::Instant;

use crate::control::Question;
use crate::settings::Settings;
use crate::target::Target;

/// How long between two questions.
const INTERVAL: Duration = Duration::from_millis(250);

/// How long one question may take: less than what a balancer with dead servers needs would never be answered.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the waiting ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The target is ready.
    Ready,
    /// It was not within the bound: what it said last.
    NotInTime(NotReady),
    /// The client was told to leave.
    Stopped,
}

/// What a target that is not ready said.
#[derive(Debug)]
pub(crate) struct NotReady {
    url: String,
    answer: String,
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.url, self.answer)
    }
}

/// Asks `target` until it is ready, `settings.wait` is over or a shutdown comes.
pub(crate) async fn wait(
    target: &Target,
    resolver: &Resolver,
    settings: &Settings,
    shutdown: &Shutdown,
) -> Ended {
    let deadline = Instant::now() + settings.wait;
    let mut told = false;
    loop {
        let asked = tokio::select! {
            asked = tokio::time::timeout_at(deadline.max(Instant::now() + INTERVAL), ask(target, resolver, settings)) => asked,
            () = shutdown.requested() => return Ended::Stopped,
        };
        let not_ready = match asked {
            Ok(Ok(())) => return Ended::Ready,
            Ok(Err(not_ready)) => not_ready,
            Err(_) => NotReady { url: target.to_string(), answer: "no answer".into() },
        };
        if Instant::now() + INTERVAL > deadline {
            return Ended::NotInTime(not_ready);
        }
        if !std::mem::replace(&mut told, true) {
            tracing::info!(reason = %not_ready, "waiting up to {:?} until the target is ready", settings.wait);
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = shutdown.requested() => return Ended::Stopped,
        }
    }
}

async fn ask(target: &Target, resolver: &Resolver, settings: &Settings) -> Result<(), NotReady> {
    if let Some(admin) = &settings.admin {
        let asked = Question { target: admin, credentials: None, path: "/readyz", patience: PATIENCE };
        question(resolver, asked, |status| status == 200).await?;
    }
    let credentials = settings.credentials.as_ref();
    let asked = Question { target, credentials, path: &settings.ready, patience: PATIENCE };
    question(resolver, asked, |status| status < 500).await
}

async fn question(
    resolver: &Resolver,
    question: Question<'_>,
    is_ready: impl Fn(u16) -> bool,
) -> Result<(), NotReady> {
    let not_ready =
        |answer: String| NotReady { url: format!("{}{}", question.target, question.path), answer };
    match tokio::time::timeout(PATIENCE, question.ask(resolver)).await {
        Ok(Ok(answer)) if is_ready(answer.status()) => Ok(()),
        Ok(Ok(answer)) => Err(not_ready(format!("it answers {}", answer.status()))),
        Ok(Err(reason)) => Err(not_ready(reason)),
        Err(_) => Err(not_ready(format!("no answer within {PATIENCE:?}"))),
    }
}
