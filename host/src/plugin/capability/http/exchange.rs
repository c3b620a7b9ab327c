//! One request to its end: admitted, given credentials, sent, and repeated where that can do no harm.
//!
//! A request may be repeated if it is idempotent, if it surely was not sent, or if the answer says that it was turned away. What may
//! have changed something and got no sensible answer, the first time or any other, has an unknown outcome, and says so.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT_ENCODING, COOKIE, HeaderMap, HeaderValue};
use url::Url;

use super::advice::{self, Advice};
use super::budget::back_off;
use super::credential::{Pass, SecretWish, missing_in_body, quoted, scrub_failure, with_security};
use super::{Call, Inner, ORIGIN, REQUEST_TIMEOUT, Response, client, header_list, read_body, shown};
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::project::RateHeaders;

/// The first attempt and three repeats; what lasts longer is for the sync, which can be interrupted.
const ATTEMPTS_MAX: u32 = 4;

/// A request that was checked and is ready to be sent.
pub(super) struct Prepared {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Option<Bytes>,
    /// Whether doing it twice is the same as doing it once.
    pub is_idempotent: bool,
    /// Secrets that belong into the body.
    pub secrets: Vec<SecretWish>,
    /// What stands in the body where the header for WS-Security belongs.
    pub security: Option<String>,
    /// What the plugin says the service calls its headers.
    pub rate_headers: RateHeaders,
}

/// Methods that RFC 9110, 9.2.2 says are idempotent.
pub(super) fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE | Method::OPTIONS | Method::TRACE)
}

/// An attempt without an answer that is of use.
struct Trouble {
    failure: Failure,
    fate: Fate,
    /// What the upstream asks us to wait.
    wait: Option<Duration>,
}

/// What is known of a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It was not sent, or the upstream did not look at it.
    TurnedAway,
    /// It may have been carried out.
    Unknown,
    /// Trying again is no use.
    Final,
}

/// What to do about trouble.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    RepeatAfter(Duration),
    GiveUp,
}

/// Pure: whether a request in trouble is sent again, as far as the request and the time are concerned.
fn judge(trouble: &Trouble, is_idempotent: bool, attempt: u32, chance: u64, left: Duration) -> Verdict {
    let is_harmless = match trouble.fate {
        Fate::TurnedAway => true,
        Fate::Unknown => is_idempotent,
        Fate::Final => false,
    };
    // Zero, which some servers ask for, is no pause.
    let wait = back_off(attempt - 1, chance).max(trouble.wait.unwrap_or_default());
    if is_harmless && attempt < ATTEMPTS_MAX && wait < left { Verdict::RepeatAfter(wait) } else { Verdict::GiveUp }
}

/// How an attempt ended.
enum Progress {
    Answered(Response),
    InTrouble(Trouble),
    /// The credentials were refused and there are new ones. Whoever says 401 has not looked at the request.
    Renewed,
}

impl Inner {
    /// Answers with whatever the upstream said in the end, except for what passes: that is a failure.
    pub(super) async fn exchange(&self, prepared: &Prepared, call: &Call<'_>) -> Result<Response, Failure> {
        let clock = &self.world.clock;
        let deadline = clock.elapsed() + call.patience();
        let (mut attempt, mut may_renew, mut is_doubtful) = (1, true, false);
        self.budget.earn_repeat();
        loop {
            let progress = self.attempt(prepared, may_renew, deadline, call).await;
            let trouble = match progress.map_err(|failure| told(failure, is_doubtful, prepared))? {
                Progress::Answered(response) => return Ok(response),
                Progress::Renewed => {
                    may_renew = false;
                    continue;
                }
                Progress::InTrouble(trouble) => trouble,
            };
            is_doubtful |= trouble.fate == Fate::Unknown;
            let left = deadline.saturating_sub(clock.elapsed());
            match judge(&trouble, prepared.is_idempotent, attempt, self.world.random.next_u64(), left) {
                Verdict::RepeatAfter(wait) if self.budget.spend_repeat() => clock.sleep(wait).await,
                _ => return Err(self.scrubbed(ending(trouble, is_doubtful, prepared))),
            }
            attempt += 1;
        }
    }

