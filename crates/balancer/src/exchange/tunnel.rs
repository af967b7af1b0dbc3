//! After a 101: bytes both ways that nobody here understands (RFC 9110 §7.8), until both sides have ended.
//!
//! A side that closes its sending direction (FIN) has it closed towards the other; the other direction goes on. A tunnel
//! through which nothing has gone for `BALANCER_TUNNEL_TIMEOUT` is closed on both sides, for nobody may be left to end it; and
//! when the balancer leaves, a tunnel lasts until the grace ends.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use evenkeel_upstream::Outcome;
use evenkeel_wire::{Alarm, Buffer, Stream};

use crate::clock::now;
use crate::exchange::then::Server;

/// Passes bytes between the client and the server until both have ended or one breaks.
pub(crate) async fn run(
    client: &mut Stream,
    alarm: &mut Alarm,
    from_client: &mut Buffer,
    server: Box<Server>,
) {
    let Server { group, connection, received: mut from_server, lease } = *server;
    let mut server = connection.stream;
    let mut up = Direction::default();
    let mut down = Direction::default();
    let patience = group.settings().tunnel_timeout;
    alarm.set(Some(now() + patience));
    let ended = poll_fn(|cx| {
        let before = up.passed + down.passed;
        let up_ended = up.poll(cx, client, &mut server, from_client)?;
        let down_ended = down.poll(cx, &mut server, client, &mut from_server)?;
        if up_ended.is_ready() && down_ended.is_ready() {
            return Poll::Ready(Ok::<(), std::io::Error>(()));
        }
        if up.passed + down.passed > before {
            alarm.set(Some(now() + patience));
        }
        // Nothing of it is under way then, unless a side takes nothing: an end in order tells no lie.
        alarm.poll(cx).map(Ok)
    })
    .await;
    group.worker.stats.bytes_in.add(up.passed);
    group.worker.stats.bytes_out.add(down.passed);
    if ended.is_err() || !from_client.is_empty() || !from_server.is_empty() {
        // The other side must not take a broken tunnel for a regular end.
        client.reset_on_drop();
        server.reset_on_drop();
    }
    let _ = group.finish(lease, Outcome::Abandoned, now());
}

/// One direction of a tunnel.
#[derive(Default)]
struct Direction {
    passed: u64,
    ended: bool,
    finished: bool,
}

impl Direction {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Stream,
        to: &mut Stream,
        buffer: &mut Buffer,
    ) -> Poll<std::io::Result<()>> {
        while !self.finished {
            if !buffer.is_empty() {
                let mut sent = 0;
                let result = to.poll_send(cx, buffer.filled(), b"", &mut sent);
                buffer.consume(sent);
                self.passed += sent as u64;
                ready!(result)?;
            } else if self.ended {
                ready!(to.poll_finish(cx))?;
                self.finished = true;
            } else {
                buffer.reserve(Buffer::ORDINARY);
                self.ended = ready!(from.poll_fill(cx, buffer))? == 0;
            }
        }
        Poll::Ready(Ok(()))
    }
}
