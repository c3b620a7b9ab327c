//! From an address to a session: socket, TLS, authentication, settings.

use std::time::Duration;

use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use super::address::Address;
use super::messages;
use super::wire::{CancelKey, Status, Wire};
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::capability::sql::reach::{self, Refusal};
use crate::plugin::capability::sql::stream::Stream;
use crate::plugin::capability::sql::tls;
use crate::plugin::capability::sql::url::{Host, TlsMode, is_local};
use crate::plugin::capability::sql::{DatabasePlace, pool};

/// For a request to cancel, which is best effort.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// What every session begins with, and what `DISCARD ALL` goes back to.
const SETTINGS: &[(&str, &str)] = &[
    ("DateStyle", "ISO"),
    ("IntervalStyle", "postgres"),
    ("extra_float_digits", "1"),
    ("TimeZone", "UTC"),
    ("bytea_output", "hex"),
];

/// What the server calls bytes of no known encoding.
const UNKNOWN_ENCODING: &str = "SQL_ASCII";

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
        DatabasePlace::server("postgres", &self.address.hosts, &self.address.database)
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
        let wire = self.connect_in(host, port, mode, "UTF8").await?;
        // A database that does not know what its bytes mean would fail a whole result over one of them. As they are, they
        // can be looked at row by row.
        if wire.server_encoding == UNKNOWN_ENCODING {
            return self.connect_in(host, port, mode, UNKNOWN_ENCODING).await;
        }
        Ok(wire)
    }

    async fn connect_in(&self, host: &Host, port: u16, mode: TlsMode, encoding: &str) -> Result<Wire, Refusal> {
        let (stream, binding) = self.open_stream(host, port, mode).await?;
        let is_private = stream.is_private() || is_local(host);
        let mut wire = Wire::new(stream, self.origin.clone());
        self.start(&mut wire, encoding);
        Handshake { connector: self, wire: &mut wire, binding, scram: None, is_private }
            .run()
            .await
            .map_err(Refusal::Failure)?;
        Ok(wire)
    }

    fn start(&self, wire: &mut Wire, encoding: &str) {
        let name = format!("lockstep/{}", self.origin);
        let own = [
            ("user", self.address.user.as_str()),
            ("database", self.address.database.as_str()),
            ("application_name", name.as_str()),
            ("client_encoding", encoding),
        ];
        let options = self.address.options.iter().map(|options| ("options", options.as_str()));
        messages::startup(wire.out(), own.into_iter().chain(options).chain(SETTINGS.iter().copied()));
    }

    /// The connection, encrypted as wanted, with what binds a password to it.
    async fn open_stream(&self, host: &Host, port: u16, mode: TlsMode) -> Result<(Stream, Option<Vec<u8>>), Refusal> {
        let (mut stream, name) = match host {
            Host::Path(folder) => {
                return Ok((reach::open_socket(&folder.join(format!(".s.PGSQL.{port}"))).await?, None));
            }
            Host::Name(name) => (reach::open_tcp(name, port).await?, name),
        };
        if mode == TlsMode::Disable {
            return Ok((Stream::Tcp(stream), None));
        }
        let mut request = Vec::new();
        messages::tls_request(&mut request);
        stream.write_all(&request).await.map_err(Refusal::Io)?;
        match (stream.read_u8().await.map_err(Refusal::Io)?, mode) {
            (b'S', _) => {
                let stream = reach::encrypt(&self.tls, stream, name).await.map_err(Refusal::Tls)?;
                let binding = tls::channel_binding(&stream);
                Ok((Stream::Tls(Box::new(stream)), binding))
            }
            (_, TlsMode::Prefer) => Ok((Stream::Tcp(stream), None)),
            _ => Err(Refusal::NoTls),
        }
    }

    /// Asks the server to cancel what the session with this key does. Returns once the server has passed it on.
    async fn send_cancels(&self, key: CancelKey) {
        for (host, port) in &self.address.hosts {
            let attempt = self.send_cancel(host, *port, key);
            if matches!(tokio::time::timeout(CANCEL_TIMEOUT, attempt).await, Ok(Ok(()))) {
                return;
            }
        }
    }

    async fn send_cancel(&self, host: &Host, port: u16, key: CancelKey) -> Result<(), Refusal> {
        let (mut stream, _) = self.open_stream(host, port, self.address.tls).await?;
        let mut request = Vec::new();
        messages::cancel_request(&mut request, key);
        stream.write_all(&request).await.map_err(Refusal::Io)?;
        stream.flush().await.map_err(Refusal::Io)?;
        // The server closes the connection when the signal has been sent.
        let _ = stream.read(&mut [0]).await;
        Ok(())
    }
}

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
        if wire.status != Status::Idle {
            wire.send_query("ROLLBACK");
        }
        wire.send_query("DISCARD ALL");
        let mut failure = None;
        while wire.owed > 0 {
            match wire.arrive().await? {
                b'E' => failure = Some(wire.take_failure()),
                _ => wire.consume(),
            }
        }
        wire.broken |= wire.status != Status::Idle;
        failure.map_or(Ok(()), Err)
    }

    async fn cancel(&self, wire: &mut Wire) -> Result<(), Failure> {
        self.send_cancels(wire.cancel_key).await;
        wire.settle().await?;
        // The signal may reach the server late: it must not hit the next statement.
        wire.send_sync();
        wire.settle().await
    }
}

impl pool::Wire for Wire {
    fn is_broken(&self) -> bool {
        self.broken
    }

