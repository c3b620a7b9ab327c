use super::super::bindings::convert::error_for_plugin;
use super::super::bindings::lockstep::plugin::http as wit;
use super::super::bindings::lockstep::plugin::types::Error;
use super::not_granted;
use crate::plugin::capability::http::{self, Request};
use crate::plugin::instance::State;

impl wit::Host for State {
    async fn send(&mut self, requests: Vec<wit::Request>) -> wasmtime::Result<Vec<Result<wit::Response, Error>>> {
        let limits = self.limits.clone();
        let prepared: Vec<_> = requests
            .into_iter()
            .map(|request| {
                let origin = self.grants.http.get(&request.endpoint).cloned().ok_or_else(|| {
                    not_granted(self, "http", &request.endpoint, "{ origin = \"https://api.example.com\" }")
                })?;
                let wit::Request { method, target, headers, body, .. } = request;
                Ok((origin, Request { method, target, headers, body }))
            })
            .collect();
        let answers = http::send_all(prepared, &limits).await;
        Ok(answers.into_iter().map(|answer| answer.map(response).map_err(error_for_plugin)).collect())
    }
}

fn response(response: http::Response) -> wit::Response {
    wit::Response { status: response.status, headers: response.headers, body: response.body }
}
