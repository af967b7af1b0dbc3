//! What is done about digests, as a person says it.

/// What is done about the digests of responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verify {
    /// A wrong one is a failed attempt, or ends in a reset where some of the response has gone out.
    Enforce,
    /// A wrong one is counted.
    Observe,
    /// Nobody looks.
    Off,
}
