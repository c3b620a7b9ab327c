//! Requests to granted origins.
//!
//! The final URL is checked against the granted origin; names are resolved once and every address must be public unless the
//! grant says otherwise, and the vetted address is the one that is dialled; proxies from the environment are ignored, redirects
//! are returned rather than followed; headers that belong to the host are refused; responses are bounded.

mod address;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method};
use url::{Host, Url};

use crate::connector::{Failure, FailureKind};
use crate::error::{Code, codes};
use crate::plugin::limits::Limits;

const ORIGIN: &str = "http";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// From the first byte sent to the last byte received.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Headers only the host may set: they decide where a request goes, as whom, and where it ends.
const HOST_OWNED: &[&str] = &[
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// An origin that requests may be sent to, with its own pool of connections.
#[derive(Clone, Debug)]
pub struct HttpOrigin {
    origin: Url,
    allow_private: bool,
    client: Client,
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
}

pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl HttpOrigin {
    /// `https://api.example.com`: a scheme, a host and perhaps a port, nothing else.
    pub fn new(origin: Url, private: PrivateAddresses) -> Result<Self, Failure> {
        let bare = origin.path() == "/" && origin.query().is_none() && origin.fragment().is_none();
        if !matches!(origin.scheme(), "http" | "https") || !bare || has_credentials(&origin) {
            let message = format!("`{origin}` is not an origin such as `https://api.example.com`");
            return Err(Failure::new(FailureKind::Config, &codes::PROJECT_VALUE, ORIGIN, message));
        }
        let allow_private = private == PrivateAddresses::Allowed;
        let client = client(allow_private).map_err(|error| {
            Failure::new(FailureKind::Config, &codes::ENVIRONMENT, ORIGIN, format!("cannot prepare TLS: {error}"))
        })?;
        Ok(Self { origin, allow_private, client })
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

    async fn send(&self, request: Request, limits: &Limits) -> Result<Response, Failure> {
        let url = self.resolve(&request.target)?;
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| denied(format!("`{}` is not a method", request.method.escape_default())))?;
        let mut outgoing = self.client.request(method, url.clone()).headers(headers(request.headers)?);
        if let Some(body) = request.body {
            outgoing = outgoing.body(body);
        }
        let response = outgoing.send().await.map_err(|error| failed(&url, &error))?;
        let status = response.status().as_u16();
        let headers =
            response.headers().iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
        let body = read_body(response, &url, limits.http_response_bytes).await?;
        Ok(Response { status, headers, body })
    }
}

/// Performs requests side by side, as many as the limit allows, and answers each in its place.
pub async fn send_all(
    requests: Vec<Result<(HttpOrigin, Request), Failure>>,
    limits: &Limits,
) -> Vec<Result<Response, Failure>> {
    stream::iter(requests)
        .map(|prepared| async move {
            let (origin, request) = prepared?;
            origin.send(request, limits).await
        })
        .buffered(limits.http_in_flight)
        .collect()
        .await
}

async fn read_body(response: reqwest::Response, url: &Url, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| failed(url, &error))?;
        if (body.len() + chunk.len()) as u64 > limit {
            let message = format!("the response of `{}` is larger than {limit} bytes", shown(url));
            return Err(Failure::new(FailureKind::Permanent, &codes::PLUGIN_LIMIT, ORIGIN, message));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn headers(given: Vec<(String, Vec<u8>)>) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let refused = || denied(format!("the header `{}` cannot be set by a plugin", name.escape_default()));
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
        if HOST_OWNED.contains(&parsed.as_str()) {
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

fn failed(url: &Url, error: &reqwest::Error) -> Failure {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    if cause.is::<address::NotPublic>() {
        return private(url);
    }
    let code: &'static Code = &codes::HTTP_FAILED;
    Failure::new(FailureKind::Transient, code, ORIGIN, format!("`{}`: {cause}", shown(url)))
}

fn client(allow_private: bool) -> Result<Client, reqwest::Error> {
    // Somebody may have installed a provider already; either is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .dns_resolver(Arc::new(VettingResolver { allow_private }))
        .user_agent(concat!("lockstep/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Resolves a name and refuses it if any of its addresses is not public: an attacker who controls a name must not choose.
struct VettingResolver {
    allow_private: bool,
}

impl Resolve for VettingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if !allow_private && addresses.iter().any(|address| !address::is_public(address.ip())) {
                return Err(address::NotPublic.into());
            }
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> HttpOrigin {
        HttpOrigin::new(Url::parse(text).unwrap(), PrivateAddresses::Refused).unwrap()
    }

    #[test]
    fn targets_stay_inside_the_origin() {
        let granted = origin("https://api.example.com");
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
            assert_eq!(origin(text).resolve("/").unwrap_err().code.id, "LS0506", "{text}");
        }
        let allowed = HttpOrigin::new(Url::parse("http://127.0.0.1").unwrap(), PrivateAddresses::Allowed).unwrap();
        assert!(allowed.resolve("/").is_ok());
    }

    #[test]
    fn the_hosts_headers_are_its_own() {
        for name in ["Authorization", "host", "Content-Length", "x\r\ny", ""] {
            assert!(headers(vec![(name.into(), b"v".to_vec())]).is_err(), "{name}");
        }
        assert!(headers(vec![("x-a".into(), b"a\r\nb".to_vec())]).is_err());
        assert!(headers(vec![("Accept".into(), b"*/*".to_vec())]).is_ok());
    }

    #[test]
    fn an_origin_is_only_an_origin() {
        for text in ["https://a.com/path", "https://a.com/?q", "https://u@a.com", "ftp://a.com"] {
            assert!(HttpOrigin::new(Url::parse(text).unwrap(), PrivateAddresses::Refused).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_home_is_refused() {
        let limits = Limits::default();
        let request = Request { method: "GET".into(), target: "/".into(), headers: vec![], body: None };
        let failure = origin("http://localhost:9").send(request, &limits).await.err().unwrap();
        assert_eq!(failure.code.id, "LS0506", "{failure}");
    }
}
