//! Asks a member's admin port for `/readyz` until it says yes.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{interval, timeout},
};

/// Between two questions, and the longest wait for an answer.
const PACE: Duration = Duration::from_millis(100);

/// Waits until `/readyz` at this address answers 200; forever where there is no address.
pub(crate) async fn wait(admin: Option<SocketAddr>) {
    let Some(admin) = admin else { return std::future::pending().await };
    let mut pace = interval(PACE);
    loop {
        pace.tick().await;
        if let Ok(Ok(true)) = timeout(PACE, is_ready(admin)).await {
            return;
        }
    }
}

async fn is_ready(admin: SocketAddr) -> io::Result<bool> {
    const YES: &[u8] = b"HTTP/1.1 200 ";
    let mut stream = TcpStream::connect(admin).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = [0; YES.len()];
    stream.read_exact(&mut answer).await?;
    Ok(answer == YES)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn only_a_200_ends_the_wait() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let waits = tokio::spawn(wait(Some(listener.local_addr().unwrap())));
        for answer in ["", "HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"] {
            assert!(!waits.is_finished(), "before {answer:?}");
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        waits.await.unwrap();
    }
}
