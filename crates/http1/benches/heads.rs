//! What it costs to read a head, to write it on, and to take a chunked body apart.
//!
//! `cargo bench -p evenkeel-http1`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use evenkeel_http1::{Inbound, Outbound};
use evenkeel_message::{
    Limits, Method, Origin, RequestHead, RequestRewrite, ResponseHead, ResponseRewrite, rewrite,
};

const SMALL: &[u8] = b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";

/// What a browser sends.
const BROWSER: &[u8] = b"GET /products/list?sort=price&page=2 HTTP/1.1\r\n\
    Host: shop.example\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://shop.example/products\r\n\
    Cookie: session=0f9a4c52d13e4d2b8e77; consent=yes; theme=dark\r\n\
    Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\n\
    Connection: keep-alive\r\n\r\n";

/// What nginx answers for a file.
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Server: nginx/1.26.3\r\nDate: Mon, 23 Nov 2026 12:00:00 GMT\r\nContent-Type: text/plain\r\n\
    Content-Length: 60\r\nLast-Modified: Mon, 23 Nov 2026 11:00:00 GMT\r\nConnection: keep-alive\r\n\
    ETag: \"6923-3c\"\r\nAccept-Ranges: bytes\r\n\r\n";

fn request_heads(criterion: &mut Criterion) {
    let limits = Limits::default();
    for (name, input) in [("small", SMALL), ("browser", BROWSER)] {
        let mut group = criterion.benchmark_group("request_head");
        group.throughput(Throughput::Bytes(input.len() as u64));
        let mut head = RequestHead::new();
        group.bench_function(format!("parse/{name}"), |bencher| {
            bencher.iter(|| Inbound::new().head(black_box(input), &mut head, &limits).is_ok());
        });
        let how = RequestRewrite {
            origin: Origin::of_client([192, 0, 2, 7].into(), "http"),
            local: ([192, 0, 2, 1], 80).into(),
            via: "evenkeel",
            request_id: b"0123456789abcdef0123456789abcdef",
            prefix: "",
            upgrade: None,

            runs: false,
            client_cert: b"",
            rules: None,
        };
        let mut out = Vec::new();
        group.bench_function(format!("rewrite/{name}"), |bencher| {
            bencher.iter(|| {
                out.clear();
                rewrite(&head, black_box(input), &how, &mut out).is_ok()
            });
        });
        group.finish();
    }
}

fn response_heads(criterion: &mut Criterion) {
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("response_head");
    group.throughput(Throughput::Bytes(RESPONSE.len() as u64));
    let (mut head, mut asked) = (ResponseHead::new(), RequestHead::new());
    let mut server = Outbound::new();
    group.bench_function("parse", |bencher| {
        bencher.iter(|| {
            server.begin(Method::Get, None);
            server.head(black_box(RESPONSE), &mut head, &limits).is_ok()
        });
    });
    let mut client = Inbound::new();
    let mut out = Vec::new();
    let how = ResponseRewrite { via: "evenkeel", date: b"", extra: b"", rules: None };
    client.head(SMALL, &mut asked, &limits).expect("a good request");
    group.bench_function("rewrite", |bencher| {
        bencher.iter(|| {
            out.clear();
            client.respond(&head, black_box(RESPONSE), &how, &mut out);
        });
    });
    group.finish();
}

/// 64 KiB in pieces of this many bytes.
fn chunked_body(criterion: &mut Criterion) {
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("chunked_body");
    for size in [16, 1_024, 16_384] {
        let mut input = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        let head_end = input.len();
        for _ in 0..65_536 / size {
            input.extend(format!("{size:x}\r\n").bytes());
            input.resize(input.len() + size, b'x');
            input.extend(b"\r\n");
        }
        input.extend(b"0\r\n\r\n");
        group.throughput(Throughput::Bytes(65_536));
        let mut head = ResponseHead::new();
        group.bench_function(size.to_string(), |bencher| {
            bencher.iter(|| {
                let mut server = Outbound::new();
                server.begin(Method::Get, None);
                server.head(&input, &mut head, &limits).expect("a good head");
                let mut at = head_end;
                while !server.body_ended() {
                    at += server.body(black_box(&input[at..]), &limits).expect("a good body").consumed;
                }
                at
            });
        });
    }
    group.finish();
}

criterion_group!(benches, request_heads, response_heads, chunked_body);
criterion_main!(benches);
