//! Requests to granted origins.
//!
//! The final URL is checked against the granted origin; names are resolved once and every address must be public unless the
//! grant says otherwise, and the vetted address is the one that is dialled; proxies from the environment are ignored, redirects
//! are returned rather than followed; headers that belong to the host are refused; responses are bounded. Behind the last of these
//! checks credentials are added, and what comes back is searched for them. Pace, quota, repeats and pauses are the host's.

mod address;
mod advice;
mod breaker;
mod budget;
pub mod client;
mod cookies;
mod credential;
mod exchange;
mod scrub;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Method};
use serde_json::{Value, json};
use url::{Host, Url};

pub use self::breaker::Breaker;
pub use self::budget::{Budget, Lane};
use self::cookies::Cookies;
use self::credential::{Credential, Surroundings};
pub use self::credential::{CredentialError, SecretWish};
pub(in crate::plugin) use self::exchange::unknown_outcome;
use self::exchange::{Prepared, is_idempotent};
pub use self::scrub::SCRUBBED_BYTES_MIN;
pub(in crate::plugin) use self::scrub::Scrubber;
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::limits::Limits;
use crate::plugin::tape::{Taped, Track, Way, bytes_from_json, bytes_to_json};
use crate::project::{Auth, RateHeaders, TRANSPORT_HEADERS};
use crate::store::PrivateFiles;
use crate::world::World;

const ORIGIN: &str = "http";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// From the first byte sent to the last byte received.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Headers that say on whose behalf a request comes: the host's, like those that say where it goes.
const IDENTITY_HEADERS: &[&str] = &["authorization", "cookie"];

/// Headers of answers that hand out a session.
const SESSION_HEADERS: &[&str] = &["set-cookie", "set-cookie2"];

/// An origin that requests may be sent to, with its own pool of connections.
#[derive(Clone)]
pub struct HttpOrigin(Way<Arc<Inner>>);

struct Inner {
    origin: Url,
    allow_private: bool,
    client: Client,
    credential: Option<Credential>,
    budget: Arc<Budget>,
    breaker: Arc<Mutex<Breaker>>,
    cookies: Cookies,
    world: World,
}

/// What an origin is reached with.
pub struct HttpSettings {
    /// `https://api.example.com`: a scheme, a host and perhaps a port, nothing else.
    pub origin: Url,
    pub private: PrivateAddresses,
    /// To be trusted besides the system's.
    pub authorities: Vec<Certificate>,
    /// Of the connection.
    pub budget: Arc<Budget>,
    /// Of the origin, for all connections.
    pub breaker: Arc<Mutex<Breaker>>,
    pub world: World,
}

/// Whether private and loopback addresses may be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivateAddresses {
    Allowed,
    Refused,
}

pub struct Request {
    pub method: String,
    /// A path with its query, or an absolute URL inside the origin.
    pub target: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Option<Vec<u8>>,
    /// Whether it may be sent twice; none = as the method says.
    pub is_idempotent: Option<bool>,
    /// Secrets that belong into the body.
    pub secrets: Vec<SecretWish>,
    /// What stands in the body, a document in XML, where the header for WS-Security belongs.
    pub security: Option<String>,
    /// What the plugin says the service calls its headers; the connection knows better.
    pub rate_headers: RateHeaders,
}

#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

/// The call of a plugin that requests belong to.
pub struct Call<'a> {
    pub limits: &'a Limits,
    pub lane: Lane,
}

impl Call<'_> {
    /// How long waits and repeats may take: the call itself ends a little later, and by then the plugin must have an answer.
    fn patience(&self) -> Duration {
        self.limits.wall_per_call / 4 * 3
    }
}

