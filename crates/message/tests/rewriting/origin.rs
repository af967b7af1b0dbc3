//! P50, P51 and P80: what servers are told about a request that came through a proxy which is trusted.

use std::net::IpAddr;

use evenkeel_message::{Origin, RequestRewrite};

use crate::proxy::{HOW, PEER, forwarded_as, get_with, parse, values};

/// The head for a server, for a request with these lines from the proxy at [`PEER`]; it and 10.0.0.0/8 are trusted.
pub(crate) fn from_proxy(lines: &str) -> String {
    let input = get_with(lines);
    let head = parse(&input).unwrap();
    let trusts = |address: IpAddr| address == PEER || address.to_string().starts_with("10.");
    let origin = Origin::of_proxy(&head, &input, PEER, "http", trusts);
    forwarded_as(&input, &RequestRewrite { origin, ..HOW }).unwrap()
}

/// What a server is told of what was taken off the path, where `/str` is taken off here.
fn prefixes(lines: &str, is_trusted: bool) -> Vec<String> {
    let input = format!("GET /str/x HTTP/1.1\r\nHost: h\r\n{lines}\r\n").into_bytes();
    let head = parse(&input).unwrap();
    let of_proxy = Origin::of_proxy(&head, &input, PEER, "http", |address| address == PEER);
    let origin = if is_trusted { of_proxy } else { HOW.origin };
    let seen = forwarded_as(&input, &RequestRewrite { origin, prefix: "/str", ..HOW }).unwrap();
    assert!(seen.starts_with("GET /x HTTP/1.1\r\n"), "{seen}");
    values(&seen, "x-forwarded-prefix").into_iter().map(str::to_owned).collect()
}

#[test]
fn what_was_taken_off_the_path_in_several_places_is_told_as_one_path() {
    let mine = "X-Forwarded-Prefix: /mine\r\n";
    assert_eq!(prefixes("", true), ["/str"]);
    assert_eq!(prefixes(mine, true), ["/mine/str"]);
    assert_eq!(prefixes(mine, false), ["/str"]);
    assert_eq!(prefixes("X-Forwarded-Prefix: /a/, /b\r\nx-forwarded-PREFIX: /c\r\n", true), ["/a/b/c/str"]);
    assert_eq!(prefixes("X-Forwarded-Prefix: //evil.example, mine, /\r\n", true), ["/str"]);
    let head = from_proxy(mine);
    assert_eq!(values(&head, "x-forwarded-prefix"), ["/mine"], "as it came where nothing is taken off here");
}

/// X-Forwarded-For, -Proto, -Host, X-Real-IP and Forwarded, each once.
fn told(lines: &str) -> [String; 5] {
    let head = from_proxy(lines);
    ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "forwarded"].map(|name| {
        let found = values(&head, name);
        assert_eq!(found.len(), 1, "{name}: {head}");
        found[0].to_owned()
    })
}

#[test]
fn p80_a_proxy_that_knows_x_forwarded_only_is_told_in_forwarded_as_well() {
    assert_eq!(
        told("X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n"),
        [
            "9.9.9.9, 192.0.2.7",
            "https",
            "shop.example",
            "9.9.9.9",
            "for=9.9.9.9;host=\"shop.example\";proto=https, for=192.0.2.7;host=\"h\";proto=http",
        ]
    );
    assert_eq!(
        told("X-Forwarded-Proto: https\r\n"),
        ["192.0.2.7", "https", "h", "192.0.2.7", "for=192.0.2.7;host=\"h\";proto=https"]
    );
    assert_eq!(
        told("X-Forwarded-For: 9.9.9.9\r\n"),
        ["9.9.9.9, 192.0.2.7", "http", "h", "9.9.9.9", "for=9.9.9.9, for=192.0.2.7;host=\"h\";proto=http"]
    );
}

