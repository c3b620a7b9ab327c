//! Asks an OAuth 2.0 server for access tokens (RFC 6749 and 7523).
//!
//! A refresh token may be good for one use only: what replaces it is durable before the access token that came with it is used, and
//! processes take turns.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::jwt::SigningKey;
use super::resolved::{Resolved, Scheme};
use super::{ORIGIN, Surroundings, refused_credentials};
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::capability::http::{advice, client, read_body, shown};
use crate::project::{ClientAuth, JwtBearer, OAuth2, RateHeaders};
use crate::store::PrivateLock;

/// Far more than any answer with tokens has.
const ANSWER_BYTES_MAX: u64 = 1 << 20;
/// A statement is used at once; servers refuse those that are good for long.
const STATEMENT_SECONDS: i64 = 180;
/// A token that ends this soon is not used any more: a request takes its time.
const EXPIRY_MARGIN_MAX: Duration = Duration::from_secs(30);
/// Whoever gives tokens gives them at once; the call that waits for one has other things to do.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Of what a server says about a refusal.
const QUOTED_CHARS_MAX: usize = 300;

/// An access token.
pub(super) struct Token {
    value: String,
    /// By the world's clock; none = until it is refused.
    pub until: Option<Duration>,
}

/// A refresh token that was handed out and could not be kept yet.
#[derive(Default)]
pub(super) struct Refresh {
    unsaved: Option<String>,
}

/// As it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Which refresh token of the project it came from: another one in the project begins anew.
    of: String,
    refresh_token: String,
}

impl Token {
    pub fn header(token: &Self) -> Result<HeaderValue, Failure> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.value))
            .map_err(|_| refused_credentials("the token holds a character no header can have".to_owned()))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// A token, if the scheme needs one. Every secret that comes up is handed to `remember` before anything else is done with it.
pub(super) async fn ask(
    resolved: &Resolved,
    refresh: &mut Refresh,
    around: &Surroundings,
    remember: impl Fn(String),
) -> Result<Option<Token>, Failure> {
    match &resolved.scheme {
        Scheme::None | Scheme::Fixed(_) => Ok(None),
        Scheme::OAuth2 { definition, client_id, secret, refresh_token } => {
            let exchange = Exchange { around, definition, client_id, secret: secret.as_deref(), remember: &remember };
            match refresh_token {
                Some(configured) => exchange.refresh(configured, refresh).await.map(Some),
                None => exchange.client_credentials().await.map(Some),
            }
        }
        Scheme::JwtBearer { definition, issuer, subject, key } => {
            let subject = subject.as_deref().unwrap_or(issuer);
            let assertion = statement(definition, issuer, subject, key, around)?;
            remember(assertion.clone());
            let mut form = vec![
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned()),
                ("assertion", assertion),
            ];
            form.extend(definition.scope.clone().map(|scope| ("scope", scope)));
            let answer = post(around, &definition.token_url, &form, None).await?;
            token(&definition.token_url, answer, around, &remember).map(|(token, _)| Some(token))
        }
    }
}

fn statement(
    definition: &JwtBearer,
    issuer: &str,
    subject: &str,
    key: &str,
    around: &Surroundings,
) -> Result<String, Failure> {
    let now: DateTime<Utc> = around.world.clock.now();
    let random = &around.world.random;
    let mut claims = json!({
        "iss": issuer,
        "sub": subject,
        "aud": definition.audience.clone().unwrap_or_else(|| definition.token_url.to_string()),
        "iat": now.timestamp(),
        "exp": now.timestamp() + STATEMENT_SECONDS,
        "jti": format!("{:016x}{:016x}", random.next_u64(), random.next_u64()),
    });
    // Some servers look for it here, others in the request.
    if let (Some(object), Some(scope)) = (claims.as_object_mut(), &definition.scope) {
        object.insert("scope".to_owned(), json!(scope));
    }
    let key = SigningKey::from_pem(definition.algorithm, key)
        .map_err(|error| refused_credentials(format!("the key cannot be used: {error}")))?;
    key.sign(definition.key_id.as_deref(), &claims)
        .ok_or_else(|| refused_credentials("nothing can be signed: the system gives no random numbers".to_owned()))
}

/// What requests for tokens of one client have in common.
struct Exchange<'a, R: Fn(String)> {
    around: &'a Surroundings,
    definition: &'a OAuth2,
    client_id: &'a str,
    secret: Option<&'a str>,
    remember: &'a R,
}

