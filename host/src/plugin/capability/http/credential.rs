//! Credentials of one endpoint: added to requests after the last check of where they go, to no other origin, and taken out of what
//! comes back.
//!
//! What is asked for (a token) is asked for by one at a time; everybody else waits for the answer. A refresh token that a server
//! hands out is durable before anything is done with what came with it.

mod body;
mod jwt;
mod resolved;
mod token;
mod wss;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Client;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

pub use self::body::SecretWish;
pub(super) use self::body::{missing_in_body, with_security};
use self::resolved::Resolved;
pub(super) use self::token::quoted;
use self::token::{Refresh, Token};
use self::wss::UsernameToken;
use super::ORIGIN;
use super::scrub::Scrubber;
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::project::{Auth, ProjectErrors};
use crate::store::PrivateFiles;
use crate::world::World;

/// Tokens that were in use and may still be echoed.
const REMEMBERED_MAX: usize = 32;

/// What making credentials needs besides their definition.
pub struct Surroundings {
    /// Asks for tokens.
    pub client: Client,
    pub world: World,
    /// Where a refresh token that a server hands out is kept.
    pub files: PrivateFiles,
    /// The name of its file: `crm.api`.
    pub name: String,
}

/// The credentials of one endpoint.
pub struct Credential {
    inner: Arc<Inner>,
}

struct Inner {
    auth: Auth,
    origin: url::Origin,
    surroundings: Surroundings,
    held: Arc<tokio::sync::Mutex<Held>>,
    remembered: RwLock<Remembered>,
    has_echoed: AtomicBool,
}

struct Held {
    resolved: Resolved,
    refresh: Refresh,
    /// What requests are given now, and until when.
    pass: Option<(Arc<Pass>, Option<Duration>)>,
    generation: u64,
}

#[derive(Default)]
struct Remembered {
    /// What the references lead to now.
    fixed: Vec<String>,
    /// What was handed out or has been replaced, the oldest first.
    passing: VecDeque<String>,
    scrubber: Arc<Scrubber>,
}

/// What is added to a request.
pub struct Pass {
    headers: Vec<(HeaderName, HeaderValue)>,
    query: Vec<(String, String)>,
    body: Vec<(String, String)>,
    wss: Option<UsernameToken>,
    generation: u64,
}

