//! What became of a vector, from what came out at both ends.

use std::{
    fmt,
    io::{ErrorKind, Read as _, Write as _},
    time::Duration,
};

use crate::{
    Result,
    front::Front,
    message::{Message, Reading, Side, read},
    recorder::Recorder,
    vectors::{Vector, response_to},
};

/// When nothing has come for so long, nothing more will: many of the vectors leave their connection open.
const QUIET: Duration = Duration::from_secs(1);

/// What became of a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing whole went through. With this status, or without an answer.
    Refused(Option<u16>),
    /// The server had the beginning of a request when the front gave it up, and knows that it is not whole.
    BrokenOff(Option<u16>),
    /// These requests, and everybody understands them alike: each had its own answer. What followed may have been refused.
    Clear(Vec<String>, Option<u16>),
    /// Something that two recipients could take for two things, and why.
    Ambiguous(String),
}

impl Outcome {
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::BrokenOff(_))
    }

    pub(crate) fn is_clear(&self) -> bool {
        matches!(self, Self::Clear(..))
    }

    pub(crate) fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Ambiguous(_))
    }

    /// Whether both refused, or both let the same through: the status alone makes no difference.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Clear(through, _), Self::Clear(other, _)) => through == other,
            _ => self == other || (self.is_refused() && other.is_refused()),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(Some(status)) => write!(f, "{status}"),
            Self::Refused(None) => write!(f, "closed"),
            Self::BrokenOff(Some(status)) => write!(f, "{status}, broken off"),
            Self::BrokenOff(None) => write!(f, "broken off"),
            Self::Clear(through, then) => {
                write!(f, "`{}`", through.join("`, `"))?;
                then.map_or(Ok(()), |status| write!(f, ", then {status}"))
            }
            Self::Ambiguous(doubt) => write!(f, "**{doubt}**"),
        }
    }
}

/// Sends the vector and looks at what came out.
pub(crate) fn of(vector: &Vector, front: &Front, recorder: &Recorder) -> Result<Outcome> {
    recorder.take();
    let got = exchange(vector, front)?;
    let heard = recorder.take();
    let mut requests = Vec::new();
    let mut is_broken_off = false;
    for connection in &heard {
        match whole(connection, Side::Request, &mut requests) {
            Ok(rest) => is_broken_off |= rest > 0,
            Err(doubt) => return Ok(Outcome::Ambiguous(format!("to the server: {doubt}"))),
        }
    }
    let mut responses = Vec::new();
    if let Err(doubt) = whole(&got, Side::Response, &mut responses) {
        return Ok(Outcome::Ambiguous(format!("to the client: {doubt}")));
    }
    let own = responses.iter().map(Message::status).find(|status| *status >= 400);
    if is_broken_off {
        return Ok(Outcome::BrokenOff(own));
    }
    let answers: Vec<_> = responses.iter().filter(|response| response.status() < 400).collect();
    let is_refused = if vector.is_response {
        responses.first().is_none_or(|response| response.status() >= 400)
    } else {
        answers.is_empty() && requests.is_empty()
    };
    // What is asked after a refused response has its own answer, or none.
    let asked = requests.get(usize::from(is_refused)..).unwrap_or_default();
    let is_complete = is_refused || answers.len() == asked.len();
    if !is_complete || answers.len() > asked.len() || !asked.iter().zip(&answers).all(is_own) {
        return Ok(Outcome::Ambiguous("to the client: answers that are not those to its requests".into()));
    }
    if is_refused {
        return Ok(Outcome::Refused(own));
    }
    let through = if vector.is_response { &responses } else { &requests };
    Ok(Outcome::Clear(through.iter().map(|message| message.line.to_owned()).collect(), own))
}

/// Whether the response belongs to the request. One that a vector asks for may be anything; any other repeats the target.
fn is_own((request, response): (&Message<'_>, &&Message<'_>)) -> bool {
    response_to(request.target()).is_some() || response.body == request.target().as_bytes()
}

/// Adds the whole messages of a connection, and says how many bytes are left over.
fn whole<'a>(
    mut bytes: &'a [u8],
    side: Side,
    messages: &mut Vec<Message<'a>>,
) -> std::result::Result<usize, &'static str> {
    loop {
        match read(bytes, side) {
            Reading::Whole(message) => {
                bytes = &bytes[message.length..];
                messages.push(message);
            }
            Reading::Unfinished => return Ok(bytes.len()),
            Reading::Ambiguous(doubt) => return Err(doubt),
        }
    }
}

/// All that a client gets who sends the vector's bytes.
fn exchange(vector: &Vector, front: &Front) -> Result<Vec<u8>> {
    let mut client = front.connect()?;
    client.set_read_timeout(Some(QUIET))?;
    client.write_all(&vector.bytes)?;
    let mut answers = Vec::new();
    match client.read_to_end(&mut answers) {
        Ok(_) => Ok(answers),
        Err(error) if is_an_end(error.kind()) => Ok(answers),
        Err(error) => Err(error.into()),
    }
}

/// What was read before it is kept by `read_to_end`.
fn is_an_end(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::ConnectionReset)
}
