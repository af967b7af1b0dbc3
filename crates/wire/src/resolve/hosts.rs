//! What `/etc/hosts` says, one line an address: `192.0.2.1 name other-name  # why`.

use std::net::IpAddr;

/// The addresses that `text` gives `host`, in its order; names have no case.
pub(super) fn addresses<'a>(text: &'a str, host: &'a str) -> impl Iterator<Item = IpAddr> + 'a {
    let host = host.strip_suffix('.').unwrap_or(host);
    text.lines().filter_map(move |line| {
        let said = line.split('#').next().unwrap_or_default();
        let mut words = said.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|name| name.eq_ignore_ascii_case(host)).then_some(address)
    })
}

/// The first name that `text` gives `address`.
pub(super) fn name(text: &str, address: IpAddr) -> Option<&str> {
    text.lines().find_map(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let is_its = words.next()?.parse() == Ok(address);
        words.next().filter(|_| is_its)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_a_name_is_found_whatever_its_letters() {
        let text = "\u{feff}\n# a comment\n10.0.0.1 my_app App # other\n::1 localhost\n10.0.0.2\tapp\n\
            no-address app\n10.0.0.3\n";
        let of = |host| addresses(text, host).map(|ip| ip.to_string()).collect::<Vec<_>>();
        assert_eq!(of("app"), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(of("my_app"), ["10.0.0.1"]);
        assert_eq!(of("LOCALHOST."), ["::1"]);
        assert!(of("other").is_empty());
        assert_eq!(name(text, "10.0.0.1".parse().unwrap()), Some("my_app"));
        assert_eq!(name(text, "10.0.0.3".parse().unwrap()), None);
    }
}
