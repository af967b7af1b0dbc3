//! What the shell tells the machine and what the machine tells the shell.

use std::fmt;
use std::time::Instant;

use arrayvec::ArrayVec;

use crate::endpoint::{EndpointId, Usual};
use crate::evidence::{ConnectFailure, Evidence, Response, ResponseFailure, Standing};
use crate::health::Cause;
use crate::picker::Unavailable;

/// Names one try of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TryNo(u8);

impl TryNo {
    pub(crate) const fn new(index: usize) -> Self {
        Self(index as u8)
    }

    /// 0 for the first.
    pub fn index(self) -> usize {
        self.0.into()
    }

    /// 1 for the first, as people count.
    pub fn number(self) -> u8 {
        self.0 + 1
    }
}

impl fmt::Display for TryNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

/// What may be done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Whether it may be sent again once a byte of it was sent.
    pub repeat: Repeat,
    /// Whether it may be sent twice at once, for speed: it only reads, and has no body.
    pub hedgeable: bool,
    /// Whether its body, if it has one, is kept so that it can be sent again.
    pub replayable: bool,
    /// What it would lose elsewhere.
    pub affinity: Affinity,
}

/// Whether a request may be sent again once a byte of it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// No: executing it twice is not the same as once.
    Never,
    /// One after the other, never two at once, and never because of a mere suspicion: it changes something, but twice is as once.
    InTurn,
    /// Yes: it changes nothing.
    Freely,
}

/// What a request has at one endpoint and not at another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// Nothing.
    None,
    /// A warm cache, by its key: it is neither hedged nor raced.
    Cache,
    /// A session, by its pin: nor does it move before its endpoint is ejected, and what its server says is its answer.
    Session,
}

/// Something that happened to a request.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The head of the request is there. The first event, once.
    Start,
    /// An endpoint was found for a try.
    Chosen {
        /// For which try.
        number: TryNo,
        /// Which endpoint.
        endpoint: EndpointId,
        /// What is usual for it ([`Picker::usual`](crate::Picker::usual)).
        usual: Usual,
        /// There was an idle connection: it is connected already.
        reused: bool,
    },
    /// No endpoint was found for the try that was asked for last.
    NoneLeft(Unavailable),
    /// The try has a connection.
    Connected(TryNo),
    /// The try will have none.
    ConnectFailed(TryNo, ConnectFailure),
    /// The try has no connection in time, and its endpoint has answered others meanwhile: it lives, and the line of connections that
    /// wait to be taken there is full ([`Lease::finds_line_full`](crate::Lease::finds_line_full)).
    LineFull(TryNo),
    /// The first byte of the request was written.
    ByteSent(TryNo),
    /// The last byte of the request was written.
    RequestSent(TryNo),
    /// The idle connection turned out closed before a byte of a response.
    Stale {
        /// Of which try.
        number: TryNo,
        /// Whether a byte of the request had been written to it.
        bytes_sent: bool,
    },
    /// The head of a final response is there.
    Head {
        /// Of which try.
        number: TryNo,
        /// What it says of its endpoint. An error of one that [is accused](crate::Lease::is_accused) of it is more likely to be its
        /// own.
        response: Response,
        /// The number that the protocol has for it, for the trail.
        status: u16,
        /// Its body is kept back until it is whole.
        held: bool,
    },
    /// A response is whole.
    Whole(TryNo, Verdict),
    /// The endpoint says that it has not processed what it was sent, and will not: over TLS 1.3 it refuses this side's certificate
    /// only where an answer is awaited (RFC 8446 §4.4.2).
    NotProcessed(TryNo, ConnectFailure),
    /// The connection failed after it was connected and before the response was whole.
    Broken(TryNo, ResponseFailure),
    /// Another piece of a body that is too large to be kept was written: the request cannot be sent again. Told for each
    /// piece, because a long upload that goes on is no slow answer: the deadline counts from the last one.
    BodyLost,
    /// The client reset its connection.
    ClientGone,
    /// The time of [`Attempts::next_wake`](super::Attempts::next_wake) has come. With the conditions of the endpoints
    /// of all tries that wait for an answer.
    Woke(&'a [Condition]),
}

