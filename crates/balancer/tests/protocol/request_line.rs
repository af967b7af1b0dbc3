//! P22 to P37: the request line, the fields and Host.

use crate::harness::Stage;

/// A request with these field lines instead of an ordinary Host.
fn get_with(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\n{fields}\r\n")
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")
}

#[test]
fn p22_a_folded_line_is_refused() {
    let stage = Stage::new();
    for fields in
        ["Host: h\r\nX-A: 1\r\n 2\r\n", "Host: h\r\nX-A: 1\r\n\t2\r\n", " Host: h\r\n", " \r\nHost: h\r\n"]
    {
        stage.refuses(get_with(fields), 400);
    }
}

#[test]
fn p23_a_bare_line_feed_is_refused() {
    let stage = Stage::new();
    for request in [
        "GET / HTTP/1.1\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\nX-B: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n\n",
        "GET / HTTP/1.1\n\nGET / HTTP/1.1\r\n\r\n",
        "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    ] {
        stage.refuses(request, 400);
    }
}

#[test]
fn p24_a_bare_carriage_return_or_a_control_character_is_refused() {
    let stage = Stage::new();
    for request in [
        "GET / HTTP/1.1\rHost: h\r\n\r\n",
        "GET /\r HTTP/1.1\r\nHost: h\r\n\r\n",
        "\rGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX-A\r: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX-A: \0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX-A: \x01\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX-A: \x7f\r\n\r\n",
    ] {
        stage.refuses(request, 400);
    }
}

#[test]
fn p24_bytes_from_0x80_in_a_value_pass_untouched_both_ways() {
    let stage = Stage::with(&[("TRUSTED_PROXIES", "127.0.0.1"), ("STICKY_COOKIE", "name")]);
    let every: Vec<u8> = (0x80..=0xff).collect();
    for value in ["name=M\u{fc}ller; a=\u{1f642}".as_bytes(), b"M\xfcller", &every] {
        let lines = [
            b"Cookie: ",
            value,
            b"\r\nUser-Agent: ",
            value,
            b"\r\nX-Forwarded-Host: ",
            value,
            b"\r\nTraceparent: ",
            value,
        ]
        .concat();
        let head = [b"GET / HTTP/1.1\r\nHost: h\r\n", &lines[..], b"\r\n\r\n"].concat();
        let response = [
            b"HTTP/1.1 200 ",
            value,
            b"\r\nX-A: ",
            value,
            b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        ]
        .concat();
        let mut client = stage.client(head);
        let mut server = stage.servers.accept();
        let seen = server.message();
        let same = |text: &str| text.chars().map(|byte| byte as u8).eq(value.iter().copied());
        for name in ["cookie", "user-agent", "traceparent"] {
            assert!(seen.field(name).is_some_and(same), "{name}: {seen:?}");
        }
        server.send(response);
        let answer = client.message();
        assert!(answer.field("x-a").is_some_and(same), "{answer:?}");
        assert!(answer.line().strip_prefix("HTTP/1.1 200 ").is_some_and(same), "{answer:?}");
    }
}

#[test]
fn p24_bytes_from_0x80_in_a_name_are_refused() {
    let stage = Stage::new();
    stage.refuses("GET / HTTP/1.1\r\nHost: h\r\nX-\u{fc}: 1\r\n\r\n", 400);
    stage.refuses("G\u{fc}T / HTTP/1.1\r\nHost: h\r\n\r\n", 400);
}

#[test]
fn p25_a_host_that_is_missing_repeated_or_none_is_refused() {
    let stage = Stage::new();
    for fields in [
        "",
        "Host:\r\n",
        "Host: \r\n",
        "Host: h\r\nHost: h\r\n",
        "Host: a\r\nHost: b\r\n",
        "Host: a/b\r\n",
        "Host: a/b@c d\r\n",
        "Host: user@h\r\n",
        "Host: user:word@h\r\n",
        "Host: a,b\r\n",
        "Host: a, b\r\n",
        "Host: h:port\r\n",
        "Host: h:99999\r\n",
        "Host: [::1\r\n",
        "Host: h?q\r\n",
        "Host: \"h\"\r\n",
    ] {
        stage.refuses(get_with(fields), 400);
    }
    stage.refuses("GET http://h/ HTTP/1.1\r\nHost: \r\n\r\n", 400);
}

#[test]
fn p25_names_addresses_and_ports_are_hosts() {
    let stage = Stage::new();
    for host in ["h", "h.example:8080", "[::1]", "[2001:db8::1]:80", "127.0.0.1:1"] {
        assert_eq!(stage.forwarded(get_with(&format!("Host: {host}\r\n"))).field("host"), Some(host));
    }
}

