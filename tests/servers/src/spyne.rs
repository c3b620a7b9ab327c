//! Customers in SOAP 1.2, as `spyne` from PyPI serves them after types written in Python: it makes the WSDL, and checks each request
//! against it.

use crate::guardian::Guardian;
use crate::{ask, pypi};

const REQUIREMENTS: &str = include_str!("spyne/requirements.txt");
const SERVER: &str = include_str!("spyne/server.py");

/// A running service without any customer; stopped and removed when dropped.
#[derive(Debug)]
pub struct Spyne {
    port: u16,
    /// Declared last: it cleans up after everything else.
    _guardian: Guardian,
}

impl Spyne {
    /// # Panics
    /// If Python is not installed, or the packages cannot be.
    pub fn start() -> Self {
        let (port, guardian) = pypi::start("spyne", REQUIREMENTS, SERVER);
        Self { port, _guardian: guardian }
    }

    /// `http://127.0.0.1:54321`
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it wants in the header of each request.
    pub fn token() -> &'static str {
        "the-session-of-lockstep-0123456789"
    }

    /// Asks behind everybody's back: `/-/state`, `/-/calls`, `/-/types`, or tells: `/-/seed`. Answers the body.
    ///
    /// # Panics
    /// If the server refuses it.
    pub fn ask(&self, path: &str, body: &str) -> String {
        ask::ask(self.port, if body.is_empty() { "GET" } else { "POST" }, path, body)
    }
}
