use super::super::bindings::convert::error_for_plugin;
use super::super::bindings::lockstep::plugin::http as wit;
use super::super::bindings::lockstep::plugin::types::Error;
use super::not_granted;
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::capability::http::{self, Call, HttpOrigin, Request, SecretWish};
use crate::plugin::instance::State;

impl wit::Host for State {
    async fn send(&mut self, requests: Vec<wit::Request>) -> wasmtime::Result<Vec<Result<wit::Response, Error>>> {
        let prepared = requests.into_iter().map(|request| prepare(self, request)).collect();
        let limits = self.limits.clone();
        let answers = http::send_all(prepared, &Call { limits: &limits, lane: self.lane }).await;
        Ok(answers.into_iter().map(|answer| answer.map(response).map_err(error_for_plugin)).collect())
    }
}

fn prepare(state: &State, request: wit::Request) -> Result<(HttpOrigin, Request), Failure> {
    let origin = state
        .grants
        .http
        .get(&request.endpoint)
        .cloned()
        .ok_or_else(|| not_granted(state, "http", &request.endpoint, "{ origin = \"https://api.example.com\" }"))?;
    let is_idempotent = is_idempotent(&request.options)?;
    let only_looks = matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS");
    if let Some(failure) = state.grants.trouble.strikes(!only_looks && is_idempotent != Some(true)) {
        return Err(failure);
    }
    let secrets = secrets(&request.options);
    let security = request.options.iter().find(|(name, _)| name == "security").map(|(_, mark)| mark.clone());
    let wit::Request { method, target, headers, body, .. } = request;
    Ok((origin, Request { method, target, headers, body, is_idempotent, secrets, security }))
}

/// `secret:NAME`: what stands for a secret in the body.
fn secrets(options: &[(String, String)]) -> Vec<SecretWish> {
    let wish = |(option, mark): &(String, String)| {
        let name = option.strip_prefix("secret:")?.to_owned();
        Some(SecretWish { name, mark: mark.clone() })
    };
    options.iter().filter_map(wish).collect()
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
