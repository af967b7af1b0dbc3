//! What the status of a response says of the server that sent it (RFC 9110 §15.6).

use evenkeel_upstream::Response;

/// What it says. 500 may well be the application's own word; but of a server that is accused of saying it to everybody, another is
/// asked, as it is after 502, 503 and 504.
pub(crate) fn says(status: u16, accused: bool) -> Response {
    match status {
        502..=504 => Response::Unable,
        500 if accused => Response::Unable,
        500.. => Response::Error,
        _ => Response::Good,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_of_a_broken_server_are_its_own() {
        for accused in [false, true] {
            for status in [502, 503, 504] {
                assert_eq!(says(status, accused), Response::Unable, "{status}");
            }
        }
    }

    #[test]
    fn a_500_is_the_servers_own_only_where_that_is_accused() {
        assert_eq!(says(500, false), Response::Error);
        assert_eq!(says(500, true), Response::Unable);
    }

    #[test]
    fn other_errors_are_the_answer_whoever_gives_them() {
        for status in [501, 505, 507, 511, 599] {
            assert_eq!(says(status, true), Response::Error, "{status}");
        }
        for status in [101, 200, 204, 304, 401, 404, 429, 499] {
            assert_eq!(says(status, true), Response::Good, "{status}");
        }
    }
}