    fn give_up(&mut self) {
        self.broken = true;
    }

    /// Between sessions the server has nothing to say but a farewell, or notices that are not worth telling apart from one.
    fn is_alive(&self) -> bool {
        Wire::is_alive(self)
    }

    async fn settle(&mut self) -> Result<(), Failure> {
        Wire::settle(self).await
    }

    fn settle_now(&mut self) -> bool {
        Wire::settle_now(self)
    }
}

/// The talk between the first message and the first `ReadyForQuery`.
struct Handshake<'a> {
    connector: &'a Connector,
    wire: &'a mut Wire,
    binding: Option<Vec<u8>>,
    scram: Option<ScramSha256>,
    /// Whether a password may go over this connection as it is.
    is_private: bool,
}

impl Handshake<'_> {
    async fn run(mut self) -> Result<(), Failure> {
        self.wire.owed = 1;
        loop {
            match self.wire.arrive().await? {
                b'R' => self.authenticate()?,
                b'K' => self.keep_key(),
                b'Z' => {
                    self.wire.consume();
                    return Ok(());
                }
                b'E' => return Err(self.refused()),
                _ => {}
            }
            self.wire.consume();
        }
    }

    fn authenticate(&mut self) -> Result<(), Failure> {
        let body = self.wire.body();
        let (kind, data) =
            body.split_first_chunk::<4>().map_or((u32::MAX, body), |(kind, data)| (u32::from_be_bytes(*kind), data));
        let data = data.to_vec();
        match kind {
            // A server that breaks off the exchange has not proved who it is.
            0 if self.scram.is_some() => Err(self.auth("the server did not finish the authentication")),
            0 => Ok(()),
            3 => self.answer_clear(),
            5 => self.answer_md5(&data),
            10 => self.begin_scram(&data),
            11 => self.go_on_scram(&data),
            12 => self.end_scram(&data),
            _ => {
                Err(self
                    .auth("the server wants a kind of authentication that is not supported (GSSAPI, SSPI or Kerberos)"))
            }
        }
    }

    fn password(&self) -> Result<&str, Failure> {
        let password = self.connector.address.password.as_deref();
        password.ok_or_else(|| self.auth("the server wants a password and the database URL has none"))
    }

    fn answer_clear(&mut self) -> Result<(), Failure> {
        if !self.is_private {
            return Err(self
                .auth("the server wants the password in clear text over a connection that is not encrypted")
                .with("hint", "write `sslmode=require` into the database URL"));
        }
        let password = self.password()?.as_bytes().to_vec();
        messages::password(self.wire.out(), &password);
        Ok(())
    }

    fn answer_md5(&mut self, salt: &[u8]) -> Result<(), Failure> {
        let salt = salt.first_chunk::<4>().copied().unwrap_or_default();
        let answer = md5_hash(self.connector.address.user.as_bytes(), self.password()?.as_bytes(), salt);
        messages::password(self.wire.out(), answer.as_bytes());
        Ok(())
    }

    fn begin_scram(&mut self, mechanisms: &[u8]) -> Result<(), Failure> {
        let offers = |name: &str| mechanisms.split(|byte| *byte == 0).any(|offer| offer == name.as_bytes());
        let (mechanism, binding) = match self.binding.take() {
            Some(binding) if offers(SCRAM_SHA_256_PLUS) => {
                (SCRAM_SHA_256_PLUS, ChannelBinding::tls_server_end_point(binding))
            }
            Some(_) => (SCRAM_SHA_256, ChannelBinding::unrequested()),
            None => (SCRAM_SHA_256, ChannelBinding::unsupported()),
        };
        if !offers(mechanism) {
            return Err(self.auth("the server wants a kind of authentication that is not supported"));
        }
        let scram = ScramSha256::new(self.password()?.as_bytes(), binding);
        messages::sasl_initial(self.wire.out(), mechanism, scram.message());
        self.scram = Some(scram);
        Ok(())
    }

    fn go_on_scram(&mut self, data: &[u8]) -> Result<(), Failure> {
        let mut scram = self.scram.take().ok_or_else(|| self.auth("the server's answers are out of order"))?;
        scram.update(data).map_err(|_| self.auth("the server's part of the authentication makes no sense"))?;
        messages::sasl_response(self.wire.out(), scram.message());
        self.scram = Some(scram);
        Ok(())
    }

    fn end_scram(&mut self, data: &[u8]) -> Result<(), Failure> {
        let mut scram = self.scram.take().ok_or_else(|| self.auth("the server's answers are out of order"))?;
        scram.finish(data).map_err(|_| self.auth("the server could not prove that it knows the password's digest"))
    }

    fn keep_key(&mut self) {
        if let Some((process, rest)) = self.wire.body().split_first_chunk::<4>()
            && let Some(secret) = rest.first_chunk::<4>()
        {
            let (process, secret) = (i32::from_be_bytes(*process), i32::from_be_bytes(*secret));
            self.wire.cancel_key = CancelKey { process, secret };
        }
    }

    /// The server's refusal. Before the first statement a missing database or user is a matter of configuration.
    fn refused(&mut self) -> Failure {
        let mut failure = self.wire.take_failure();
        if failure.kind == FailureKind::Transient {
            failure.code = &codes::SQL_CONNECT;
        }
        failure
    }

    fn auth(&self, text: &str) -> Failure {
        self.wire.failure(FailureKind::Auth, &codes::SQL_AUTH, text)
    }
}
