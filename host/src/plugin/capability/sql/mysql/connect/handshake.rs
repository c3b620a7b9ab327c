//! The talk between the server's greeting and the first statement.

use super::super::address::Address;
use super::super::auth;
use super::super::fault::Notice;
use super::super::packet::{Reader, put_counted, put_nul_text};
use super::super::wire::Wire;
use crate::connector::{Failure, FailureKind};
use crate::error::codes;

/// What both sides can do.
mod flag {
    pub const LONG_PASSWORD: u32 = 1;
    pub const LONG_FLAG: u32 = 1 << 2;
    pub const CONNECT_WITH_DB: u32 = 1 << 3;
    pub const PROTOCOL_41: u32 = 1 << 9;
    pub const SSL: u32 = 1 << 11;
    pub const TRANSACTIONS: u32 = 1 << 13;
    pub const SECURE_CONNECTION: u32 = 1 << 15;
    pub const MULTI_RESULTS: u32 = 1 << 17;
    pub const PS_MULTI_RESULTS: u32 = 1 << 18;
    pub const PLUGIN_AUTH: u32 = 1 << 19;
    pub const CONNECT_ATTRS: u32 = 1 << 20;
    pub const PLUGIN_AUTH_LENENC: u32 = 1 << 21;
}

const PACKET_BYTES_MAX: u32 = 1 << 30;
/// `utf8mb4_general_ci`, which every server has.
const COLLATION: u8 = 45;

/// What the server says first.
#[derive(Debug, PartialEq, Eq)]
pub struct Greeting {
    pub thread: u32,
    flags: u32,
    scramble: Vec<u8>,
    method: String,
}

impl Greeting {
    pub fn read(body: &[u8], origin: &str) -> Result<Self, Failure> {
        match body.first() {
            Some(0xff) => {
                let mut failure = Notice::new(body).failure(origin, None);
                if failure.kind == FailureKind::Permanent {
                    failure.kind = FailureKind::Transient;
                }
                if failure.kind == FailureKind::Transient {
                    failure.code = &codes::SQL_CONNECT;
                }
                Err(failure)
            }
            Some(10) => Self::parse(body).ok_or_else(|| not_spoken(origin)),
            _ => Err(not_spoken(origin)),
        }
    }

    fn parse(body: &[u8]) -> Option<Self> {
        let mut reader = Reader(body.get(1..)?);
        let _version = reader.until_nul();
        let thread = reader.u32()?;
        let mut scramble = reader.bytes(8)?.to_vec();
        reader.u8()?;
        let low = reader.u16()?;
        let (_collation, _status, high) = (reader.u8()?, reader.u16()?, reader.u16()?);
        let length = usize::from(reader.u8()?);
        reader.bytes(10)?;
        scramble.extend_from_slice(reader.bytes(length.saturating_sub(8).max(13).min(reader.0.len()))?);
        // The second half ends with a NUL.
        scramble.truncate(SCRAMBLE_BYTES);
        let flags = u32::from(low) | u32::from(high) << 16;
        let method = reader.until_nul_text();
        let is_whole = scramble.len() == SCRAMBLE_BYTES && flags & flag::PLUGIN_AUTH != 0;
        is_whole.then_some(Self { thread, flags, scramble, method })
    }

    pub fn offers_tls(&self) -> bool {
        self.flags & flag::SSL != 0
    }
}

const SCRAMBLE_BYTES: usize = 20;

fn not_spoken(origin: &str) -> Failure {
    let text = "whoever answers there does not speak the protocol of MariaDB 10 or MySQL 5.6 and later";
    Failure::new(FailureKind::Config, &codes::SQL_CONNECT, origin, text)
}

fn flags(address: &Address) -> u32 {
    let database = if address.database.is_empty() { 0 } else { flag::CONNECT_WITH_DB };
    flag::LONG_PASSWORD
        | flag::LONG_FLAG
        | flag::PROTOCOL_41
        | flag::TRANSACTIONS
        | flag::SECURE_CONNECTION
        | flag::MULTI_RESULTS
        | flag::PS_MULTI_RESULTS
        | flag::PLUGIN_AUTH
        | flag::CONNECT_ATTRS
        | flag::PLUGIN_AUTH_LENENC
        | database
}

/// What the answer and the wish for TLS begin with.
fn put_head(out: &mut Vec<u8>, flags: u32) {
    out.extend_from_slice(&flags.to_le_bytes());
    out.extend_from_slice(&PACKET_BYTES_MAX.to_le_bytes());
    out.push(COLLATION);
    out.extend_from_slice(&[0; 23]);
}

/// The whole packet that asks for TLS.
pub fn tls_request(address: &Address) -> Vec<u8> {
    let mut packet = vec![32, 0, 0, 1];
    put_head(&mut packet, flags(address) | flag::SSL);
    packet
}

/// The session that is to begin.
pub struct Handshake<'a> {
    pub address: &'a Address,
    pub origin: &'a str,
    /// Whether the server is on this machine.
    pub is_local: bool,
}

