//! The server at the end: it keeps every byte that comes, and answers each whole request with the request's own target.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use crate::{
    Result,
    message::{Reading, Side, read},
    vectors,
};

/// What came on one connection.
type Piece = (usize, Vec<u8>);

/// A listening recorder. It ends with the process.
#[derive(Debug)]
pub(crate) struct Recorder {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Piece>>>,
}

impl Recorder {
    /// Listens on an address of its own.
    pub(crate) fn listen() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let recorder = Self { address: listener.local_addr()?, heard: Arc::default() };
        let heard = Arc::clone(&recorder.heard);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().map_while(std::result::Result::ok).enumerate() {
                let heard = Arc::clone(&heard);
                // A connection that ends is the front's affair; what it brought is kept.
                thread::spawn(move || serve(stream, number, &heard));
            }
        });
        Ok(recorder)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What came since this was last asked, for each connection that brought something.
    pub(crate) fn take(&self) -> Vec<Vec<u8>> {
        let mut connections: Vec<Piece> = Vec::new();
        for (number, piece) in self.heard.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            match connections.iter_mut().find(|(known, _)| *known == number) {
                Some((_, bytes)) => bytes.extend(piece),
                None => connections.push((number, piece)),
            }
        }
        connections.into_iter().map(|(_, bytes)| bytes).collect()
    }
}

/// Reads to the end of the connection. What is ambiguous is answered once, and is the last.
fn serve(mut stream: TcpStream, number: usize, heard: &Mutex<Vec<Piece>>) -> Result<()> {
    let mut unread = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        unread.extend_from_slice(&piece[..count]);
        heard.lock().unwrap_or_else(PoisonError::into_inner).push((number, piece[..count].to_vec()));
        loop {
            match read(&unread, Side::Request) {
                Reading::Whole(message) => {
                    stream.write_all(&answer(message.target()))?;
                    unread.drain(..message.length);
                }
                Reading::Unfinished => break,
                Reading::Ambiguous(_) => return Ok(stream.write_all(&answer("ambiguous"))?),
            }
        }
    }
}

/// The response that a vector wants to its target, or an ordinary one that repeats the target.
fn answer(target: &str) -> Vec<u8> {
    vectors::response_to(target).map_or_else(
        || format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}", target.len()).into_bytes(),
        <[u8]>::to_vec,
    )
}
