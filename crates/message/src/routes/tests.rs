use proptest::prelude::*;

use super::*;

fn table(routes: &[&str]) -> Routes<usize> {
    let route = |(number, text): (usize, &&str)| (text.parse().unwrap(), number);
    Routes::new(routes.iter().enumerate().map(route).collect()).unwrap()
}

/// The routes of docs/routes.md's table of vectors.
const SHOP: [&str; 7] = [
    "shop.example",
    "shop.example/api",
    "shop.example/api/v2",
    "shop.example/app;strip",
    "*.shop.example",
    "*.eu.shop.example",
    "/static",
];

/// Host, path, and the route that takes it; `refused` where the path can be read in several ways.
const VECTORS: [(&str, &str, &str); 52] = [
    ("shop.example", "/", "shop.example"),
    ("SHOP.Example.:8080", "/", "shop.example"),
    ("shop.example", "/api", "shop.example/api"),
    ("shop.example", "/api/", "shop.example/api"),
    ("shop.example", "/api?x=/api/v2", "shop.example/api"),
    ("shop.example", "/apis", "shop.example"),
    ("shop.example", "/API", "shop.example"),
    ("shop.example", "/api/v2/x", "shop.example/api/v2"),
    ("shop.example", "/api/v20", "shop.example/api"),
    ("shop.example", "/static/a.css", "shop.example"),
    ("a.shop.example", "/", "*.shop.example"),
    ("a.b.shop.example", "/", "*.shop.example"),
    ("a.eu.shop.example", "/", "*.eu.shop.example"),
    ("eu.shop.example", "/", "*.shop.example"),
    ("other.example", "/static/a.css", "/static"),
    ("other.example", "/static", "/static"),
    ("other.example", "/", "none"),
    ("", "/", "none"),
    ("shop.example", "*", "shop.example"),
    ("shop.example", "/a%20b", "shop.example"),
    ("shop.example", "/api/v1/a%2Fb;c=d//e", "shop.example/api"),
    ("shop.example", "/api/v2/../v2/x", "shop.example/api/v2"),
    ("a.shop.example", "/../api/%2e%2e//x", "*.shop.example"),
    ("shop.example", "/%61pi", "refused"),
    ("shop.example", "/x/../api", "refused"),
    ("shop.example", "/api/../x", "refused"),
    ("shop.example", "/api/%2e%2e/x", "refused"),
    ("shop.example", "/api/..%2fx", "refused"),
    ("shop.example", "/api/..%5cx", "refused"),
    ("shop.example", "//api", "refused"),
    ("shop.example", "/api;v=1", "refused"),
    ("shop.example", "/api/..;/x", "refused"),
    ("shop.example", "/api%3f", "refused"),
    ("shop.example", "/%2561pi", "refused"),
    ("shop.example", "/api/%c0%ae%c0%ae/x", "refused"),
    ("shop.example", "/api/..%e0%80%afx", "refused"),
    ("shop.example", "/%u0061pi", "refused"),
    ("shop.example", "/api/%u002e%u002e/x", "refused"),
    ("shop.example", "/api/caf%c3%a9", "shop.example/api"),
    ("shop.example", "/app", "shop.example/app;strip"),
    ("shop.example", "/app/x//y", "shop.example/app;strip"),
    ("shop.example", "/app/x%2f%2fy;z", "shop.example/app;strip"),
    ("shop.example", "/app?/../\\evil.com", "shop.example/app;strip"),
    ("shop.example", "/app//evil.com", "refused"),
    ("shop.example", "/app/\\evil.com", "refused"),
    ("shop.example", "/app/%2fevil.com", "refused"),
    ("shop.example", "/app/%5cevil.com", "refused"),
    ("shop.example", "/app/%255cevil.com", "refused"),
    ("shop.example", "/app/;/evil.com", "refused"),
    ("shop.example", "/app/.//evil.com", "refused"),
    ("shop.example", "/app/x/..//evil.com", "refused"),
    ("shop.example", "/app/%09/evil.com", "refused"),
];

fn name(picked: Result<Option<(&Route, &usize)>, Refusal>) -> String {
    match picked {
        Ok(Some((route, _))) => route.to_string(),
        Ok(None) => "none".to_owned(),
        Err(refusal) => {
            assert_eq!(refusal.status, 400);
            "refused".to_owned()
        }
    }
}

