//! F12 and the half of F16 that is about a server: the way to one server is bad, narrow or closed.

use std::{
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use super::{milliseconds, seconds};
use crate::{
    Result,
    load::{Method, Span, Work},
    seen::Seen,
    set::{Set, TRAFFIC, docker, in_network_of},
    stage::Stage,
    verdict::{Cell, Verdict, millis, took},
};

/// The balancer's `TOTAL_TIMEOUT`.
const TOTAL: Duration = seconds(60);

pub(super) fn packet_loss(stage: &Stage) -> Result<Vec<Cell>> {
    let drop_some = "iptables -A INPUT -m statistic --mode random --probability 0.3 -j DROP";
    bad_line(stage, drop_some)
}

pub(super) fn narrow_line(stage: &Stage) -> Result<Vec<Cell>> {
    bad_line(stage, "tc qdisc add dev eth0 root tbf rate 1mbit burst 16kbit latency 200ms")
}

fn bad_line(stage: &Stage, command: &str) -> Result<Vec<Cell>> {
    let set = stage.set()?;
    let load = stage.load_of(Work::Mixed, &set)?;
    load.settle();
    let struck = Instant::now();
    in_network_of(&set.victim().container, &command.split(' ').collect::<Vec<_>>())?;
    load.go_on(seconds(10));
    let seen = Seen::of(load, &set, stage)?;
    let slowest = seen.slowest(None, Span::since(struck));
    let lost = [seen.lost(Method::Get), seen.lost(Method::Post)].concat();
    Ok(Verdict::on(&seen)
        .no_wrong_body()
        .within("slowest request", TOTAL, slowest.map(|one| one.took))
        .lost("lost visibly", "(told)", &lost, true)
        .cells())
}

/// A frozen server whose accept queue is full: not even the kernel takes a connection for it any more.
pub(super) fn full_accept_queue(stage: &Stage) -> Result<Vec<Cell>> {
    let set = stage.set()?;
    docker(&["pause", &set.victim().container])?;
    let queue = fill_accept_queue(&set)?;
    let load = stage.load(&set)?;
    let during = load.go_on(seconds(6)).after(seconds(2));
    docker(&["unpause", &set.victim().container])?;
    let waiting = queue.len();
    drop(queue);
    let back = Instant::now();
    load.go_on(seconds(3));
    let seen = Seen::of(load, &set, stage)?;
    let slowest = took(seen.slowest(Some(Method::Get), during));
    Ok(Verdict::on(&seen)
        .no_get_lost()
        .no_post_lost()
        .cell("connections in its queue", "until none is taken", waiting.to_string(), true)
        .cell(
            "slowest GET",
            format!("≤ {}", millis(milliseconds(300))),
            millis(slowest),
            slowest <= milliseconds(300),
        )
        .within("traffic back", seconds(2), seen.first_right_after(back, Some(&set.victim().name)))
        .cells())
}

/// Opens connections until none is taken within a moment; the bound is far above any queue.
fn fill_accept_queue(set: &Set) -> Result<Vec<TcpStream>> {
    const MOST: usize = 8192;
    let address = SocketAddr::new(set.victim().address, TRAFFIC);
    let mut queue = Vec::new();
    while let Ok(connection) = TcpStream::connect_timeout(&address, milliseconds(300)) {
        queue.push(connection);
        if queue.len() == MOST {
            return Err(format!("the server's accept queue takes more than {MOST} connections").into());
        }
    }
    Ok(queue)
}
