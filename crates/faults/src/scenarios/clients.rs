//! F17: clients that go away in the middle of things.

use std::{
    io::{self, Read as _, Write as _},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::Duration,
};

use evenkeel_stage::Stream;

use super::seconds;
use crate::{
    Result,
    seen::Seen,
    set::{Set, authorization, descriptors, docker, pid, resident},
    stage::Stage,
    verdict::{Cell, Verdict},
};

/// Until one that comes has its connection.
const CONNECT: Duration = seconds(90);

/// How many vanish, half of them in each direction.
const VANISHING: usize = 10_000;

/// How many of them are there at once.
const AT_ONCE: usize = 16;

/// What a download asks for and an upload promises: more than any buffer on the way holds, 8 MiB.
const LENGTH: usize = 8 << 20;

/// What a client sees or sends of it.
const PART: usize = 64 << 10;

/// When nothing may be left of the last one.
const FORGOTTEN: Duration = seconds(1);

/// What may stay in memory of 10,000 clients, beyond what the first 1,000 left, in KiB: less than two bytes for each.
const MEMORY: u64 = 16 << 10;

pub(super) fn vanish(stage: &Stage) -> Result<Vec<Cell>> {
    let set = stage.set()?;
    let balancer = pid(set.balancer()?)?;
    let servers: Vec<u32> = set.servers.iter().map(|server| pid(&server.container)).collect::<Result<_>>()?;
    let count = || -> Result<usize> {
        servers.iter().try_fold(descriptors(balancer)?, |sum, server| Ok(sum + descriptors(*server)?))
    };
    let before = count()?;
    come_and_vanish(&set, VANISHING / 10)?;
    let resident_before = resident(balancer)?;
    come_and_vanish(&set, VANISHING)?;
    let closed = set.wait("the attempts of vanished clients to end", || {
        Ok(set.endpoints()?.iter().all(|(_, endpoint)| endpoint.in_flight == 0))
    })?;
    // Idle connections to servers live for 1.5 s, and are no leak.
    let level = set.wait("descriptors to be as many as before", || Ok(count()? <= before)).is_ok();
    let after = count()?;
    let more = resident(balancer)?.saturating_sub(resident_before);
    let restarts = docker(&["inspect", "--format", "{{.State.Running}}", set.balancer()?])?;
    let load = stage.load(&set)?;
    load.go_on(seconds(2));
    let seen = Seen::of(load, &set, stage)?;
    Ok(Verdict::on(&seen)
        .within("upstream closed", FORGOTTEN, Some(closed))
        .cell("descriptors", "as before", format!("{before} → {after}"), level)
        .cell("memory", format!("≤ +{MEMORY} KiB"), format!("+{more} KiB"), more <= MEMORY)
        .cell("the balancer runs", "true", restarts.clone(), restarts == "true")
        .no_get_lost()
        .no_post_lost()
        .cells())
}

/// So many clients, the even ones downloading, the odd ones uploading.
fn come_and_vanish(set: &Set, count: usize) -> Result<()> {
    let authorization = authorization()?;
    let next = AtomicUsize::new(0);
    let work = || -> io::Result<()> {
        loop {
            let number = next.fetch_add(1, Relaxed);
            if number >= count {
                return Ok(());
            }
            if number.is_multiple_of(2) {
                download_some(set, &authorization)?;
            } else {
                upload_some(set, &authorization)?;
            }
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            worker.join().map_err(|_| "a vanishing client panicked")??;
        }
        Ok(())
    })
}

/// Closing with bytes unread makes the kernel send RST.
fn download_some(set: &Set, authorization: &str) -> io::Result<()> {
    let mut stream = Stream::open(set.address(), CONNECT, set.tls())?;
    write!(stream, "GET /bytes/{LENGTH} HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\n\r\n")?;
    stream.read_exact(&mut vec![0; PART])
}

/// Closing in mid-body makes it send FIN, where no body may end.
fn upload_some(set: &Set, authorization: &str) -> io::Result<()> {
    let mut stream = Stream::open(set.address(), CONNECT, set.tls())?;
    write!(
        stream,
        "POST /upload HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\nContent-Length: {LENGTH}\r\n\r\n"
    )?;
    stream.write_all(&vec![b'u'; PART])
}