#[test]
fn p80_a_proxy_that_knows_forwarded_only_is_told_in_x_forwarded_as_well() {
    let own = ", for=192.0.2.7;host=\"h\";proto=http";
    for (forwarded, list, client) in [
        ("for=9.9.9.9;proto=https;host=shop.example", "9.9.9.9", "9.9.9.9"),
        ("for=\"9.9.9.9:4711\";proto=https;host=\"shop.example\";by=10.0.0.1", "9.9.9.9", "9.9.9.9"),
        ("for=\"[2001:db8::1]:4711\";host=shop.example;proto=https", "2001:db8::1", "2001:db8::1"),
        (
            "for=9.9.9.9;proto=https;host=shop.example, for=10.0.0.2;proto=http",
            "9.9.9.9, 10.0.0.2",
            "9.9.9.9",
        ),
        ("for=_hidden;proto=https;host=shop.example", "unknown", "192.0.2.7"),
        ("for=unknown;proto=https;host=shop.example, for=10.0.0.2", "unknown, 10.0.0.2", "10.0.0.2"),
    ] {
        let expected =
            [&format!("{list}, 192.0.2.7"), "https", "shop.example", client, &format!("{forwarded}{own}")];
        assert_eq!(told(&format!("Forwarded: {forwarded}\r\n")), expected);
    }
}

#[test]
fn p80_where_the_ways_agree_forwarded_goes_on_as_it_is() {
    let both = |forwarded: &str| {
        let lines = "X-Forwarded-For: 9.9.9.9, 10.0.0.2\r\nX-Forwarded-Proto: https\r\n";
        told(&format!("{lines}Forwarded: {forwarded}\r\n"))[4].clone()
    };
    let own = ", for=192.0.2.7;host=\"h\";proto=http";
    for good in [
        "for=9.9.9.9;proto=https;by=_edge, for=10.0.0.2;proto=https",
        "for=\"9.9.9.9:1\";proto=HTTPS;secret=x, for=10.0.0.2",
    ] {
        assert_eq!(both(good), format!("{good}{own}"));
    }
    let anew = format!("for=9.9.9.9;proto=https, for=10.0.0.2{own}");
    for other in [
        "for=9.9.9.9, for=10.0.0.2",
        "for=9.9.9.9;proto=http, for=10.0.0.2;proto=https",
        "for=6.6.6.6;proto=https, for=10.0.0.2",
        "for=9.9.9.9;proto=https",
        "for=9.9.9.9;proto=https, for=10.0.0.2, for=10.0.0.3",
        "for=_x;proto=https, for=10.0.0.2",
        "proto=https, for=10.0.0.2",
        "garbage",
    ] {
        assert_eq!(both(other), anew, "{other}");
    }
}

#[test]
fn p80_where_the_ways_contradict_each_other_x_forwarded_holds() {
    assert_eq!(
        told(
            "Forwarded: for=6.6.6.6;proto=http;host=evil\r\nX-Real-IP: 6.6.6.6\r\nX-Forwarded-For: 9.9.9.9\r\n\
             X-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n"
        ),
        [
            "9.9.9.9, 192.0.2.7",
            "https",
            "shop.example",
            "9.9.9.9",
            "for=9.9.9.9;host=\"shop.example\";proto=https, for=192.0.2.7;host=\"h\";proto=http",
        ]
    );
    assert_eq!(
        told("Forwarded: for=9.9.9.9;proto=http\r\nX-Forwarded-Proto: https\r\nX-Real-IP: 6.6.6.6\r\n"),
        [
            "9.9.9.9, 192.0.2.7",
            "https",
            "h",
            "9.9.9.9",
            "for=9.9.9.9;proto=https, for=192.0.2.7;host=\"h\";proto=http",
        ]
    );
}

