//! The least that a proxy on this runtime can be: for each client one connection to a server, heads looked at and passed on
//! byte for byte. It balances nothing, frames no body, notices no failure. `scripts/bench` measures the balancer against it,
//! so that one sees what is the kernel's part and what is its own.
//!
//! `bare ADDRESS SERVER…` answers on the address until it is ended.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::{env, io};

use httparse::{EMPTY_HEADER, Request, Response, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};

/// Room for a head and a small body; what is larger is not passed on.
const ROOM: usize = 16 * 1024;
const FIELDS: usize = 64;

fn main() -> ExitCode {
    let addresses: Result<Vec<SocketAddr>, _> =
        env::args().skip(1).map(|argument| argument.parse()).collect();
    let done = match addresses.as_deref() {
        Ok([address, servers @ ..]) if !servers.is_empty() => serve(*address, servers),
        _ => Err(io::Error::other("usage: bare ADDRESS SERVER…, each as 127.0.0.1:8080")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "bare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(address: SocketAddr, servers: &[SocketAddr]) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        for server in servers.iter().copied().cycle() {
            let (client, _) = listener.accept().await?;
            // A client that goes away, or sends what is more than one small message at a time, is let go.
            tokio::task::spawn_local(async move { drop(pass(client, server).await) });
        }
        Ok(())
    })
}

async fn pass(mut client: TcpStream, server: SocketAddr) -> io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let mut bytes = vec![0; ROOM];
    loop {
        let asked = client.read(&mut bytes).await?;
        let parsed = Request::new(&mut [EMPTY_HEADER; FIELDS]).parse(&bytes[..asked]);
        if !matches!(parsed, Ok(Status::Complete(_))) {
            return Ok(());
        }
        server.write_all(&bytes[..asked]).await?;
        let answered = server.read(&mut bytes).await?;
        let parsed = Response::new(&mut [EMPTY_HEADER; FIELDS]).parse(&bytes[..answered]);
        if !matches!(parsed, Ok(Status::Complete(_))) {
            return Ok(());
        }
        client.write_all(&bytes[..answered]).await?;
    }
}
