//! What the fuzzers look for, tried on the corpus they have collected: `fuzz/` at the top of the repository runs
//! the same checks on whatever it can think of.

pub mod checks;

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::select;

/// Runs `check` on every file that `fuzz/corpus/<target>` holds.
fn on_corpus(target: &str, check: impl Fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files =
        std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut count = 0;
    for file in files {
        let path = file.expect("a directory entry").path();
        check(&std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        count += 1;
    }
    assert!(count > 0, "{} is empty", directory.display());
}

#[test]
fn the_corpus_of_request_heads_holds() {
    on_corpus("request_head", checks::request_head);
}

#[test]
fn the_corpus_of_request_fields_holds() {
    on_corpus("request_fields", checks::request_fields);
}

#[test]
fn the_corpus_of_response_heads_holds() {
    on_corpus("response_head", checks::response_head);
}

#[test]
fn the_corpus_of_chunked_bodies_holds() {
    on_corpus("chunked_body", checks::chunked_body);
}

#[test]
fn the_corpus_of_framing_holds() {
    on_corpus("framing", checks::framing);
}

#[test]
fn the_corpus_of_basic_credentials_holds() {
    on_corpus("basic", checks::basic);
}

#[test]
fn the_corpus_of_forwarded_holds() {
    on_corpus("forwarded", checks::forwarded);
}

#[test]
fn the_corpus_of_the_proxy_protocol_holds() {
    on_corpus("proxy_protocol", checks::proxy_protocol);
}

/// What could end a line, a head or a request early, between what could be a field's.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let parts = vec![
        "",
        "a",
        "/",
        "*",
        "h",
        "5",
        "chunked",
        "trailers",
        "x",
        "\r\n",
        "\n",
        "\r",
        ": ",
        " ",
        "\t",
        "\0",
        "#",
        ",",
        ";",
        "HTTP/1.1",
        "GET",
        "host",
        "cookie",
        "content-length",
        "transfer-encoding",
        "transfer_encoding",
        "connection",
        "te",
        "Host",
        ":path",
        ":status",
        "\u{e9}",
    ];
    prop::collection::vec(select(parts), 1..4).prop_map(|parts| parts.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn no_request_of_http2_is_another_or_two_to_a_server(
        ends in any::<bool>(),
        bad_value in prop::option::of((0_usize..4, hostile())),
        fields in prop::collection::vec((hostile(), hostile()), 0..4),
    ) {
        let mut pseudo = [(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", "/")]
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        if let Some((at, value)) = bad_value {
            pseudo[at].1 = value;
        }
        let mut data = if ends { b"ends".to_vec() } else { Vec::new() };
        for (name, value) in pseudo.into_iter().chain(fields) {
            data.extend([b"\xff", &name[..], b"\xfe", &value[..]].concat());
        }
        checks::request_fields(&data);
    }
}
