//! Stripe's API, as `localstripe` from PyPI serves it: installed once for all tests of this machine into a virtual environment, in the
//! versions that are pinned.

use crate::guardian::Guardian;
use crate::{ask, pypi};

const REQUIREMENTS: &str = include_str!("stripe/requirements.txt");
const SERVER: &str = include_str!("stripe/server.py");

/// A running server without any record; stopped and removed when dropped.
#[derive(Debug)]
pub struct Stripe {
    port: u16,
    /// Declared last: it cleans up after everything else.
    _guardian: Guardian,
}

impl Stripe {
    /// # Panics
    /// If Python is not installed, or the packages cannot be.
    pub fn start() -> Self {
        let (port, guardian) = pypi::start("stripe", REQUIREMENTS, SERVER);
        Self { port, _guardian: guardian }
    }

    /// `http://127.0.0.1:54321`
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The key it wants for a user's name.
    pub fn key() -> &'static str {
        "sk_test_0123456789abcdef"
    }

    /// Sends a form behind everybody's back: `("POST", "/v1/customers", "email=a@example.com")`. Answers the body.
    ///
    /// # Panics
    /// If the server refuses it.
    pub fn ask(&self, method: &str, path: &str, form: &str) -> String {
        // The key is `sk_test_0123456789abcdef` with an empty password.
        let kind = "application/x-www-form-urlencoded\r\nAuthorization: Basic c2tfdGVzdF8wMTIzNDU2Nzg5YWJjZGVmOg==";
        ask::send(self.port, method, path, kind, form)
    }
}