#[test]
fn each_vector_goes_where_the_table_says() {
    let table = table(&SHOP);
    for (host, path, expected) in VECTORS {
        assert_eq!(name(table.pick(host.as_bytes(), path.as_bytes())), expected, "{host} {path}");
    }
}

#[test]
fn the_page_shows_every_vector() {
    let page = include_str!("../../../../docs/routes.md");
    for (host, path, expected) in VECTORS {
        let line = format!("| `{host}` | `{path}` | {expected} |");
        assert!(page.contains(&line), "docs/routes.md lacks: {line}");
    }
}

#[test]
fn a_host_without_a_route_for_the_path_leaves_it_to_the_next() {
    let table = table(&["shop.example/api", "*.example/static", "/static", "/"]);
    let to = |path: &str| name(table.pick(b"shop.example", path.as_bytes()));
    assert_eq!(to("/static/x"), "*.example/static");
    assert_eq!(to("/x"), "/");
}

#[test]
fn where_only_hosts_decide_a_path_may_be_written_in_any_way() {
    let table = table(&["shop.example", "*.example"]);
    assert_eq!(name(table.pick(b"shop.example", b"/a/..//%2e%2e/;x")), "shop.example");
    assert_eq!(name(table.pick(b"%73hop.example", b"/")), "refused");
}

#[test]
fn an_ipv6_address_is_one_host_however_it_is_written() {
    let table = table(&["[2001:DB8:0:0::1]/api", "/"]);
    for host in ["[2001:db8::1]", "[2001:0db8:0000::0001]:8080", "[2001:DB8:0:0:0:0:0:1]"] {
        assert_eq!(name(table.pick(host.as_bytes(), b"/api/x")), "[2001:db8::1]/api", "{host}");
    }
    assert_eq!(name(table.pick(b"[2001:db8::2]", b"/api/x")), "/");
}

#[test]
fn what_is_left_of_a_stripped_path_is_no_authority() {
    let table = table(&["/api;strip"]);
    assert_eq!(name(table.pick(b"h", b"/api/x")), "/api;strip");
    assert_eq!(name(table.pick(b"h", b"/api/x//y")), "/api;strip");
    for rest in
        ["//", "/\\", "/%2f", "/%5C", "/%252f", "/;/", "/.//", "/x/..//", "/%2e/%2f", "/%09/", "/;v%2f"]
    {
        let path = format!("/api{rest}evil.example/");
        assert_eq!(name(table.pick(b"h", path.as_bytes())), "refused", "{path}");
    }
    for rest in ["/x/..", "/x%2f%2fy", "/;v", "/x;v//y", "/..x", "/%20/y", "/x\\\\y"] {
        let path = format!("/api{rest}");
        assert_eq!(name(table.pick(b"h", path.as_bytes())), "/api;strip", "{path}");
    }
}

#[test]
fn a_path_with_more_readings_than_are_looked_at_is_refused() {
    let path = format!("/x/%{}41", "25".repeat(80));
    assert_eq!(name(table(&SHOP).pick(b"shop.example", path.as_bytes())), "refused");
}

#[test]
fn two_routes_for_the_same_requests_are_told() {
    let route = |text: &str| (text.parse().unwrap(), ());
    let routes = ["a/x", "/x", "A.:/x", "*/x/"];
    assert!(routes[2].parse::<Route>().is_err(), "a port makes no difference");
    let twice =
        Routes::new(vec![route("a/x"), route("/x"), route("A./x/;strip"), route("*/x/")]).unwrap_err();
    assert_eq!(twice, [(0, 2), (1, 3)]);
}

#[test]
fn a_route_that_says_nothing_sensible_is_refused_with_what_to_write() {
    for (text, problem) in [
        ("", "a route is empty"),
        ("https://a/b", "leave that out: a/b"),
        ("a:80/b", "write a"),
        ("a b", "is no host"),
        ("_", "write example.com, *.example.com or /path for every host"),
        ("*.*.a", "is no host"),
        ("[::1", "is no host"),
        ("/a//b", "is no path"),
        ("/a/../b", "is no path"),
        ("/%61", "is no path"),
        ("/api/*", "stands for nothing in a path: a route takes all that is below it; write /api"),
        ("a.example/*", "write /"),
        ("/api*", "write /"),
        ("/a;strp", "`strp` is no option"),
        ("a;strip", "has no path that could be stripped"),
    ] {
        let said = text.parse::<Route>().unwrap_err();
        assert!(said.contains(problem), "{text}: {said}");
    }
    for text in ["/", "a", "*.a/b", "[::1]/b", "/a/b.c;strip"] {
        assert_eq!(text.parse::<Route>().unwrap().to_string(), text);
    }
}

