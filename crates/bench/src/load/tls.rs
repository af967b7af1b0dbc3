//! The load over TLS: a process of its own, this program called otherwise, with one version, one cipher suite and one group of
//! keys, so that all do the same work.

use std::{
    env,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream as Blocking},
    path::Path,
    process::{Child, Stdio},
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned,
    client::Resumption,
    crypto::aws_lc_rs::{self, cipher_suite::TLS13_AES_128_GCM_SHA256, kx_group::X25519},
};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::{Builder, LocalOptions},
    task::JoinSet,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::finish;
use crate::{Result, process::pinned, stage::Stage};

/// What has this program be the load.
pub(crate) const CALLED: &str = "tls-load";

/// Before the number that counts.
const MARK: &str = "counted";

/// What is said when all connections are there.
const HELD: &str = "held";

/// The longest a step may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// As much is read at once, bytes.
const ROOM: usize = 256 * 1024;

/// What connections are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One request after the other on each.
    Kept,
    /// A whole handshake on each, and no request.
    Whole,
    /// A handshake that goes on from the one before, and no request.
    Resumed,
    /// One request, and then nothing, until the input ends.
    Held,
}

impl Mode {
    const ALL: [(Self, &str); 4] =
        [(Self::Kept, "kept"), (Self::Whole, "whole"), (Self::Resumed, "resumed"), (Self::Held, "held")];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(mode, _)| *mode == self).map_or("", |(_, name)| name)
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found.map(|(mode, _)| *mode).ok_or_else(|| format!("{text} is no kind of load over TLS"))
    }
}

/// What is to be done, over so many connections at a time.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) address: SocketAddr,
    pub(crate) mode: Mode,
    pub(crate) path: String,
    pub(crate) at_once: usize,
}

impl Job {
    fn command(&self, stage: &Stage, length: Duration) -> Result<std::process::Command> {
        let mut command = pinned(&stage.cores.load.to_string(), &env::current_exe()?);
        command
            .args([
                CALLED,
                &self.address.to_string(),
                self.mode.name(),
                &self.path,
                &self.at_once.to_string(),
            ])
            .arg(length.as_millis().to_string())
            .arg(&stage.identity.certificate);
        Ok(command)
    }

    /// Does it for so long: how many requests were answered, or how many hands shaken. Anything that goes wrong is an error.
    pub(crate) fn run(&self, stage: &Stage, length: Duration) -> Result<u64> {
        let said = finish(&mut self.command(stage, length)?)?;
        let counted = said.lines().find_map(|line| line.strip_prefix(MARK)?.trim().parse().ok());
        counted.filter(|&count| count > 0).ok_or_else(|| "the load over TLS has counted nothing".into())
    }

    /// Has the connections stay until what this returns is dropped.
    pub(crate) fn hold(&self, stage: &Stage) -> Result<Holding> {
        let mut command = self.command(stage, PATIENCE)?;
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut said = child.stdout.take().ok_or("the load says nothing")?;
        let holding = Holding(child);
        let mut line = vec![0; HELD.len()];
        said.read_exact(&mut line)
            .map_err(|error| format!("the load over TLS holds no connections: {error}"))?;
        Ok(holding)
    }
}

/// Connections that are there until it is dropped.
pub(crate) struct Holding(Child);

impl Drop for Holding {
    fn drop(&mut self) {
        // With its input it ends by itself.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Asks once: how long the answer's body is, which has to be a 200.
pub(crate) fn once(address: SocketAddr, certificate: &Path, path: &str) -> Result<usize> {
    let socket = Blocking::connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let configuration = configuration(certificate, false)?;
    let mut stream =
        StreamOwned::new(ClientConnection::new(configuration, ServerName::from(address.ip()))?, socket);
    stream.write_all(
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error.into()),
        _ => {}
    }
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n").ok_or("an answer without a head")?;
    if !answer.starts_with(b"HTTP/1.1 200 ") {
        return Err(format!("it answers {path} with something else than 200").into());
    }
    Ok(answer.len() - head - 4)
}

fn configuration(certificate: &Path, resumes: bool) -> Result<Arc<ClientConfig>> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = vec![TLS13_AES_128_GCM_SHA256];
    provider.kx_groups = vec![X25519];
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate)?)?;
    let mut configuration = ClientConfig::builder_with_provider(provider.into())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    if !resumes {
        configuration.resumption = Resumption::disabled();
    }
    Ok(Arc::new(configuration))
}

