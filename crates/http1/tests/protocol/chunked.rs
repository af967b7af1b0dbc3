//! P13 to P18: the chunked coding and its trailer section.

use evenkeel_http1::Inbound;
use evenkeel_message::{Limits, Method, Refusal, RequestHead, ResponseError};
use proptest::prelude::*;

use crate::proxy::receive;

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

/// What came of a coded body.
#[derive(Debug, PartialEq, Eq)]
struct Decoded {
    data: Vec<u8>,
    /// Once the end has been read.
    trailers: Option<String>,
    consumed: usize,
}

/// Decodes `coded`, given in pieces that end at `cuts`.
fn decode(coded: &[u8], cuts: &[usize], limits: &Limits) -> Result<Decoded, Refusal> {
    let mut inbound = Inbound::new();
    inbound.head(HEAD, &mut RequestHead::new(), limits).unwrap();
    let mut decoded = Decoded { data: Vec::new(), trailers: None, consumed: 0 };
    for end in cuts.iter().copied().chain([coded.len()]) {
        loop {
            let input = &coded[decoded.consumed..end.clamp(decoded.consumed, coded.len())];
            let piece = inbound.body(input, limits)?;
            decoded.data.extend_from_slice(&input[piece.data.clone()]);
            decoded.consumed += piece.consumed;
            if piece.end {
                decoded.trailers = Some(String::from_utf8(inbound.trailers().to_vec()).unwrap());
                return Ok(decoded);
            }
            if piece.consumed == 0 {
                break;
            }
        }
    }
    Ok(decoded)
}

fn whole(coded: &[u8]) -> Result<Decoded, Refusal> {
    decode(coded, &[], &Limits::default())
}

fn refused(coded: &[u8]) -> u16 {
    whole(coded).map_or_else(|refusal| refusal.status, |_| 200)
}

#[test]
fn chunks_are_put_together() {
    assert_eq!(whole(b"5\r\nhello\r\nA\r\n, world!!!\r\n000\r\n\r\n").unwrap().data, b"hello, world!!!");
}

#[test]
fn p13_a_chunk_size_that_is_no_plain_hexadecimal_number_is_refused() {
    for size in
        ["0x5", "-5", "+5", "5_0", " 5", "5 ", "\t5", "", "g", "00000000000000005", "10000000000000000"]
    {
        assert_eq!(refused(format!("{size}\r\nhello\r\n0\r\n\r\n").as_bytes()), 400, "{size:?}");
    }
}

