//! Tasks that attend to one client's connection after the other.
//!
//! ```text
//! a client ──▶ one that is free, else a new one ──serves it until it is over or parked──▶ free, else gone
//! ```
//! To make a task and to take it down again costs memory of the size of everything that an exchange waits for, and locks of
//! the runtime: about as much as a short request. So one that has nobody left to attend to waits for the next.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Instant;

use super::client::Client;
use super::connection::last_since;
use crate::clients::frontend::Frontend;
use crate::clock;
use crate::context::permit::Permit;

/// A client on its way to who attends to it.
pub(super) struct Coming {
    pub(super) client: Client,
    /// It has not asked for anything since then.
    pub(super) since: Instant,
    pub(super) permit: Permit,
}

/// Those of one worker that are free.
#[derive(Default)]
pub(crate) struct Attendants {
    free: RefCell<Vec<Rc<Post>>>,
}

/// Where an attendant is called to its next client.
#[derive(Default)]
struct Post {
    coming: Cell<Option<Coming>>,
    /// What wakes the attendant, once it has waited.
    bell: RefCell<Option<Waker>>,
}

/// The most that are free at a time; one beyond goes.
const FREE: usize = 64;

/// Has somebody attend to a client.
pub(super) fn attend(frontend: &Rc<Frontend>, coming: Coming) {
    if let Some(post) = frontend.attendants.free.borrow_mut().pop() {
        post.call(coming);
        return;
    }
    let attendant = attend_from(frontend.clone(), Rc::new(Post::with(coming)));
    tokio::task::spawn_local(clock::still(Box::pin(attendant)));
}

/// One that panics is not among the free, and its client's connection ends with it.
async fn attend_from(frontend: Rc<Frontend>, post: Rc<Post>) {
    loop {
        let Coming { client, since, permit } = post.called().await;
        last_since(since, client, &frontend, permit).await;
        let mut free = frontend.attendants.free.borrow_mut();
        if free.len() >= FREE {
            return;
        }
        free.push(post.clone());
    }
}

impl Post {
    fn with(coming: Coming) -> Self {
        Self { coming: Cell::new(Some(coming)), bell: RefCell::default() }
    }

    fn call(&self, coming: Coming) {
        self.coming.set(Some(coming));
        if let Some(bell) = &*self.bell.borrow() {
            bell.wake_by_ref();
        }
    }

    async fn called(&self) -> Coming {
        poll_fn(|cx| {
            if let Some(coming) = self.coming.take() {
                return Poll::Ready(coming);
            }
            // A task's own: it stays the same for as long as it lives.
            let mut bell = self.bell.borrow_mut();
            if !bell.as_ref().is_some_and(|bell| bell.will_wake(cx.waker())) {
                *bell = Some(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }
}
