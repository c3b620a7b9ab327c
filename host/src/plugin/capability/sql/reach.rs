//! Getting through to a server, whichever it is: in time, encrypted as wanted, with an explanation if it does not work.

use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::stream::Stream;
use super::url::Host;
use crate::connector::{Failure, FailureKind};
use crate::error::codes;

/// For everything up to the first statement, per host.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no connection.
pub(super) enum Refusal {
    Io(std::io::Error),
    Tls(std::io::Error),
    NoTls,
    Failure(Failure),
}

impl Refusal {
    pub fn explain(self, origin: &str, host: &Host, port: u16) -> Failure {
        match self {
            Self::Failure(failure) => failure,
            Self::Io(error) => unreachable(origin, format!("`{host}:{port}` cannot be reached: {error}")),
            Self::Tls(error) => {
                unreachable(origin, format!("a TLS connection to `{host}:{port}` cannot be made: {error}"))
            }
            Self::NoTls => Failure::new(
                FailureKind::Config,
                &codes::SQL_CONNECT,
                origin,
                format!("the server at `{host}:{port}` does not offer TLS"),
            )
            .with("hint", "turn TLS on in the server, or write `sslmode=disable` into the database URL"),
        }
    }
}

pub(super) fn unreachable(origin: &str, text: String) -> Failure {
    Failure::new(FailureKind::Transient, &codes::SQL_CONNECT, origin, text)
}

/// Does what an attempt does, or says that it takes too long.
pub(super) async fn in_time<T>(
    origin: &str,
    host: &Host,
    port: u16,
    attempt: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    tokio::time::timeout(CONNECT_TIMEOUT, attempt).await.unwrap_or_else(|_| {
        let text = format!("`{host}:{port}` does not answer within {} s", CONNECT_TIMEOUT.as_secs());
        Err(Refusal::Failure(unreachable(origin, text)))
    })
}

pub(super) async fn open_tcp(name: &str, port: u16) -> Result<TcpStream, Refusal> {
    let stream = TcpStream::connect((name, port)).await.map_err(Refusal::Io)?;
    stream.set_nodelay(true).map_err(Refusal::Io)?;
    Ok(stream)
}

#[cfg(unix)]
pub(super) async fn open_socket(path: &std::path::Path) -> Result<Stream, Refusal> {
    tokio::net::UnixStream::connect(path).await.map(Stream::Unix).map_err(Refusal::Io)
}

#[cfg(not(unix))]
pub(super) async fn open_socket(_path: &std::path::Path) -> Result<Stream, Refusal> {
    Err(Refusal::Io(std::io::Error::other("Unix sockets are not available here")))
}

/// Speaks TLS over a connection to the host of this name.
pub(super) async fn encrypt(
    connector: &TlsConnector,
    stream: TcpStream,
    name: &str,
) -> std::io::Result<TlsStream<Stream>> {
    let name = ServerName::try_from(name.to_owned()).map_err(std::io::Error::other)?;
    connector.connect(name, Stream::Tcp(stream)).await
}
