//! What the client asks beside its run: whether the set is ready, and what the balancer's ledger says.
//!
//! This talks awc; what is under test goes through `wire`, whose phases can be timed and whose failures can be told apart.
//! The limits of what is here:
//!
//! * Plain HTTP/1.1. No TLS is compiled in, and without it awc negotiates no HTTP/2. A target over TLS is asked through `wire`
//!   (`ready.rs`).
//! * One GET a connection; no redirects are followed, nothing is decompressed, a 1xx passes for the answer.
//! * A body has a length or is chunked. What goes on until the connection closes has no body here.
//! * awc bounds the head (128 KiB), nobody the body: whoever reads it does.
//!
//! Two things are the client's own. Connections come from [`Addresses`], which tries every address of a name before the name
//! has failed; awc would stay with one that is silent. And awc takes a connection that closes in the middle of a body for the
//! end of that body, so a [`Watched`] stream remembers that it closed.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_rt::net::{ActixStream, Ready, TcpStream};
use actix_service::fn_service;
use actix_tls::connect::{ConnectInfo, Connection};
use actix_web::web::Bytes;
use awc::error::{ConnectError, SendRequestError};
use awc::http::Uri;
use awc::http::header::{HOST, USER_AGENT};
use awc::{Client, ClientResponse, Connector};
use evenkeel_wire::{Resolver, Stream};
use futures_util::StreamExt as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::LocalSet;

use crate::addresses::Addresses;
use crate::clock;
use crate::request::Credentials;
use crate::target::Target;

/// Who asks.
pub(crate) const NAME: &str = concat!("evenkeel-client/", env!("CARGO_PKG_VERSION"));

/// A question to one target.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    /// Whom it is for.
    pub(crate) target: &'a Target,
    /// Who asks.
    pub(crate) credentials: Option<&'a Credentials>,
    /// The path, with its query.
    pub(crate) path: &'a str,
    /// How long the connection, and then the head of the answer, may take. The whole is the caller's to bound.
    pub(crate) patience: Duration,
}

/// The answer: its status, and its body as it comes.
pub(crate) struct Answer {
    response: ClientResponse,
    closed: Rc<Cell<bool>>,
}

impl Question<'_> {
    /// What is asked.
    pub(crate) fn url(&self) -> String {
        format!("{}{}", self.target, self.path)
    }

    /// Asks on a connection of its own.
    pub(crate) async fn ask(self, resolver: &Resolver) -> Result<Answer, String> {
        let Self { target, credentials, path, patience } = self;
        let closed = Rc::new(Cell::new(false));
        let addresses = Rc::new(Addresses::new(resolver.clone(), target));
        let connector = {
            let closed = Rc::clone(&closed);
            fn_service(move |asked: ConnectInfo<Uri>| {
                let (addresses, closed) = (Rc::clone(&addresses), Rc::clone(&closed));
                async move {
                    let stream = connected(&addresses, patience, closed).await;
                    let stream = stream.map_err(actix_tls::connect::ConnectError::Io)?;
                    Ok(Connection::new(asked.request().clone(), stream))
                }
            })
        };
        // `Addresses` keeps to the same time, and says more about it.
        let connector = Connector::new().connector(connector).timeout(patience * 2);
        let client = Client::builder()
            .connector(connector)
            .timeout(patience * 2)
            .disable_redirects()
            .no_default_headers()
            .finish();
        let mut request = client
            .get(format!("{target}{path}"))
            .force_close()
            .insert_header((HOST, target.authority()))
            .insert_header((USER_AGENT, NAME));
        if let Some(Credentials { username, password }) = credentials {
            request = request.basic_auth(username, password.expose());
        }
        // awc starts a task (it keeps the time for a `Date`), which nothing needs once the answer has begun.
        match LocalSet::new().run_until(request.send()).await {
            Ok(response) => Ok(Answer { response, closed }),
            Err(error) => Err(told(error)),
        }
    }
}

impl Answer {
    /// Its status.
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// Waits for the next piece of the body; `None` when it is complete.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>, String> {
        match self.response.next().await {
            Some(Ok(piece)) => Ok(Some(piece)),
            Some(Err(error)) => Err(error.to_string()),
            // All that was needed to see the body's end had come before: nobody had to read so far as the connection's.
            None if self.closed.get() => Err("truncated".into()),
            None => Ok(None),
        }
    }
}

/// What went wrong, without what awc says around it.
fn told(error: SendRequestError) -> String {
    match error {
        SendRequestError::Connect(ConnectError::Io(error)) => error.to_string(),
        SendRequestError::Connect(ConnectError::Disconnected) => "closed before a response".into(),
        error => error.to_string(),
    }
}

