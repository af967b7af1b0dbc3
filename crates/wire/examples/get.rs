//! One request, each phase a call of its own: `cargo run -p evenkeel-wire --example get -- 127.0.0.1:8080 /whoami`

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_message::Method;
use evenkeel_wire::ClientConnection;

const PATIENCE: Duration = Duration::from_secs(3);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address: SocketAddr = arguments.next().ok_or("which address? such as 127.0.0.1:8080")?.parse()?;
    let path = arguments.next().unwrap_or_else(|| "/".into());

    let mut connection = ClientConnection::connect(address, PATIENCE).await?;
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    connection.send(Method::Get, head.as_bytes(), b"").await?;
    let status = connection.response().await?.status();
    println!(
        "{status}, from {}",
        connection.field("x-server").map_or("somebody".into(), String::from_utf8_lossy)
    );

    // A body that ends before its length is an error here, and never passes for a short one.
    let mut length = 0;
    while let Some(piece) = connection.piece().await? {
        length += piece.len();
    }
    println!("{length} bytes; the connection may be used again: {}", connection.reusable());
    Ok(())
}
