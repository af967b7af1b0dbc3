//! Fields that requests and responses gain or lose on their way, as a person says it.
//!
//! What framing, digests, identity or one connection depend on is the balancer's own to write: no rule may be about that.

use evenkeel_message::FieldRules;
use evenkeel_service::{Reading, Reported};

use super::affinity::is_token;

/// What happens to the fields of messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// `None` where there is none.
    pub(crate) requests: Option<FieldRules>,
    /// The same.
    pub(crate) responses: Option<FieldRules>,
}

/// The most fields that are set, and the most that are removed. Each message that passes is held against all of them.
const MOST_FIELDS: usize = 32;

/// The longest value, bytes.
const LONGEST_VALUE: usize = 4096;

/// Which way a message goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Request,
    Response,
}

pub(super) fn read(reading: &mut Reading<'_>) -> Result<Rules, Reported> {
    let requests = of(reading, Way::Request, "REQUEST_SET", "REQUEST_REMOVE");
    let responses = of(reading, Way::Response, "RESPONSE_SET", "RESPONSE_REMOVE");
    Ok(Rules { requests: requests?, responses: responses? })
}

fn of(
    reading: &mut Reading<'_>,
    way: Way,
    set: &'static str,
    remove: &'static str,
) -> Result<Option<FieldRules>, Reported> {
    let to_set = reading.optional_with(set, |text| lines(text, way));
    let to_remove = reading.optional_with(remove, |text| names(text, way));
    let (to_set, to_remove) = (to_set?.unwrap_or_default(), to_remove?.unwrap_or_default());
    let mut rules = FieldRules::default();
    for (name, value) in &to_set {
        if name.eq_ignore_ascii_case("strict-transport-security") && reading.is_set("HSTS") {
            return Err(reading.problem(
                set,
                "sets Strict-Transport-Security, and so does BALANCER_HSTS; keep one of them",
            ));
        }
        if rules.concern(name.as_bytes()) {
            return Err(reading.problem(set, format!("sets `{name}` twice; write it once")));
        }
        rules.set(name, value);
    }
    for name in &to_remove {
        if to_set.iter().any(|(set, _)| set.eq_ignore_ascii_case(name)) {
            let reason =
                format!("removes `{name}`, which BALANCER_{set} sets and so replaces; take one of them away");
            return Err(reading.problem(remove, reason));
        }
        rules.remove(name);
    }
    Ok(Some(rules).filter(|rules| !rules.is_empty()))
}

/// `Name: value`, one a line; `\n` is a line's end as well, for where a variable can have only one.
fn lines(text: &str, way: Way) -> Result<Vec<(String, String)>, String> {
    let lines =
        text.split('\n').flat_map(|line| line.split("\\n")).map(str::trim).filter(|line| !line.is_empty());
    let fields: Vec<_> = lines.map(|line| field(line, way)).collect::<Result<_, _>>()?;
    bounded(fields)
}

fn field(line: &str, way: Way) -> Result<(String, String), String> {
    let Some((name, value)) = line.split_once(':') else {
        return Err(format!("`{line}` is not a field; write it as X-Name: value, one a line"));
    };
    let (name, value) = (checked(name, way)?, value.trim());
    if way == Way::Response && name.eq_ignore_ascii_case("set-cookie") {
        return Err(
            "`Set-Cookie` would replace every cookie that servers set; it can only be removed".to_owned()
        );
    }
    if value.is_empty() {
        return Err(format!(
            "`{name}` has no value; name it in the variable that removes fields to be rid of it"
        ));
    }
    if value.len() > LONGEST_VALUE || !value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
        return Err(format!(
            "the value of `{name}` is longer than {LONGEST_VALUE} bytes or has other than visible ASCII characters"
        ));
    }
    if is_variable_elsewhere(value) {
        return Err(format!(
            "`{value}` would be sent as it stands: a value is fixed, and nothing is replaced in it"
        ));
    }
    Ok((name, value.to_owned()))
}

/// A value that is nothing but what nginx, `HAProxy` or Caddy would put something else in place of.
fn is_variable_elsewhere(value: &str) -> bool {
    let between = |before, after| value.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    };
    let names = [value.strip_prefix('$'), between("${", "}"), between("{", "}")];
    between("%[", "]").is_some() || names.into_iter().flatten().any(is_name)
}

/// Names, separated by commas.
fn names(text: &str, way: Way) -> Result<Vec<String>, String> {
    bounded(text.split(',').map(|name| checked(name.trim(), way)).collect::<Result<_, _>>()?)
}

fn bounded<T>(all: Vec<T>) -> Result<Vec<T>, String> {
    if all.is_empty() {
        Err("names no field; write X-Name: value, or leave it out".to_owned())
    } else if all.len() > MOST_FIELDS {
        Err(format!("names {} fields, and {MOST_FIELDS} are the most", all.len()))
    } else {
        Ok(all)
    }
}

