//! A server that does on purpose what no server of ours does: it refuses a body early and does not read it, it announces more
//! than it sends, or it sends much that costs it nothing, so that not the servers are what an attack wears out. To everything
//! else it answers a few bytes.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use crate::Result;

/// Answered with a 503 before the body has come, of which not a byte is read.
pub(crate) const EARLY: &str = "/early";

/// Answered with a head that promises as much as the balancer holds, and one byte of it.
pub(crate) const ANNOUNCED: &str = "/announced";

/// Answered with 4 MiB.
pub(crate) const LARGE: &str = "/large";

/// How long that is, in pieces of 64 KiB.
const PIECES: usize = 64;

/// The balancer's `HOLD`, in bytes.
const HELD: usize = 64 << 10;

/// A listening one. It lives until this process ends; what it keeps open is closed when this is dropped.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    kept: Kept,
}

/// Connections that are neither read nor closed.
type Kept = Arc<Mutex<Vec<TcpStream>>>;

impl Peer {
    /// Listens at an address of this machine.
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let kept = Kept::default();
        let keeping = kept.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = keeping.clone();
                // A connection that fails ends alone.
                thread::spawn(move || serve(stream, &kept));
            }
        });
        Ok(Self { address, kept })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn serve(stream: TcpStream, kept: &Kept) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    while let Some(target) = head(&mut reader)? {
        let odd = match target.as_str() {
            EARLY => Some("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nno\n".to_owned()),
            ANNOUNCED => Some(format!("HTTP/1.1 200 OK\r\nContent-Length: {HELD}\r\n\r\nx")),
            _ => None,
        };
        if let Some(answer) = odd {
            writer.write_all(answer.as_bytes())?;
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(writer);
            return Ok(());
        }
        if target == LARGE {
            let piece = vec![0; 64 << 10];
            let length = PIECES * piece.len();
            writer.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes())?;
            for _ in 0..PIECES {
                writer.write_all(&piece)?;
            }
            continue;
        }
        writer.write_all(b"HTTP/1.1 200 OK\r\nX-Server: peer\r\nContent-Length: 3\r\n\r\nok\n")?;
    }
    Ok(())
}

/// The target of the next request, which has no body as far as this server cares; `None` at the end.
fn head(reader: &mut impl BufRead) -> std::io::Result<Option<String>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    while line.trim_end() != "" {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(target))
}
