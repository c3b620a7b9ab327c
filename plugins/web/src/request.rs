//! Requests by the host's capability, and what came of them.

use lockstep_plugin_sdk::error::{Error, Result};

/// A request of one endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    pub method: &'static str,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
    /// Whether doing it twice is the same as doing it once, where the method does not say so.
    pub is_idempotent: Option<bool>,
    /// Secrets of the connection, and the strings in the body that stand for them until the host puts them there.
    pub secrets: Vec<(String, String)>,
    /// The string in the body, an XML document, in whose place the host puts the security header of the connection, or nothing.
    pub security: Option<String>,
}

impl Ask {
    pub fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target)
    }

    pub fn new(method: &'static str, target: impl Into<String>) -> Self {
        Self { method, target: target.into(), ..Self::default() }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub fn idempotent(mut self, is_idempotent: bool) -> Self {
        self.is_idempotent = Some(is_idempotent);
        self
    }
}

/// What a server answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Sends requests side by side, as far as the connection's budget allows; each is answered in its place.
#[cfg(target_arch = "wasm32")]
pub fn ask_all(endpoint: &str, asks: Vec<Ask>) -> Vec<Result<Reply>> {
    use lockstep_plugin_sdk::capabilities::http::{Request, send};
    let requests: Vec<Request> = asks
        .into_iter()
        .map(|ask| Request {
            endpoint: endpoint.to_owned(),
            method: ask.method.to_owned(),
            target: ask.target,
            headers: ask.headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect(),
            body: ask.body,
            options: options(ask.is_idempotent, ask.secrets, ask.security),
        })
        .collect();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let replies = send(&requests).into_iter().map(|answer| {
        answer.map(|response| Reply {
            status: response.status,
            headers: response.headers.into_iter().map(|(name, value)| (name, text(value))).collect(),
            body: response.body,
        })
    });
    replies.collect()
}

#[cfg(target_arch = "wasm32")]
fn options(
    is_idempotent: Option<bool>,
    secrets: Vec<(String, String)>,
    security: Option<String>,
) -> Vec<(String, String)> {
    let idempotent = is_idempotent.map(|is| ("idempotent".to_owned(), is.to_string()));
    let secrets = secrets.into_iter().map(|(name, mark)| (format!("secret:{name}"), mark));
    let security = security.map(|mark| ("security".to_owned(), mark));
    idempotent.into_iter().chain(secrets).chain(security).collect()
}

/// Only the host sends requests.
#[cfg(not(target_arch = "wasm32"))]
pub fn ask_all(endpoint: &str, asks: Vec<Ask>) -> Vec<Result<Reply>> {
    let nobody = || Error::permanent(format!("there is no host to send requests to `{endpoint}`"));
    asks.iter().map(|_| Err(nobody())).collect()
}

/// Sends one request.
pub fn ask(endpoint: &str, ask: Ask) -> Result<Reply> {
    let mut replies = ask_all(endpoint, vec![ask]);
    replies.pop().unwrap_or_else(|| Err(Error::permanent("the host has not answered a request")))
}
