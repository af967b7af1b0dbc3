//! What somebody who may not change anything can do through the admin port: nothing that clients notice.

use evenkeel_service::admin::CONNECTIONS;

use crate::{process::Server, wire::Connection};

#[test]
fn requests_that_are_never_finished_keep_nobody_out() {
    let server = Server::start(&[("SERVER_WORKERS", "1")]);
    let beginnings = ["", "PUT /fau", "PUT /faults HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhang"];
    let _flood: Vec<_> = beginnings
        .iter()
        .cycle()
        .take(6 * CONNECTIONS)
        .map(|beginning| {
            let connection = Connection::open(server.admin);
            // One that had to give way already is as good.
            let _ = std::io::Write::write_all(&mut connection.sender(), beginning.as_bytes());
            connection
        })
        .collect();
    // At once: in a few seconds the deadlines would have closed them as well.
    assert!(server.descriptors() < 2 * CONNECTIONS, "{}", server.descriptors());
    for _ in 0..5 {
        let ready = Connection::open(server.admin).ask("GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!((ready.status, server.get("/", "").status), (200, 200));
    }
}

#[test]
fn a_page_of_another_site_gets_nothing_and_is_not_waited_for() {
    let server = Server::start(&[]);
    for target in ["GET /metrics", "GET /livez", "PUT /faults", "DELETE /faults"] {
        // The body never comes.
        let answer = Connection::open(server.admin).ask(&format!(
            "{target} HTTP/1.1\r\nhost: a\r\nsec-fetch-site: cross-site\r\ncontent-length: 4\r\n\r\n"
        ));
        assert_eq!(answer.status, 403, "{target}");
    }
    let own = Connection::open(server.admin)
        .ask("GET /metrics HTTP/1.1\r\nhost: a\r\nsec-fetch-site: same-origin\r\n\r\n");
    assert_eq!(own.status, 200);
}
