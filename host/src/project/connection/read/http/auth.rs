//! Reads `auth`: only references to secrets, never the secrets.

use std::path::Path;

use url::Url;

use super::read_reference;
use crate::project::connection::http::{
    Auth, AuthScheme, ClientAuth, Given, JwtAlgorithm, JwtBearer, OAuth2, Reference, TRANSPORT_HEADERS, Wss,
};
use crate::project::reader::{Entry, Read, Section};

const BASIC_EXAMPLE: &str = "basic = { user = \"lockstep\", password = \"env:CRM_PASSWORD\" }";
const BEARER_EXAMPLE: &str = "bearer = \"env:CRM_TOKEN\"";
const HEADER_EXAMPLE: &str = "header = { X-Api-Key = \"env:CRM_KEY\" }";
const QUERY_EXAMPLE: &str = "query = { api_key = \"env:CRM_KEY\" }";
const BODY_EXAMPLE: &str = "body = { api_key = \"env:CRM_KEY\" }";
const WSS_EXAMPLE: &str = "wss = { username = \"lockstep\", password = \"env:ERP_PASSWORD\" }";
const OAUTH2_EXAMPLE: &str = "oauth2 = { token_url = \"https://login.example.com/token\", client_id = \"lockstep\", secret = \"env:CRM_SECRET\" }";
const JWT_EXAMPLE: &str =
    "jwt_bearer = { token_url = \"https://login.example.com/token\", issuer = \"lockstep\", key = \"file:crm.pem\" }";
const TOKEN_URL_EXAMPLE: &str = "token_url = \"https://login.example.com/token\"";

/// What is known where credentials are read.
struct Around<'a> {
    dir: &'a Path,
    /// Whether the endpoint may be one without encryption.
    is_private: bool,
}

pub(super) fn read_auth(entry: &Entry<'_>, dir: &Path, is_private: bool) -> Read<Auth> {
    let around = Around { dir, is_private };
    let section = entry.section()?;
    let basic = section.optional("basic", BASIC_EXAMPLE).map(|basic| around.basic(&basic)).transpose();
    let bearer = section.optional("bearer", BEARER_EXAMPLE);
    let bearer = bearer.map(|bearer| around.reference(&bearer).map(AuthScheme::Bearer)).transpose();
    let oauth2 = section.optional("oauth2", OAUTH2_EXAMPLE).map(|oauth2| around.oauth2(&oauth2)).transpose();
    let jwt = section.optional("jwt_bearer", JWT_EXAMPLE).map(|jwt| around.jwt_bearer(&jwt)).transpose();
    let headers = section.optional("header", HEADER_EXAMPLE).map(|headers| around.headers(&headers)).transpose();
    let query = section.optional("query", QUERY_EXAMPLE).map(|query| around.query(&query)).transpose();
    let body = section.optional("body", BODY_EXAMPLE).map(|body| around.body(&body)).transpose();
    let wss = section.optional("wss", WSS_EXAMPLE).map(|wss| around.wss(&wss)).transpose();
    section.close(&[]);
    let schemes: Vec<AuthScheme> = [basic?, bearer?, oauth2?, jwt?].into_iter().flatten().collect();
    let (headers, query) = (headers?.unwrap_or_default(), query?.unwrap_or_default());
    let (body, wss) = (body?.unwrap_or_default(), wss?);
    let sets_authorization = headers.iter().any(|(name, _)| name == "authorization");
    match schemes.len() + usize::from(sets_authorization) {
        0 if headers.is_empty() && query.is_empty() && body.is_empty() && wss.is_none() => {
            return Err(entry.invalid(
                "must have one of `basic`, `bearer`, `oauth2`, `jwt_bearer`, `header`, `query`, `body` and `wss`",
            ));
        }
        0 | 1 => {}
        _ => {
            return Err(entry.invalid(
                "fills the header `Authorization` twice: one of `basic`, `bearer`, `oauth2`, `jwt_bearer` and `header` can",
            ));
        }
    }
    Ok(Auth { scheme: schemes.into_iter().next(), headers, query, body, wss, place: entry.place.clone() })
}

