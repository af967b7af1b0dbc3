use evenkeel_digest::Digest;
use evenkeel_service::Setting as _;

use super::*;
use crate::request::Connections;
use crate::request::Origin;
use crate::target::Target;
use crate::workload::Mix;

/// Judges a response to the request `run-00000000` made from `entry`.
fn judge(
    entry: &str,
    check: DigestCheck,
    status: u16,
    fields: &[(&str, &str)],
    body: &[u8],
    trailers: &str,
) -> Result<(), Failure> {
    let mix = Mix::parse(entry).unwrap();
    let target = Target::parse("http://balancer").unwrap();
    let origin = Origin {
        run: "run",
        target: &target,
        credentials: None,
        fields: &[],
        connections: Connections::KeepAlive,
    };
    let templates = origin.templates(&mix, 1);
    let request = templates[0].request(origin.id(0));
    let answer = Answer::read(status, fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    let mut judge = Judge::new(&mix.entries()[0], &request, &answer, check);
    body.chunks(7).for_each(|piece| judge.piece(piece));
    judge.finish(trailers.as_bytes())
}

fn present(status: u16, fields: &[(&str, &str)], body: &[u8]) -> Result<(), Failure> {
    judge("GET /", DigestCheck::Present, status, fields, body, "")
}

fn kind(result: Result<(), Failure>) -> Option<Kind> {
    result.err().map(|failure| failure.kind)
}

fn digest_of(body: &[u8]) -> String {
    Digest::of(Algorithm::Sha256, body).field_value()
}

#[test]
fn a_right_status_and_a_right_digest_are_right() {
    let digest = digest_of(b"hello");
    assert_eq!(present(200, &[("Content-Digest", &digest), ("Repr-Digest", &digest)], b"hello"), Ok(()));
    assert_eq!(present(200, &[], b"hello"), Ok(()));
}

#[test]
fn a_changed_byte_is_a_wrong_digest_that_names_both() {
    let digest = digest_of(b"hello");
    let failure = present(200, &[("content-digest", &digest)], b"hellp").unwrap_err();
    assert_eq!((failure.kind, failure.phase), (Kind::WrongDigest, Phase::Verify));
    assert!(failure.detail.contains(&digest) && failure.detail.contains(&digest_of(b"hellp")));
}

#[test]
fn a_repr_digest_counts_for_the_whole_and_not_for_a_part() {
    let digest = digest_of(b"hello");
    assert_eq!(kind(present(200, &[("Repr-Digest", &digest)], b"hell")), Some(Kind::WrongDigest));
    assert_eq!(present(206, &[("Repr-Digest", &digest)], b"hell"), Ok(()));
    assert_eq!(kind(present(206, &[("Content-Digest", &digest)], b"hell")), Some(Kind::WrongDigest));
}

#[test]
fn a_response_without_content_is_not_held_against_a_digest() {
    let digest = digest_of(b"hello");
    let fields = [("Content-Digest", digest.as_str())];
    assert_eq!(judge("HEAD /", DigestCheck::Required, 200, &fields, b"", ""), Ok(()));
    assert_eq!(judge("GET /", DigestCheck::Required, 204, &fields, b"", ""), Ok(()));
}

#[test]
fn a_digest_may_be_required_or_passed_over() {
    assert_eq!(kind(judge("GET /", DigestCheck::Required, 200, &[], b"x", "")), Some(Kind::NoDigest));
    let md5 = [("Content-Digest", "md5=:AAAA:")];
    assert_eq!(kind(judge("GET /", DigestCheck::Required, 200, &md5, b"x", "")), Some(Kind::NoDigest));
    let digest = digest_of(b"y");
    assert_eq!(judge("GET /", DigestCheck::Off, 200, &[("Content-Digest", &digest)], b"x", ""), Ok(()));
}

#[test]
fn a_digest_announced_in_the_trailer_must_come_and_match() {
    let announced = [("Trailer", "X-Other, Content-Digest")];
    let with = |trailers: &str| judge("GET /", DigestCheck::Present, 200, &announced, b"hello", trailers);
    assert_eq!(with(&format!("content-digest: {}\r\n", digest_of(b"hello"))), Ok(()));
    assert_eq!(
        kind(with(&format!("x-other: 1\r\nContent-Digest:{}\r\n", digest_of(b"hellp")))),
        Some(Kind::WrongDigest)
    );
    assert_eq!(kind(with("")), Some(Kind::NoDigest));
}

#[test]
fn an_unexpected_status_says_why_in_the_words_of_whoever_sent_it() {
    let proxy = [("Proxy-Status", "evenkeel-1a2b3c; error=connection_timeout")];
    let failure = present(504, &proxy, b"{}").unwrap_err();
    assert_eq!(
        (failure.kind, failure.detail.as_str()),
        (Kind::Status(504), "evenkeel-1a2b3c; error=connection_timeout")
    );
    let failure = present(503, &[], br#"{"title": "busy", "detail": "come again"}"#).unwrap_err();
    assert_eq!(failure.detail, "come again");
    let failure = present(500, &[("Content-Digest", &digest_of(b"x"))], b"out of\n  luck").unwrap_err();
    assert_eq!((failure.kind, failure.detail.as_str()), (Kind::Status(500), "out of luck"));
}

#[test]
fn an_expected_error_is_right() {
    assert_eq!(judge("GET /status/404;expect=404", DigestCheck::Present, 404, &[], b"", ""), Ok(()));
    assert_eq!(
        kind(judge("GET /;expect=404", DigestCheck::Present, 200, &[], b"", "")),
        Some(Kind::Status(200))
    );
}

#[test]
fn the_answer_to_another_request_is_wrong() {
    assert_eq!(present(200, &[("X-Request-Id", "run-00000000")], b""), Ok(()));
    let failure = present(200, &[("X-Request-Id", "run-00000001")], b"").unwrap_err();
    assert_eq!((failure.kind, failure.detail.as_str()), (Kind::OtherRequest, "it answers run-00000001"));
}

#[test]
fn an_echo_must_be_the_own_body_and_all_of_it() {
    let entry = "POST /echo;body=13;echo";
    let echo = |body: &[u8]| judge(entry, DigestCheck::Present, 200, &[], body, "");
    assert_eq!(echo(b"run-00000000\n"), Ok(()));
    assert_eq!(kind(echo(b"run-00000001\n")), Some(Kind::WrongEcho));
    assert_eq!(echo(b"run-0000").unwrap_err().detail, "8 of 13 bytes came back");
    assert_eq!(kind(echo(b"run-00000000\nmore")), Some(Kind::WrongEcho));
}
