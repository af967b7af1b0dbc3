//! What a finished run comes to: its measurements as a report, held against what was asked for.

use crate::measure::{Latencies, Latency, Measurements, Noted};
use crate::ms::Ms;
use crate::proof::{Attempt, Verdict};
use crate::report::{
    ColumnReport, FailedRequest, FailureKind, Handshakes, InForce, LatencyReport, MixEntry, Quantiles,
    Report, Requests, Server, SlowestRequest, Step, Stretch, TimelineReport,
};
use crate::request::request_id;
use crate::run::Finished;
use crate::settings::Settings;
use crate::slo::Slo;
use crate::slowest::Slow;
use crate::target::Target;
use crate::told::Names;

/// What the finished run called `run` came to.
pub(crate) fn of(run: &str, target: &Target, settings: &Settings, finished: Finished) -> Report {
    let (measured, names) = (&finished.measurements, &finished.names);
    let entries = settings.mix.entries();
    let gap = measured.longest_gap();
    let mut report = Report {
        run: run.to_owned(),
        target: target.to_string(),
        began: format!("{:.3}", finished.began),
        lasted_ms: Ms(measured.elapsed()),
        stopped: finished.stopped,
        settings: settings
            .in_force
            .iter()
            .map(|(name, value)| InForce { name: name.clone(), value: value.clone() })
            .collect(),
        concurrency: settings.concurrency,
        seed: settings.seed,
        requests: requests(measured, finished.dropped),
        latency: latency(&measured.latencies),
        handshakes: handshakes(measured),
        servers: servers(measured, names),
        mix: entries
            .iter()
            .zip(&measured.entries)
            .map(|(entry, &tally)| MixEntry { request: entry.to_string(), tally })
            .collect(),
        failures: failure_kinds(measured),
        first_failures: measured
            .failures
            .noted()
            .iter()
            .map(|noted| failed_request(run, &entries[noted.entry].to_string(), noted, names))
            .collect(),
        longest_gap: Stretch { begin_ms: Ms(gap.begin), lasted_ms: Ms(gap.lasted) },
        timeline: timeline(measured),
        slowest: finished
            .slowest
            .as_ref()
            .map(|slow| slowest(run, &entries[slow.entry].to_string(), slow, names)),
        incidents: finished.incidents,
        slowness: finished.slowness,
        proof: finished.proof,
        notes: Vec::new(),
        objectives: Vec::new(),
        passed: false,
    };
    report.notes.extend(report.requests.rate_not_kept());
    judge(&mut report, &settings.slo);
    report
}

/// A run that sent nothing achieved nothing, and one that its ledgers contradict did not happen as it looks.
fn judge(report: &mut Report, slo: &Slo) {
    report.objectives = slo.check(report);
    let contradicted = report.proof.as_ref().is_some_and(|proof| proof.verdict == Verdict::Contradicted);
    report.passed =
        report.requests.right > 0 && !contradicted && report.objectives.iter().all(|objective| objective.met);
}

fn requests(measured: &Measurements, dropped: u64) -> Requests {
    let seconds = measured.elapsed().as_secs_f64();
    Requests {
        sent: measured.sent(),
        right: measured.right,
        failed: measured.failed,
        wrong: measured.wrong,
        late: measured.late,
        dropped,
        unmeasured: measured.unmeasured,
        per_second: if seconds > 0.0 { measured.sent() as f64 / seconds } else { 0.0 },
        received_bytes: measured.received,
    }
}

fn latency(latencies: &Latencies) -> LatencyReport {
    LatencyReport {
        right: quantiles(&latencies.right),
        failed: quantiles(&latencies.failed),
        service: quantiles(&latencies.service),
        head: quantiles(&latencies.head),
        connect: quantiles(&latencies.connect),
    }
}

fn handshakes(measured: &Measurements) -> Vec<Handshakes> {
    let seen = measured.handshakes.seen();
    seen.map(|(how, times)| Handshakes {
        version: if how.is_tls13 { "TLS 1.3" } else { "TLS 1.2" },
        resumed: how.is_resumed,
        took: quantiles(times),
    })
    .collect()
}

fn quantiles(latency: &Latency) -> Quantiles {
    Quantiles {
        count: latency.count(),
        mean_ms: Ms(latency.mean()),
        p50_ms: Ms(latency.at(0.5)),
        p90_ms: Ms(latency.at(0.9)),
        p99_ms: Ms(latency.at(0.99)),
        p999_ms: Ms(latency.at(0.999)),
        max_ms: Ms(latency.max()),
    }
}

fn servers(measured: &Measurements, names: &Names) -> Vec<Server> {
    let servers = measured.servers.named().map(|(name, tally)| {
        let (called, address) = names.of(name).map(|known| (known.name, known.address)).unzip();
        Server { name: Some(name.to_owned()), called, address, tally }
    });
    let nameless = measured.servers.nameless();
    let nameless =
        (nameless.sum() > 0).then_some(Server { name: None, called: None, address: None, tally: nameless });
    servers.chain(nameless).collect()
}

fn failure_kinds(measured: &Measurements) -> Vec<FailureKind> {
    let kinds = measured.failures.by_kind().into_iter();
    kinds
        .map(|(kind, phase, spell)| FailureKind {
            kind,
            phase,
            count: spell.count,
            first_ms: Ms(spell.first),
            last_ms: Ms(spell.last),
        })
        .collect()
}

fn slowest(run: &str, request: &str, slow: &Slow, names: &Names) -> SlowestRequest {
    let step = |attempt: &Attempt| Step {
        endpoint: attempt.endpoint.clone(),
        called: Some(names.at(&attempt.endpoint)).filter(|name| *name != attempt.endpoint).map(str::to_owned),
        why: attempt.why.clone(),
        end: attempt.end.clone(),
        status: attempt.status,
    };
    SlowestRequest {
        id: request_id(run, slow.sequence),
        request: request.to_owned(),
        at_ms: Ms(slow.at),
        after_ms: Ms(slow.latency),
        server: slow.server.clone(),
        called: called(slow.server.as_deref(), names),
        way: slow.way.as_ref().map(|way| way.iter().map(step).collect()),
        words: slow.words.clone(),
    }
}

fn called(server: Option<&str>, names: &Names) -> Option<String> {
    server.and_then(|id| names.of(id)).map(|known| known.name)
}

fn failed_request(run: &str, request: &str, noted: &Noted, names: &Names) -> FailedRequest {
    FailedRequest {
        at_ms: Ms(noted.at),
        id: request_id(run, noted.sequence),
        request: request.to_owned(),
        kind: noted.failure.kind,
        phase: noted.failure.phase,
        status: noted.status,
        server: noted.server.clone(),
        called: called(noted.server.as_deref(), names),
        after_ms: Ms(noted.after),
        detail: noted.failure.detail.clone(),
    }
}

fn timeline(measured: &Measurements) -> TimelineReport {
    let columns = measured.timeline.columns().iter();
    TimelineReport {
        column_ms: Ms(measured.timeline.width()),
        columns: columns
            .map(|column| ColumnReport {
                tally: column.tally,
                p50_ms: Ms(column.latency.at(0.5)),
                p99_ms: Ms(column.latency.at(0.99)),
                max_ms: Ms(column.latency.max()),
                servers: column.servers.iter().map(|(name, share)| (name.clone(), share.right)).collect(),
            })
            .collect(),
    }
}
