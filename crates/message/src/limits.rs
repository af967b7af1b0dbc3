//! What bounds a message, as one value.

/// The most field lines a section can be allowed to have, whatever [`Limits::fields`] says: a head is
/// parsed into an array of this many entries on the stack.
pub const MAX_FIELDS: usize = 256;

/// The most bytes a head can be allowed to have, whatever [`Limits::head`] says: 16 MiB. Offsets into a head have
/// 32 bits.
pub const MAX_HEAD: usize = 16 << 20;

/// Connection options (`Connection: a, b`) looked at in one message. Each is compared with every field on
/// the way out, so this bounds the work that one head can cause.
pub const MAX_CONNECTION_OPTIONS: usize = 32;

/// Interim responses (1xx) accepted before the final one of an exchange.
pub const MAX_INTERIM_RESPONSES: u8 = 64;

/// The bounds of one message. Reaching one refuses the message; nothing is cut short in silence.
///
/// ```
/// let limits = evenkeel_message::Limits { fields: 50, ..Default::default() };
/// assert_eq!(limits.request_line, 8 * 1024);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request line, without its line end. Beyond: 414. Default 8 KiB.
    pub request_line: usize,
    /// Bytes of a head, start line and the final empty line included. Beyond: 431, or an error for a
    /// response. A trailer section has the same limit. At most [`MAX_HEAD`] takes effect. Default 32 KiB.
    pub head: usize,
    /// Field lines of a head, and of a trailer section. At most [`MAX_FIELDS`] takes effect. Beyond: 431, or
    /// an error for a response. Default 100.
    pub fields: usize,
    /// Bytes of chunk extensions in one message. Beyond: 400, or an error for a response. Default 16 KiB.
    pub chunk_extensions: usize,
    /// Whether request fields with an underscore in their name are passed on. Many servers read
    /// `Transfer_Encoding` as `Transfer-Encoding`, so they are dropped unless this is set. Default `false`.
    pub forward_underscores: bool,
}

impl Limits {
    /// The bytes that a head, or a trailer section, may have.
    pub fn head_bytes(&self) -> usize {
        self.head.min(MAX_HEAD)
    }

    /// The lines that a head, or a trailer section, may have.
    pub fn field_lines(&self) -> usize {
        self.fields.min(MAX_FIELDS)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_line: 8 * 1024,
            head: 32 * 1024,
            fields: 100,
            chunk_extensions: 16 * 1024,
            forward_underscores: false,
        }
    }
}
