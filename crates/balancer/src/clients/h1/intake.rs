//! What comes in from a client during its exchange: the rest of its body, pipelined requests, or its end.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use evenkeel_message::Refusal;
use evenkeel_wire::Buffer;

use crate::clients::h1::connection::{Client, Scratch};
use crate::clock::now;
use crate::context::Worker;
use crate::exchange::pace::Pace;
use crate::exchange::request::Request;
use crate::servers::upload::{Position, Upload};

/// Why nothing more is to be expected from a client.
pub(crate) enum Trouble {
    /// It reset the connection, or ended it inside its request's body.
    Gone,
    /// Its body is malformed, too large or too slow.
    Refused(Refusal),
}

/// The most bytes of pipelined requests that are read ahead: the rest waits in the kernel.
const READ_AHEAD: usize = Buffer::ORDINARY;

/// Reads a small body to its end before an endpoint is chosen for it; of any other, what is already here.
pub(crate) async fn gather(
    worker: &Worker,
    client: &mut Client,
    scratch: &mut Scratch,
    request: &Request,
) -> Result<(), Trouble> {
    let Scratch { received, upload, .. } = scratch;
    take(worker, client, received, upload)?;
    if !request.gathered || upload.is_ended() {
        return Ok(());
    }
    let settings = worker.settings();
    let mut pace = Pace::new(settings.patience());
    while !upload.is_ended() {
        pace.waits(now());
        client.alarm.set(pace.until());
        let before = upload.taken();
        poll_fn(|cx| match poll(cx, worker, client, received, upload, request, &[]) {
            Poll::Pending => client.alarm.poll(cx).map(|()| Err(Trouble::Refused(too_late()))),
            ready @ Poll::Ready(_) => ready,
        })
        .await?;
        pace.moved((upload.taken() - before) as usize, now());
    }
    Ok(())
}

/// Takes in what the client sends. Ready with `Ok` when the body has made progress; pending also while nothing should be
/// read. `senders` is how far those attempts have come that still send.
pub(crate) fn poll(
    cx: &mut Context<'_>,
    worker: &Worker,
    client: &mut Client,
    received: &mut Buffer,
    upload: &mut Upload,
    request: &Request,
    senders: &[Position],
) -> Poll<Result<(), Trouble>> {
    if !reads(client, received, upload, request, senders) {
        return Poll::Pending;
    }
    let in_body = !upload.is_ended();
    if in_body && !received.is_empty() {
        // There was no room for it when it came.
        return Poll::Ready(take(worker, client, received, upload));
    }
    received.reserve(READ_AHEAD);
    loop {
        match ready!(client.stream.poll_fill(cx, received)) {
            Ok(0) if in_body || worker.settings().abort_on_close => return Poll::Ready(Err(Trouble::Gone)),
            Ok(0) => {
                // It waits for its answer and will send nothing more (RFC 9112 §9.6).
                client.half_closed = true;
                return Poll::Pending;
            }
            Ok(_) if in_body => return Poll::Ready(take(worker, client, received, upload)),
            Ok(_) if received.free() == 0 => return Poll::Pending,
            Ok(_) => {}
            Err(_) => return Poll::Ready(Err(Trouble::Gone)),
        }
    }
}

/// Whether anything is read from the client now. One that is not read from says only when it is asked that it has gone.
pub(crate) fn reads(
    client: &Client,
    received: &Buffer,
    upload: &Upload,
    request: &Request,
    senders: &[Position],
) -> bool {
    if client.half_closed {
        false
    } else if upload.is_ended() {
        received.len() < READ_AHEAD
    } else {
        // A gathered body is small: it is read whatever the server does.
        request.gathered || upload.wants_more(senders.iter().copied())
    }
}

/// Moves what has been received of the body into the upload, as far as there is room for it.
fn take(
    worker: &Worker,
    client: &mut Client,
    received: &mut Buffer,
    upload: &mut Upload,
) -> Result<(), Trouble> {
    let settings = worker.settings();
    while !upload.is_ended() {
        let fits = &received.filled()[..received.len().min(upload.room())];
        let piece = client.machine.body(fits, &settings.limits).map_err(Trouble::Refused)?;
        let data = &fits[piece.data.clone()];
        worker.stats.bytes_in.add(data.len() as u64);
        upload.push(data);
        if upload.taken() > settings.max_body {
            return Err(Trouble::Refused(Refusal::new(
                413,
                "The request's body is larger than this server accepts.",
            )));
        }
        if piece.end {
            upload.end(client.machine.trailers());
        }
        received.consume(piece.consumed);
        if piece.consumed == 0 {
            break;
        }
    }
    Ok(())
}

/// The answer to a body that comes too slowly.
pub(crate) fn too_late() -> Refusal {
    Refusal::new(408, "The request's body did not arrive in time.")
}
