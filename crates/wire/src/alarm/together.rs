//! The alarms of a thread that ring together, with two timers of the runtime for all of them.
//!
//! Where each alarm has a timer of its own, one that is set to an earlier moment than all others costs a system call: the runtime wakes
//! itself, though it is not asleep, and with deadlines of milliseconds that is one for many a request. Here one timer rings each
//! [`TICK`] while alarms are being set, and only for the next alarm when none is.
//!
//! Nobody is told that a moment has come until the runtime has looked at its sockets after that moment, as with a timer of its own:
//! a process that was kept from running would otherwise take for late what has long been there. So the wheel is turned to where a
//! timer has rung, and not by the clock.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use super::wheel::{Key, Tick, Wheel};

/// How exact alarms are: none rings early, and none later than by about two of these.
const TICK: Duration = Duration::from_millis(1);

thread_local! {
    static OF_THIS_THREAD: RefCell<Option<Rc<Together>>> = const { RefCell::new(None) };
}

/// Has all alarms that are used on this thread from now on ring together, for as long as what this returns is being waited for: a
/// runtime with one thread has to do that for as long as it has alarms.
pub fn ring_together() -> impl Future<Output = ()> {
    let together = Rc::new(Together::begin(now()));
    OF_THIS_THREAD.set(Some(together.clone()));
    let ends = Ends;
    async move {
        let _ends = ends;
        let mut timers = Timers::default();
        poll_fn(|cx| together.poll(cx, &mut timers)).await;
    }
}

/// Alarms that are used on this thread later have a timer of their own again.
struct Ends;

impl Drop for Ends {
    fn drop(&mut self) {
        // The thread may be ending itself.
        let _ = OF_THIS_THREAD.try_with(RefCell::take);
    }
}

/// Those of this thread, where they ring together.
pub(super) fn of_this_thread() -> Option<Rc<Together>> {
    OF_THIS_THREAD.with_borrow(Clone::clone)
}

/// All alarms of a thread.
pub(super) struct Together {
    wheel: RefCell<Wheel>,
    begun: Instant,
    /// When the first timer rings.
    until: Cell<Tick>,
    /// An alarm has been put into the wheel since that was last turned.
    busy: Cell<bool>,
    /// Of whoever turns the wheel.
    waker: RefCell<Waker>,
}

const NEVER: Tick = Tick::MAX;

impl Together {
    fn begin(now: Instant) -> Self {
        Self {
            wheel: RefCell::new(Wheel::new()),
            begun: now,
            until: Cell::new(NEVER),
            busy: Cell::new(false),
            waker: RefCell::new(Waker::noop().clone()),
        }
    }

    pub(super) fn add(&self) -> Key {
        self.wheel.borrow_mut().add()
    }

    pub(super) fn remove(&self, key: Key) {
        self.wheel.borrow_mut().remove(key);
    }

    /// Ready when that moment has come; wakes then otherwise.
    pub(super) fn poll_alarm(&self, key: Key, wanted: Instant, cx: &Context<'_>) -> Poll<()> {
        let wanted = self.tick_at(wanted);
        match self.wheel.borrow_mut().wait(key, wanted, cx.waker()) {
            None => return Poll::Ready(()),
            Some(false) => return Poll::Pending,
            Some(true) => {}
        }
        self.busy.set(true);
        if wanted < self.until.get() {
            self.until.set(wanted);
            self.waker.borrow().wake_by_ref();
        }
        Poll::Pending
    }

    /// Turns the wheel, and has a timer ring for the next turn.
    fn poll(&self, cx: &mut Context<'_>, timers: &mut Timers) -> Poll<()> {
        if !self.waker.borrow().will_wake(cx.waker()) {
            self.waker.borrow_mut().clone_from(cx.waker());
        }
        let mut rung = timers.poll(cx);
        loop {
            let mut wheel = self.wheel.borrow_mut();
            if let Some(moment) = rung {
                wheel.turn(moment, Waker::wake);
            }
            let next = wheel.next().unwrap_or(NEVER);
            drop(wheel);
            let now = self.ticks_by(now());
            // While alarms are set one after the other, the next may be due before all others.
            let busy = self.busy.take();
            let wanted = if busy { now + 1 } else { next.max(now + 1) };
            let moment = |tick| self.begun + Duration::from_millis(tick);
            self.until.set(timers.arrange(wanted, busy, now, moment));
            rung = timers.poll(cx);
            if rung.is_none() {
                return Poll::Pending;
            }
        }
    }

    /// The first tick that is not before a moment.
    fn tick_at(&self, moment: Instant) -> Tick {
        let after = moment.saturating_duration_since(self.begun);
        after.as_secs() * 1000 + Tick::from(after.subsec_nanos().div_ceil(TICK.subsec_nanos()))
    }

    /// How many ticks are over.
    fn ticks_by(&self, moment: Instant) -> Tick {
        moment.saturating_duration_since(self.begun).as_millis() as Tick
    }
}

/// Two timers in turns: the runtime need not wake itself for a timer that is set while one that is due earlier is running.
#[derive(Default)]
struct Timers([Timer; 2]);

#[derive(Default)]
struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// When it rings.
    at: Option<Tick>,
}

impl Timers {
    /// Has the first of them ring at `wanted` or before, and while it is busy the other one behind it. Returns when the first rings.
    fn arrange(&mut self, wanted: Tick, busy: bool, now: Tick, moment: impl Fn(Tick) -> Instant) -> Tick {
        if self.first() > wanted
            && let Some(last) = self.0.iter_mut().max_by_key(|timer| timer.at.unwrap_or(NEVER))
        {
            last.set(wanted, &moment);
        }
        let first = self.first();
        if busy {
            let idle = self.0.iter_mut().filter(|timer| timer.at.is_none());
            idle.for_each(|timer| timer.set(first.max(now) + 1, &moment));
        }
        first
    }

    fn first(&self) -> Tick {
        self.0.iter().filter_map(|timer| timer.at).min().unwrap_or(NEVER)
    }

    /// The moment for which one has rung, the later one of both; wakes when one rings.
    fn poll(&mut self, cx: &mut Context<'_>) -> Option<Tick> {
        let rung = |Timer { sleep, at }: &mut Timer| {
            let is_ready = at.is_some() && sleep.as_mut()?.as_mut().poll(cx).is_ready();
            at.take_if(|_| is_ready)
        };
        self.0.iter_mut().filter_map(rung).max()
    }
}

impl Timer {
    fn set(&mut self, at: Tick, moment: impl Fn(Tick) -> Instant) {
        let when = moment(at).into();
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(when),
            None => self.sleep = Some(Box::pin(tokio::time::sleep_until(when))),
        }
        self.at = Some(at);
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