    /// An error ends the request whatever it is.
    async fn attempt(
        &self,
        prepared: &Prepared,
        may_renew: bool,
        deadline: Duration,
        call: &Call<'_>,
    ) -> Result<Progress, Failure> {
        self.admit_by_breaker(&prepared.url)?;
        let _slot = self.budget.admit(call.lane, &self.world, deadline).await?;
        let pass = match &self.credential {
            Some(credential) => Some(credential.pass().await?),
            None => None,
        };
        let outcome = self.send(prepared, pass.as_deref(), deadline, call).await?;
        let advice = outcome.as_ref().ok().map(|response| self.advice(response, &prepared.rate_headers));
        let advice = advice.unwrap_or_default();
        self.note(&outcome, &advice);
        let response = match outcome {
            Ok(response) => response,
            Err(trouble) if trouble.fate == Fate::Final => return Err(self.scrubbed(trouble.failure)),
            Err(trouble) => return Ok(Progress::InTrouble(trouble)),
        };
        if let (Some(credential), Some(pass)) = (&self.credential, &pass)
            && response.status == 401
            && may_renew
            && credential.renew(pass).await?
        {
            return Ok(Progress::Renewed);
        }
        Ok(sensible(response, &advice, &prepared.url))
    }

    async fn send(
        &self,
        prepared: &Prepared,
        pass: Option<&Pass>,
        deadline: Duration,
        call: &Call<'_>,
    ) -> Result<Result<Response, Trouble>, Failure> {
        let (mut url, mut headers) = (prepared.url.clone(), prepared.headers.clone());
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let (Some(credential), Some(pass)) = (&self.credential, pass) {
            credential.apply(pass, &mut url, &mut headers)?;
        }
        let now = self.world.clock.now();
        // A cookie that the project says itself is the one that is meant.
        if let Some(cookies) = self.cookies.of(&url, now).filter(|_| !headers.contains_key(COOKIE)) {
            headers.insert(COOKIE, cookies);
        }
        // Never nothing: a request whose turn has come is sent.
        let left = deadline.saturating_sub(self.world.clock.elapsed()).clamp(Duration::from_secs(1), REQUEST_TIMEOUT);
        let mut outgoing = self.client.request(prepared.method.clone(), url).headers(headers).timeout(left);
        if let Some(body) = &prepared.body {
            outgoing = outgoing.body(self.filled(body.clone(), prepared, pass)?);
        }
        let response = match outgoing.send().await {
            Ok(response) => response,
            Err(error) => return Ok(Err(Trouble::before_answer(&prepared.url, &error))),
        };
        let status = response.status().as_u16();
        self.cookies.take(response.headers(), &prepared.url, self.world.clock.now());
        let headers = header_list(response.headers());
        match read_body(response, &prepared.url, call.limits.http_response_bytes).await {
            Ok(body) => self.received(Response { status, headers, body }, &prepared.url).map(Ok),
            Err(failure) if failure.kind == FailureKind::Transient => {
                Ok(Err(Trouble { failure, fate: Fate::Unknown, wait: None }))
            }
            Err(failure) => Err(self.scrubbed(failure)),
        }
    }

    /// The body with what belongs into it, made for this attempt.
    fn filled(&self, mut body: Bytes, prepared: &Prepared, pass: Option<&Pass>) -> Result<Bytes, Failure> {
        let wanted = prepared.secrets.as_slice();
        if let Some(mark) = &prepared.security {
            let header = self.credential.as_ref().zip(pass).map(|(credential, pass)| credential.security(pass));
            body = with_security(body, mark, &header.unwrap_or_default())?;
        }
        match (&self.credential, pass, wanted.first()) {
            (_, _, None) => Ok(body),
            (Some(credential), Some(pass), _) => credential.fill(pass, body, wanted),
            (_, _, Some(wish)) => Err(missing_in_body(&wish.name)),
        }
    }

