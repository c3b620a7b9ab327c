//! An org of Salesforce's: an emulator on node, written from the vendor's documentation, for there is none that could be run.
//!
//! It has the objects `Account` and `User`; what it does with them stands in `salesforce/`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use crate::account::Account;
use crate::guardian::Guardian;
use crate::npm;
use crate::process::write;

const FILES: &[(&str, &str)] = &[
    ("server.mjs", include_str!("salesforce/server.mjs")),
    ("org.mjs", include_str!("salesforce/org.mjs")),
    ("bulk.mjs", include_str!("salesforce/bulk.mjs")),
    ("events.mjs", include_str!("salesforce/events.mjs")),
    ("soql.mjs", include_str!("salesforce/soql.mjs")),
];

/// A running server; stopped and removed when dropped.
#[derive(Debug)]
pub struct Salesforce {
    port: u16,
    /// Declared last: it cleans up after everything else.
    _guardian: Guardian,
}

impl Salesforce {
    /// # Panics
    /// If node is not installed.
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// A server that gives tokens to who signs with the key of which this is the public half, in PEM.
    ///
    /// # Panics
    /// As [`Salesforce::start`].
    pub fn start_with(public_key: Option<&str>) -> Self {
        let account = Account::for_server();
        let folder = account.create_folder("salesforce");
        let guardian = Guardian::watch(&account, &folder, Path::new("kill"), npm::STOP);
        for (name, text) in FILES {
            write(&folder.join(name), text);
        }
        if let Some(key) = public_key {
            write(&folder.join("public.pem"), key);
        }
        let port = npm::start(&account, &folder, &folder);
        Self { port, _guardian: guardian }
    }

    /// `http://127.0.0.1:54321`
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Runs a text of JavaScript with the org and the server at hand; answers what it returns, as JSON.
    ///
    /// # Panics
    /// If it fails.
    pub fn run(&self, text: &str) -> String {
        self.ask("POST", "/-/run", text)
    }

    /// How often the server was asked for what since this was last called, as JSON: `{"GET queryAll": 2}`.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn calls(&self) -> String {
        self.ask("GET", "/-/calls", "")
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let head = format!("{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n\r\n", body.len());
        let mut answer = Vec::new();
        TcpStream::connect(("127.0.0.1", self.port))
            .and_then(|mut stream| {
                stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
                stream.read_to_end(&mut answer)
            })
            .unwrap_or_else(|error| panic!("the server does not answer: {error}"));
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        if head.split(' ').nth(1).is_none_or(|status| status != "200") {
            panic!("`{body}`");
        }
        body.to_owned()
    }
}
