//! Responses that have no end of their own: events and messages that come when there are any, perhaps not for an hour. Their
//! silence says nothing, neither about the server nor about the client.

use evenkeel_message::{Framing, ResponseHead};

/// Content types of such responses.
const OPEN_ENDED: [&[u8]; 6] = [
    b"text/event-stream",
    b"multipart/x-mixed-replace",
    b"application/x-ndjson",
    b"application/ndjson",
    b"application/json-seq",
    b"application/stream+json",
];

/// The content types of gRPC begin with it: `application/grpc+proto`, `application/grpc-web`.
const GRPC: &[u8] = b"application/grpc";

/// Whether this is the head of one. A response that says how long it is has an end.
pub(crate) fn is_open_ended(head: &ResponseHead, input: &[u8]) -> bool {
    !matches!(head.framing(), Framing::Length(_) | Framing::Empty)
        && head.field(input, "content-type").is_some_and(is_of_messages)
}

fn is_of_messages(content_type: &[u8]) -> bool {
    let essence = content_type.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    let is_grpc = essence.get(..GRPC.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(GRPC));
    is_grpc || OPEN_ENDED.iter().any(|open_ended| essence.eq_ignore_ascii_case(open_ended))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_of_messages_are_known_with_parameters_and_in_any_case() {
        for open_ended in [
            "text/event-stream",
            "Text/Event-Stream; charset=utf-8",
            "application/grpc",
            "application/grpc-web+proto",
            "multipart/x-mixed-replace;boundary=frame",
            "application/x-ndjson ",
        ] {
            assert!(is_of_messages(open_ended.as_bytes()), "{open_ended}");
        }
        for bounded in ["text/html", "application/json", "text/event-streams", "application/gr", ""] {
            assert!(!is_of_messages(bounded.as_bytes()), "{bounded}");
        }
    }
}