    /// Takes out what the plugin must not see.
    fn received(&self, mut response: Response, url: &Url) -> Result<Response, Failure> {
        let Some(credential) = &self.credential else { return Ok(response) };
        let is_plain = |value: &[u8]| value.is_empty() || value.eq_ignore_ascii_case(b"identity");
        if response.headers.iter().any(|(name, value)| name == "content-encoding" && !is_plain(value)) {
            let message = format!("`{}` sent something compressed, which was not asked for", shown(url));
            return Err(Failure::new(FailureKind::Permanent, &codes::HTTP_FAILED, ORIGIN, message));
        }
        let scrubber = credential.scrubber();
        let mut found = scrubber.scrub(&mut response.body);
        for (name, value) in &mut response.headers {
            found |= scrubber.scrub(value);
            *name = scrubber.scrub_text(std::mem::take(name));
        }
        if found && credential.is_first_echo() {
            tracing::warn!(url = shown(url), "an upstream sends credentials back; they are overwritten");
        }
        Ok(response)
    }

    /// `Retry-After` of an answer that is one (202, 301) is about what was asked for, not about asking.
    fn advice(&self, response: &Response, told: &RateHeaders) -> Advice {
        let called = self.budget.headers().or(told);
        let advice = advice::read(&response.headers, &called, self.world.clock.now());
        if is_passing(response.status) { advice } else { Advice { retry_after: None, ..advice } }
    }

    /// What an attempt says about the origin and about the connection.
    fn note(&self, outcome: &Result<Response, Trouble>, advice: &Advice) {
        self.budget.heed(advice, &self.world);
        let now = self.world.clock.elapsed();
        match outcome {
            Ok(response) if !matches!(response.status, 502..=504) => self.breaker().succeeded(),
            Err(trouble) if trouble.fate == Fate::Final => {}
            _ => self.breaker().failed(now),
        }
    }

    fn admit_by_breaker(&self, url: &Url) -> Result<(), Failure> {
        self.breaker().admit(self.world.clock.elapsed()).map_err(|wait| {
            let origin = url.origin().ascii_serialization();
            let message =
                format!("`{origin}` fails time after time; no request is sent for {:.0} s", wait.as_secs_f64());
            let mut failure = Failure::new(FailureKind::RateLimited, &codes::HTTP_SUSPENDED, ORIGIN, message);
            failure.retry_after = Some(wait);
            failure
        })
    }

    fn scrubbed(&self, failure: Failure) -> Failure {
        match &self.credential {
            Some(credential) => scrub_failure(&credential.scrubber(), failure),
            None => failure,
        }
    }
}

impl Trouble {
    fn before_answer(url: &Url, error: &reqwest::Error) -> Self {
        let failure = client::failed(url, error);
        let fate = if failure.kind != FailureKind::Transient {
            Fate::Final
        } else if error.is_connect() {
            Fate::TurnedAway
        } else {
            Fate::Unknown
        };
        Self { failure, fate, wait: None }
    }
}

/// Whether a status only says that there is no answer for now.
fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 502..=504)
}

/// An answer for the plugin, unless it only says that there is none for now.
fn sensible(response: Response, advice: &Advice, url: &Url) -> Progress {
    let (kind, code, fate) = match response.status {
        429 => (FailureKind::RateLimited, &codes::HTTP_LIMITED, Fate::TurnedAway),
        status if is_passing(status) => (FailureKind::Transient, &codes::HTTP_FAILED, Fate::Unknown),
        _ => return Progress::Answered(response),
    };
    let message = format!("`{}` answered {}", shown(url), response.status);
    let detail = quoted(&String::from_utf8_lossy(&response.body));
    let failure =
        Failure::new(kind, code, ORIGIN, message).with("status", response.status.to_string()).with("detail", detail);
    let wait = advice.retry_after.max(advice.exhausted_for.filter(|_| response.status == 429));
    Progress::InTrouble(Trouble { failure, fate, wait })
}

/// What the plugin is told when a request is given up.
fn ending(trouble: Trouble, is_doubtful: bool, prepared: &Prepared) -> Failure {
    let Trouble { mut failure, wait, .. } = trouble;
    failure.retry_after = wait.filter(|wait| !wait.is_zero());
    told(failure, is_doubtful, prepared)
}

/// A failure, with whether nobody knows what came of the request. What only looks changes nothing in any case.
fn told(failure: Failure, is_doubtful: bool, prepared: &Prepared) -> Failure {
    match is_doubtful && !prepared.method.is_safe() {
        false => failure,
        true if prepared.is_idempotent => doubtful(failure),
        true => unknown_outcome(failure, prepared.method.as_str()),
    }
}