/// Is the load, as its arguments say.
pub(crate) fn play(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let mut next = || arguments.next().ok_or("an argument is missing");
    let (address, mode, path) = (next()?.parse()?, next()?.parse()?, next()?);
    let (at_once, length) = (next()?.parse()?, Duration::from_millis(next()?.parse()?));
    let configuration = configuration(next()?.as_ref(), mode == Mode::Resumed)?;
    let load = Arc::new(Load {
        address,
        mode,
        path,
        connector: configuration.into(),
        ends: Instant::now() + length,
    });
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        if mode == Mode::Held {
            return load.hold(at_once).await;
        }
        let mut clients = JoinSet::new();
        for _ in 0..at_once {
            clients.spawn_local(Arc::clone(&load).client());
        }
        let mut count = 0;
        while let Some(done) = clients.join_next().await {
            count += done??;
        }
        Ok(writeln!(io::stdout(), "{MARK} {count}")?)
    })
}

/// What all connections of a load share.
struct Load {
    address: SocketAddr,
    mode: Mode,
    path: String,
    connector: TlsConnector,
    ends: Instant,
}

impl Load {
    /// One client after another until the time is over, or one that stays so long.
    async fn client(self: Arc<Self>) -> Result<u64> {
        let mut count = 0;
        let mut buffer = vec![0; ROOM];
        if self.mode == Mode::Kept {
            let mut stream = self.open().await?;
            while Instant::now() < self.ends {
                self.ask(&mut stream, &mut buffer).await?;
                count += 1;
            }
            return Ok(count);
        }
        let mut first = self.mode == Mode::Resumed;
        while Instant::now() < self.ends {
            let mut stream = self.open().await?;
            let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
            if resumed != (self.mode == Mode::Resumed) && !first {
                return Err(format!("a handshake was {}", if resumed { "resumed" } else { "whole" }).into());
            }
            // A parting word, and all that comes until the other side is gone: its tickets, and that it took note of the end of the
            // handshake.
            stream.get_mut().1.send_close_notify();
            stream.flush().await?;
            while matches!(stream.read(&mut buffer).await, Ok(count) if count > 0) {}
            count += u64::from(!first);
            first = false;
        }
        Ok(count)
    }

    async fn hold(&self, at_once: usize) -> Result<()> {
        let mut held = Vec::new();
        let mut buffer = vec![0; ROOM];
        for _ in 0..at_once {
            let mut stream = self.open().await?;
            self.ask(&mut stream, &mut buffer).await?;
            held.push(stream);
        }
        io::stdout().write_all(HELD.as_bytes())?;
        io::stdout().flush()?;
        io::stdin().read_to_end(&mut buffer)?;
        Ok(())
    }

    async fn open(&self) -> Result<TlsStream<TcpStream>> {
        let opening = async {
            let socket = TcpStream::connect(self.address).await?;
            socket.set_nodelay(true)?;
            // Otherwise the ports of this machine are used up by connections that have ended.
            socket.set_zero_linger()?;
            self.connector.connect(ServerName::from(self.address.ip()), socket).await
        };
        Ok(tokio::time::timeout(PATIENCE, opening).await??)
    }

    async fn ask(&self, stream: &mut TlsStream<TcpStream>, buffer: &mut [u8]) -> Result<()> {
        let head = format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", self.path, self.address);
        stream.write_all(head.as_bytes()).await?;
        let mut read = 0;
        let mut left = loop {
            match stream.read(&mut buffer[read..]).await? {
                0 => return Err("the connection ended before an answer".into()),
                count => read += count,
            }
            if let Some(length) = whole_length(&buffer[..read])? {
                break length.checked_sub(read).ok_or("more came than an answer")?;
            }
        };
        while left > 0 {
            match stream.read(buffer).await? {
                0 => return Err("an answer was cut off".into()),
                count => left = left.checked_sub(count).ok_or("more came than an answer")?,
            }
        }
        Ok(())
    }
}

/// How long the answer is that begins so, head and body; `None` while the head is not there.
fn whole_length(bytes: &[u8]) -> Result<Option<usize>> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head) = answer.parse(bytes)? else { return Ok(None) };
    if answer.code != Some(200) {
        return Err(format!("an answer with {:?}", answer.code).into());
    }
    let length = answer.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let length: usize = std::str::from_utf8(length.ok_or("an answer without a length")?.value)?.parse()?;
    Ok(Some(head + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_as_long_as_its_head_says() {
        assert_eq!(whole_length(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe").unwrap(), Some(43));
        assert_eq!(whole_length(b"HTTP/1.1 200 OK\r\ncontent-le").unwrap(), None);
        for wrong in
            ["HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "no"]
        {
            assert!(whole_length(wrong.as_bytes()).is_err() || wrong == "no", "{wrong}");
        }
    }

    #[test]
    fn each_kind_of_load_is_called_by_its_name() {
        for (mode, name) in Mode::ALL {
            assert_eq!((name.parse(), mode.name()), (Ok(mode), name));
        }
        assert!("half".parse::<Mode>().is_err());
    }
}
