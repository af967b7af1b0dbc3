//! The attacks, each a function that reads as its sentence. To add one: the function, and a line in [`ALL`].

use std::time::Duration;

use crate::{
    Result,
    crowd::{Field, Held},
    peer::{ANNOUNCED, EARLY, LARGE},
    secured,
};

/// One attack.
#[derive(Debug)]
pub(crate) struct Attack {
    /// What `--only` knows it by.
    pub(crate) name: &'static str,
    /// What happens.
    pub(crate) words: &'static str,
    /// Who answers.
    pub(crate) behind: Behind,
    /// What the balancer is set to beside its defaults.
    pub(crate) settings: &'static [(&'static str, &'static str)],
    /// Whether it comes over TLS, as the ordinary client then does.
    pub(crate) is_secured: bool,
    /// How long it lasts.
    pub(crate) length: Duration,
    /// Plays it until the field says that it is over; how many connections it was made of.
    pub(crate) play: fn(&Field) -> Result<u64>,
}

/// Who stands behind the balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behind {
    /// Servers of the set.
    Servers,
    /// Servers that answer as ours do not.
    Peers,
}

/// All of them.
pub(crate) const ALL: &[Attack] = &[
    by_peers(
        "early-503",
        "servers refuse large bodies early, while they come on 16 connections",
        early_refusal,
    ),
    by_peers("announced", "300 answers announce as much as is held, and do not come", announced),
    by_clients("admin-posts", "400 POSTs to the admin interface that are never finished", admin_posts),
    Attack {
        settings: &[("BALANCER_TUNNEL_TIMEOUT", "2s")],
        ..by_clients("tunnels", "200 tunnels whose client says nothing more", tunnels)
    },
    Attack {
        settings: &[("BALANCER_MAX_IN_FLIGHT", "32")],
        ..by_clients("slow-gets", "200 slow GETs whose clients close at once; 32 places a server", slow_gets)
    },
    by_clients("slow-bodies", "300 bodies of a byte each second", slow_bodies),
    by_clients("silent", "500 connections without a first byte", silent),
    by_clients("false-digests", "POSTs to /echo with a wrong Content-Digest", false_digests),
    by_clients("status-500", "requests for /status/500, pipelined by 16", status_500),
    by_clients("event-sources", "100 readers of the live page's events that do not read", event_sources),
    Attack {
        settings: &[("BALANCER_RUNS", "on")],
        ..by_clients("runs", "requests, each of a run of its own", runs)
    },
    by_clients("hundred-fields", "requests with 100 fields, pipelined by 4", hundred_fields),
    by_peers("slow-readers", "200 downloads of 4 MiB that nobody reads", slow_readers),
    Attack {
        settings: &[("BALANCER_HEAD_TIMEOUT", "2s")],
        ..over_tls(
            "tls-half-open",
            "1,000 handshakes that are begun and not gone on with",
            secured::half_open,
        )
    },
    Attack {
        settings: &[("BALANCER_HEAD_TIMEOUT", "2s")],
        ..over_tls("tls-slow-hellos", "500 handshakes of a byte each 100 ms", secured::slow_hellos)
    },
    Attack {
        settings: &[("BALANCER_HEAD_TIMEOUT", "2s")],
        ..over_tls(
            "tls-large-hellos",
            "500 handshakes that begin with 60 KiB, in 60 records",
            secured::large_hellos,
        )
    },
    over_tls(
        "tls-renegotiation",
        "crowds of 1,000 that ask for another handshake 20 times each, over TLS 1.2",
        secured::renegotiation,
    ),
    over_tls(
        "tls-truncated",
        "handshakes that are broken off, before the answer or behind it",
        secured::truncated,
    ),
    over_tls("tls-full", "handshakes that are whole, without a request", secured::full),
    Attack {
        settings: &[("BALANCER_HEAD_TIMEOUT", "1s")],
        ..over_tls(
            "tls-offers",
            "handshakes with compression, or early data on a ticket of nobody",
            secured::offers,
        )
    },
    Attack {
        behind: Behind::Peers,
        // What the kernel takes at once counts as read: at a low rate it would be worth more than this attack lasts. Without
        // any rate they would be waited for until BODY_TIMEOUT, which is longer.
        settings: &[("BALANCER_MIN_RATE", "16MiB/s")],
        length: Duration::from_secs(14),
        ..over_tls(
            "tls-slow-readers",
            "200 downloads of 4 MiB, read at 10 KiB a second",
            secured::slow_readers,
        )
    },
];

/// How long an attack lasts that needs no longer.
const LENGTH: Duration = Duration::from_secs(5);

const fn by_clients(name: &'static str, words: &'static str, play: fn(&Field) -> Result<u64>) -> Attack {
    Attack { name, words, behind: Behind::Servers, settings: &[], is_secured: false, length: LENGTH, play }
}