impl HttpOrigin {
    pub fn new(settings: HttpSettings) -> Result<Self, Failure> {
        let HttpSettings { origin, private, authorities, budget, breaker, world } = settings;
        let bare = origin.path() == "/" && origin.query().is_none() && origin.fragment().is_none();
        if !matches!(origin.scheme(), "http" | "https") || !bare || has_credentials(&origin) {
            let message = format!("`{origin}` is not an origin such as `https://api.example.com`");
            return Err(Failure::new(FailureKind::Config, &codes::PROJECT_VALUE, ORIGIN, message));
        }
        let allow_private = private == PrivateAddresses::Allowed;
        let builder = client::builder(CONNECT_TIMEOUT, REQUEST_TIMEOUT).tls_certs_merge(authorities);
        let client = client::vetting(builder, allow_private).build().map_err(|error| {
            let reason = client::innermost(&error);
            Failure::new(FailureKind::Config, &codes::ENVIRONMENT, ORIGIN, format!("cannot prepare TLS: {reason}"))
        })?;
        let cookies = Cookies::default();
        let inner = Inner { origin, allow_private, client, credential: None, budget, breaker, cookies, world };
        Ok(Self(Way::Live(Arc::new(inner))))
    }

    /// One that answers from a recording.
    pub fn replayed(track: Track) -> Self {
        Self(Way::Replayed(track))
    }

    /// The same, with a recorder beside it.
    pub fn recorded(self, track: Track) -> Self {
        Self(self.0.recorded(track))
    }

    /// With credentials for each request. A refresh token that a server hands out is kept in `files` under this name.
    pub fn with_credential(self, auth: &Auth, files: PrivateFiles, name: &str) -> Result<Self, CredentialError> {
        let Some(inner) = self.0.live() else { return Ok(self) };
        let Inner { origin, allow_private, client, budget, breaker, world, .. } = &**inner;
        let name = name.to_owned();
        let surroundings = Surroundings { client: client.clone(), world: world.clone(), files, name };
        let credential = Credential::new(auth, origin, surroundings)?;
        let inner = Inner {
            origin: origin.clone(),
            allow_private: *allow_private,
            client: client.clone(),
            credential: Some(credential),
            budget: budget.clone(),
            breaker: breaker.clone(),
            cookies: Cookies::default(),
            world: world.clone(),
        };
        Ok(Self(Way::Live(Arc::new(inner))))
    }

    /// `https://api.example.com:443`; none of a recording.
    pub fn address(&self) -> Option<String> {
        let origin = &self.0.live()?.origin;
        Some(format!("{}://{}:{}", origin.scheme(), origin.host_str()?, origin.port_or_known_default()?))
    }

    /// Whether its name may lead to private and loopback addresses.
    pub fn allows_private(&self) -> bool {
        self.0.live().is_some_and(|inner| inner.allow_private)
    }

    /// What may not be seen by anybody, for finding it.
    pub fn secrets(&self) -> Vec<String> {
        self.0.live().and_then(|inner| inner.credential.as_ref()).map(Credential::secrets).unwrap_or_default()
    }

    async fn send(&self, request: Request, call: &Call<'_>) -> Result<Response, Failure> {
        if let Way::Live(inner) = &self.0 {
            return inner.perform(request, call).await;
        }
        // A request is found on a recording without a look at its headers: what the host refuses is refused there, too.
        headers(request.headers.clone())?;
        let asked = request.to_json();
        self.0.ask(|| asked, async |inner| inner.perform(request, call).await).await
    }
}

impl Request {
    /// As it stands in a recording: what the plugin said, which is no secret.
    fn to_json(&self) -> Value {
        let headers: Vec<Value> =
            self.headers.iter().map(|(name, value)| json!([name, bytes_to_json(value)])).collect();
        let body = self.body.as_deref().map(bytes_to_json);
        json!({ "method": self.method, "target": self.target, "headers": headers, "body": body })
    }
}

impl Taped for Response {
    fn to_json(&self) -> Value {
        let headers: Vec<Value> =
            self.headers.iter().map(|(name, value)| json!([name, bytes_to_json(value)])).collect();
        json!({ "status": self.status, "headers": headers, "body": bytes_to_json(&self.body) })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let header = |pair: &Value| Some((pair.get(0)?.as_str()?.to_owned(), bytes_from_json(pair.get(1)?)?));
        Some(Self {
            status: u16::try_from(value.get("status")?.as_u64()?).ok()?,
            headers: value.get("headers")?.as_array()?.iter().map(header).collect::<Option<_>>()?,
            body: bytes_from_json(value.get("body")?)?,
        })
    }
}

