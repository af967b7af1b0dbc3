//! The last requests to which something happened, as the balancer tells of them at `GET /api/requests`: their ways in words.

use serde::Deserialize;

/// Ids and words in an answer; nothing where it is something else.
pub(super) fn read(body: &[u8]) -> Vec<(String, String)> {
    #[derive(Deserialize)]
    struct Told {
        requests: Vec<Request>,
    }
    #[derive(Deserialize)]
    struct Request {
        id: String,
        words: String,
    }
    let Ok(Told { requests }) = serde_json::from_slice(body) else { return Vec::new() };
    requests.into_iter().map(|Request { id, words }| (id, words)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_words_are_read_and_all_else_is_left() {
        let told = br#"{"requests":[{"id":"r-00000007","at_ms":5,"method":"GET","path":"/x","status":200,"took_ms":64.2,
            "attempts":[],"words":"sent to server-2, silent for 61 ms, asked server-3 as well, answered after 3 ms"}]}"#;
        let [(id, words)] = read(told).try_into().unwrap();
        assert_eq!((id.as_str(), words.split(',').count()), ("r-00000007", 4));
        assert!(read(b"not found").is_empty());
    }
}
