//! What is wrong with a body, before it is known whose body it is.

use evenkeel_message::{Refusal, ResponseError};

/// What is wrong inside a body or its trailer section, before it is known whose body it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    Chunk(&'static str),
    TrailersTooLarge,
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Chunk(_) => Self::bad("The request's chunked body is malformed."),
            BodyError::TrailersTooLarge => Self::new(431, "The request's trailer section is over the limit."),
        }
    }
}

impl From<BodyError> for ResponseError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Chunk(what) => Self::Chunk(what),
            BodyError::TrailersTooLarge => Self::TooLarge,
        }
    }
}
