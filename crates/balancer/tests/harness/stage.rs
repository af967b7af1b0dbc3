//! A balancer with its servers, and the questions that many cases ask of them.

use super::message::Message;
use super::{Balancer, Connection, Servers};

/// A whole response after which the connection may be used again.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A whole response after which the server closes.
pub(crate) const OK_CLOSE: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";

/// A balancer with its servers.
pub(crate) struct Stage {
    pub(crate) servers: Servers,
    pub(crate) balancer: Balancer,
}

impl Stage {
    /// One server.
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// One server, and these settings of the balancer.
    pub(crate) fn with(settings: &[(&str, &str)]) -> Self {
        Self::of(1, settings)
    }

    /// So many servers.
    pub(crate) fn of(count: usize, settings: &[(&str, &str)]) -> Self {
        let servers = Servers::listen(count);
        let balancer = Balancer::start(&servers.upstream(), settings);
        Self { servers, balancer }
    }

    /// A client that has sent these bytes.
    pub(crate) fn client(&self, bytes: impl AsRef<[u8]>) -> Connection {
        let mut client = self.balancer.connect();
        client.send(bytes);
        client
    }

    /// The request as the server got it, which then answered it; nothing else came on that connection.
    pub(crate) fn forwarded(&self, request: impl AsRef<[u8]>) -> Message {
        let mut client = self.client(request);
        let mut server = self.servers.accept();
        let seen = server.message();
        server.send(OK_CLOSE).finish();
        let response = client.head();
        assert_eq!(response.status(), 200, "{response:?}");
        assert_eq!(server.closed(), b"", "bytes that are no part of the request");
        seen
    }

    /// A client that has sent a GET, and a server's connection that has answered it with these bytes.
    pub(crate) fn answered(&self, response: impl AsRef<[u8]>) -> (Connection, Connection) {
        self.asked_and_answered("GET / HTTP/1.1\r\nHost: h\r\n\r\n", response)
    }

    /// A client that has sent this request, and a server's connection that has answered it with these bytes.
    pub(crate) fn asked_and_answered(
        &self,
        request: impl AsRef<[u8]>,
        response: impl AsRef<[u8]>,
    ) -> (Connection, Connection) {
        let client = self.client(request);
        let mut server = self.servers.accept();
        server.message();
        server.send(response);
        (client, server)
    }

    /// The balancer answers these bytes with `status`, once, and closes in order; no byte reaches a server.
    pub(crate) fn refuses(&self, bytes: impl AsRef<[u8]>, status: u16) {
        let bytes = bytes.as_ref();
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
        let mut client = self.client(bytes);
        let response = client.message();
        assert_eq!(response.status(), status, "{shown:?} got {}", response.text());
        assert!(response.closes(), "{shown:?}: {response:?}");
        assert_eq!(client.closed(), b"", "{shown:?} got more than one answer");
        self.assert_untouched(&shown);
    }

    /// The first that a server hears is what is sent only now: connections are accepted in order.
    pub(crate) fn assert_untouched(&self, before: &str) {
        let seen = self.forwarded("GET /after HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(seen.line(), "GET /after HTTP/1.1", "after {before:?}");
    }
}
