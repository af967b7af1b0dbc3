//! The `healthcheck` subcommand: a container without a shell or curl asks its own admin port for `/readyz`.

use std::{
    ffi::OsString,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use crate::{Component, Reading, environment::Unknown, reading::Purpose};

/// How long a connection and each read or write may take. Docker's own default for a check is 30 s.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks the component that these settings describe whether it is ready.
pub(crate) fn run(
    component: &Component,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(), String> {
    let Some(name) = component.health else {
        return Err("has no address to ask; healthcheck is for the server and the balancer".to_owned());
    };
    // Only this one variable matters: the others are the running process's business. The process ends after this, so
    // the leak is bounded.
    let only: Vec<_> = component.variables.iter().filter(|variable| variable.name == name).copied().collect();
    let narrow = Component { variables: only.leak(), ..*component };
    let bound: SocketAddr =
        Reading::with(&narrow, variables, Unknown::Ignored, Purpose::Run, |reading| reading.value(name))
            .map_err(|problems| problems.to_string())?;
    ready(reachable(bound))
}

/// Where a process on the same machine reaches what is bound to `bound`.
pub fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}

fn ready(address: SocketAddr) -> Result<(), String> {
    let status = ask(address).map_err(|error| format!("http://{address}/readyz does not answer: {error}"))?;
    if status.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(format!("not ready: {}", status.trim_end())) }
}

/// The status line of `/readyz`.
fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    // The status line is in the first piece or two; a readiness answer never comes near this.
    stream.take(4096).read_to_end(&mut head)?;
    Ok(String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;
    use crate::Variable;

    const COMPONENT: Component = Component {
        name: "demo",
        about: "",
        prefix: "DEMO_",
        variables: &[
            Variable::new("ADMIN_BIND", "0.0.0.0:9090", ""),
            Variable::required("TARGET", "not needed for a healthcheck"),
        ],
        health: Some("ADMIN_BIND"),
    };

    fn against(answer: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 1024];
            let read = stream.read(&mut asked).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            asked[..read].to_vec()
        });
        let result = run(&COMPONENT, [("DEMO_ADMIN_BIND".into(), format!("0.0.0.0:{port}").into())]);
        assert!(server.join().unwrap().starts_with(b"GET /readyz HTTP/1.1\r\n"));
        result
    }

    #[test]
    fn a_200_is_ready_and_anything_else_is_not() {
        assert_eq!(against("HTTP/1.1 200 OK\r\n\r\n"), Ok(()));
        let error = against("HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap_err();
        assert_eq!(error, "not ready: HTTP/1.1 503 Service Unavailable");
        assert_eq!(against("").unwrap_err(), "not ready: ");
    }

    #[test]
    fn a_port_nobody_listens_on_is_an_error_that_names_it() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let error = run(&COMPONENT, [("DEMO_ADMIN_BIND".into(), address.clone().into())]).unwrap_err();
        assert!(error.starts_with(&format!("http://{address}/readyz does not answer: ")), "{error}");
    }
}
