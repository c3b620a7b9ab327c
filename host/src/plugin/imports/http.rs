use super::super::bindings::convert::error_for_plugin;
use super::super::bindings::lockstep::plugin::http as wit;
use super::super::bindings::lockstep::plugin::types::Error;
use super::not_granted;
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::capability::http::{self, Call, HttpOrigin, Request, SecretWish};
use crate::plugin::instance::State;
use crate::plugin::trouble::Fate;
use crate::project::RateHeaders;

impl wit::Host for State {
    async fn send(&mut self, requests: Vec<wit::Request>) -> wasmtime::Result<Vec<Result<wit::Response, Error>>> {
        let mut fates = Vec::with_capacity(requests.len());
        let mut prepared = Vec::with_capacity(requests.len());
        for request in requests {
            let (trouble, fate) = fate(self, &request);
            fates.push(fate);
            prepared.push(trouble.and_then(|()| prepare(self, request)));
        }
        let limits = self.limits.clone();
        let answers = http::send_all(prepared, &Call { limits: &limits, lane: self.lane }).await;
        let answers = answers.into_iter().zip(fates).map(|(answer, fate)| self.grants.trouble.answer(fate, answer));
        Ok(answers.map(|answer| answer.map(response).map_err(error_for_plugin)).collect())
    }
}

/// Whether a failure on order strikes it.
fn fate(state: &State, request: &wit::Request) -> (Result<(), Failure>, Fate) {
    let only_looks = matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS");
    let is_change = !only_looks && !matches!(is_idempotent(&request.options), Ok(Some(true)));
    state.grants.trouble.fate(is_change, || {
        let path = request.target.split('?').next().unwrap_or_default();
        let path = format!("{} {} {path}", request.endpoint, request.method);
        (format!("{path} {} {:?}", request.target, request.body), path)
    })
}

fn prepare(state: &State, request: wit::Request) -> Result<(HttpOrigin, Request), Failure> {
    let origin = state
        .grants
        .http
        .get(&request.endpoint)
        .cloned()
        .ok_or_else(|| not_granted(state, "http", &request.endpoint, "{ origin = \"https://api.example.com\" }"))?;
    let is_idempotent = is_idempotent(&request.options)?;
    let secrets = secrets(&request.options);
    let security = request.options.iter().find(|(name, _)| name == "security").map(|(_, mark)| mark.clone());
    let rate_headers = rate_headers(&request.options);
    let wit::Request { method, target, headers, body, .. } = request;
    Ok((origin, Request { method, target, headers, body, is_idempotent, secrets, security, rate_headers }))
}

/// `secret:NAME`: what stands for a secret in the body.
fn secrets(options: &[(String, String)]) -> Vec<SecretWish> {
    let wish = |(option, mark): &(String, String)| {
        let name = option.strip_prefix("secret:")?.to_owned();
        Some(SecretWish { name, mark: mark.clone() })
    };
    options.iter().filter_map(wish).collect()
}

/// `rate-header:KEY`: what the service calls a header that the connection need not name then.
fn rate_headers(options: &[(String, String)]) -> RateHeaders {
    let named = |key: &str| {
        let name = |(option, name): &(String, String)| {
            (option.strip_prefix("rate-header:") == Some(key)).then(|| name.to_ascii_lowercase())
        };
        options.iter().find_map(name)
    };
    RateHeaders {
        remaining: named("remaining"),
        used: named("used"),
        reset: named("reset"),
        daily_remaining: named("daily_remaining"),
        daily_used: named("daily_used"),
    }
}

/// The option `idempotent`; others are for hosts that know them.
fn is_idempotent(options: &[(String, String)]) -> Result<Option<bool>, Failure> {
    let Some((_, value)) = options.iter().find(|(name, _)| name == "idempotent") else { return Ok(None) };
    value.parse().map(Some).map_err(|_| {
        let message = format!("the option `idempotent` is `{}`, not `true` or `false`", value.escape_default());
        Failure::new(FailureKind::Permanent, &codes::PLUGIN_NONSENSE, "http", message)
    })
}

fn response(response: http::Response) -> wit::Response {
    wit::Response { status: response.status, headers: response.headers, body: response.body }
}
