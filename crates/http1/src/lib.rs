//! HTTP/1.1 on the wire, without I/O: heads, framing, rewriting and the two connection machines.

pub mod forwarded;
pub mod problem;
pub mod proxy_protocol;
pub mod proxy_status;
pub mod request_id;
pub mod status;

mod body;
mod error;
mod framing;
mod head;
mod inbound;
mod limits;
mod method;
mod outbound;
mod rewrite;
mod text;

pub use body::Piece;
pub use body::writer::BodyWriter;
pub use error::{Refusal, ResponseError};
pub use framing::{ContentLength, Framing, TransferEncoding};
pub use head::request::RequestHead;
pub use head::response::ResponseHead;
pub use inbound::{After, Inbound};
pub use limits::{Limits, MAX_CONNECTION_OPTIONS, MAX_FIELDS, MAX_INTERIM_RESPONSES};
pub use method::{Method, Version};
pub use outbound::Outbound;
pub use rewrite::request::{RequestRewrite, Rewritten, rewrite};
pub use rewrite::response::ResponseRewrite;