#[test]
fn p13_the_largest_chunk_size_is_taken_for_what_it_is() {
    let decoded = whole(b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n").unwrap();
    assert_eq!(decoded.data, b"hello\r\n0\r\n\r\n");
    assert_eq!(decoded.trailers, None);
}

#[test]
fn p14_chunk_extensions_are_accepted_and_dropped() {
    assert_eq!(whole(b"5;a=b;c=\"d e\"\r\nhello\r\n0;x\r\n\r\n").unwrap().data, b"hello");
}

#[test]
fn p14_an_extension_against_the_grammar_is_refused() {
    for line in ["5;", "5;;a", "5;bad[=x", "5;a=", "5;a=\"b", "5;a=\"b\"c", "5;a b", "5;a=b ", "5;=b", "5 ;a"]
    {
        assert_eq!(refused(format!("{line}\r\nhello\r\n0\r\n\r\n").as_bytes()), 400, "{line:?}");
    }
    assert_eq!(refused(b"5\r\nhello\r\n0;\r\n\r\n"), 400);
}

/// What is read of a response with this body in chunks.
fn from_server(coded: &str) -> Result<Vec<u8>, ResponseError> {
    let input = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{coded}");
    receive(Method::Get, input.as_bytes(), true).map(|received| received.body)
}

#[test]
fn p13_a_server_may_put_blanks_after_a_size() {
    for size in ["5 ", "5   ", "5\t", "005 \t", "5 ;a=b"] {
        assert_eq!(from_server(&format!("{size}\r\nhello\r\n0  \r\n\r\n")).unwrap(), b"hello", "{size:?}");
    }
    for size in [" 5", "5 x", "5 5", "", " ", "0x5", "5 \n", "5 \0"] {
        let found = from_server(&format!("{size}\r\nhello\r\n0\r\n\r\n"));
        assert!(matches!(found, Err(ResponseError::Chunk(_))), "{size:?}: {found:?}");
    }
    let padded = format!("5{}\r\nhello\r\n0\r\n\r\n", " ".repeat(17 * 1024));
    assert!(matches!(from_server(&padded), Err(ResponseError::Chunk(_))));
}

#[test]
fn p14_an_extension_of_a_server_is_dropped_whatever_it_says() {
    for line in ["5;", "5;a", "5; a = b", "5;bad[=x", "5;a=\"b", "5;a ", "5;\u{e9}"] {
        assert_eq!(from_server(&format!("{line}\r\nhello\r\n0;\r\n\r\n")).unwrap(), b"hello", "{line:?}");
    }
    assert!(matches!(from_server("5;a\0\r\nhello\r\n0\r\n\r\n"), Err(ResponseError::Chunk(_))));
}

#[test]
fn p14_more_extensions_in_a_message_than_the_limit_are_refused() {
    let limits = Limits { chunk_extensions: 8, ..Limits::default() };
    assert!(decode(b"1;aaaa\r\nx\r\n1;aaaa\r\nx\r\n0\r\n\r\n", &[], &limits).is_ok());
    assert_eq!(decode(b"1;aaaa\r\nx\r\n1;aaaaa\r\nx\r\n0\r\n\r\n", &[], &limits).unwrap_err().status, 400);
}

#[test]
fn p15_a_size_line_not_ended_by_cr_lf_is_refused() {
    for line in ["5\n", "5\r", "5;a\n", "5;a\rb\r\n", "5;a\0\r\n", "5\r\r\n", "5;\x7f\r\n", "5;\u{e9}\r\n"] {
        assert_eq!(refused(format!("{line}hello\r\n0\r\n\r\n").as_bytes()), 400, "{line:?}");
    }
}

#[test]
fn p16_chunk_data_not_followed_by_cr_lf_is_refused() {
    for end in ["", "\n", "\r", "\rx", "x\r\n", "\r\r\n"] {
        assert_eq!(refused(format!("5\r\nhello{end}0\r\n\r\n").as_bytes()), 400, "{end:?}");
    }
}

#[test]
fn p16_a_trailer_section_ended_by_a_bare_line_feed_is_refused_as_soon_as_that_has_come() {
    for end in ["0\r\n\n", "0\r\nX: a\n", "0\r\nX: a\r\n\n", "0\r\nX: a\r\nY: b\n"] {
        assert_eq!(refused(end.as_bytes()), 400, "{end:?}");
        assert!(matches!(from_server(end), Err(ResponseError::Chunk(_))), "{end:?}");
    }
}

#[test]
fn p17_only_trailers_that_mean_nothing_to_the_head_are_passed_on() {
    let decoded = whole(
        b"1\r\nx\r\n0\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\nHost: evil\r\nX-Sum: 1\r\n\
          Authorization: Basic x\r\nX_Sum: 2\r\nIf-Match: a\r\nSet-Cookie: a\r\nX-Forwarded-For: 1\r\n\
          Content-Digest: sha-256=:a:\r\n\r\n",
    )
    .unwrap();
    assert_eq!(decoded.data, b"x");
    assert_eq!(decoded.trailers.unwrap(), "X-Sum: 1\r\nContent-Digest: sha-256=:a:\r\n");
}

#[test]
fn p17_a_malformed_trailer_section_is_refused() {
    for lines in [
        "X: a\n\r\n",
        "X : a\r\n\r\n",
        " X: a\r\n\r\n",
        "X: a\r\n b\r\n\r\n",
        "X: \0\r\n\r\n",
        "X\r\n\r\n",
        "\rX\r\n",
    ] {
        assert_eq!(refused(format!("0\r\n{lines}").as_bytes()), 400, "{lines:?}");
    }
}

#[test]
fn p18_a_trailer_section_has_the_limits_of_a_head() {
    let limits = Limits { head: 100, fields: 3, ..Limits::default() };
    let filling = |len: usize| format!("0\r\nX: {}\r\n\r\n", "a".repeat(len - "X: \r\n\r\n".len()));
    assert!(decode(filling(100).as_bytes(), &[], &limits).is_ok());
    assert_eq!(decode(filling(101).as_bytes(), &[], &limits).unwrap_err().status, 431);
    assert!(decode(b"0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", &[], &limits).is_ok());
    assert_eq!(decode(b"0\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n", &[], &limits).unwrap_err().status, 431);
}

#[test]
fn p18_a_trailer_line_without_end_is_refused_before_it_ends() {
    let endless = [b"0\r\nX: ".to_vec(), vec![b'a'; 40 * 1024]].concat();
    assert_eq!(refused(&endless), 431);
}

/// The chunked coding as its grammar has it, without extensions and trailers: slow, and obvious. The data, and
/// what follows the body.
fn reference(coded: &str) -> Option<(String, &str)> {
    let (size, rest) = coded.split_once("\r\n")?;
    if size.is_empty() || size.len() > 16 || !size.chars().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let size = usize::from_str_radix(size, 16).ok()?;
    if size == 0 {
        return Some((String::new(), rest.strip_prefix("\r\n")?));
    }
    let (data, rest) = (rest.get(..size)?, rest.get(size..)?.strip_prefix("\r\n")?);
    let (more, rest) = reference(rest)?;
    Some((data.to_owned() + &more, rest))
}

fn coded_bodies() -> impl Strategy<Value = String> {
    let chunk = "[ab\r\n]{1,20}".prop_map(|data| format!("{:x}\r\n{data}\r\n", data.len()));
    (prop::collection::vec(chunk, 0..4), "(0{1,3}\r\n\r\n)?", "[a-c]{0,3}")
        .prop_map(|(chunks, end, rest)| chunks.concat() + &end + &rest)
}

proptest! {
    #[test]
    fn the_decoder_agrees_with_the_reference_on_right_and_wrong_bodies(
        mut coded in coded_bodies(),
        wrong in prop::option::of((any::<prop::sample::Index>(), "[0-9a-fA-Fx +\r\n]?")),
    ) {
        if let Some((index, instead)) = wrong.filter(|_| !coded.is_empty()) {
            let at = index.index(coded.len());
            coded.replace_range(at..=at, &instead);
        }
        let ours = match whole(coded.as_bytes()) {
            Ok(Decoded { data, trailers: Some(_), consumed }) => {
                Some((String::from_utf8(data).unwrap(), &coded[consumed..]))
            }
            _ => None,
        };
        prop_assert_eq!(ours, reference(&coded));
    }

    #[test]
    fn where_the_input_is_cut_makes_no_difference(
        chunks in prop::collection::vec("[a-z\r\n]{1,40}", 0..5),
        extension in "(;[a-z]{1,4}(=[a-z]{1,4})?){0,2}",
        trailers in "(X-[a-z]{1,5}: [a-z ]{0,9}[a-z]\r\n){0,3}",
        mut cuts in prop::collection::vec(0_usize..300, 0..8),
    ) {
        let mut coded = Vec::new();
        for chunk in &chunks {
            coded.extend_from_slice(format!("{:X}{extension}\r\n{chunk}\r\n", chunk.len()).as_bytes());
        }
        coded.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
        cuts.sort_unstable();
        let expected =
            Decoded { data: chunks.concat().into_bytes(), trailers: Some(trailers), consumed: coded.len() };
        prop_assert_eq!(decode(&coded, &cuts, &Limits::default()).unwrap(), expected);
    }
}
