//! A definition of credentials with every reference followed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};

use super::CredentialError;
use super::jwt::SigningKey;
use super::wss::UsernameToken;
use crate::project::{Auth, AuthScheme, Given, JwtBearer, OAuth2, ProjectErrors, Reference, SecretUse};

/// Nothing in it shows itself.
#[derive(PartialEq, Eq)]
pub(super) struct Resolved {
    pub scheme: Scheme,
    headers: Vec<(HeaderName, HeaderValue)>,
    query: Vec<(String, String)>,
    body: Vec<(String, String)>,
    pub wss: Option<UsernameToken>,
    /// All of them, for finding them in what comes back.
    secrets: Vec<String>,
}

#[derive(PartialEq, Eq)]
pub(super) enum Scheme {
    None,
    /// Without a token to be asked for.
    Fixed(HeaderValue),
    OAuth2 {
        definition: OAuth2,
        client_id: String,
        secret: Option<String>,
        refresh_token: Option<String>,
    },
    JwtBearer {
        definition: JwtBearer,
        issuer: String,
        subject: Option<String>,
        /// In PEM; it was seen to be a key.
        key: String,
    },
}

impl Resolved {
    pub fn of(auth: &Auth) -> Result<Self, CredentialError> {
        let mut secrets = Vec::new();
        let scheme = match &auth.scheme {
            Some(scheme) => read_scheme(scheme, &mut secrets)?,
            None => Scheme::None,
        };
        let mut headers = Vec::new();
        for (name, reference) in &auth.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit(reference, "is no header"))?;
            headers.push((name, header_value(follow(reference, &mut secrets)?, reference)?));
        }
        let mut query = Vec::new();
        for (name, reference) in &auth.query {
            query.push((name.clone(), follow(reference, &mut secrets)?));
        }
        let mut body = Vec::new();
        for (name, reference) in &auth.body {
            body.push((name.clone(), follow(reference, &mut secrets)?));
        }
        let wss = match &auth.wss {
            Some(wss) => Some(UsernameToken {
                username: given(&wss.username, &mut secrets)?,
                password: follow(&wss.password, &mut secrets)?,
                is_digest: wss.is_digest,
            }),
            None => None,
        };
        Ok(Self { scheme, headers, query, body, wss, secrets })
    }

    pub fn secrets(&self) -> Vec<String> {
        self.secrets.clone()
    }

    pub fn asks_for_tokens(&self) -> bool {
        matches!(self.scheme, Scheme::OAuth2 { .. } | Scheme::JwtBearer { .. })
    }

    /// `authorization` is made from a token.
    pub fn headers(&self, authorization: Option<HeaderValue>) -> Vec<(HeaderName, HeaderValue)> {
        let fixed = match &self.scheme {
            Scheme::Fixed(value) => Some(value.clone()),
            _ => authorization,
        };
        fixed.map(|value| (AUTHORIZATION, value)).into_iter().chain(self.headers.iter().cloned()).collect()
    }

    /// By the names under which plugins ask for them.
    pub fn body(&self) -> Vec<(String, String)> {
        self.body.clone()
    }

    pub fn query(&self) -> Vec<(String, String)> {
        self.query.clone()
    }
}

fn read_scheme(scheme: &AuthScheme, secrets: &mut Vec<String>) -> Result<Scheme, CredentialError> {
    match scheme {
        AuthScheme::Basic { user, password } => read_basic(user, password.as_ref(), secrets),
        AuthScheme::Bearer(reference) => {
            let token = follow(reference, secrets)?;
            header_value(format!("Bearer {token}"), reference).map(Scheme::Fixed)
        }
        AuthScheme::OAuth2(definition) => Ok(Scheme::OAuth2 {
            client_id: given(&definition.client_id, secrets)?,
            secret: definition.secret.as_ref().map(|secret| follow(secret, secrets)).transpose()?,
            refresh_token: definition.refresh_token.as_ref().map(|token| follow(token, secrets)).transpose()?,
            definition: definition.clone(),
        }),
        AuthScheme::JwtBearer(definition) => {
            let key = follow(&definition.key, secrets)?;
            SigningKey::from_pem(definition.algorithm, &key).map_err(|error| CredentialError::Unfit {
                place: definition.key.place.to_string(),
                path: definition.key.path.clone(),
                reason: error.to_string(),
                hint: Some(error.hint().to_owned()),
            })?;
            Ok(Scheme::JwtBearer {
                issuer: given(&definition.issuer, secrets)?,
                subject: definition.subject.as_ref().map(|subject| given(subject, secrets)).transpose()?,
                key,
                definition: definition.clone(),
            })
        }
    }
}

fn read_basic(
    user: &Given,
    password: Option<&Reference>,
    secrets: &mut Vec<String>,
) -> Result<Scheme, CredentialError> {
    let name = given(user, secrets)?;
    if let Given::Secret(reference) = user
        && name.contains(':')
    {
        return Err(unfit(reference, "leads to something with a colon, which no user's name holds"));
    }
    let password = password.map(|password| follow(password, secrets)).transpose()?.unwrap_or_default();
    let encoded = STANDARD.encode(format!("{name}:{password}"));
    secrets.push(encoded.clone());
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    Ok(Scheme::Fixed(value))
}

fn given(given: &Given, secrets: &mut Vec<String>) -> Result<String, CredentialError> {
    match given {
        Given::Text(text) => Ok(text.clone()),
        Given::Secret(reference) => follow(reference, secrets),
    }
}

fn follow(reference: &Reference, secrets: &mut Vec<String>) -> Result<String, CredentialError> {
    let secret = SecretUse::of_request(reference).resolve().map_err(|errors: ProjectErrors| errors)?;
    secrets.push(secret.expose().to_owned());
    Ok(secret.expose().to_owned())
}

/// The text is not repeated: it is the secret.
fn header_value(text: String, reference: &Reference) -> Result<HeaderValue, CredentialError> {
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| unfit(reference, "leads to something that holds a character no header can have"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn unfit(reference: &Reference, reason: &str) -> CredentialError {
    let hint = "perhaps there is a line break in it: a secret for a header is one line".to_owned();
    let (place, path) = (reference.place.to_string(), reference.path.clone());
    CredentialError::Unfit { place, path, reason: reason.to_owned(), hint: Some(hint) }
}
