//! What is asked, and what is answered.

use serde::Serialize;

use super::service::encode;
use crate::error::{Error, Result};

/// A request of one endpoint.
///
/// ```
/// use lockstep_plugin_sdk::http::Ask;
///
/// let ask = Ask::get("/v2/contacts").query("since", "2026-01-01T00:00:00+01:00").header("accept-language", "en");
/// assert_eq!(ask.target, "/v2/contacts?since=2026-01-01T00%3A00%3A00%2B01%3A00");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// `GET`, `POST` …
    pub method: &'static str,
    /// A path with its query.
    pub target: String,
    /// Names and values; credentials are the host's business.
    pub headers: Vec<(String, String)>,
    /// What is sent along.
    pub body: Option<Vec<u8>>,
    /// Whether doing it twice is the same as doing it once, where the method does not say so.
    pub is_idempotent: Option<bool>,
    /// Secrets of the connection, and the strings in the body that stand for them until the host puts them there.
    pub secrets: Vec<(String, String)>,
    /// The string in the body, an XML document, in whose place the host puts the security header of the connection, or nothing.
    pub security: Option<String>,
    /// What the service calls the headers with what is left to be asked, where these are not common names: `remaining`, `used`, `reset`,
    /// `daily_remaining`, `daily_used`. The host keeps to what they say.
    pub rate_headers: Vec<(String, String)>,
}

impl Ask {
    /// Asks for what is there.
    pub fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target)
    }

    /// A request with this method.
    pub fn new(method: &'static str, target: impl Into<String>) -> Self {
        Self { method, target: target.into(), ..Self::default() }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a parameter to the query; name and value are encoded.
    pub fn query(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.target.push(if self.target.contains('?') { '&' } else { '?' });
        self.target.push_str(&format!("{}={}", encode(name), encode(&value.to_string())));
        self
    }

    /// Sends a value along as JSON.
    pub fn json(self, value: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_vec(value).map_err(|error| {
            Error::invalid_data(format!("it cannot be told as JSON: {error}")).with_code("http.body")
        })?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    /// Sends these bytes along.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Says whether doing it twice is the same as doing it once, where the method does not: the host repeats what may be repeated.
    pub fn idempotent(mut self, is_idempotent: bool) -> Self {
        self.is_idempotent = Some(is_idempotent);
        self
    }
}

/// What a server answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// 200, 404 …
    pub status: u16,
    /// Names as the server writes them, and values.
    pub headers: Vec<(String, String)>,
    /// As it came.
    pub body: Vec<u8>,
}

impl Reply {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Sends requests side by side, as far as the connection's budget allows; each is answered in its place.
#[cfg(target_arch = "wasm32")]
pub fn ask_all(endpoint: &str, asks: Vec<Ask>) -> Vec<Result<Reply>> {
    use crate::capabilities::http::{Request, send};
    let requests: Vec<Request> = asks
        .into_iter()
        .map(|ask| Request {
            endpoint: endpoint.to_owned(),
            method: ask.method.to_owned(),
            target: ask.target,
            headers: ask.headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect(),
            body: ask.body,
            options: options(ask.is_idempotent, ask.secrets, ask.security, ask.rate_headers),
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
    rate_headers: Vec<(String, String)>,
) -> Vec<(String, String)> {
    let idempotent = is_idempotent.map(|is| ("idempotent".to_owned(), is.to_string()));
    let secrets = secrets.into_iter().map(|(name, mark)| (format!("secret:{name}"), mark));
    let security = security.map(|mark| ("security".to_owned(), mark));
    let rate_headers = rate_headers.into_iter().map(|(key, name)| (format!("rate-header:{key}"), name));
    idempotent.into_iter().chain(secrets).chain(security).chain(rate_headers).collect()
}

/// Only the host sends requests; natively [`crate::testing::serve`] answers them.
#[cfg(not(target_arch = "wasm32"))]
pub fn ask_all(endpoint: &str, asks: Vec<Ask>) -> Vec<Result<Reply>> {
    asks.into_iter().map(|ask| crate::testing::answer(endpoint, ask)).collect()
}

/// Sends one request.
pub fn ask(endpoint: &str, ask: Ask) -> Result<Reply> {
    let mut replies = ask_all(endpoint, vec![ask]);
    replies.pop().unwrap_or_else(|| Err(Error::permanent("the host has not answered a request")))
}