impl Around<'_> {
    fn reference(&self, entry: &Entry<'_>) -> Read<Reference> {
        let secret = read_reference(entry, self.dir, || hints(&entry.key))?;
        Ok(Reference { secret, path: entry.path.clone(), place: entry.place.clone() })
    }

    /// A reference, or what others may know.
    fn given(&self, entry: &Entry<'_>) -> Read<Given> {
        let text = entry.filled_text()?;
        if ["env:", "file:", "command:"].iter().any(|kind| text.starts_with(kind)) {
            return self.reference(entry).map(Given::Secret);
        }
        one_line(entry).map(Given::Text)
    }

    fn basic(&self, entry: &Entry<'_>) -> Read<AuthScheme> {
        let section = entry.section()?;
        let user = section.required("user", "user = \"lockstep\"");
        let given = user.and_then(|user| Ok((self.given(&user)?, user)));
        let password = section.optional("password", "password = \"env:CRM_PASSWORD\"");
        let password = password.map(|password| self.reference(&password)).transpose();
        section.close(&[]);
        let ((user, user_entry), password) = (given?, password?);
        match (&user, &password) {
            // Some services take a key as the user's name, without a password: then the name is the secret.
            (Given::Text(_), None) => Err(user_entry.secret_value(vec![
                format!("give the password too: `{BASIC_EXAMPLE}`"),
                "or, if the user's name is the key, a reference to it: `basic = { user = \"env:CRM_KEY\" }`".to_owned(),
            ])),
            (Given::Text(text), _) if text.contains(':') => Err(user_entry.invalid("must not hold a colon")),
            _ => Ok(AuthScheme::Basic { user, password }),
        }
    }

    fn wss(&self, entry: &Entry<'_>) -> Read<Wss> {
        let section = entry.section()?;
        let username = section.required("username", "username = \"lockstep\"").and_then(|name| self.given(&name));
        let password = section.required("password", "password = \"env:ERP_PASSWORD\"");
        let password = password.and_then(|password| self.reference(&password));
        let kinds = [("text", false), ("digest", true)];
        let kind = section.optional("type", "type = \"digest\"").map(|kind| kind.choice(&kinds)).transpose();
        section.close(&[]);
        Ok(Wss { username: username?, password: password?, is_digest: kind?.unwrap_or(false) })
    }

    fn oauth2(&self, entry: &Entry<'_>) -> Read<AuthScheme> {
        let section = entry.section()?;
        let token_url = self.token_url(&section);
        let client_id =
            section.required("client_id", "client_id = \"lockstep\"").and_then(|client_id| self.given(&client_id));
        let secret = section.optional("secret", "secret = \"env:CRM_SECRET\"").map(|secret| self.reference(&secret));
        let refresh = section.optional("refresh_token", "refresh_token = \"env:CRM_REFRESH_TOKEN\"");
        let refresh_token = refresh.map(|refresh| self.reference(&refresh)).transpose();
        let choices = [("basic", ClientAuth::Basic), ("body", ClientAuth::Body)];
        let client_auth =
            section.optional("client_auth", "client_auth = \"body\"").map(|choice| choice.choice(&choices)).transpose();
        let scope = optional_line(&section, "scope", "scope = \"read write\"");
        let audience = optional_line(&section, "audience", "audience = \"https://api.example.com\"");
        section.close(&[]);
        let (secret, refresh_token) = (secret.transpose()?, refresh_token?);
        if secret.is_none() && refresh_token.is_none() {
            return Err(section.missing("secret", "secret = \"env:CRM_SECRET\""));
        }
        Ok(AuthScheme::OAuth2(OAuth2 {
            token_url: token_url?,
            client_id: client_id?,
            secret,
            refresh_token,
            client_auth: client_auth?.unwrap_or(ClientAuth::Basic),
            scope: scope?,
            audience: audience?,
        }))
    }

    fn jwt_bearer(&self, entry: &Entry<'_>) -> Read<AuthScheme> {
        let section = entry.section()?;
        let token_url = self.token_url(&section);
        let issuer = section.required("issuer", "issuer = \"lockstep\"").and_then(|issuer| self.given(&issuer));
        let subject = section.optional("subject", "subject = \"sync@example.com\"");
        let subject = subject.map(|subject| self.given(&subject)).transpose();
        let audience = optional_line(&section, "audience", "audience = \"https://login.example.com\"");
        let key = section.required("key", "key = \"file:crm.pem\"").and_then(|key| self.reference(&key));
        let key_id = optional_line(&section, "key_id", "key_id = \"2026-01\"");
        let choices = [("RS256", JwtAlgorithm::Rs256), ("ES256", JwtAlgorithm::Es256)];
        let algorithm = section
            .optional("algorithm", "algorithm = \"ES256\"")
            .map(|algorithm| algorithm.choice(&choices))
            .transpose();
        let scope = optional_line(&section, "scope", "scope = \"read write\"");
        section.close(&[]);
        Ok(AuthScheme::JwtBearer(JwtBearer {
            token_url: token_url?,
            issuer: issuer?,
            subject: subject?,
            audience: audience?,
            key: key?,
            key_id: key_id?,
            algorithm: algorithm?.unwrap_or(JwtAlgorithm::Rs256),
            scope: scope?,
        }))
    }

    fn headers(&self, entry: &Entry<'_>) -> Read<Vec<(String, Reference)>> {
        let read = |header: &Entry<'_>| {
            let name = check_header_name(header, &header.key, HeaderUse::Set);
            let reference = self.reference(header);
            Ok((name?, reference?))
        };
        self.named(entry, HEADER_EXAMPLE, read)
    }

    fn query(&self, entry: &Entry<'_>) -> Read<Vec<(String, Reference)>> {
        let read = |parameter: &Entry<'_>| {
            if parameter.key.is_empty() || parameter.key.chars().any(char::is_control) {
                return Err(parameter.invalid_with("is not the name of a parameter", QUERY_EXAMPLE));
            }
            Ok((parameter.key.clone(), self.reference(parameter)?))
        };
        self.named(entry, QUERY_EXAMPLE, read)
    }

    fn body(&self, entry: &Entry<'_>) -> Read<Vec<(String, Reference)>> {
        let read = |secret: &Entry<'_>| Ok((secret.key.clone(), self.reference(secret)?));
        self.named(entry, BODY_EXAMPLE, read)
    }

    /// A table whose keys are names; every mistake in it is told.
    fn named(
        &self,
        entry: &Entry<'_>,
        example: &'static str,
        read: impl Fn(&Entry<'_>) -> Read<(String, Reference)>,
    ) -> Read<Vec<(String, Reference)>> {
        let all: Vec<Read<(String, Reference)>> = entry.section()?.entries(example).iter().map(read).collect();
        let all: Vec<(String, Reference)> = all.into_iter().collect::<Read<_>>()?;
        if all.is_empty() { Err(entry.invalid("must not be empty")) } else { Ok(all) }
    }

    fn token_url(&self, section: &Section<'_>) -> Read<Url> {
        let entry = section.required("token_url", TOKEN_URL_EXAMPLE)?;
        let Ok(url) = Url::parse(entry.filled_text()?) else { return Err(entry.invalid("is not a URL")) };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(entry.secret_value(vec![format!("write `{TOKEN_URL_EXAMPLE}`")]));
        }
        match url.scheme() {
            "https" => Ok(url),
            "http" if self.is_private => Ok(url),
            "http" => Err(entry.invalid("would send credentials without encryption")),
            _ => Err(entry.invalid("must begin with `https://`")),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderUse {
    Read,
    Set,
}

/// The name in lower case.
pub(super) fn check_header_name(entry: &Entry<'_>, name: &str, usage: HeaderUse) -> Read<String> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(is_token) {
        return Err(entry.invalid("is not the name of a header"));
    }
    let name = name.to_ascii_lowercase();
    if usage == HeaderUse::Set && TRANSPORT_HEADERS.contains(&name.as_str()) {
        return Err(entry.invalid_with("is a header that only the host may set", HEADER_EXAMPLE));
    }
    Ok(name)
}

fn optional_line(section: &Section<'_>, key: &'static str, example: &'static str) -> Read<Option<String>> {
    section.optional(key, example).map(|line| one_line(&line)).transpose()
}

fn one_line(entry: &Entry<'_>) -> Read<String> {
    let text = entry.filled_text()?;
    if text.chars().any(char::is_control) { Err(entry.invalid("must be one line")) } else { Ok(text.to_owned()) }
}

/// For those who write the secret itself.
fn hints(key: &str) -> Vec<String> {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    vec![
        format!("put it into an environment variable and write `{key} = \"env:CRM_SECRET\"`"),
        format!("or into a file only you can read and write `{key} = \"file:secrets/crm\"`"),
        format!("or let a program print it and write `{key} = \"command:pass show crm\"`"),
    ]
}
