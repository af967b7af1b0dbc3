//! The alarms of a thread that ring together, with one timer of the kernel for all of them.
//!
//! The runtime's own timers cost system calls: it wakes itself, though it is not asleep, for one that is set to an earlier moment than
//! all others, and it never waits for sockets but with a timeout, which the kernel sets up and takes back each time. With deadlines
//! of milliseconds that is a good part of a small request. So here a descriptor becomes readable when it is time (`timerfd`), and is
//! set anew for the next alarm when it has rung; while alarms are being set one after the other, for a moment that is before any of
//! them.
//!
//! Nobody is told that a moment has come until the runtime has looked at its sockets after that moment, as with a timer of its own:
//! a process that was kept from running would otherwise take for late what has long been there. So the wheel is turned to where the
//! timer has rung, and not by the clock.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::wheel::{Key, Tick, Wheel};

/// How exact alarms are: none rings early, and none later than by about two of these.
const TICK: Duration = Duration::from_millis(1);

thread_local! {
    static OF_THIS_THREAD: RefCell<Option<Rc<Together>>> = const { RefCell::new(None) };
}

/// Has all alarms that are used on this thread from now on ring together, for as long as what this returns is being waited for: a
/// runtime with one thread has to do that for as long as it has alarms.
///
/// # Errors
/// The process has no descriptor left for the timer.
///
/// # Panics
/// Outside of a runtime that looks at descriptors.
pub fn ring_together() -> io::Result<impl Future<Output = ()>> {
    let mut timer = Timer::new()?;
    let together = Rc::new(Together::begin());
    OF_THIS_THREAD.set(Some(together.clone()));
    let ends = Ends;
    Ok(async move {
        let _ends = ends;
        poll_fn(|cx| together.poll(cx, &mut timer)).await;
    })
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
    /// When the timer rings.
    until: Cell<Tick>,
    /// The shortest time for which an alarm was put into the wheel since that was last turned.
    shortest: Cell<Option<Tick>>,
    /// Of whoever turns the wheel.
    waker: RefCell<Waker>,
}

const NEVER: Tick = Tick::MAX;

impl Together {
    fn begin() -> Self {
        Self {
            wheel: RefCell::new(Wheel::new()),
            begun: Instant::now(),
            until: Cell::new(NEVER),
            shortest: Cell::new(None),
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
        let mut wheel = self.wheel.borrow_mut();
        match wheel.wait(key, wanted, cx.waker()) {
            None => return Poll::Ready(()),
            Some(false) => return Poll::Pending,
            Some(true) => {}
        }
        let time = wanted - wheel.turned();
        self.shortest.set(Some(self.shortest.get().map_or(time, |shortest| shortest.min(time))));
        if wanted < self.until.get() {
            self.until.set(wanted);
            self.waker.borrow().wake_by_ref();
        }
        Poll::Pending
    }

    /// Turns the wheel, and has the timer ring for the next turn.
    fn poll(&self, cx: &mut Context<'_>, timer: &mut Timer) -> Poll<()> {
        if !self.waker.borrow().will_wake(cx.waker()) {
            self.waker.borrow_mut().clone_from(cx.waker());
        }
        loop {
            let rung = timer.poll(cx, self.begun);
            let mut wheel = self.wheel.borrow_mut();
            if let Poll::Ready(moment) = rung {
                wheel.turn(moment, Waker::wake);
            }
            let next = wheel.next().unwrap_or(NEVER);
            drop(wheel);
            let now = self.ticks_by(Instant::now());
            // While alarms are set one after the other, the next may be due before all others, and need not set the timer anew.
            let before_others = self.shortest.take().map_or(NEVER, |shortest| now + shortest);
            let wanted = next.min(before_others).max(now + 1);
            if timer.at.is_none_or(|at| wanted < at) && wanted != NEVER {
                timer.set(wanted, self.begun);
            }
            self.until.set(timer.at.unwrap_or(NEVER));
            // The descriptor has been asked since it last rang: it wakes the task.
            if rung.is_pending() {
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

/// A timer of the kernel, which the runtime looks at together with its sockets.
struct Timer {
    descriptor: AsyncFd<OwnedFd>,
    /// When it rings.
    at: Option<Tick>,
}

impl Timer {
    fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let descriptor = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for types whose descriptor changes; an OwnedFd's does not"
        )]
        let descriptor = AsyncFd::with_interest(descriptor, Interest::READABLE)?;
        Ok(Self { descriptor, at: None })
    }

    fn set(&mut self, at: Tick, begun: Instant) {
        let from_now = (begun + Duration::from_millis(at)).saturating_duration_since(Instant::now());
        // Zero would stop it.
        let from_now = from_now.max(Duration::from_nanos(1));
        let value = Timespec {
            tv_sec: from_now.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: from_now.subsec_nanos().into(),
        };
        let once = Itimerspec { it_interval: Timespec::default(), it_value: value };
        let set = timerfd_settime(&self.descriptor, TimerfdTimerFlags::empty(), &once);
        debug_assert!(set.is_ok(), "{set:?} for {value:?}");
        self.at = Some(at);
    }

    /// Ready with the moment for which it has rung; wakes when it rings otherwise. It is not read: what it has counted is gone when
    /// it is set anew.
    fn poll(&mut self, cx: &mut Context<'_>, begun: Instant) -> Poll<Tick> {
        while let Poll::Ready(Ok(mut rung)) = self.descriptor.poll_read_ready(cx) {
            rung.clear_ready();
            let is_over = |at: &mut Tick| begun + Duration::from_millis(*at) <= Instant::now();
            if let Some(at) = self.at.take_if(is_over) {
                return Poll::Ready(at);
            }
        }
        Poll::Pending
    }
}
