//! Waiting until the target is ready, within a bound.
//!
//! Ready is a target that answers the readiness path with anything below 500: credentials may be wrong, or the path
//! missing, and the run will show it. Where the balancer's admin interface is named, its `/readyz` must say 200 too. What is
//! wrong with a certificate does not pass by waiting: it ends the waiting at once.

use std::fmt;
use std::time::Duration;

use evenkeel_message::Method;
use evenkeel_service::Shutdown;
use evenkeel_wire::{ClientConnection, Resolver, ResponseFailure};
use tokio::time::Instant;

use crate::addresses::Addresses;
use crate::clock;
use crate::control::{NAME, Question};
use crate::outcome::{Failure, Phase};
use crate::request::Credentials;
use crate::settings::Settings;
use crate::target::Target;
use crate::tls::{self, Secure};

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
    /// It never will be: what it said, and what to do.
    Mistaken(NotReady),
    /// The client was told to leave.
    Stopped,
}

/// What a target that is not ready said.
#[derive(Debug)]
pub(crate) struct NotReady {
    url: String,
    answer: String,
    /// Whether it will say the same as long as nobody changes a setting or a certificate.
    is_final: bool,
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
            Err(_) => NotReady { url: target.to_string(), answer: "no answer".into(), is_final: false },
        };
        if not_ready.is_final {
            return Ended::Mistaken(not_ready);
        }
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
    match Secure::new(settings.tls.as_ref(), target) {
        None => question(resolver, asked, |status| status < 500).await,
        Some(secure) => question_securely(resolver, asked, &secure).await,
    }
}

async fn question(
    resolver: &Resolver,
    question: Question<'_>,
    is_ready: impl Fn(u16) -> bool,
) -> Result<(), NotReady> {
    let not_ready = |answer: String| NotReady { url: question.url(), answer, is_final: false };
    match tokio::time::timeout(PATIENCE, question.ask(resolver)).await {
        Ok(Ok(answer)) if is_ready(answer.status()) => Ok(()),
        Ok(Ok(answer)) => Err(not_ready(format!("it answers {}", answer.status()))),
        Ok(Err(reason)) => Err(not_ready(reason)),
        Err(_) => Err(not_ready(format!("no answer within {PATIENCE:?}"))),
    }
}

/// The same over TLS, which only `wire` speaks.
async fn question_securely(
    resolver: &Resolver,
    question: Question<'_>,
    secure: &Secure,
) -> Result<(), NotReady> {
    let not_ready = |answer: String| NotReady { url: question.url(), answer, is_final: false };
    match tokio::time::timeout(PATIENCE, status(resolver, question, secure)).await {
        Ok(Ok(status)) if status < 500 => Ok(()),
        Ok(Ok(status)) => Err(not_ready(format!("it answers {status}"))),
        Ok(Err(Trouble::Passing(reason))) => Err(not_ready(reason)),
        Ok(Err(Trouble::Mistake(reason))) => Err(NotReady { is_final: true, ..not_ready(reason) }),
        Err(_) => Err(not_ready(format!("no answer within {PATIENCE:?}"))),
    }
}

/// Why there was no answer over TLS.
enum Trouble {
    Passing(String),
    Mistake(String),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        if failure.kind.is_a_mistake() {
            Self::Mistake(failure.detail)
        } else {
            Self::Passing(failure.detail)
        }
    }
}

async fn status(resolver: &Resolver, question: Question<'_>, secure: &Secure) -> Result<u16, Trouble> {
    let Question { target, credentials, path, patience } = question;
    let passing = |reason: &dyn fmt::Display| Trouble::Passing(reason.to_string());
    let addresses = Addresses::new(resolver.clone(), target);
    let mut stream = addresses.connect(clock::now(), patience).await.map_err(|error| passing(&error))?;
    secure.shake(&mut stream, patience).await?;
    let mut connection = ClientConnection::new(stream);
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {NAME}\r\n{}Connection: close\r\n\r\n",
        target.authority(),
        credentials.map(Credentials::line).unwrap_or_default(),
    );
    // What comes of the sending shows itself in the answer.
    let _ = connection.send(Method::Get, head.as_bytes(), b"").await;
    match connection.response().await {
        Ok(head) => Ok(head.status()),
        Err(ResponseFailure::Tls(failure)) => Err(tls::failed(Phase::Wait, &failure).into()),
        Err(failure) => Err(passing(&failure)),
    }
}
