//! Problem details (RFC 9457): the body of an error that this side answers itself.

use std::fmt::Write as _;

use crate::status;

/// The media type of such a body.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// A body for `status`: its title is the reason phrase, `detail` is a sentence for the reader. Say in it
/// nothing about the inside: no address, no name of a server.
///
/// ```
/// assert_eq!(
///     evenkeel_message::problem::body(503, "No server is available; try again.", "id-1"),
///     r#"{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"No server is available; try again.","request_id":"id-1"}"#,
/// );
/// ```
pub fn body(status: u16, detail: &str, request_id: &str) -> String {
    let mut body = String::with_capacity(detail.len() + request_id.len() + 120);
    body.push_str(r#"{"type":"about:blank","title":"#);
    string(status::reason(status), &mut body);
    // Writing to a string cannot fail.
    let _ = write!(body, r#","status":{status},"detail":"#);
    string(detail, &mut body);
    if !request_id.is_empty() {
        body.push_str(r#","request_id":"#);
        string(request_id, &mut body);
    }
    body.push('}');
    body
}

/// A JSON string (RFC 8259 §7).
fn string(text: &str, body: &mut String) {
    body.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => body.extend(['\\', character]),
            '\0'..='\x1f' => {
                let _ = write!(body, "\\u{:04x}", u32::from(character));
            }
            _ => body.push(character),
        }
    }
    body.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_words_the_body_is_one_json_object() {
        assert_eq!(
            body(400, "a\"b\\\n", ""),
            r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"a\"b\\\u000a"}"#
        );
    }
}