impl Credential {
    /// Follows every reference; nobody is asked for anything yet.
    pub fn new(auth: &Auth, origin: &Url, surroundings: Surroundings) -> Result<Self, CredentialError> {
        let resolved = Resolved::of(auth)?;
        let secrets = resolved.secrets();
        let held = Held { resolved, refresh: Refresh::default(), pass: None, generation: 0 };
        let inner = Inner {
            auth: auth.clone(),
            origin: origin.origin(),
            surroundings,
            held: Arc::new(tokio::sync::Mutex::new(held)),
            remembered: RwLock::default(),
            has_echoed: AtomicBool::new(false),
        };
        inner.use_fixed(secrets);
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What a request is to be given now.
    pub async fn pass(&self) -> Result<Arc<Pass>, Failure> {
        let held = self.inner.held.clone().lock_owned().await;
        let now = self.inner.surroundings.world.clock.elapsed();
        match &held.pass {
            Some((pass, until)) if until.is_none_or(|until| now < until) => Ok(pass.clone()),
            _ => self.issue(held).await,
        }
    }

    /// Whether there is something else to give instead of what was refused.
    pub async fn renew(&self, refused: &Pass) -> Result<bool, Failure> {
        let mut held = self.inner.held.clone().lock_owned().await;
        if held.pass.as_ref().is_some_and(|(pass, _)| pass.generation != refused.generation) {
            return Ok(true);
        }
        let auth = self.inner.auth.clone();
        // A secret may have been changed where it is kept. Following a reference may start a program.
        let resolved = tokio::task::spawn_blocking(move || Resolved::of(&auth)).await;
        let resolved = match resolved {
            Ok(Ok(resolved)) => resolved,
            Ok(Err(error)) => return Err(error.into_failure()),
            Err(error) => return Err(refused_credentials(format!("a secret cannot be followed: {error}"))),
        };
        if resolved == held.resolved && !resolved.asks_for_tokens() {
            return Ok(false);
        }
        self.inner.use_fixed(resolved.secrets());
        held.resolved = resolved;
        held.pass = None;
        self.issue(held).await.map(|_| true)
    }

    /// In a task of its own: a caller that gives up must not interrupt what uses up one token to get the next.
    async fn issue(&self, mut held: tokio::sync::OwnedMutexGuard<Held>) -> Result<Arc<Pass>, Failure> {
        let inner = self.inner.clone();
        let task = tokio::spawn(async move { inner.issue(&mut held).await });
        task.await.unwrap_or_else(|error| Err(refused_credentials(format!("no token was got: {error}"))))
    }

    /// Adds credentials to a request that goes where they belong, and to no other.
    pub fn apply(&self, pass: &Pass, url: &mut Url, headers: &mut HeaderMap) -> Result<(), Failure> {
        if url.origin() != self.inner.origin {
            let message = format!("credentials of another origin do not belong to `{}`", super::shown(url));
            return Err(Failure::new(FailureKind::Permanent, &codes::HTTP_DENIED, ORIGIN, message));
        }
        for (name, value) in &pass.headers {
            headers.insert(name, value.clone());
        }
        for (name, value) in &pass.query {
            set_parameter(url, name, value);
        }
        Ok(())
    }

    /// The body with the secrets that the request asks for in it. Only behind [`Credential::apply`], which says that they belong there.
    pub fn fill(&self, pass: &Pass, body: Bytes, wanted: &[SecretWish]) -> Result<Bytes, Failure> {
        body::fill(&pass.body, body, wanted)
    }

    /// The header for WS-Security of one attempt; nothing if the project grants none.
    pub fn security(&self, pass: &Pass) -> String {
        let World { clock, random, .. } = &self.inner.surroundings.world;
        let nonce = (u128::from(random.next_u64()) << 64) | u128::from(random.next_u64());
        pass.wss.as_ref().map(|token| token.header(clock.now(), nonce.to_be_bytes())).unwrap_or_default()
    }

    /// Whether nobody has yet been told that the upstream sends credentials back.
    pub fn is_first_echo(&self) -> bool {
        !self.inner.has_echoed.swap(true, Ordering::Relaxed)
    }

    /// All that is known, for finding it elsewhere.
    pub fn secrets(&self) -> Vec<String> {
        let remembered = self.inner.remembered.read().unwrap_or_else(PoisonError::into_inner);
        remembered.fixed.iter().chain(&remembered.passing).cloned().collect()
    }

    /// Finds what must not leave the host.
    pub fn scrubber(&self) -> Arc<Scrubber> {
        self.inner.remembered.read().unwrap_or_else(PoisonError::into_inner).scrubber.clone()
    }
}

impl Inner {
    async fn issue(&self, held: &mut Held) -> Result<Arc<Pass>, Failure> {
        let Held { resolved, refresh, generation, .. } = &mut *held;
        let token = token::ask(resolved, refresh, &self.surroundings, |secret| self.remember(secret)).await;
        let token = token.map_err(|failure| self.scrub(failure))?;
        *generation += 1;
        let authorization = match &token {
            Some(token) => Some(Token::header(token)?),
            None => None,
        };
        let (headers, query, body) = (resolved.headers(authorization), resolved.query(), resolved.body());
        let pass = Arc::new(Pass { headers, query, body, wss: resolved.wss.clone(), generation: *generation });
        held.pass = Some((pass.clone(), token.and_then(|token| token.until)));
        Ok(pass)
    }

    /// Secrets that are used from now on; those before them may still be echoed.
    fn use_fixed(&self, secrets: Vec<String>) {
        let mut remembered = self.remembered.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut remembered.fixed, secrets);
        before.into_iter().for_each(|secret| remembered.note(secret));
        remembered.look_for_all();
    }

    fn remember(&self, secret: String) {
        let mut remembered = self.remembered.write().unwrap_or_else(PoisonError::into_inner);
        remembered.note(secret);
        remembered.look_for_all();
    }

    fn scrub(&self, failure: Failure) -> Failure {
        let scrubber = self.remembered.read().unwrap_or_else(PoisonError::into_inner).scrubber.clone();
        scrub_failure(&scrubber, failure)
    }
}

impl Remembered {
    fn note(&mut self, secret: String) {
        if !self.fixed.contains(&secret) && !self.passing.contains(&secret) {
            self.passing.push_back(secret);
        }
        if self.passing.len() > REMEMBERED_MAX {
            self.passing.pop_front();
        }
    }

    fn look_for_all(&mut self) {
        self.scrubber = Arc::new(Scrubber::new(self.fixed.iter().chain(&self.passing).map(String::as_str)));
    }
}

/// A failure's texts may quote what an upstream said.
pub fn scrub_failure(scrubber: &Scrubber, mut failure: Failure) -> Failure {
    failure.message = scrubber.scrub_text(failure.message);
    failure.detail_code = scrubber.scrub_text(failure.detail_code);
    for (_, value) in &mut failure.properties.0 {
        *value = scrubber.scrub_text(std::mem::take(value));
    }
    failure
}

