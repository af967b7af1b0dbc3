//! Applications of other people's making, as one site behind one balancer.

use std::{io::Write as _, net::TcpStream};

use evenkeel_stage::{Compose, Connection, Lines, until};

/// An event stream, of which each line can be waited for.
fn events(compose: &Compose, host: &str) -> Lines {
    let mut stream = TcpStream::connect(compose.balancer()).expect("the balancer listens");
    write!(stream, "GET /events HTTP/1.1\r\nHost: {host}\r\n\r\n").expect("it can be asked");
    Lines::of(stream)
}

#[test]
fn pages_an_api_and_an_event_stream_are_one_site_and_one_that_is_down_leaves_the_others_alone() {
    let compose = Compose::of(&["docker-compose.apps.yml"]);
    compose.run(&["up", "--detach", "--build", "--wait"]);
    let mut client = Connection::open(compose.balancer()).unwrap();
    // It is ready with the first of the three.
    let ready =
        |path| Connection::open(compose.balancer()).ok()?.get(path, &[]).ok().filter(|got| got.status == 200);
    until("the API answers", || ready("/api/notes"));

    let page = until("the pages are there", || ready("/"));
    assert!(page.field("server").is_some_and(|server| server.starts_with("nginx/")), "{page:?}");
    assert!(String::from_utf8(page.body).unwrap().contains("Several apps behind one balancer"));

    let note = br#"{"text":"to be bought"}"#;
    let written =
        client.request("POST", "/api/notes", &[("Content-Type", "application/json")], note).unwrap();
    assert_eq!((written.status, written.field("server")), (201, Some("gunicorn")));
    // The API, which knows no /api, names the address under which its client finds the note.
    let location = format!("http://{}/api/notes/1", compose.balancer());
    assert_eq!(written.field("location"), Some(location.as_str()));
    let read = client.get("/api/notes/1", &[]).unwrap();
    assert_eq!(String::from_utf8(read.body).unwrap().trim_end(), r#"{"text":"to be bought"}"#);

    let mut streams = ["shop.example", "events.localhost"].map(|host| events(&compose, host));
    for stream in &mut streams {
        stream.wait_for("content-type: text/event-stream");
        // Each event when it happens: the second is there while the stream goes on.
        stream.wait_for("data: 0");
        stream.wait_for("data: 1");
    }

    compose.run(&["stop", "api"]);
    let down = client.get("/api/notes", &[]).unwrap();
    assert_eq!((down.status, down.field("server")), (503, None));
    assert_eq!(client.get("/", &[]).unwrap().status, 200);
    for stream in &mut streams {
        let next = stream.wait_for("data: ");
        let after: u32 = next.trim_start_matches("data: ").parse().unwrap();
        stream.wait_for(&format!("data: {}", after + 1));
    }
}