#[test]
fn p80_x_real_ip_alone_names_the_client() {
    assert_eq!(
        told("X-Real-IP: 2001:db8::1\r\nX-Forwarded-Proto: https\r\n"),
        [
            "2001:db8::1, 192.0.2.7",
            "https",
            "h",
            "2001:db8::1",
            "for=\"[2001:db8::1]\";proto=https, for=192.0.2.7;host=\"h\";proto=http",
        ]
    );
    assert_eq!(told("X-Real-IP: me\r\n")[3], "192.0.2.7");
}

#[test]
fn p80_addresses_are_told_however_a_proxy_writes_them() {
    for (listed, real, node) in [
        ("9.9.9.9:4711", "9.9.9.9", "\"9.9.9.9:4711\""),
        ("2001:db8::1", "2001:db8::1", "\"[2001:db8::1]\""),
        ("[2001:db8::1]", "2001:db8::1", "\"[2001:db8::1]\""),
        ("[2001:db8::1]:80", "2001:db8::1", "\"[2001:db8::1]:80\""),
        ("::ffff:9.9.9.9", "9.9.9.9", "9.9.9.9"),
        ("unknown", "192.0.2.7", "unknown"),
        ("_hidden", "192.0.2.7", "unknown"),
        ("evil\"<x>", "192.0.2.7", "unknown"),
    ] {
        let [list, _, _, client, forwarded] = told(&format!("X-Forwarded-For: {listed}\r\n"));
        assert_eq!((list, client.as_str()), (format!("{listed}, 192.0.2.7"), real));
        assert_eq!(forwarded, format!("for={node}, for=192.0.2.7;host=\"h\";proto=http"));
    }
}

#[test]
fn p80_of_a_list_of_schemes_the_clients_is_told() {
    for (list, protos, scheme) in [
        ("9.9.9.9", "https, http", "https"),
        ("9.9.9.9, 10.0.0.2", "https, http", "https"),
        ("6.6.6.6, 9.9.9.9, 10.0.0.2", "http, https, http", "https"),
        ("6.6.6.6, 9.9.9.9", "https", "https"),
        ("9.9.9.9", "", "http"),
        ("9.9.9.9", "ht\"tp", "http"),
    ] {
        let [_, found, _, client, forwarded] =
            told(&format!("X-Forwarded-For: {list}\r\nX-Forwarded-Proto: {protos}\r\n"));
        assert_eq!((found.as_str(), client.as_str()), (scheme, "9.9.9.9"), "{list} {protos}");
        if scheme == "https" {
            for hop in [forwarded.split(", ").next().unwrap(), "for=9.9.9.9;proto=https"] {
                assert!(forwarded.contains(hop) && hop.ends_with(";proto=https"), "{forwarded}");
            }
        }
    }
}

#[test]
fn p80_a_long_list_is_not_told_anew_whole() {
    let long = format!("9.9.9.9{}", ", 10.0.0.1".repeat(1000));
    let [list, _, _, client, forwarded] =
        told(&format!("X-Forwarded-For: {long}\r\nX-Forwarded-Proto: https\r\n"));
    assert_eq!((list, client.as_str()), (format!("{long}, 192.0.2.7"), "9.9.9.9"));
    assert!(forwarded.starts_with("for=9.9.9.9;proto=https, for=10.0.0.1, "), "{forwarded}");
    assert_eq!(forwarded.matches("for=").count(), 33);
    let late = format!("6.6.6.6{}, 9.9.9.9", ", 10.0.0.1".repeat(1000));
    assert!(told(&format!("X-Forwarded-For: {late}\r\n"))[4].contains(", for=9.9.9.9, for=192.0.2.7;"));
}

#[test]
fn p50_what_a_trusted_proxy_says_further_is_passed_on() {
    let head =
        from_proxy("X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\nX-Forwarded-Port: 443\r\n");
    assert_eq!(values(&head, "x-forwarded-for"), ["1.1.1.1, 2.2.2.2, 192.0.2.7"]);
    assert_eq!(values(&head, "x-forwarded-port"), ["443"]);
    assert_eq!(values(&head, "x-real-ip"), ["2.2.2.2"]);
}
