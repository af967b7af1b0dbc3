//! Which clients may come, and how much each of them may ask for, as a person says it.

use std::net::IpAddr;
use std::num::NonZero;
use std::time::Duration;

use evenkeel_service::{Reading, Reported, Setting as _, in_range, not};

use super::trust::Networks;

/// What is kept from clients; nothing where nothing is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientLimits {
    /// `None` for all.
    pub(crate) allow: Option<Networks>,
    /// Nobody of these, whoever else is allowed.
    pub(crate) deny: Networks,
    /// How often one client may ask. `None` for any number.
    pub(crate) rate: Option<RequestRate>,
    /// How many connections one client may have. `None` for any number.
    pub(crate) connections: Option<NonZero<u32>>,
}

impl ClientLimits {
    /// Whether this client may come at all. Who is both allowed and denied may not.
    pub(crate) fn admit(&self, client: IpAddr) -> bool {
        !self.deny.include(client) && self.allow.as_ref().is_none_or(|allowed| allowed.include(client))
    }

    /// Whether each request has to be looked at.
    pub(crate) fn concern_requests(&self) -> bool {
        self.allow.is_some() || self.deny != Networks::default() || self.rate.is_some()
    }
}

/// So many requests in so much time, and how many may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestRate {
    pub(crate) requests: u32,
    pub(crate) window: Duration,
    pub(crate) burst: u32,
}

/// The most requests of a rate and of a burst. More from one client is no limit.
const MOST_REQUESTS: u32 = 1_000_000;

pub(super) fn read(reading: &mut Reading<'_>) -> Result<ClientLimits, Reported> {
    let allow = reading.optional("ALLOW");
    let deny = reading.optional("DENY");
    let rate = reading.optional_with("RATE", rate);
    let connections = reading.optional_with("CLIENT_CONNECTIONS", |text| {
        in_range(text, &(NonZero::<u32>::MIN..=NonZero::<u32>::MAX))
    });
    Ok(ClientLimits {
        allow: allow?,
        deny: deny?.unwrap_or_default(),
        rate: rate?,
        connections: connections?,
    })
}

/// The longest that a whole burst may take to come back: what is remembered of clients has its bounds.
const LONGEST_BURST: Duration = Duration::from_hours(24);

/// `100/s`, `100/m` or `100/h`, with `;burst=200` where more may come at once.
fn rate(text: &str) -> Result<RequestRate, String> {
    let bad = || {
        not(
            text,
            "a number of requests with the time they may come in",
            "100/s, 100/s;burst=200, 600/m or 1000/h",
        )
    };
    let count = |text: &str| u32::parse(text).ok().filter(|count| (1..=MOST_REQUESTS).contains(count));
    let (rate, burst) = match text.split_once(';') {
        Some((rate, burst)) => {
            let burst = burst.trim().strip_prefix("burst=").and_then(count).ok_or_else(bad)?;
            (rate.trim(), Some(burst))
        }
        None => (text, None),
    };
    let (requests, unit) = rate.split_once('/').ok_or_else(bad)?;
    let requests = count(requests).ok_or_else(bad)?;
    let window = match unit {
        "s" => Duration::from_secs(1),
        "m" => Duration::from_mins(1),
        "h" => Duration::from_hours(1),
        _ => return Err(bad()),
    };
    let rate = RequestRate { requests, window, burst: burst.unwrap_or(requests) };
    if window * rate.burst > LONGEST_BURST * requests {
        return Err(format!(
            "`{text}` gives a whole burst back only after more than a day; write a smaller one"
        ));
    }
    Ok(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(allow: Option<&str>, deny: &str) -> ClientLimits {
        ClientLimits {
            allow: allow.map(|networks| Networks::parse(networks).unwrap()),
            deny: Networks::parse(deny).unwrap(),
            ..ClientLimits::default()
        }
    }

    fn admits(limits: &ClientLimits, client: &str) -> bool {
        limits.admit(client.parse().unwrap())
    }

    #[test]
    fn who_is_denied_may_not_come_though_allowed() {
        let limits = limits(Some("10.0.0.0/8"), "10.9.0.0/16,2001:db8::/32");
        assert!(admits(&limits, "10.1.0.1"));
        assert!(admits(&limits, "::ffff:10.1.0.1"));
        assert!(!admits(&limits, "10.9.0.1"));
        assert!(!admits(&limits, "192.0.2.1"), "not allowed");
    }

    #[test]
    fn without_a_list_of_the_allowed_all_others_may_come() {
        let limits = limits(None, "10.9.0.0/16,2001:db8::/32");
        assert!(admits(&limits, "192.0.2.1"));
        assert!(!admits(&limits, "::ffff:10.9.0.1"));
        assert!(!admits(&limits, "2001:db8::1"));
    }

    #[test]
    fn a_rate_is_a_number_in_a_time_and_what_may_come_at_once() {
        let of =
            |requests, seconds, burst| RequestRate { requests, window: Duration::from_secs(seconds), burst };
        assert_eq!(rate("100/s"), Ok(of(100, 1, 100)));
        assert_eq!(rate("100/s;burst=200"), Ok(of(100, 1, 200)));
        assert_eq!(rate("600/m; burst=1"), Ok(of(600, 60, 1)));
        assert_eq!(rate("1/h"), Ok(of(1, 3600, 1)));
        for bad in [
            "100",
            "0/s",
            "100/d",
            "/s",
            "100/s;200",
            "100/s;burst=0",
            "100/s;burst=",
            "-1/s",
            "100 /s",
            "2000000/s",
        ] {
            let error = rate(bad).unwrap_err();
            assert!(error.contains(&format!("`{bad}`")) && error.contains("100/s;burst=200"), "{error}");
        }
        assert!(rate("1/h;burst=24").is_ok());
        assert!(rate("1/h;burst=25").unwrap_err().contains("after more than a day"));
    }
}