/// What a plugin is told of a request of which nobody knows whether it was carried out, and that must not be made twice.
pub fn unknown_outcome(mut failure: Failure, method: &str) -> Failure {
    failure.code = &codes::HTTP_UNKNOWN;
    failure.message = format!("{}; whether the {method} was carried out is not known", failure.message);
    doubtful(failure)
}

/// `Transient` is what a hub looks up before it writes again.
fn doubtful(mut failure: Failure) -> Failure {
    failure.kind = FailureKind::Transient;
    failure.with("outcome", "unknown")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LONG: Duration = Duration::from_secs(90);

    fn trouble(fate: Fate, wait: Option<Duration>) -> Trouble {
        let failure = Failure::new(FailureKind::Transient, &codes::HTTP_FAILED, ORIGIN, "it failed");
        Trouble { failure, fate, wait }
    }

    #[test]
    fn only_what_can_do_no_harm_is_repeated() {
        let repeats = |fate, is_idempotent| judge(&trouble(fate, None), is_idempotent, 1, 0, LONG) != Verdict::GiveUp;
        assert!(repeats(Fate::TurnedAway, false) && repeats(Fate::TurnedAway, true));
        assert!(repeats(Fate::Unknown, true) && !repeats(Fate::Unknown, false));
        assert!(!repeats(Fate::Final, true));
    }

    #[test]
    fn methods() {
        for (method, expected) in [("GET", true), ("HEAD", true), ("PUT", true), ("DELETE", true), ("OPTIONS", true)] {
            assert_eq!(is_idempotent(&Method::from_bytes(method.as_bytes()).unwrap()), expected, "{method}");
        }
        for method in ["POST", "PATCH", "MERGE", "get"] {
            assert!(!is_idempotent(&Method::from_bytes(method.as_bytes()).unwrap()), "{method}");
        }
    }

    #[test]
    fn an_unknown_outcome_says_so_and_a_known_one_does_not() {
        let ended = |method: Method, fate: Fate, is_idempotent| {
            let url = Url::parse("https://a/x").unwrap();
            let prepared = Prepared {
                method,
                url,
                headers: HeaderMap::new(),
                body: None,
                is_idempotent,
                secrets: Vec::new(),
                security: None,
                rate_headers: RateHeaders::default(),
            };
            ending(trouble(fate, Some(Duration::ZERO)), fate == Fate::Unknown, &prepared)
        };
        let unknown = ended(Method::POST, Fate::Unknown, false);
        assert_eq!((unknown.code.id, unknown.kind), ("LS0516", FailureKind::Transient));
        assert_eq!(unknown.properties.get("outcome"), Some("unknown"));
        assert_eq!(unknown.retry_after, None);
        for (failure, outcome) in [
            (ended(Method::PUT, Fate::Unknown, true), Some("unknown")),
            (ended(Method::GET, Fate::Unknown, true), None),
            (ended(Method::POST, Fate::TurnedAway, false), None),
        ] {
            assert_eq!((failure.code.id, failure.properties.get("outcome")), ("LS0507", outcome));
        }
    }

    proptest! {
        /// A wait is never shorter than what the upstream asks for, and never longer than the time there is.
        #[test]
        fn waits_are_long_enough_and_fit(
            asked in prop::option::of(0u64..10_000_000),
            attempt in 1u32..10,
            chance in any::<u64>(),
            left in 0u64..100_000,
        ) {
            let (asked, left) = (asked.map(Duration::from_millis), Duration::from_millis(left));
            match judge(&trouble(Fate::TurnedAway, asked), false, attempt, chance, left) {
                Verdict::RepeatAfter(wait) => {
                    prop_assert!(attempt < ATTEMPTS_MAX && wait < left && !wait.is_zero());
                    prop_assert!(wait >= asked.unwrap_or_default());
                }
                Verdict::GiveUp => prop_assert!(attempt >= ATTEMPTS_MAX || left <= Duration::from_secs(20).max(asked.unwrap_or_default())),
            }
        }
    }
}