/// Why credentials cannot be used as they are defined.
#[derive(Debug)]
pub enum CredentialError {
    /// A reference leads nowhere.
    Secret(ProjectErrors),
    /// What it leads to cannot be used: a sentence about the key `path`, and what to do.
    Unfit { place: String, path: String, reason: String, hint: Option<String> },
}

impl From<ProjectErrors> for CredentialError {
    fn from(errors: ProjectErrors) -> Self {
        Self::Secret(errors)
    }
}

impl CredentialError {
    /// As a person sees it.
    pub fn into_failure(self) -> Failure {
        match self {
            Self::Secret(errors) => {
                let hint = crate::error::Explain::hints(&errors).into_iter().next();
                let failure = Failure::new(FailureKind::Auth, &codes::SECRET_UNRESOLVED, ORIGIN, with_causes(&errors));
                hint.into_iter().fold(failure, |failure, hint| failure.with("hint", hint))
            }
            Self::Unfit { place, path, reason, hint } => {
                let message = format!("`{path}`: {reason}");
                let failure = Failure::new(FailureKind::Config, &codes::PROJECT_VALUE, &place, message);
                hint.into_iter().fold(failure, |failure, hint| failure.with("hint", hint))
            }
        }
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn refused_credentials(message: String) -> Failure {
    Failure::new(FailureKind::Auth, &codes::HTTP_AUTH, ORIGIN, message)
}

/// In place of a parameter of the same name, wherever it comes from. Everything else stays as it is written.
fn set_parameter(url: &mut Url, name: &str, value: &str) {
    let is_other =
        |pair: &&str| url::form_urlencoded::parse(pair.as_bytes()).next().is_some_and(|(known, _)| known != name);
    let mut pairs: Vec<String> =
        url.query().unwrap_or_default().split('&').filter(is_other).map(str::to_owned).collect();
    pairs.push(url::form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish());
    url.set_query(Some(&pairs.join("&")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn credentials_stay_at_their_origin() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), "hunter2-hunter2").unwrap();
        let text = "[project]\nname = \"a\"\n[connection.crm]\nplugin = \"csv\"\nhttp.api = { origin = \"https://a.example\", \
                    auth = { bearer = \"file:key\", header = { X-Key = \"file:key\" }, query = { key = \"file:key\" } } }";
        let project = crate::project::Project::parse(text, folder.path(), "lockstep.toml").unwrap();
        let auth = project.connections["crm"].http["api"].auth.clone().unwrap();
        let surroundings = Surroundings {
            client: super::super::client::builder(std::time::Duration::ZERO, std::time::Duration::ZERO)
                .build()
                .unwrap(),
            world: World::real(),
            files: PrivateFiles::of(folder.path(), "http"),
            name: "crm.api".into(),
        };
        let origin = Url::parse("https://a.example").unwrap();
        let credential = Credential::new(&auth, &origin, surroundings).unwrap_or_else(|error| panic!("{error:?}"));
        let pass = credential.pass().await.unwrap();
        // However many tokens come and go, what the project refers to is not forgotten.
        (0..100).for_each(|number| credential.inner.remember(format!("access-token-{number}")));
        let scrubbed = |text: &str| credential.scrubber().scrub_text(text.to_owned());
        assert_eq!(scrubbed("hunter2-hunter2 access-token-99"), "*************** ***************");
        for other in ["http://a.example/x", "https://b.example/x", "https://a.example:444/x"] {
            let (mut url, mut headers) = (Url::parse(other).unwrap(), HeaderMap::new());
            assert_eq!(credential.apply(&pass, &mut url, &mut headers).unwrap_err().code.id, "LS0505", "{other}");
            assert_eq!((url.as_str(), headers.len()), (other, 0));
        }
        let (mut url, mut headers) = (Url::parse("https://a.example:443/x").unwrap(), HeaderMap::new());
        credential.apply(&pass, &mut url, &mut headers).unwrap();
        assert_eq!((url.query(), headers.len()), (Some("key=hunter2-hunter2"), 2));
    }

    #[test]
    fn a_parameter_takes_the_place_of_another_of_its_name() {
        let check = |before: &str, after: &str| {
            let mut url = Url::parse(before).unwrap();
            set_parameter(&mut url, "api_key", "a b&c");
            assert_eq!(url.as_str(), after);
        };
        check("https://a/x", "https://a/x?api_key=a+b%26c");
        check("https://a/x?$filter=a%20eq%20%27b%27", "https://a/x?$filter=a%20eq%20%27b%27&api_key=a+b%26c");
        check("https://a/x?api_key=mine&b=1&api%5Fkey=2", "https://a/x?b=1&api_key=a+b%26c");
    }
}