#[test]
fn p26_the_authority_of_an_absolute_target_replaces_host() {
    let seen = Stage::new().forwarded("GET http://b.example:81/p?q HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(seen.line(), "GET /p?q HTTP/1.1");
    assert_eq!(seen.field("host"), Some("b.example:81"));
    assert_eq!(seen.field("x-forwarded-host"), Some("b.example:81"));
}

#[test]
fn p27_an_absolute_target_without_a_path_gets_one() {
    let stage = Stage::new();
    let forwarded = |line: &str| {
        let seen = stage.forwarded(format!("{line} HTTP/1.1\r\nHost: h\r\n\r\n"));
        seen.line().trim_end_matches(" HTTP/1.1").to_owned()
    };
    assert_eq!(forwarded("GET http://b?y"), "GET /?y");
    assert_eq!(forwarded("GET http://b"), "GET /");
    assert_eq!(forwarded("OPTIONS http://b"), "OPTIONS *");
}

#[test]
fn p28_an_asterisk_is_for_options_only() {
    let stage = Stage::new();
    assert_eq!(stage.forwarded("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").line(), "OPTIONS * HTTP/1.1");
    stage.refuses(get("*"), 400);
}

#[test]
fn p29_connect_is_not_implemented() {
    let stage = Stage::new();
    stage.refuses("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", 501);
    stage.refuses("CONNECT h:443 HTTP/1.1\r\n", 501);
}

#[test]
fn p30_trace_is_not_implemented() {
    Stage::new().refuses("TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", 501);
}

#[test]
fn p31_a_target_with_a_byte_that_no_target_has_is_refused() {
    let stage = Stage::new();
    for target in
        ["/#f", "/a b", "/a\tb", "/\u{e9}", "/\x7f", "/\x01", "", "h", "ftp://h/", "//user@", "http://u@h/"]
    {
        match target {
            // A path may begin with two slashes: it names no host.
            "//user@" => assert_eq!(stage.forwarded(get(target)).line(), "GET //user@ HTTP/1.1"),
            _ => stage.refuses(get(target), 400),
        }
    }
    stage.refuses(b"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n", 400);
}

#[test]
fn p32_path_and_query_are_forwarded_byte_for_byte() {
    let stage = Stage::new();
    for target in
        ["/%2e%2E/%00/%zz", "//a///b", "/a/../../b/./c", "/?a=b&&c=%20+", "/a;b=c/d,e", "/??", "/|^`{}\"<>\\"]
    {
        assert_eq!(stage.forwarded(get(target)).line(), format!("GET {target} HTTP/1.1"));
    }
}

#[test]
fn p33_a_later_1_version_is_1_1_and_any_other_is_not_supported() {
    let stage = Stage::new();
    assert_eq!(stage.forwarded("GET /v HTTP/1.2\r\nHost: h\r\n\r\n").line(), "GET /v HTTP/1.1");
    stage.refuses("GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505);
    stage.refuses("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", 505);
    stage.refuses("GET / HTTP/0.9\r\nHost: h\r\n\r\n", 505);
    for line in
        ["GET / HTTP/1.10", "GET / http/1.1", "GET / HTTP/1", "GET / HTCPCP/1.1", "GET /", "GET  / HTTP/1.1"]
    {
        stage.refuses(format!("{line}\r\nHost: h\r\n\r\n"), 400);
    }
}

#[test]
fn p33_who_speaks_another_protocol_is_told_so_and_told_of() {
    let stage = Stage::new();
    for (first, status, why) in [
        (&b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 a long ClientHello"[..], 400, "the first bytes of TLS"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", 505, "begins with HTTP/2"),
    ] {
        // Once a second, this is said.
        stage.balancer.wait_until(|balancer| {
            let mut client = balancer.connect();
            let told = client.send(first).message();
            assert_eq!(told.status(), status);
            assert!(told.closes() && told.text().contains(why), "{}", told.text());
            balancer.has_said(why)
        });
    }
    stage.assert_untouched("what is no HTTP/1");
}

#[test]
fn p34_empty_lines_before_a_request_are_skipped() {
    let stage = Stage::new();
    assert_eq!(stage.forwarded(format!("\r\n{}", get("/1"))).line(), "GET /1 HTTP/1.1");
    assert_eq!(stage.forwarded(format!("\r\n\r\n\r\n{}", get("/3"))).line(), "GET /3 HTTP/1.1");
}

#[test]
fn p35_the_limits_of_a_head_have_statuses() {
    let stage = Stage::new();
    let long = |bytes: usize| get(&format!("/{}", "x".repeat(bytes)));
    stage.refuses(long(8 * 1024), 414);
    stage.forwarded(long(8 * 1024 - 20));
    stage.refuses(get_with(&format!("Host: h\r\nX-A: {}\r\n", "x".repeat(32 * 1024))), 431);
    stage.forwarded(get_with(&format!("Host: h\r\nX-A: {}\r\n", "x".repeat(30 * 1024))));
    stage.refuses(get_with(&format!("Host: h\r\n{}", "X-A: 1\r\n".repeat(100))), 431);
    stage.forwarded(get_with(&format!("Host: h\r\n{}", "X-A: 1\r\n".repeat(99))));
}

#[test]
fn p35_the_limits_of_a_head_can_be_set() {
    let stage = Stage::with(&[("MAX_REQUEST_LINE", "100"), ("MAX_HEAD", "1KiB"), ("MAX_FIELDS", "3")]);
    stage.refuses(get(&format!("/{}", "x".repeat(100))), 414);
    stage.refuses(get_with(&format!("Host: h\r\nX-A: {}\r\n", "x".repeat(1024))), 431);
    stage.refuses(get_with("Host: h\r\nX-A: 1\r\nX-B: 2\r\nX-C: 3\r\n"), 431);
}

#[test]
fn p36_a_field_name_of_70_000_bytes_is_refused() {
    Stage::new().refuses(get_with(&format!("Host: h\r\n{}: 1\r\n", "x".repeat(70_000))), 431);
}

#[test]
fn p37_any_method_is_forwarded_as_it_is_written() {
    let stage = Stage::new();
    for method in ["FROB", "get", "PROPFIND", "M-SEARCH", "x!#$%&'*+.^_`|~1"] {
        let seen = stage.forwarded(format!("{method} / HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(seen.line(), format!("{method} / HTTP/1.1"));
    }
}