impl Handshake<'_> {
    pub async fn run(&self, wire: &mut Wire, greeting: &Greeting) -> Result<(), Failure> {
        let mut scramble = greeting.scramble.clone();
        // A method that is not known may be changed by the server for one that is.
        let method = if greeting.method.is_empty() { auth::NATIVE } else { &greeting.method };
        let proof = self.proof(method, &scramble, wire).unwrap_or_default();
        let answer = self.answer(wire, &proof, method);
        wire.send_handshake(&answer);
        loop {
            wire.arrive_raw().await?;
            let body = wire.body().to_vec();
            match body.first() {
                Some(0) => {
                    wire.consume_raw();
                    wire.begin_session();
                    return Ok(());
                }
                Some(0xff) => return Err(refused(Notice::new(&body).failure(self.origin, None))),
                Some(0xfe) => {
                    wire.consume_raw();
                    let mut reader = Reader(body.get(1..).unwrap_or_default());
                    let method = reader.until_nul_text();
                    scramble = reader.0.get(..SCRAMBLE_BYTES).unwrap_or(reader.0).to_vec();
                    let proof = self.proof(&method, &scramble, wire)?;
                    wire.send_handshake(&proof);
                }
                Some(1) => {
                    wire.consume_raw();
                    self.go_on(body.get(1), wire)?;
                }
                _ => return Err(self.auth("the server's answers are out of order")),
            }
        }
    }

    fn answer(&self, wire: &Wire, proof: &[u8], method: &str) -> Vec<u8> {
        let tls = if wire.is_encrypted() { flag::SSL } else { 0 };
        let mut out = Vec::new();
        put_head(&mut out, flags(self.address) | tls);
        put_nul_text(&mut out, &self.address.user);
        put_counted(&mut out, proof);
        if !self.address.database.is_empty() {
            put_nul_text(&mut out, &self.address.database);
        }
        put_nul_text(&mut out, method);
        let mut about = Vec::new();
        put_counted(&mut about, b"program_name");
        put_counted(&mut about, format!("lockstep/{}", self.origin).as_bytes());
        put_counted(&mut out, &about);
        out
    }

    fn password(&self) -> &str {
        self.address.password.as_deref().unwrap_or_default()
    }

    fn proof(&self, method: &str, scramble: &[u8], wire: &Wire) -> Result<Vec<u8>, Failure> {
        match method {
            auth::NATIVE => Ok(auth::native(self.password(), scramble)),
            auth::CACHING_SHA2 => Ok(auth::caching_sha2(self.password(), scramble)),
            auth::CLEAR => self.clear(wire),
            other => Err(self
                .auth(&format!("the server wants the kind of authentication `{other}`, which is not supported"))
                .with("hint", "give the user `mysql_native_password` or `caching_sha2_password`")),
        }
    }

    /// What the server says in the middle of `caching_sha2_password`: that it knows the password's digest, or that it does not.
    fn go_on(&self, word: Option<&u8>, wire: &mut Wire) -> Result<(), Failure> {
        const KNOWN: u8 = 3;
        const UNKNOWN: u8 = 4;
        match word {
            Some(&KNOWN) => Ok(()),
            Some(&UNKNOWN) => {
                let password = self.clear(wire)?;
                wire.send_handshake(&password);
                Ok(())
            }
            _ => Err(self.auth("the server's answers are out of order")),
        }
    }

    /// The password as it is, where nobody can read along.
    fn clear(&self, wire: &Wire) -> Result<Vec<u8>, Failure> {
        if !wire.is_private() {
            let hint = if self.is_local {
                "write `sslmode=require` into the database URL, or connect through the server's Unix socket"
            } else {
                "write `sslmode=require` into the database URL"
            };
            return Err(self
                .auth("the server wants the password itself over a connection that is not encrypted")
                .with("hint", hint));
        }
        Ok([self.password().as_bytes(), &[0]].concat())
    }

    fn auth(&self, text: &str) -> Failure {
        Failure::new(FailureKind::Auth, &codes::SQL_AUTH, self.origin, text)
    }
}

/// The server's refusal. Before the first statement, what may pass is a matter of connecting.
fn refused(mut failure: Failure) -> Failure {
    if failure.kind == FailureKind::Transient {
        failure.code = &codes::SQL_CONNECT;
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(method: &str) -> Vec<u8> {
        let mut body = vec![10];
        put_nul_text(&mut body, "5.5.5-10.11.19-MariaDB");
        body.extend_from_slice(&7u32.to_le_bytes());
        body.extend_from_slice(b"12345678\0");
        body.extend_from_slice(&[0xfe, 0xff, 45, 2, 0, 0xff, 0x81, 21]);
        body.extend_from_slice(&[0; 10]);
        body.extend_from_slice(b"abcdefghijkl\0");
        put_nul_text(&mut body, method);
        body
    }

    #[test]
    fn a_greeting_is_taken_apart() {
        let read = Greeting::read(&greeting(auth::NATIVE), "a").unwrap();
        assert_eq!((read.thread, read.scramble.as_slice()), (7, &b"12345678abcdefghijkl"[..]));
        assert_eq!((read.method.as_str(), read.offers_tls()), (auth::NATIVE, true));
    }

    #[test]
    fn what_is_no_greeting_is_said() {
        let whole = greeting("x");
        for length in 0..whole.len() - 16 {
            assert!(Greeting::read(&whole[..length], "a").is_err(), "{length}");
        }
        let full = Greeting::read(b"\xff\x10\x04Too many connections", "a").unwrap_err();
        assert_eq!((full.kind, full.code.id), (FailureKind::Transient, codes::SQL_CONNECT.id));
        assert_eq!(Greeting::read(b"SSH-2.0-OpenSSH", "a").unwrap_err().kind, FailureKind::Config);
    }
}
