//! A request body on its way in: bounded, timed, and verified against its `Content-Digest` as it comes.

use std::time::Duration;

use actix_web::{
    HttpRequest, dev,
    http::{
        StatusCode,
        header::{CONTENT_LENGTH, HeaderValue},
    },
    web::{Bytes, Payload},
};
use evenkeel_digest::{CONTENT_DIGEST, Expected, Verifier};
use futures_util::StreamExt as _;
use tokio::time::timeout;

use crate::{problem::Problem, settings::Settings};

/// The body of one request.
pub(crate) struct Upload {
    payload: Payload,
    /// `None` once it was compared.
    verifier: Option<Verifier>,
    expected: Expected,
    length: Option<u64>,
    left: u64,
    limit: u64,
    patience: Duration,
}

impl Upload {
    /// Refuses at once what is too long by its own word, or has a digest field that cannot be read.
    pub(crate) fn new(request: &HttpRequest, payload: Payload, settings: &Settings) -> Result<Self, Problem> {
        let limit = settings.max_body.0;
        let length =
            request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if length.is_some_and(|length| length > limit) {
            return Err(too_large(limit));
        }
        let fields = request.headers().get_all(CONTENT_DIGEST).map(HeaderValue::as_bytes);
        let expected = Expected::parse(fields).map_err(|malformed| {
            Problem::new(StatusCode::BAD_REQUEST, format!("Content-Digest: {malformed}"))
        })?;
        Ok(Self {
            payload,
            verifier: Some(Verifier::new(&expected)),
            expected,
            length,
            left: limit,
            limit,
            patience: settings.body_timeout,
        })
    }

    /// Reads to the end, for the sake of the promise alone.
    pub(crate) async fn verify(mut self) -> Result<(), Problem> {
        while self.piece().await?.is_some() {}
        Ok(())
    }

    /// The rest is taken as it comes, whatever was promised.
    pub(crate) fn unverified(self) -> Self {
        Self { verifier: None, ..self }
    }

    /// The length that the request announced.
    pub(crate) fn length(&self) -> Option<u64> {
        self.length
    }

    /// What the request promised about its content.
    pub(crate) fn expected(&self) -> &Expected {
        &self.expected
    }

    /// The next piece, or `None` after the last one of a body that is as it was promised.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>, Problem> {
        let Ok(next) = timeout(self.patience, self.payload.next()).await else {
            return Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "the request body stood still for too long",
            ));
        };
        match next {
            Some(Ok(piece)) => {
                let left = self.left.checked_sub(piece.len() as u64);
                self.left = left.ok_or_else(|| too_large(self.limit))?;
                if let Some(verifier) = &mut self.verifier {
                    verifier.update(&piece);
                }
                Ok(Some(piece))
            }
            Some(Err(error)) => Err(Problem::new(
                StatusCode::BAD_REQUEST,
                format!("the request body cannot be read: {error}"),
            )),
            None => match self.verifier.take().map(Verifier::finish) {
                Some(Err(mismatch)) => {
                    Err(Problem::new(StatusCode::BAD_REQUEST, format!("Content-Digest: {mismatch}")))
                }
                Some(Ok(())) | None => Ok(None),
            },
        }
    }
}

/// How much of a body is read only to keep its connection, in bytes.
const DISCARDED: usize = 64 << 10;

/// Reads the body of a request that is answered without it, so that its connection can be used again. A long or slow one
/// is left where it is, and its connection closes.
pub(crate) async fn discard(mut payload: dev::Payload, patience: Duration) {
    let mut left = DISCARDED;
    while let Ok(Some(Ok(piece))) = timeout(patience, payload.next()).await {
        match left.checked_sub(piece.len()) {
            Some(rest) => left = rest,
            None => break,
        }
    }
}

fn too_large(limit: u64) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a request body may have {limit} bytes"))
}