/// A server that reads a path in its own way, written apart from what it is to catch: segment by segment and in place.
#[derive(Debug, Clone, Copy)]
enum Habit {
    Decodes,
    TakesBackslashes,
    DropsParameters,
    CutsAtQuery,
    ResolvesDots,
    JoinsSlashes,
}

const HABITS: [Habit; 6] = [
    Habit::Decodes,
    Habit::TakesBackslashes,
    Habit::DropsParameters,
    Habit::CutsAtQuery,
    Habit::ResolvesDots,
    Habit::JoinsSlashes,
];

fn served(path: &str, habits: &[Habit]) -> String {
    habits.iter().fold(path.to_owned(), |path, habit| match habit {
        Habit::Decodes => {
            let mut pieces = path.split('%');
            let mut read = pieces.next().unwrap_or_default().to_owned();
            for piece in pieces {
                let digits = piece.get(..2).unwrap_or_default();
                if let Ok(byte) = u8::from_str_radix(digits, 16) {
                    read.push(char::from(byte));
                    read.push_str(&piece[2..]);
                } else {
                    read.push('%');
                    read.push_str(piece);
                }
            }
            read
        }
        Habit::TakesBackslashes => path.replace('\\', "/"),
        Habit::DropsParameters => {
            let mut is_parameter = false;
            path.chars()
                .filter(|&one| {
                    is_parameter = one == ';' || (is_parameter && one != '/');
                    !is_parameter
                })
                .collect()
        }
        Habit::CutsAtQuery => path[..path.find('?').unwrap_or(path.len())].to_owned(),
        Habit::ResolvesDots => {
            let mut kept: Vec<&str> = Vec::new();
            for segment in path.split('/').skip(1) {
                match segment {
                    "." => {}
                    ".." => drop(kept.pop()),
                    segment => kept.push(segment),
                }
            }
            format!("/{}", kept.join("/"))
        }
        Habit::JoinsSlashes => {
            let mut path = path;
            while path.contains("//") {
                path = path.replace("//", "/");
            }
            path
        }
    })
}

fn paths() -> impl Strategy<Value = String> {
    let pieces = [
        "/", "/", "/", "api", "v2", "x", "ap", "i", ".", "..", "%2e", "%2E", "%2f", "%5c", "%252e", "%61",
        ";", ";v", "%3b", "\\", "%3f", "%20",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..9)
        .prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_request_reaches_an_upstream_that_its_path_as_the_server_reads_it_would_not(
        path in paths(),
        habits in proptest::collection::vec(proptest::sample::select(HABITS.to_vec()), 0..6),
    ) {
        let table = table(&["/api", "/api/v2", "/x/api"]);
        if let Ok(found) = table.pick(b"h", path.as_bytes()) {
            let served = served(&path, &habits);
            let there = table.find(b"h", served.as_bytes());
            prop_assert_eq!(found.map(|(_, to)| *to), there, "{} is read as {}", path, served);
        }
    }

    #[test]
    fn no_server_behind_a_stripped_prefix_reads_another_host(
        path in paths(),
        habits in proptest::collection::vec(proptest::sample::select(HABITS.to_vec()), 0..6),
    ) {
        let table = table(&["/api;strip", "/api/v2"]);
        let whole = format!("/api{path}");
        if let Ok(Some((route, _))) = table.pick(b"h", whole.as_bytes()) && route.strips() {
            let served = served(&whole[route.prefix().len()..], &habits);
            prop_assert!(!served.starts_with("//"), "{} is read as {}", whole, served);
        }
    }

    #[test]
    fn a_plain_path_is_never_refused(segments in proptest::collection::vec("[a-z0-9_~-]{1,6}", 0..6)) {
        let path = format!("/{}", segments.join("/"));
        prop_assert!(table(&["/api", "/api/v2", "/a/b"]).pick(b"h", path.as_bytes()).is_ok());
    }
}
