//! Which endpoint, and may it be used: health, policies, admission, budgets and the life of a request, without I/O.
//!
//! The crate decides and its shell acts. It opens no socket, reads no clock and draws no random number: `now` and a
//! generator come in with each call, so that a year of failures is simulated in seconds and a failing seed replays.
//! It does not know HTTP either; a request is a few facts ([`attempt::Plan`]), a response is good or not
//! ([`Response`]).
//!
//! ```text
//!   worker 1 … n                                             one control task
//!   ┌──────────────────────────────┐                        ┌─────────────────────────┐
//!   │ Picker ── pick ──▶ Lease     │      evidence          │ Control                 │
//!   │ Attempts: which try, when    │ ─────────────────────▶ │  health, probes,        │
//!   │ Place: its turn in the Queue │                        │  discovery, commands    │
//!   └──────────────┬───────────────┘                        └────────────┬────────────┘
//!                  │  reads and counts, atomically                       │ writes bits,
//!                  ▼                                                     ▼ swaps the snapshot
//!            Upstream ─┬─ Snapshot ─── Endpoint (one padded block of atomics each)
//!                      └─ Queue: who waits while all are busy
//! ```
//!
//! A request that goes well touches its endpoint's block and nothing else that is shared.

pub mod attempt;

mod admission;
mod budget;
mod control;
mod endpoint;
mod evidence;
mod health;
mod kinds;
mod latency;
mod lease;
mod picker;
mod pin;
mod policy;
mod record;
mod settings;
mod spec;
mod upstream;

pub use admission::{Doubtful, Place, Queue, QueueFull};
pub use attempt::Attempts;
pub use budget::{Budgets, Hedged};
pub use control::{
    Change, Command, Control, EndpointState, LastProbe, LookupFailed, News, Probe, ProbeFailure, ProbeResult,
    UnknownEndpoint,
};
pub use endpoint::{Endpoint, EndpointId, EndpointIds, Usual, Weight};
pub use evidence::{
    Author, ConnectFailure, Evidence, FailureClass, Response, ResponseFailure, Standing, Testimony,
    TlsFailure,
};
pub use health::{Cause, Health, Source};
pub use kinds::Kind;
pub use lease::{Lease, Outcome};
pub use picker::{Picker, Tried, Unavailable, Want};
pub use pin::{NotAPin, Pin, PinKey};
pub use policy::{ConsistentHashSettings, PolicySettings, UnknownPolicy};
pub use settings::{
    AdmissionSettings, AttemptSettings, BudgetSettings, HedgeBudget, OutlierSettings, ProbeSettings, Settings,
};
pub use spec::{NameSpec, SpecError, UpstreamSpec};
pub use upstream::{Snapshot, Upstream};