/// A name that a rule may be about.
fn checked(name: &str, way: Way) -> Result<String, String> {
    if !is_token(name) {
        return Err(format!("`{name}` is no name of a field; write letters, digits and `-`"));
    }
    // Many servers read the two alike.
    match why_not(&name.to_ascii_lowercase().replace('_', "-"), way) {
        Some(why) => Err(format!("`{name}` cannot be set or removed: {why}")),
        None => Ok(name.to_owned()),
    }
}

/// Why no rule may be about the field of this name, which is in lower case and has no `_`.
fn why_not(name: &str, way: Way) -> Option<&'static str> {
    Some(match name {
        "connection"
        | "keep-alive"
        | "proxy-connection"
        | "proxy-authenticate"
        | "proxy-authorization"
        | "te"
        | "upgrade"
        | "http2-settings"
        | "expect" => "it is about one connection, and each has its own",
        "content-length" | "transfer-encoding" | "trailer" => "it says where the message ends",
        "content-digest" | "repr-digest" | "digest" | "content-encoding" | "content-range"
        | "content-md5" => "it says what the bytes are, and they stay as they are",
        "via" | "max-forwards" => "it keeps requests from going round in circles",
        "x-request-id" | "x-attempt" | "traceparent" | "x-evenkeel-run" | "x-evenkeel-fault" => {
            "the balancer tells requests and attempts from each other by it"
        }
        _ if name.starts_with("sec-websocket-") => "it is about one connection, and each has its own",
        _ if way == Way::Request => match name {
            "host" => "servers choose the site by it, and it goes on as the client sent it",
            "client-cert" | "client-cert-chain" | "forwarded" | "x-real-ip" => {
                "it says who the client is; BALANCER_TRUSTED_PROXIES and BALANCER_TLS_CLIENT_CA say whom to believe"
            }
            _ if name.starts_with("x-forwarded-") => {
                "it says who the client is; BALANCER_TRUSTED_PROXIES says whom to believe"
            }
            "range" | "if-range" => "it says which bytes are asked for, and they stay as they are",
            "idempotency-key" => "requests may be repeated because of it (BALANCER_RETRY_KEYED)",
            _ => return None,
        },
        "date" => "it says when the answer was made",
        "proxy-status" => "the balancer says there what became of a request",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_one_a_line_in_either_spelling() {
        let expected = vec![
            ("X-Frame-Options".to_owned(), "DENY".to_owned()),
            ("Content-Security-Policy".to_owned(), "default-src 'self'; img-src *, data:".to_owned()),
        ];
        let (first, second) =
            ("X-Frame-Options: DENY", "Content-Security-Policy: default-src 'self'; img-src *, data:");
        assert_eq!(lines(&format!("{first}\n{second}\n"), Way::Response), Ok(expected.clone()));
        assert_eq!(lines(&format!("{first}\\n {second}"), Way::Response), Ok(expected));
    }

    #[test]
    fn what_the_balancer_answers_for_is_out_of_reach_and_the_error_says_why() {
        let both = [
            "Connection",
            "content-length",
            "Transfer-Encoding",
            "Content-Digest",
            "Via",
            "X-Attempt",
            "X-Request-Id",
            "Upgrade",
            "Sec-WebSocket-Key",
        ];
        for name in both {
            for way in [Way::Request, Way::Response] {
                let error = checked(name, way).unwrap_err();
                assert!(error.starts_with(&format!("`{name}` cannot be set or removed: ")), "{error}");
            }
        }
        for name in
            ["Host", "Client-Cert", "Forwarded", "X-Forwarded-For", "X-Forwarded-Port", "X-Real-IP", "Range"]
        {
            assert!(checked(name, Way::Request).is_err(), "{name}");
        }
        for name in ["Date", "Proxy-Status"] {
            assert!(checked(name, Way::Response).is_err(), "{name}");
        }
        for name in ["Server", "X-Powered-By", "Set-Cookie", "Cache-Control"] {
            assert_eq!(names(name, Way::Response), Ok(vec![name.to_owned()]));
        }
    }

    #[test]
    fn a_value_that_is_a_variable_elsewhere_is_refused() {
        for bad in ["$host", "${HOST}", "%[src]", "{http.request.remote.host}", "$proxy_add_x_forwarded_for"]
        {
            let said = lines(&format!("X-A: {bad}"), Way::Request).unwrap_err();
            assert!(said.starts_with(&format!("`{bad}` would be sent as it stands")), "{said}");
        }
        for good in ["$5", "a$host", "{\"group\":\"x\"}", "{}", "100%", "$"] {
            assert!(lines(&format!("X-A: {good}"), Way::Request).is_ok(), "{good}");
        }
    }

    #[test]
    fn what_is_no_field_is_told() {
        for bad in ["X-A", "X A: b", ": b", "X-A:", "X-A: a\u{1}b", "X-A: ü", "Set-Cookie: a=b", " "] {
            assert!(lines(bad, Way::Response).is_err(), "{bad:?}");
        }
        assert!(names("X-A,,X-B", Way::Request).is_err());
        let many = vec!["X-A"; MOST_FIELDS + 1].join(",");
        assert_eq!(names(&many, Way::Request).unwrap_err(), "names 33 fields, and 32 are the most");
    }
}
