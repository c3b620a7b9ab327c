//! What a project says of an endpoint that is reached by HTTP: its origin, its credentials, and how much it may be asked.

use std::path::PathBuf;

use url::Url;

use super::Origin;
use crate::project::place::Place;
use crate::project::secret::SecretRef;

/// Headers that decide where a request goes and where it ends: neither a plugin nor a project sets them.
pub const TRANSPORT_HEADERS: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
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

/// How much of a daily quota is kept for writes and look-ups, unless the project says otherwise.
pub const RESERVE_DEFAULT: f64 = 0.1;

/// An origin a connection may send requests to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpGrant {
    pub origin: Origin,
    /// Whether the origin may have a private or loopback address.
    pub allow_private: bool,
    /// Certificates of authorities to trust besides the system's, in PEM. Absolute, or relative to the working directory like the
    /// project's folder itself.
    pub authorities: Option<PathBuf>,
    pub auth: Option<Auth>,
    pub place: Place,
}

/// How requests to an endpoint prove on whose behalf they come. The host adds it; no plugin sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    pub scheme: Option<AuthScheme>,
    /// By name, in lower case.
    pub headers: Vec<(String, Reference)>,
    /// Parameters of the URL, by name.
    pub query: Vec<(String, Reference)>,
    /// What a plugin may have put into the body of a request, by the name it asks for it.
    pub body: Vec<(String, Reference)>,
    /// Who asks, within documents for SOAP.
    pub wss: Option<Wss>,
    pub place: Place,
}

/// A UsernameToken of WS-Security.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wss {
    pub username: Given,
    pub password: Reference,
    /// The password is proved and not sent.
    pub is_digest: bool,
}

/// What stands in the header `Authorization`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthScheme {
    Basic {
        user: Given,
        /// None = empty.
        password: Option<Reference>,
    },
    Bearer(Reference),
    OAuth2(OAuth2),
    JwtBearer(JwtBearer),
}

/// A reference to a secret, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub secret: SecretRef,
    /// `connection.crm.http.api.auth.bearer`.
    pub path: String,
    pub place: Place,
}

/// Something others may know, unless the project prefers to keep it to itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    Text(String),
    Secret(Reference),
}

/// Client credentials, or a refresh token (RFC 6749, 4.4 and 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth2 {
    pub token_url: Url,
    pub client_id: Given,
    /// None = a public client.
    pub secret: Option<Reference>,
    /// Where there is one, it is what access tokens are asked for with; the server may replace it each time.
    pub refresh_token: Option<Reference>,
    pub client_auth: ClientAuth,
    pub scope: Option<String>,
    pub audience: Option<String>,
}

/// Where the client's own name and secret stand in a request for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// In the header, as RFC 6749 wants every server to understand it.
    Basic,
    /// In the body.
    Body,
}

/// A signed statement in place of a password (RFC 7523, 2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtBearer {
    pub token_url: Url,
    pub issuer: Given,
    /// None = the issuer.
    pub subject: Option<Given>,
    /// None = the token URL.
    pub audience: Option<String>,
    /// In PEM.
    pub key: Reference,
    pub key_id: Option<String>,
    pub algorithm: JwtAlgorithm,
    pub scope: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwtAlgorithm {
    Rs256,
    Es256,
}

impl JwtAlgorithm {
    /// As a token's header and a project file name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

impl Auth {
    /// Every secret that is needed.
    pub fn references(&self) -> Vec<&Reference> {
        let mut references: Vec<&Reference> = self.scheme.iter().flat_map(AuthScheme::references).collect();
        references.extend(self.headers.iter().chain(&self.query).chain(&self.body).map(|(_, reference)| reference));
        if let Some(wss) = &self.wss {
            references.extend(wss.username.reference().into_iter().chain([&wss.password]));
        }
        references
    }

    /// What it is called in a project file, for people.
    pub fn kinds(&self) -> Vec<&'static str> {
        let scheme = self.scheme.as_ref().map(|scheme| match scheme {
            AuthScheme::Basic { .. } => "basic",
            AuthScheme::Bearer(_) => "bearer",
            AuthScheme::OAuth2(_) => "oauth2",
            AuthScheme::JwtBearer(_) => "jwt_bearer",
        });
        let headers = (!self.headers.is_empty()).then_some("header");
        let query = (!self.query.is_empty()).then_some("query");
        let body = (!self.body.is_empty()).then_some("body");
        let wss = self.wss.as_ref().map(|_| "wss");
        scheme.into_iter().chain(headers).chain(query).chain(body).chain(wss).collect()
    }
}

impl AuthScheme {
    fn references(&self) -> Vec<&Reference> {
        match self {
            Self::Basic { user, password } => user.reference().into_iter().chain(password).collect(),
            Self::Bearer(reference) => vec![reference],
            Self::OAuth2(oauth2) => {
                oauth2.client_id.reference().into_iter().chain(&oauth2.secret).chain(&oauth2.refresh_token).collect()
            }
            Self::JwtBearer(jwt) => {
                let subject = jwt.subject.as_ref().and_then(Given::reference);
                jwt.issuer.reference().into_iter().chain(subject).chain([&jwt.key]).collect()
            }
        }
    }
}

impl Given {
    fn reference(&self) -> Option<&Reference> {
        match self {
            Self::Text(_) => None,
            Self::Secret(reference) => Some(reference),
        }
    }
}

/// How much the endpoints of a connection may be asked, by all syncs together.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestBudget {
    pub requests_per_second: Option<f64>,
    /// Requests under way at the same time.
    pub concurrency: Option<u32>,
    /// Requests from midnight to midnight in UTC.
    pub daily: Option<u64>,
    /// The share of `daily` that is kept for writes and look-ups.
    pub reserve: f64,
    pub headers: RateHeaders,
}

/// What a vendor calls the headers that say how much may still be asked, where it does not follow the common names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateHeaders {
    /// A number of requests.
    pub remaining: Option<String>,
    /// `32/40`, or `api-usage=32/40`.
    pub used: Option<String>,
    /// Until when `remaining` or `used` holds: seconds, or a time in seconds or milliseconds since 1970.
    pub reset: Option<String>,
    /// A number of requests, of the whole day.
    pub daily_remaining: Option<String>,
    /// As `used`, of the whole day.
    pub daily_used: Option<String>,
}

impl RateHeaders {
    /// The header of a key, as it is called here or, where nothing is said here, as `others` call it.
    pub fn or(&self, others: &Self) -> Self {
        let or = |own: &Option<String>, other: &Option<String>| own.clone().or_else(|| other.clone());
        Self {
            remaining: or(&self.remaining, &others.remaining),
            used: or(&self.used, &others.used),
            reset: or(&self.reset, &others.reset),
            daily_remaining: or(&self.daily_remaining, &others.daily_remaining),
            daily_used: or(&self.daily_used, &others.daily_used),
        }
    }
}

impl Default for RequestBudget {
    /// Without limits.
    fn default() -> Self {
        Self {
            requests_per_second: None,
            concurrency: None,
            daily: None,
            reserve: RESERVE_DEFAULT,
            headers: RateHeaders::default(),
        }
    }
}
