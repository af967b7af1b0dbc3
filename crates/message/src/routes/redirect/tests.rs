use proptest::prelude::*;

use super::*;
use crate::routes::Routes;

/// The redirects of docs/routes.md's table of vectors.
const MOVED: [&str; 5] = [
    "www.shop.example -> https://shop.example",
    "shop.example/old -> /new",
    "shop.example/gone -> /;302",
    "shop.example/blog -> https://blog.example:8443/archive/;301",
    "*.old.example -> https://shop.example/",
];

/// Host, path, and the answer; `refused` where the path could be read as another host, or in several ways.
const VECTORS: [(&str, &str, &str); 29] = [
    ("www.shop.example", "/", "308 https://shop.example/"),
    ("WWW.Shop.Example.:8080", "/a?b=%2e", "308 https://shop.example/a?b=%2e"),
    ("www.shop.example", "*", "308 https://shop.example"),
    ("www.shop.example", "//evil.example/..", "308 https://shop.example//evil.example/.."),
    ("www.shop.example", "/?to=//evil.example", "308 https://shop.example/?to=//evil.example"),
    ("shop.example", "/old", "308 /new"),
    ("shop.example", "/old/", "308 /new/"),
    ("shop.example", "/old/a/b?c", "308 /new/a/b?c"),
    ("shop.example", "/old?c", "308 /new?c"),
    ("shop.example", "/old/a%2fb//c", "308 /new/a%2fb//c"),
    ("shop.example", "/older", "none"),
    ("shop.example", "/OLD", "none"),
    ("other.example", "/old", "none"),
    ("shop.example", "/%6fld", "refused"),
    ("shop.example", "/old/../x", "refused"),
    ("shop.example", "/gone", "302 /"),
    ("shop.example", "/gone?x", "302 /?x"),
    ("shop.example", "/gone/x", "302 /x"),
    ("shop.example", "/gone//evil.example", "refused"),
    ("shop.example", "/gone/\\evil.example", "refused"),
    ("shop.example", "/gone/%2fevil.example", "refused"),
    ("shop.example", "/gone/.//evil.example", "refused"),
    ("shop.example", "/gone/x?//evil.example", "302 /x?//evil.example"),
    ("shop.example", "/blog", "301 https://blog.example:8443/archive/"),
    ("shop.example", "/blog/", "301 https://blog.example:8443/archive/"),
    ("shop.example", "/blog/1", "301 https://blog.example:8443/archive/1"),
    ("shop.example", "/blog?page=2", "301 https://blog.example:8443/archive/?page=2"),
    ("a.old.example", "/x/y", "308 https://shop.example/x/y"),
    ("old.example", "/x", "none"),
];

fn redirect(text: &str) -> Redirect {
    text.parse().unwrap()
}

fn answer(table: &Routes<Redirect>, host: &str, path: &str) -> String {
    match table.pick(host.as_bytes(), path.as_bytes()) {
        Ok(None) => "none".to_owned(),
        Ok(Some((_, to))) => match to.location(path.as_bytes()) {
            Ok(location) => format!("{} {}", to.status(), String::from_utf8(location).unwrap()),
            Err(refusal) => format!("refused{}", if refusal.status == 400 { "" } else { "!" }),
        },
        Err(refusal) => format!("refused{}", if refusal.status == 400 { "" } else { "!" }),
    }
}

fn table(redirects: &[&str]) -> Routes<Redirect> {
    let entries = redirects.iter().map(|text| redirect(text)).map(|one| (one.route().clone(), one));
    Routes::new(entries.collect()).unwrap()
}

#[test]
fn each_vector_is_answered_as_the_table_says() {
    let table = table(&MOVED);
    for (host, path, expected) in VECTORS {
        assert_eq!(answer(&table, host, path), expected, "{host} {path}");
    }
}