impl Inner {
    async fn perform(&self, request: Request, call: &Call<'_>) -> Result<Response, Failure> {
        let url = self.resolve(&request.target)?;
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| denied(format!("`{}` is not a method", request.method.escape_default())))?;
        let is_idempotent = request.is_idempotent.unwrap_or_else(|| is_idempotent(&method));
        let headers = headers(request.headers)?;
        let prepared = Prepared {
            method,
            url,
            headers,
            body: request.body.map(Into::into),
            is_idempotent,
            secrets: request.secrets,
            security: request.security,
            rate_headers: request.rate_headers,
        };
        self.exchange(&prepared, call).await
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The URL a target means, if it lies inside the origin.
    fn resolve(&self, target: &str) -> Result<Url, Failure> {
        let url = self.origin.join(target).map_err(|error| denied(format!("`{target}` is not a URL: {error}")))?;
        let same = url.scheme() == self.origin.scheme()
            && url.host() == self.origin.host()
            && url.port_or_known_default() == self.origin.port_or_known_default();
        if !same || has_credentials(&url) {
            return Err(denied(format!("`{target}` lies outside of the granted origin `{}`", self.origin)));
        }
        // A literal address is dialled without asking the resolver.
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            _ => None,
        };
        match literal {
            Some(address) if !self.allow_private && !address::is_public(address) => Err(private(&url)),
            _ => Ok(url),
        }
    }
}

/// Performs requests side by side, as many as the limit allows, and answers each in its place.
pub async fn send_all(
    requests: Vec<Result<(HttpOrigin, Request), Failure>>,
    call: &Call<'_>,
) -> Vec<Result<Response, Failure>> {
    stream::iter(requests)
        .map(|prepared| async move {
            let (origin, request) = prepared?;
            origin.send(request, call).await
        })
        .buffered(call.limits.http_in_flight)
        .collect()
        .await
}

async fn read_body(response: reqwest::Response, url: &Url, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| client::failed(url, &error))?;
        if (body.len() + chunk.len()) as u64 > limit {
            let message = format!("the response of `{}` is larger than {limit} bytes", shown(url));
            return Err(Failure::new(FailureKind::Permanent, &codes::PLUGIN_LIMIT, ORIGIN, message));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What a plugin is shown: everything but the sessions, which are the host's.
fn header_list(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let shown = headers.iter().filter(|(name, _)| !SESSION_HEADERS.contains(&name.as_str()));
    shown.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}

fn headers(given: Vec<(String, Vec<u8>)>) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let refused = || denied(format!("the header `{}` cannot be set by a plugin", name.escape_default()));
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
        if TRANSPORT_HEADERS.contains(&parsed.as_str()) || IDENTITY_HEADERS.contains(&parsed.as_str()) {
            return Err(refused());
        }
        headers.append(parsed, HeaderValue::from_bytes(&value).map_err(|_| refused())?);
    }
    Ok(headers)
}

fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// A URL without its query, which may hold what nobody should log.
fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.to_string()
}

fn denied(message: String) -> Failure {
    Failure::new(FailureKind::Permanent, &codes::HTTP_DENIED, ORIGIN, message)
}