async fn connected(addresses: &Addresses, patience: Duration, closed: Rc<Cell<bool>>) -> io::Result<Watched> {
    let stream = addresses
        .connect(clock::now(), patience)
        .await
        .map_err(|error| io::Error::other(error.to_string()))?;
    let tcp = Stream::into_std(stream).and_then(TcpStream::from_std)?;
    Ok(Watched { tcp, closed })
}

/// A connection that remembers whether its other side has closed it.
#[derive(Debug)]
struct Watched {
    tcp: TcpStream,
    closed: Rc<Cell<bool>>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buffer))?;
        if buffer.filled().len() == before && buffer.remaining() > 0 {
            self.closed.set(true);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

impl ActixStream for Watched {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(&self.tcp, cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(&self.tcp, cx)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use evenkeel_service::Secret;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::target::Scheme;

    /// Long enough for a busy machine; a test that waits for it fails anyway.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// Asks somebody who reads the request's head, answers with these bytes and closes; returns what was asked, and the status and
    /// body, or the trouble.
    async fn asked(
        credentials: Option<&Credentials>,
        answer: &[u8],
    ) -> (String, Result<(u16, Vec<u8>), String>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let SocketAddr::V4(address) = listener.local_addr().unwrap() else { unreachable!() };
        let target = Target { scheme: Scheme::Http, host: address.ip().to_string(), port: address.port() };
        let answering = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                assert!(stream.read_buf(&mut head).await.unwrap() > 0);
            }
            stream.write_all(answer).await.unwrap();
            String::from_utf8(head).unwrap()
        };
        let asking = async {
            let question = Question { target: &target, credentials, path: "/a?b=c", patience: PATIENCE };
            let mut answer = question.ask(&Resolver::from_system()).await?;
            let mut body = Vec::new();
            while let Some(piece) = answer.piece().await? {
                body.extend_from_slice(&piece);
            }
            Ok((answer.status(), body))
        };
        tokio::join!(answering, asking)
    }

    #[tokio::test]
    async fn a_question_says_whom_it_is_for_who_asks_and_that_it_is_the_only_one() {
        let credentials = Credentials { username: "user".into(), password: Secret::new("p:w") };
        let (head, answer) = asked(Some(&credentials), b"HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(answer, Ok((204, Vec::new())));
        let head = head.to_ascii_lowercase();
        assert!(head.starts_with("get /a?b=c http/1.1\r\n"), "{head}");
        for line in ["host: 127.0.0.1:", "connection: close\r\n", "authorization: basic dxnlcjpwonc=\r\n"] {
            assert_eq!(head.matches(&format!("\r\n{line}")).count(), 1, "{line} in {head}");
        }
    }

    #[tokio::test]
    async fn a_body_that_ends_as_its_head_says_is_whole_though_the_connection_closes_behind_it() {
        for answer in [
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\none\n".as_slice(),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n1\r\n\n\r\n0\r\n\r\n",
        ] {
            let (_, answer) = asked(None, answer).await;
            assert_eq!(answer, Ok((200, b"one\n".to_vec())));
        }
    }

    #[tokio::test]
    async fn a_body_that_ends_early_is_not_whole() {
        for answer in [
            b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\none\n".as_slice(),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n0\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\none\n",
        ] {
            let (_, told) = asked(None, answer).await;
            assert!(told.is_err(), "{told:?} of {}", String::from_utf8_lossy(answer));
        }
    }

    #[tokio::test]
    async fn every_address_of_a_name_is_tried_before_the_name_has_failed() {
        // `localhost` is `::1` too where there is IPv6, and nobody listens there.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let target = Target {
            scheme: Scheme::Http,
            host: "localhost".into(),
            port: listener.local_addr().unwrap().port(),
        };
        let answering = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            // Not closed before it was asked, or the question would meet a reset.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        };
        let asking = async {
            let question = Question { target: &target, credentials: None, path: "/", patience: PATIENCE };
            question.ask(&Resolver::from_system()).await.map(|answer| answer.status())
        };
        let ((), status) = tokio::join!(answering, asking);
        assert_eq!(status, Ok(200));
    }

    #[tokio::test]
    async fn who_closes_without_an_answer_has_not_answered() {
        let (_, told) = asked(None, b"").await;
        assert_eq!(told, Err("closed before a response".into()));
    }

    #[tokio::test]
    async fn nobody_is_followed_to_another_place() {
        let (_, told) =
            asked(None, b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
                .await;
        assert_eq!(told, Ok((302, Vec::new())));
    }
}