impl<R: Fn(String)> Exchange<'_, R> {
    async fn client_credentials(&self) -> Result<Token, Failure> {
        self.grant(vec![("grant_type", "client_credentials".to_owned())]).await.map(|(token, _)| token)
    }

    async fn refresh(&self, configured: &str, refresh: &mut Refresh) -> Result<Token, Failure> {
        let _turn = self.turn().await?;
        let of = fingerprint(&[self.definition.token_url.as_str(), self.client_id, configured]);
        let current = match refresh.unsaved.take() {
            Some(unsaved) => self.keep(&of, unsaved, refresh)?,
            None => self.kept(&of)?.unwrap_or_else(|| configured.to_owned()),
        };
        (self.remember)(current.clone());
        let form = vec![("grant_type", "refresh_token".to_owned()), ("refresh_token", current.clone())];
        let (token, next) = self.grant(form).await?;
        if let Some(next) = next.filter(|next| *next != current) {
            self.keep(&of, next, refresh)?;
        }
        Ok(token)
    }

    async fn grant(&self, mut form: Vec<(&'static str, String)>) -> Result<(Token, Option<String>), Failure> {
        form.extend(self.definition.scope.clone().map(|scope| ("scope", scope)));
        form.extend(self.definition.audience.clone().map(|audience| ("audience", audience)));
        let header = match (self.definition.client_auth, self.secret) {
            (ClientAuth::Basic, Some(secret)) => Some(self.client_header(secret)?),
            (_, secret) => {
                form.push(("client_id", self.client_id.to_owned()));
                form.extend(secret.map(|secret| ("client_secret", secret.to_owned())));
                None
            }
        };
        let url = &self.definition.token_url;
        let answer = post(self.around, url, &form, header).await?;
        token(url, answer, self.around, self.remember)
    }

    /// RFC 6749, 2.3.1: both parts are encoded as in a form first.
    fn client_header(&self, secret: &str) -> Result<HeaderValue, Failure> {
        let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let encoded = STANDARD.encode(format!("{}:{}", encode(self.client_id), encode(secret)));
        (self.remember)(encoded.clone());
        let mut value = HeaderValue::from_str(&format!("Basic {encoded}"))
            .map_err(|_| refused_credentials("the client's name cannot stand in a header".to_owned()))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Processes take turns: a refresh token may be good for one use only.
    async fn turn(&self) -> Result<PrivateLock, Failure> {
        let (files, name) = (self.around.files.clone(), self.file());
        match tokio::task::spawn_blocking(move || files.lock(&name)).await {
            Ok(lock) => lock.map_err(|error| not_kept(&error)),
            Err(error) => Err(not_kept(&error)),
        }
    }

    fn file(&self) -> String {
        format!("{}.token", self.around.name)
    }

    fn kept(&self, of: &str) -> Result<Option<String>, Failure> {
        let Some(bytes) = self.around.files.read(&self.file()).map_err(|error| not_kept(&error))? else {
            return Ok(None);
        };
        let kept: Kept = serde_json::from_slice(&bytes)
            .map_err(|_| not_kept(&format_args!("`{}` holds something else", self.file())))?;
        Ok((kept.of == of).then_some(kept.refresh_token))
    }

    /// What cannot be kept now is not forgotten: the server takes no other any more.
    fn keep(&self, of: &str, next: String, refresh: &mut Refresh) -> Result<String, Failure> {
        (self.remember)(next.clone());
        let kept = json!(Kept { of: of.to_owned(), refresh_token: next.clone() }).to_string();
        if let Err(error) = self.around.files.replace(&self.file(), kept.as_bytes()) {
            refresh.unsaved = Some(next);
            return Err(not_kept(&error));
        }
        Ok(next)
    }
}

fn fingerprint(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part.as_bytes());
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn not_kept(error: &dyn std::fmt::Display) -> Failure {
    let message = format!("the refresh token cannot be kept: {error}");
    Failure::new(FailureKind::Transient, &codes::STATE_IO, ORIGIN, message)
}

/// What a server answered.
struct Answer {
    status: u16,
    body: Vec<u8>,
    retry_after: Option<Duration>,
    /// When it was asked.
    asked_at: Duration,
}

async fn post(
    around: &Surroundings,
    url: &Url,
    form: &[(&str, String)],
    header: Option<HeaderValue>,
) -> Result<Answer, Failure> {
    let clock = &around.world.clock;
    let asked_at = clock.elapsed();
    let body = Serializer::new(String::new()).extend_pairs(form).finish();
    let mut request = around
        .client
        .post(url.clone())
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json")
        .timeout(ANSWER_TIMEOUT)
        .body(body);
    if let Some(header) = header {
        request = request.header(AUTHORIZATION, header);
    }
    let response = request.send().await.map_err(|error| client::failed(url, &error))?;
    let status = response.status().as_u16();
    let headers = super::super::header_list(response.headers());
    let body = read_body(response, url, ANSWER_BYTES_MAX).await?;
    let retry_after = advice::read(&headers, &RateHeaders::default(), clock.now()).retry_after;
    Ok(Answer { status, body, retry_after, asked_at })
}

/// The access token, and the refresh token that came with it.
fn token(
    url: &Url,
    answer: Answer,
    around: &Surroundings,
    remember: &impl Fn(String),
) -> Result<(Token, Option<String>), Failure> {
    let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |name: &str| json.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let value = match text("access_token") {
        Some(value) if (200..300).contains(&answer.status) => value,
        _ => return Err(refusal(url, &answer, &json)),
    };
    remember(value.clone());
    let refresh_token = text("refresh_token");
    refresh_token.iter().cloned().for_each(remember);
    if let Some(kind) = text("token_type").filter(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        let kind: String = kind.chars().take(20).filter(char::is_ascii_alphanumeric).collect();
        return Err(refused_credentials(format!("`{}` gives tokens of the kind `{kind}`, not `Bearer`", shown(url))));
    }
    let until = lifetime(json.get("expires_in")).map(|lifetime| {
        let margin = (lifetime / 10).min(EXPIRY_MARGIN_MAX);
        answer.asked_at.saturating_add(lifetime - margin)
    });
    let now = around.world.clock.elapsed();
    // One that has ended before it came is used once; whether it is good is for the server to say.
    Ok((Token { value, until: until.map(|until| until.max(now + Duration::from_millis(1))) }, refresh_token))
}

/// A number of seconds, which some servers write as text. None if it says nothing.
fn lifetime(expires_in: Option<&Value>) -> Option<Duration> {
    let seconds = match expires_in? {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    (seconds > 0.0).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}

fn refusal(url: &Url, answer: &Answer, json: &Value) -> Failure {
    let status = answer.status;
    let said = |name: &str| json.get(name).and_then(Value::as_str).map(quoted);
    let words = match (said("error"), said("error_description")) {
        (Some(error), Some(description)) => format!(": {error}: {description}"),
        (Some(error), None) => format!(": {error}"),
        _ if (200..300).contains(&status) => " without a token".to_owned(),
        _ => String::new(),
    };
    let message = format!("no token from `{}`: it answered {status}{words}", shown(url));
    let mut failure = match status {
        429 => Failure::new(FailureKind::RateLimited, &codes::HTTP_LIMITED, ORIGIN, message),
        408 | 500.. => Failure::new(FailureKind::Transient, &codes::HTTP_FAILED, ORIGIN, message),
        _ => refused_credentials(message),
    };
    failure.retry_after = answer.retry_after.filter(|wait| !wait.is_zero());
    match said("error").as_deref() {
        Some("invalid_grant") => failure.with(
            "hint",
            "if it is about a refresh token, get a new one from the service and put it where `refresh_token` refers to",
        ),
        Some("invalid_client") => failure.with("hint", "look at `client_id`, `secret` and `client_auth`"),
        _ => failure,
    }
}

/// On one line, and no more than a person reads.
pub(in crate::plugin::capability::http) fn quoted(text: &str) -> String {
    text.chars().take(QUOTED_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_as_servers_write_them() {
        let check = |expires_in: Value, expected: Option<u64>| {
            assert_eq!(lifetime(Some(&expires_in)), expected.map(Duration::from_secs), "{expires_in}");
        };
        check(json!(60), Some(60));
        check(json!("3600"), Some(3600));
        for none in [json!(0), json!(-1), json!("soon"), json!(null), json!("nan"), json!(1e300)] {
            check(none, None);
        }
        assert_eq!(lifetime(None), None);
    }

    #[test]
    fn refusals_are_told_apart() {
        let url = Url::parse("https://login.example.com/token?tenant=x").unwrap();
        let check = |status: u16, body: &str, kind: FailureKind, said: &str| {
            let answer = Answer { status, body: Vec::new(), retry_after: None, asked_at: Duration::ZERO };
            let failure = refusal(&url, &answer, &serde_json::from_str(body).unwrap_or_default());
            assert_eq!(failure.kind, kind, "{status} {body}");
            assert_eq!(failure.message, format!("no token from `https://login.example.com/token`: it answered {said}"));
        };
        check(400, r#"{"error":"invalid_grant"}"#, FailureKind::Auth, "400: invalid_grant");
        let described = r#"{"error":"invalid_client","error_description":"no\nsuch"}"#;
        check(401, described, FailureKind::Auth, "401: invalid_client: no such");
        check(200, "<html>", FailureKind::Auth, "200 without a token");
        check(302, "", FailureKind::Auth, "302");
        check(429, "", FailureKind::RateLimited, "429");
        check(503, "", FailureKind::Transient, "503");
    }

    #[test]
    fn another_token_in_the_project_is_another_beginning() {
        assert_ne!(fingerprint(&["u", "c", "a"]), fingerprint(&["u", "c", "b"]));
        assert_ne!(fingerprint(&["u", "ca", ""]), fingerprint(&["u", "c", "a"]));
    }
}