fn private(url: &Url) -> Failure {
    let message = format!("`{}` has a private address", shown(url));
    Failure::new(FailureKind::Permanent, &codes::HTTP_PRIVATE, ORIGIN, message)
        .with("hint", "grant it with `allow_private = true` beside the origin, if it is meant")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::RequestBudget;

    fn settings(text: &str) -> HttpSettings {
        HttpSettings {
            origin: Url::parse(text).unwrap(),
            private: PrivateAddresses::Refused,
            authorities: Vec::new(),
            budget: Arc::new(Budget::new("test", &RequestBudget::default(), PrivateFiles::of(".".as_ref(), "http"))),
            breaker: Arc::default(),
            world: World::real(),
        }
    }

    fn origin(text: &str) -> HttpOrigin {
        HttpOrigin::new(settings(text)).unwrap_or_else(|failure| panic!("{failure}"))
    }

    #[test]
    fn targets_stay_inside_the_origin() {
        let granted = origin("https://api.example.com").0.live().unwrap().clone();
        for target in ["/a?b=c", "https://api.example.com/next", "https://API.example.com:443/x", "a/../b"] {
            assert!(granted.resolve(target).is_ok(), "{target}");
        }
        for target in [
            "https://evil.com/",
            "//evil.com/x",
            "http://api.example.com/",
            "https://api.example.com@evil.com/",
            "https://api.example.com.evil.com/",
            "https://u:p@api.example.com/",
            "https://api.example.com:444/",
            "file:///etc/passwd",
            "https://api.example.com./x",
            "\\\\evil.com\\x",
        ] {
            assert_eq!(granted.resolve(target).unwrap_err().code.id, "LS0505", "{target}");
        }
    }

    #[test]
    fn literal_private_addresses_are_refused() {
        for text in
            ["http://127.0.0.1:80", "http://2130706433", "http://0x7f.1", "http://[::1]", "http://169.254.169.254"]
        {
            assert_eq!(origin(text).0.live().unwrap().resolve("/").unwrap_err().code.id, "LS0506", "{text}");
        }
        let allowed = HttpSettings { private: PrivateAddresses::Allowed, ..settings("http://127.0.0.1") };
        assert!(HttpOrigin::new(allowed).is_ok_and(|origin| origin.0.live().unwrap().resolve("/").is_ok()));
    }

    #[test]
    fn the_hosts_headers_are_its_own() {
        for name in ["Authorization", "host", "Content-Length", "Cookie", "accept-encoding", "x\r\ny", ""] {
            assert!(headers(vec![(name.into(), b"v".to_vec())]).is_err(), "{name}");
        }
        assert!(headers(vec![("x-a".into(), b"a\r\nb".to_vec())]).is_err());
        assert!(headers(vec![("Accept".into(), b"*/*".to_vec())]).is_ok());
    }

    #[test]
    fn an_origin_is_only_an_origin() {
        for text in ["https://a.com/path", "https://a.com/?q", "https://u@a.com", "ftp://a.com"] {
            assert!(HttpOrigin::new(settings(text)).is_err(), "{text}");
        }
    }

    /// A request for `/` with one header.
    fn request(header: &str) -> Request {
        Request {
            method: "GET".into(),
            target: "/".into(),
            headers: vec![(header.into(), b"x".to_vec())],
            body: None,
            is_idempotent: None,
            secrets: vec![],
            security: None,
            rate_headers: RateHeaders::default(),
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_home_is_refused() {
        let call = Call { limits: &Limits::default(), lane: Lane::Bulk };
        let failure = origin("http://localhost:9").send(request("accept"), &call).await.err().unwrap();
        assert_eq!(failure.code.id, "LS0506", "{failure}");
    }

    #[tokio::test]
    async fn a_recording_refuses_what_the_host_refuses() {
        let text = r#"{"lockstep-recording":1,"plugin":"a","digest":"","connection":"a","config":{},"grants":{},"streams":[],"page_rows":1,"page_bytes":1,"began":"2026-01-01T00:00:00Z","chance":1}
{"asked":{"http":"api","method":"GET","target":"/","body":null},"got":{"status":200,"headers":[],"body":"a"},"elapsed_ms":1}"#;
        let tape = crate::plugin::Tape::play(&crate::plugin::Recording::parse("r", text).unwrap());
        let origin = HttpOrigin::replayed(tape.track("http", "api"));
        let call = Call { limits: &Limits::default(), lane: Lane::Bulk };
        assert_eq!(origin.send(request("accept"), &call).await.unwrap().body, b"a");
        assert_eq!(origin.send(request("authorization"), &call).await.unwrap_err().code.id, "LS0505");
    }
}