const fn by_peers(name: &'static str, words: &'static str, play: fn(&Field) -> Result<u64>) -> Attack {
    Attack { behind: Behind::Peers, ..by_clients(name, words, play) }
}

const fn over_tls(name: &'static str, words: &'static str, play: fn(&Field) -> Result<u64>) -> Attack {
    Attack { is_secured: true, ..by_clients(name, words, play) }
}

/// Nothing more is said.
pub(crate) const SILENCE: (&[u8], Duration) = (b"", Duration::from_secs(1));

fn early_refusal(field: &Field) -> Result<u64> {
    const CONNECTIONS: u64 = 16;
    /// What each connection sends at most, in bytes.
    const MOST: usize = 64 << 20;
    let head = format!("PUT {EARLY} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut chunk = b"10000\r\n".to_vec();
    chunk.resize(chunk.len() + (64 << 10), b'x');
    chunk.extend_from_slice(b"\r\n");
    field.push(CONNECTIONS, head.as_bytes(), &chunk, MOST)
}

fn announced(field: &Field) -> Result<u64> {
    let first = format!("GET {ANNOUNCED} HTTP/1.1\r\nHost: h\r\n\r\n");
    field.hold(field.traffic, &Held { count: 300, first: first.as_bytes(), more: SILENCE })
}

fn admin_posts(field: &Field) -> Result<u64> {
    let first =
        b"POST /api/endpoints/127.0.0.1:1/drain HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{";
    field.hold(field.admin, &Held { count: 400, first, more: SILENCE })
}

fn tunnels(field: &Field) -> Result<u64> {
    let first = b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    field.hold(field.traffic, &Held { count: 200, first, more: SILENCE })
}

/// What the clients do not wait for is served all the same: a FIN is only half of a close.
fn slow_gets(field: &Field) -> Result<u64> {
    field.ask_and_leave(200, b"GET /delay/1s HTTP/1.1\r\nHost: h\r\n\r\n")
}

fn slow_bodies(field: &Field) -> Result<u64> {
    let first = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10000\r\n\r\n";
    field.hold(field.traffic, &Held { count: 300, first, more: (b"x", Duration::from_secs(1)) })
}

fn silent(field: &Field) -> Result<u64> {
    field.hold(field.traffic, &Held { count: 500, first: b"", more: SILENCE })
}

/// The digest is that of nothing.
fn false_digests(field: &Field) -> Result<u64> {
    let request = b"POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 5\r\n\
                    Content-Digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:\r\n\r\nhello";
    field.ask(4, |_| request.to_vec())
}

fn status_500(field: &Field) -> Result<u64> {
    field.ask(4, |_| pipelined(16, |_| "GET /status/500 HTTP/1.1\r\nHost: h\r\n".to_owned()))
}

fn event_sources(field: &Field) -> Result<u64> {
    let first = b"GET /api/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";
    field.hold(field.admin, &Held { count: 100, first, more: SILENCE })
}

fn runs(field: &Field) -> Result<u64> {
    field.ask(4, |batch| {
        pipelined(16, |number| {
            let run = format!("{batch}-{number}-{}", "r".repeat(40));
            format!("GET /whoami HTTP/1.1\r\nHost: h\r\nX-Evenkeel-Run: {run}\r\nX-Request-Id: {run}\r\n")
        })
    })
}

fn hundred_fields(field: &Field) -> Result<u64> {
    let fields: Vec<_> = (0..95).map(|number| format!("X-Field-{number}: {}\r\n", "v".repeat(200))).collect();
    let fields = fields.concat();
    field.ask(4, |_| pipelined(4, |_| format!("GET /whoami HTTP/1.1\r\nHost: h\r\n{fields}")))
}

fn slow_readers(field: &Field) -> Result<u64> {
    let first = format!("GET {LARGE} HTTP/1.1\r\nHost: h\r\n\r\n");
    field.hold(field.traffic, &Held { count: 200, first: first.as_bytes(), more: SILENCE })
}

/// So many heads, of which the last one asks to close the connection.
fn pipelined(count: u64, head: impl Fn(u64) -> String) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..count {
        bytes.extend_from_slice(head(number).as_bytes());
        let last: &[u8] = if number + 1 == count { b"Connection: close\r\n\r\n" } else { b"\r\n" };
        bytes.extend_from_slice(last);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_of_a_pipeline_closes() {
        let bytes = pipelined(3, |number| format!("GET /{number} HTTP/1.1\r\n"));
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(
            text,
            "GET /0 HTTP/1.1\r\n\r\nGET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\nConnection: close\r\n\r\n"
        );
    }

    #[test]
    fn every_attack_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = ALL.iter().map(|attack| attack.name).collect();
        assert_eq!(names.len(), ALL.len());
    }
}
