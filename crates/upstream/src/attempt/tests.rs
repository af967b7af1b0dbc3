//! The rules of moving, one sentence each.

mod delivery;
mod ending;
mod moving;
mod overtaking;

use std::time::Duration;

use super::*;
use crate::endpoint::EndpointId;
use crate::evidence::ConnectFailure::{self, Refused, TimedOut};
use crate::evidence::ResponseFailure::{self, Closed, Reset, Truncated};
use crate::evidence::Standing::{self, Proven, Refuted};
use crate::evidence::TlsFailure;
use crate::health::Cause;
use crate::lease::Outcome;
use crate::settings::{BudgetSettings, HedgeBudget};

const MS: Duration = Duration::from_millis(1);
const A: TryNo = TryNo::new(0);
const B: TryNo = TryNo::new(1);
const C: TryNo = TryNo::new(2);
const D: TryNo = TryNo::new(3);

const GET: Plan =
    Plan { repeat: Repeat::Freely, hedgeable: true, replayable: true, affinity: Affinity::None };
const PUT: Plan = Plan { repeat: Repeat::InTurn, hedgeable: false, ..GET };
const POST: Plan = Plan { repeat: Repeat::Never, hedgeable: false, ..GET };
const CACHED_GET: Plan = Plan { affinity: Affinity::Cache, ..GET };
const SESSION_GET: Plan = Plan { affinity: Affinity::Session, ..GET };

const USUAL: Usual = Usual {
    connect: Some(MS),
    head: Some(Duration::from_millis(2)),
    slowest: Some(Duration::from_millis(8)),
    hedge_after: Some(Duration::from_millis(10)),
};

const UNREACHABLE: Down = Down::Ejected(Cause::Unreachable);
const MISBEHAVING: Down = Down::Ejected(Cause::Misbehaving);

/// A request and the shell around it.
struct Request {
    attempts: Attempts,
    budgets: Budgets,
    begun: Instant,
    now: Instant,
}

impl Request {
    #[expect(clippy::disallowed_methods, reason = "any moment does as the beginning of a virtual clock")]
    fn new(plan: Plan) -> Self {
        let now = Instant::now();
        let settings = AttemptSettings { hedge: false, ..AttemptSettings::default() };
        let budgets = Budgets::new(BudgetSettings::default(), HedgeBudget::default());
        let mut request = Self { attempts: Attempts::new(plan, &settings, now), budgets, begun: now, now };
        assert_eq!(request.on(Event::Start), [Action::Try(A, Why::First)]);
        request
    }

    fn hedging(plan: Plan) -> Self {
        let mut request = Self::new(plan);
        request.attempts.settings.hedge = true;
        request.budgets.grant_hedges(10);
        request
    }

    fn on(&mut self, event: Event<'_>) -> Vec<Action> {
        self.attempts.on(event, &self.budgets, self.now).to_vec()
    }

    fn chosen(&mut self, number: TryNo, reused: bool) {
        let endpoint = EndpointId(number.index() as u32);
        assert_eq!(self.on(Event::Chosen { number, endpoint, usual: USUAL, reused }), []);
    }

    /// An endpoint, an idle connection and the whole request on it.
    fn sent(&mut self, number: TryNo) {
        self.chosen(number, true);
        self.write(number);
    }

    fn connecting(&mut self, number: TryNo) {
        self.chosen(number, false);
    }

    fn write(&mut self, number: TryNo) {
        assert_eq!(self.on(Event::ByteSent(number)), []);
        assert_eq!(self.on(Event::RequestSent(number)), []);
    }

    fn connected(&mut self, number: TryNo) {
        assert_eq!(self.on(Event::Connected(number)), []);
        self.write(number);
    }

    fn head(&mut self, number: TryNo, status: u16) -> Vec<Action> {
        self.on(Event::Head { number, response: says(status), status, held: true })
    }

    /// A good head, whose body is passed on as it comes.
    fn streams(&mut self, number: TryNo) -> Vec<Action> {
        self.on(Event::Head { number, response: Response::Good, status: 200, held: false })
    }

    fn whole(&mut self, number: TryNo) -> Vec<Action> {
        self.on(Event::Whole(number, Verdict::Right))
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
    }

    /// Wakes whenever it wants to be woken, with healthy endpoints, until it does something.
    fn wake_until_it_acts(&mut self) -> Vec<Action> {
        self.wake_with(|number| Condition {
            number,
            down: Down::No,
            last_heard: None,
            others_heard: None,
            received: 0,
        })
    }

    /// The same with endpoints of which only the others answer.
    fn wake_in_silence(&mut self) -> Vec<Action> {
        let begun = self.begun;
        let others_heard = Some(begun + Duration::from_hours(1));
        self.wake_with(|number| Condition {
            number,
            down: Down::No,
            last_heard: Some(begun),
            others_heard,
            received: 0,
        })
    }

    /// A look at endpoints of which this one has gone down.
    fn goes_down(&mut self, which: TryNo, down: Down) -> Vec<Action> {
        let how = |number| if number == which { down } else { Down::No };
        let condition = |number| Condition {
            number,
            down: how(number),
            last_heard: None,
            others_heard: None,
            received: 0,
        };
        let conditions: Vec<_> = self.attempts.numbers().map(condition).collect();
        self.on(Event::Woke(&conditions))
    }

    fn wake_with(&mut self, condition: impl Fn(TryNo) -> Condition) -> Vec<Action> {
        for _ in 0..10_000 {
            self.now = self.attempts.next_wake().expect("nothing to wait for").max(self.now);
            let conditions: Vec<_> = self.attempts.numbers().map(&condition).collect();
            let actions = self.on(Event::Woke(&conditions));
            if !actions.is_empty() {
                return actions;
            }
        }
        panic!("woke ten thousand times for nothing");
    }

    fn waited(&self) -> Duration {
        self.now - self.begun
    }

    fn fails_to_connect(&mut self, number: TryNo) -> Vec<Action> {
        self.on(Event::ConnectFailed(number, Refused))
    }
}

fn failure(actions: &[Action]) -> Failure {
    let reply = actions.iter().find_map(|action| match action {
        Action::Reply(failure) => Some(*failure),
        _ => None,
    });
    reply.unwrap_or_else(|| panic!("no reply in {actions:?}"))
}

/// What the shell of these tests makes of a status.
fn says(status: u16) -> Response {
    match status {
        503 => Response::Unable,
        500 => Response::Error,
        _ => Response::Good,
    }
}

fn report(number: TryNo, evidence: Evidence) -> Action {
    Action::Report(number, evidence)
}

fn examined(number: TryNo, evidence: Evidence, standing: Standing) -> Action {
    Action::Examined(number, evidence, standing)
}