#[test]
fn the_page_shows_every_vector() {
    let page = include_str!("../../../../../docs/routes.md");
    for one in MOVED {
        assert!(page.contains(&format!("`{one}`")), "docs/routes.md lacks: {one}");
    }
    for (host, path, expected) in VECTORS {
        let shown =
            expected.split_once(' ').map_or(expected.to_owned(), |(status, to)| format!("{status} `{to}`"));
        let line = format!("| `{host}` | `{path}` | {shown} |");
        assert!(page.contains(&line), "docs/routes.md lacks: {line}");
    }
}

#[test]
fn a_redirect_is_written_as_it_was_read() {
    for text in MOVED.into_iter().chain(["/a -> /b/c", "*.a/b -> http://[::1]:81/x;307"]) {
        assert_eq!(redirect(text).to_string(), text);
    }
    assert_eq!(redirect("a->HTTPS://B.Example./").to_string(), "a -> https://b.example/");
    assert_eq!(redirect(" /a  ->  /b ; 308 ").to_string(), "/a -> /b");
}

#[test]
fn a_redirect_that_says_nothing_sensible_is_refused_with_what_to_write() {
    for (text, problem) in [
        ("www.a", "`www.a` does not say where to"),
        ("www.a https://a", "does not say where to"),
        ("-> /a", "a route is empty"),
        ("www.a ->", "says neither a scheme nor a path"),
        ("www.a -> a", "write https://a for a host"),
        ("/a;strip -> /b", "always replaced; write /a"),
        ("https://a -> https://b", "leave that out: a"),
        ("/a -> /b;303", "`303` is no status of a redirect"),
        ("/a -> /b;permanent", "`permanent` is no status of a redirect"),
        ("/a -> //evil.example", "nowhere to send anybody"),
        ("/a -> /\\evil.example", "nowhere to send anybody"),
        ("/a -> /b/../c", "nowhere to send anybody"),
        ("/a -> /b\r\nSet-Cookie: x", "nowhere to send anybody"),
        ("/a -> https://b\r\nSet-Cookie: x", "nowhere to send anybody"),
        ("/a -> https://user@b", "nowhere to send anybody"),
        ("/a -> https://", "nowhere to send anybody"),
        ("/a -> https://*.b", "nowhere to send anybody"),
        ("/a -> https://b:0", "nowhere to send anybody"),
        ("/a -> https://b:+1", "nowhere to send anybody"),
        ("/a -> https://b:https", "nowhere to send anybody"),
        ("/a -> https://b?x", "nowhere to send anybody"),
        ("/a/* -> /b", "stands for nothing in a path: a route takes all that is below it; write /a"),
        ("/a -> /b/*", "follows the right one; write /b"),
        ("/a -> javascript://b", "nowhere to send anybody"),
    ] {
        let said = text.parse::<Redirect>().unwrap_err();
        assert!(said.contains(problem), "{text}: {said}");
    }
}

#[test]
fn what_is_asked_next_is_where_a_client_is_sent() {
    let next = |text: &str| redirect(text).next();
    let of = |host: &str, path: &str| Some((host.to_owned(), path.to_owned()));
    assert_eq!(next("a -> https://b"), of("b", "/"));
    assert_eq!(next("a/x -> /y"), of("a", "/y/"));
    assert_eq!(next("/x -> /y"), of("", "/y/"));
    assert_eq!(next("*.a -> /y"), of("-.a", "/y/"));
    assert_eq!(next("a -> https://[::1]/y"), of("[::1]", "/y/"));
    assert_eq!(next("a -> https://a:8443"), None, "another port");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// As a browser reads it: a backslash is a slash, and what looks like a host is one.
    #[test]
    fn nobody_is_sent_to_a_host_that_is_not_set(rest in "[/\\\\.;%259a-f?:@]{0,12}") {
        let path = format!("/gone/{rest}");
        if let Ok(location) = redirect("/gone -> /").location(path.as_bytes()) {
            let read = String::from_utf8(location).unwrap().replace('\\', "/");
            prop_assert!(read.starts_with('/') && !read.starts_with("//"), "{} leads to {}", path, read);
        }
        let location = redirect("/gone -> https://a.example").location(path.as_bytes()).unwrap();
        prop_assert!(location.starts_with(b"https://a.example/"), "{}", path);
    }
}
