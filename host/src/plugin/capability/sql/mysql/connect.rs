//! From an address to a session: socket, TLS, authentication, settings.

mod handshake;

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use super::address::Address;
use super::wire::{Server, Wire, command};
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::capability::sql::reach::{self, Refusal};
use crate::plugin::capability::sql::stream::Stream;
use crate::plugin::capability::sql::url::{Host, TlsMode, is_local};
use crate::plugin::capability::sql::{DatabasePlace, pool, tls};
use handshake::{Greeting, Handshake};

/// For a request to stop a statement, which is best effort.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);
/// A greeting has a version, a scramble and some flags.
const GREETING_BYTES_MAX: usize = 64 * 1024;

/// What every session begins with. `NO_AUTO_VALUE_ON_ZERO`: a zero that is written stays a zero. The time the server waits for
/// somebody who reads slowly is longer than its own minute. Messages are English, because rows are counted in them.
const SETTINGS: &str = "SET NAMES utf8mb4, SESSION sql_mode = 'STRICT_ALL_TABLES,STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,\
    ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO', SESSION time_zone = '+00:00', \
    SESSION autocommit = 1, SESSION sql_auto_is_null = 0, SESSION sql_safe_updates = 0, SESSION net_write_timeout = 3600, \
    SESSION group_concat_max_len = 1048576, SESSION lc_messages = 'en_US'";
const ABOUT: &str = "SELECT VERSION(), @@max_allowed_packet";

/// Knows the way to a database.
pub(super) struct Connector {
    pub origin: std::sync::Arc<str>,
    address: Address,
    tls: TlsConnector,
}

impl Connector {
    pub fn new(url: &str, origin: &str) -> Result<Self, Failure> {
        let address = Address::parse(url, origin)?;
        let tls = tls::connector(address.tls, address.authority.as_deref())
            .map_err(|reason| Failure::new(FailureKind::Config, &codes::PROJECT_VALUE, origin, reason))?;
        Ok(Self { origin: origin.into(), address, tls })
    }

    pub fn password(&self) -> Option<String> {
        self.address.password.clone()
    }

    pub fn place(&self) -> DatabasePlace {
        DatabasePlace::server("mysql", &self.address.hosts, &self.address.database)
    }

    async fn connect_to(&self, host: &Host, port: u16) -> Result<Wire, Failure> {
        let first = reach::in_time(&self.origin, host, port, self.connect_with(host, port, self.address.tls)).await;
        match first {
            // The server may speak TLS in a way we do not: `prefer` means that encryption is not worth a failure.
            Err(Refusal::Tls(_)) if self.address.tls == TlsMode::Prefer => {
                reach::in_time(&self.origin, host, port, self.connect_with(host, port, TlsMode::Disable)).await
            }
            other => other,
        }
        .map_err(|refusal| refusal.explain(&self.origin, host, port))
    }

    async fn connect_with(&self, host: &Host, port: u16, mode: TlsMode) -> Result<Wire, Refusal> {
        let (mut wire, greeting) = self.greet(host, port, mode).await?;
        let handshake = Handshake { address: &self.address, origin: &self.origin, is_local: is_local(host) };
        handshake.run(&mut wire, &greeting).await.map_err(Refusal::Failure)?;
        wire.thread = greeting.thread;
        settle_in(&mut wire).await.map_err(Refusal::Failure)?;
        Ok(wire)
    }

    /// The connection, encrypted as wanted, with what the server said first.
    async fn greet(&self, host: &Host, port: u16, mode: TlsMode) -> Result<(Wire, Greeting), Refusal> {
        let (mut stream, name) = match host {
            Host::Path(path) => {
                let mut stream = reach::open_socket(path).await?;
                let greeting = self.read_greeting(&mut stream).await?;
                return Ok((Wire::new(stream, self.origin.clone(), 1), greeting));
            }
            Host::Name(name) => (reach::open_tcp(name, port).await?, name),
        };
        let greeting = self.read_greeting(&mut stream).await?;
        if mode == TlsMode::Disable || mode == TlsMode::Prefer && !greeting.offers_tls() {
            return Ok((Wire::new(Stream::Tcp(stream), self.origin.clone(), 1), greeting));
        }
        if !greeting.offers_tls() {
            return Err(Refusal::NoTls);
        }
        stream.write_all(&handshake::tls_request(&self.address)).await.map_err(Refusal::Io)?;
        let stream = reach::encrypt(&self.tls, stream, name).await.map_err(Refusal::Tls)?;
        Ok((Wire::new(Stream::Tls(Box::new(stream)), self.origin.clone(), 2), greeting))
    }

    /// The first packet, read byte for byte: what follows it may have to be encrypted.
    async fn read_greeting(&self, stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Result<Greeting, Refusal> {
        let mut header = [0; 4];
        stream.read_exact(&mut header).await.map_err(Refusal::Io)?;
        let [a, b, c, _] = header;
        let length = u32::from_le_bytes([a, b, c, 0]) as usize;
        let mut body = vec![0; length.min(GREETING_BYTES_MAX)];
        stream.read_exact(&mut body).await.map_err(Refusal::Io)?;
        Greeting::read(&body, &self.origin).map_err(Refusal::Failure)
    }

    /// Has the server stop what the connection of this number does.
    async fn stop_statement(&self, thread: u32) {
        let attempt = async {
            let mut wire = pool::Connector::connect(self).await?;
            wire.run(&format!("KILL QUERY {thread}"), None).await
        };
        let _ = tokio::time::timeout(CANCEL_TIMEOUT, attempt).await;
    }
}

/// Makes a connection a session as all are.
async fn settle_in(wire: &mut Wire) -> Result<(), Failure> {
    wire.run(SETTINGS, None).await?;
    if wire.server == Server::default() {
        let rows = wire.fetch_text(ABOUT).await?;
        let value = |place: usize| rows.first().and_then(|row| row.get(place)?.as_deref()).unwrap_or_default();
        wire.server = Server::new(value(0), value(1).parse().unwrap_or(PACKET_BYTES_DEFAULT));
    }
    Ok(())
}

/// What the oldest servers begin with.
const PACKET_BYTES_DEFAULT: usize = 1 << 20;

impl pool::Connector for Connector {
    type Wire = Wire;

    fn origin(&self) -> &str {
        &self.origin
    }

    /// Tries each host in turn; fails with what the last one said.
    async fn connect(&self) -> Result<Wire, Failure> {
        let mut last = None;
        for (host, port) in &self.address.hosts {
            match self.connect_to(host, *port).await {
                Ok(wire) => return Ok(wire),
                // A wrong password is wrong everywhere.
                Err(failure) if failure.kind == FailureKind::Auth => return Err(failure),
                Err(failure) => last = Some(failure),
            }
        }
        Err(last.unwrap_or_else(|| reach::unreachable(&self.origin, "the database URL names no host".into())))
    }

    async fn reset(&self, wire: &mut Wire) -> Result<(), Failure> {
        wire.start_over().await?;
        settle_in(wire).await
    }

    async fn cancel(&self, wire: &mut Wire) -> Result<(), Failure> {
        self.stop_statement(wire.thread).await;
        pool::Wire::settle(wire).await?;
        // The signal may reach the server late: it must not hit the next statement.
        wire.send(command::PING, &[]);
        pool::Wire::settle(wire).await
    }
}
