//! Server-sent events: what the live page hears. First the minutes before and the events that are kept, then each state
//! and each event as they come.
//!
//! A reader that falls behind skips states, because it is handed the latest one when it is ready for more; nothing is
//! queued for it. A reader that returns gets everything from the start, so there is no position to resume from.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{Error, HttpRequest, HttpResponse, web};
use evenkeel_service::admin as listener;
use futures_util::stream::unfold;
use serde::Serialize;
use tokio::sync::watch;

use super::Admin;
use super::feed::Feed;
use super::problem::Problem;
use super::pulse::Pulse;

/// The most readers at once; one more gets 503. A quarter of the connections, so that they crowd out nobody.
const READERS: usize = listener::CONNECTIONS / 4;

/// How long a reader waits before it connects again, milliseconds.
const COME_BACK: &str = "retry: 1000\n\n";

/// `GET /api/events`
pub(super) async fn events(request: HttpRequest, admin: web::Data<Admin>) -> Result<HttpResponse, Problem> {
    let Some(place) = Place::take(&admin.readers) else {
        let detail = format!("{READERS} readers are connected already.");
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail));
    };
    if let Some(connection) = request.conn_data::<listener::Connection>() {
        connection.streams();
    }
    let reader = Reader::new(&admin, place);
    let frames = unfold(reader, async |mut reader| {
        let frame = reader.next().await?;
        Some((Ok::<_, Error>(frame), reader))
    });
    Ok(HttpResponse::Ok().content_type("text/event-stream").streaming(Box::pin(frames)))
}

/// An event as it goes over the wire (WHATWG HTML §9.2.5); JSON has no line breaks.
pub(super) fn frame(event: &str, data: &impl Serialize) -> Bytes {
    // None of what is sent has a form that JSON lacks.
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {event}\ndata: {data}\n\n").into()
}

/// One who reads.
struct Reader {
    feed: Arc<Feed>,
    pulse: watch::Receiver<Arc<Pulse>>,
    news: watch::Receiver<u64>,
    /// The last frame of the feed that was sent.
    seen: u64,
    /// The last event among those that were sent at first.
    event: u64,
    /// What goes out next; filled only when it is empty.
    waiting: VecDeque<Bytes>,
    _place: Place,
}

impl Reader {
    fn new(admin: &Admin, place: Place) -> Self {
        let mut pulse = admin.pulse.clone();
        // In this order: what happens in between is among the events, and not sent again.
        let mut news = admin.feed.watch();
        let seen = *news.borrow_and_update();
        let latest = pulse.borrow_and_update().clone();
        let kept = admin.shared.events.after(0);
        let waiting = [
            Bytes::from_static(COME_BACK.as_bytes()),
            frame("history", &latest.history),
            frame("events", &kept),
            latest.frame(),
        ];
        let event = kept.last().map_or(0, |event| event.id);
        Self { feed: admin.feed.clone(), pulse, news, seen, event, waiting: waiting.into(), _place: place }
    }

    /// The next frame; `None` when the process ends.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.waiting.pop_front() {
                return Some(frame);
            }
            tokio::select! {
                changed = self.news.changed() => {
                    changed.ok()?;
                    let (frames, newest) = self.feed.after(self.seen, self.event);
                    self.seen = newest;
                    self.waiting.extend(frames);
                }
                changed = self.pulse.changed() => {
                    changed.ok()?;
                    let latest = self.pulse.borrow_and_update().clone();
                    self.waiting.push_back(latest.frame());
                }
            }
        }
    }
}

/// The right of one reader to be connected; given back when dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(readers: &Arc<AtomicUsize>) -> Option<Self> {
        let before = readers.fetch_add(1, Ordering::Relaxed);
        let place = Self(readers.clone());
        (before < READERS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
