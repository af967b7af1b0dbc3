//! HTTP/1.1 on the wire, without I/O: heads and bodies as bytes, and the two connection machines.
//!
//! Bytes go in and bytes come out; sockets, time and buffers are the caller's. That is why every case of the
//! protocol can be tested here without a network, and why the same code serves a proxy's front, its back, a
//! client and a fuzzer.
//!
//! ```text
//!         ┌───────────── Inbound ─────────────┐
//! client ─▶ head ▶ RequestHead, body ▶ Piece  ─▶ rewrite, BodyWriter ─────────────▶ server
//!         │                                   │
//! client ◀─ respond, before_data … end_body   ◀─ ResponseHead ◀ head, Piece ◀ body ◀─ server
//!         └───────────────────────────────────┘  └─────────── Outbound ───────────┘
//! ```
//!
//! Three rules hold throughout.
//!
//! * **Strict.** What two readers could read differently is refused with a [`Refusal`] or a [`ResponseError`],
//!   never repaired: a repaired message is how one request becomes two.
//! * **No copies.** A head is a list of spans into the caller's bytes. [`RequestHead`] and [`ResponseHead`] keep
//!   their storage, so that after the first requests nothing is allocated for a head.
//! * **Bounded.** [`Limits`] is one value for all of a message; what reaches a limit is refused.
//!
//! # A request through a proxy
//!
//! ```
//! use evenkeel_http1::{After, Inbound, Outbound};
//! use evenkeel_message::{
//!     Limits, Origin, RequestHead, RequestRewrite, ResponseHead, ResponseRewrite, rewrite,
//! };
//!
//! let limits = Limits::default();
//! let (mut inbound, mut outbound) = (Inbound::new(), Outbound::new());
//! let (mut request, mut response) = (RequestHead::new(), ResponseHead::new());
//!
//! // From the client: a head, which here is all there is.
//! let received = b"GET /hello HTTP/1.1\r\nHost: example.org\r\nConnection: x-secret\r\nX-Secret: 1\r\n\r\n";
//! assert_eq!(inbound.head(&received[..20], &mut request, &limits)?, None);
//! assert_eq!(inbound.head(received, &mut request, &limits)?, Some(received.len()));
//!
//! // To the server: without what was for this connection only, and with what a proxy adds.
//! let mut to_server = Vec::new();
//! let how = RequestRewrite {
//!     origin: Origin::of_client([192, 0, 2, 7].into(), "http"),
//!     local: ([198, 51, 100, 1], 8080).into(),
//!     via: "example-proxy",
//!     request_id: b"42",
//!     prefix: "",
//!     upgrade: None,
//!     runs: false,
//!     client_cert: b"",
//!     rules: None,
//! };
//! rewrite(&request, received, &how, &mut to_server)?;
//! let to_server = String::from_utf8(to_server)?;
//! assert!(to_server.starts_with("GET /hello HTTP/1.1\r\nHost: example.org\r\nVia: 1.1 example-proxy\r\n"));
//!
//! // From the server: a body without a length, which ends with the connection …
//! outbound.begin(request.method(), None);
//! let answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello";
//! let head_len = outbound.head(answer, &mut response, &limits)?.ok_or("incomplete")?;
//! let piece = outbound.body(&answer[head_len..], &limits)?;
//! outbound.end_of_input()?;
//!
//! // … and to the client, whose connection lasts, in chunks.
//! let mut to_client = Vec::new();
//! inbound.respond(&response, answer, &ResponseRewrite::default(), &mut to_client);
//! inbound.before_data(piece.data.len(), &mut to_client);
//! to_client.extend_from_slice(&answer[head_len..][piece.data]);
//! inbound.after_data(&mut to_client);
//! inbound.end_body(outbound.trailers(), &mut to_client);
//! assert!(to_client.ends_with(b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
//! assert_eq!(inbound.after(), After::NextRequest);
//! assert!(!outbound.reusable(0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is not here
//!
//! What a message means, whatever version carries it: heads, framing, rewriting, refusals are `evenkeel_message`'s.
//! Time-outs, sockets and the decision which server to ask. Content codings: a body passes as it is. HTTP/2 and
//! HTTP/3. CONNECT and TRACE, which a load balancer does not serve and which are refused with 501.
//!
//! [`Refusal`]: evenkeel_message::Refusal
//! [`ResponseError`]: evenkeel_message::ResponseError
//! [`RequestHead`]: evenkeel_message::RequestHead
//! [`ResponseHead`]: evenkeel_message::ResponseHead
//! [`Limits`]: evenkeel_message::Limits

pub mod proxy_protocol;

mod body;
mod inbound;
mod outbound;
mod parse;
mod progress;

pub use body::Piece;
pub use body::writer::BodyWriter;
pub use inbound::{After, Inbound};
pub use outbound::Outbound;
