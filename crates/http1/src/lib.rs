//! HTTP/1.1 on the wire, without I/O: heads, framing, rewriting and the two connection machines.

pub mod forwarded;
pub mod request_id;
pub mod status;

mod body;
mod body_writer;
mod chunked;
mod connection;
mod error;
mod fields;
mod framing;
mod inbound;
mod limits;
mod method;
mod name;
mod outbound;
mod progress;
mod request;
mod request_rewrite;
mod response;
mod response_rewrite;
mod target;
mod text;
mod trailers;

pub use body::Piece;
pub use body_writer::BodyWriter;
pub use error::{Refusal, ResponseError};
pub use framing::{ContentLength, Framing, TransferEncoding};
pub use inbound::{After, Inbound};
pub use limits::{Limits, MAX_CONNECTION_OPTIONS, MAX_FIELDS, MAX_INTERIM_RESPONSES};
pub use method::{Method, Version};
pub use outbound::Outbound;
pub use request::RequestHead;
pub use request_rewrite::{RequestRewrite, Rewritten, rewrite};
pub use response::ResponseHead;
pub use response_rewrite::ResponseRewrite;
