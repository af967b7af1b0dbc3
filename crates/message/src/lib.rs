//! What HTTP messages mean, whatever version carries them: heads, framing, rewriting and refusals.
//!
//! A head is a list of spans into bytes that the caller holds, and what they mean together: how long the body is, whom the
//! request is for, what concerns one connection only. A parser (`evenkeel_http1`) finds the spans in the bytes of a
//! connection; a [`RequestBuilder`] or [`ResponseBuilder`] writes the bytes, where fields arrive one by one. Either way
//! the checks are the same, so that no version is laxer than another.
//!
//! ```text
//!  lines ──▶ start, push …, finish ─┬─▶ RequestHead  ──▶ rewrite ──────────▶ bytes for a server
//!                  ▲                ├─▶ ResponseHead ──▶ rewrite_response ──▶ bytes for a client
//!  fields ──▶ builder               └─▶ Refusal, ResponseError
//! ```
//!
//! Beside that: who asked, as proxies tell it ([`Origin`], [`forwarded`]), what this side says itself ([`problem`],
//! [`proxy_status`], [`status`]), what a client would rather have ([`accept`]), which request ids are kept ([`request_id`]),
//! credentials ([`basic`]), clients with certificates ([`client_cert`]), which upstream a request is for ([`routes`]), and the
//! grammar that all of it is made of ([`text`]).
//!
//! # What is not here
//!
//! Where a head or a body ends in the bytes of a connection, and whether that lasts: this crate sees no connection. No
//! I/O, no clock.

pub mod accept;
pub mod basic;
pub mod client_cert;
pub mod forwarded;
pub mod problem;
pub mod proxy_status;
pub mod request_id;
pub mod routes;
pub mod status;
pub mod text;
pub mod trailers;

mod builder;
mod error;
mod framing;
mod head;
mod limits;
mod method;
mod origin;
mod rewrite;
mod rules;

pub use builder::Form;
pub use builder::request::RequestBuilder;
pub use builder::response::ResponseBuilder;
pub use error::{Refusal, ResponseError};
pub use framing::{ContentLength, Framing, TransferEncoding};
pub use head::fields::{Line, Span};
pub use head::request::{RequestHead, RequestLine};
pub use head::response::{ResponseHead, StatusLine};
pub use head::target::is_authority;
pub use limits::{Limits, MAX_CONNECTION_OPTIONS, MAX_FIELDS, MAX_HEAD, MAX_INTERIM_RESPONSES};
pub use method::{Method, Version};
pub use origin::Origin;
pub use rewrite::request::{RequestRewrite, Rewritten, rewrite};
pub use rewrite::response::{Delivery, ResponseRewrite, rewrite_response, status_line};
pub use rules::FieldRules;