/// How it stands with the endpoint of a waiting try; made by [`Picker::condition`](crate::Picker::condition).
#[derive(Clone, Copy, Debug)]
pub struct Condition {
    /// Of which try.
    pub number: TryNo,
    /// What has become of it since it was chosen.
    pub down: Down,
    /// When it last sent the head of any response.
    pub last_heard: Option<Instant>,
    /// When any other endpoint did.
    pub others_heard: Option<Instant>,
    /// Bytes of its response that have come. A look sees whether there are more than at the last one.
    pub received: usize,
}

/// What has become of an endpoint since a try was begun on it ([`Lease::down`](crate::Lease::down)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// Nothing, or a suspicion that no probe has confirmed: a slow server is not a dead one.
    No,
    /// It takes connections and has no time for probes: at work as far as anybody can tell, or silent for good.
    Busy,
    /// It was suspected, and its probe failed.
    Confirmed,
    /// It was suspected, and its probe found a connection and no answer.
    Unanswered,
    /// It was ejected.
    Ejected(Cause),
}

/// What a whole response was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its bytes match every digest that came with it, or none came, or they were not compared.
    Right,
    /// They do not. The number stands for the bytes and the digest: equal for the same bytes with the same digest.
    WrongDigest(u64),
    /// It came without the digest that it had announced; it goes to the client all the same.
    MissingDigest,
}

/// Why there is a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is the first.
    First,
    /// The last one answered, but with a status or a digest that is tried elsewhere.
    Retry,
    /// The last one is slow to connect.
    Race,
    /// The last one is slow to answer.
    Hedge,
    /// The last one failed, or its endpoint did.
    Moved,
}

impl Why {
    /// A word for logs, metrics and the trail.
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Retry => "retry",
            Self::Race => "race",
            Self::Hedge => "hedge",
            Self::Moved => "moved",
        }
    }
}

/// Something the shell must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Pick an endpoint that was not tried, and connect or take an idle connection. Answered by [`Event::Chosen`] or
    /// [`Event::NoneLeft`].
    Try(TryNo, Why),
    /// Connect anew to the endpoint of a try that was stale, or whose line was full.
    Reconnect(TryNo),
    /// Give the try up. One that is still connecting may become an idle connection; any other connection is closed.
    Cancel(TryNo),
    /// Another try was faster, and this one waits for its head. Its server works on it all the same: so it should count as in
    /// flight, and what it shows of its endpoint be noted, until it has answered or its response timeout is over: also that
    /// the endpoint is silent, from [`Attempts::silent_at`](super::Attempts::silent_at) on. What it answers is dropped.
    RunOn(TryNo),
    /// This try's response goes to the client.
    Commit(TryNo),
    /// Tell [`Control`](crate::Control), through [`Endpoint::report`](crate::Endpoint::report), what the endpoint of this try
    /// ([`Attempts::endpoint`](super::Attempts::endpoint)) is alleged to have done. The try may be over.
    Report(TryNo, Evidence),
    /// Tell it that another endpoint has done well with the same request, or has failed alike.
    Examined(TryNo, Evidence, Standing),
    /// The client gets an answer of the shell's own.
    Reply(Failure),
}

/// Actions of one event. A try ends once, with at most two reports and a cancel or a commit; three more are begun, looked
/// at with suspicion or replied: 16 are enough for four tries.
pub type Actions = ArrayVec<Action, 16>;

/// Why no endpoint could answer: the last real error of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No endpoint is known that would answer.
    NoEndpoint,
    /// All endpoints are at their limit.
    Busy,
    /// No connection to any endpoint that was tried. Nothing was sent, so it is safe to ask again.
    Connect(ConnectFailure),
    /// The connection failed before the response was whole.
    Response(ResponseFailure),
    /// An idle connection turned out closed, and the request may not be sent again.
    Stale,
    /// The response's bytes were not those its digest is of.
    WrongDigest,
    /// The deadline of the request has passed.
    Deadline,
}
