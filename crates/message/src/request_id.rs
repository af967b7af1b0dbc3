//! Which request ids from outside are kept.

/// The longest request id that is kept, in bytes.
pub const MAX_LEN: usize = 128;

/// Whether a received `X-Request-Id` may be kept: 1 to [`MAX_LEN`] bytes that mean nothing in a log, a field or
/// a URL.
///
/// ```
/// assert!(evenkeel_message::request_id::is_sane(b"0195-abc.DEF_7"));
/// assert!(!evenkeel_message::request_id::is_sane(b"a b\""));
/// ```
pub fn is_sane(id: &[u8]) -> bool {
    (1..=MAX_LEN).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=:@".contains(byte))
}
