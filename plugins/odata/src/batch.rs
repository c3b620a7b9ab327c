//! Several requests in one, and the answer to each of them.

mod json;
mod multipart;

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::http::{Ask, Reply};

use crate::config::BatchForm;
use crate::connection::Connection;
use crate::edm::Version;
use crate::trouble::refused;

/// One of the requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    pub method: &'static str,
    /// Relative to the service.
    pub below: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
}

/// What the requests do, all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Doing it twice is the same as doing it once.
    Read,
    Write,
}

/// Sends the requests, as many at once as the project and the service allow, and answers each in its place. One that was not
/// answered may have been carried out, unless its error says otherwise.
pub fn send(connection: &Connection, version: Version, parts: &[Part], purpose: Purpose) -> Vec<Result<Reply>> {
    let form = match connection.config.batch {
        BatchForm::Auto => BatchForm::Multipart,
        chosen => chosen,
    };
    let mut answers = Vec::with_capacity(parts.len());
    let mut size = connection.config.batch_size.max(1);
    let mut rest = parts;
    while !rest.is_empty() {
        let (chunk, behind) = rest.split_at(size.min(rest.len()));
        let answered = match chunk {
            [_] => Together::Unsupported,
            _ if form == BatchForm::None => Together::Unsupported,
            several => together(connection, version, several, purpose, form),
        };
        match answered {
            Together::Answered(found) => answers.extend(found),
            Together::Unsupported => answers.extend(one_by_one(connection, version, chunk, purpose)),
            Together::TooLarge => {
                size = chunk.len().div_ceil(2);
                continue;
            }
        }
        rest = behind;
    }
    answers
}

/// What came of a batch.
enum Together {
    Answered(Vec<Result<Reply>>),
    /// The service has no batches; nothing was done.
    Unsupported,
    /// The service does not take that much at once; nothing was done.
    TooLarge,
}

fn one_by_one(connection: &Connection, version: Version, parts: &[Part], purpose: Purpose) -> Vec<Result<Reply>> {
    let ask = |part: &Part| {
        let mut ask = Ask::new(part.method, connection.service.target(&part.below));
        ask.headers = connection.headers(version);
        ask.headers.extend(part.headers.iter().cloned());
        ask.body = part.body.as_ref().map(|body| body.clone().into_bytes());
        connection.dressed(ask)
    };
    let asks: Vec<Ask> = parts.iter().map(ask).collect();
    match purpose {
        Purpose::Read => connection.send_all(asks),
        Purpose::Write => connection.write_all(asks),
    }
}

fn together(connection: &Connection, version: Version, parts: &[Part], purpose: Purpose, form: BatchForm) -> Together {
    let (kind, body) = match form {
        BatchForm::Json => ("application/json".to_owned(), json::write(parts)),
        _ => multipart::write(parts, version),
    };
    let mut ask = Ask::new("POST", connection.target("$batch", &[])).idempotent(purpose == Purpose::Read).body(body);
    ask.headers = connection.headers(version);
    ask.headers.retain(|(name, _)| name != "Accept");
    let accept = if form == BatchForm::Json { "application/json" } else { "multipart/mixed" };
    let ask = ask.header("Accept", accept).header("Content-Type", kind);
    // Without it the first request that fails is the last one that is looked at.
    let ask = ask.header("Prefer", "odata.continue-on-error");
    let mut replies = connection.write_all(vec![connection.dressed(ask)]);
    let reply = match replies.pop() {
        Some(Ok(reply)) => reply,
        Some(Err(error)) => return Together::Answered(all(parts, &error)),
        None => return Together::Answered(all(parts, &unanswered())),
    };
    let is_unknown = matches!(reply.status, 404 | 405 | 415 | 501);
    if is_unknown && connection.config.batch == BatchForm::Auto {
        return Together::Unsupported;
    }
    if reply.status == 413 {
        return Together::TooLarge;
    }
    if !reply.is_success() {
        let error = as_unknown(refused(&reply, "carry out a batch"), reply.status, purpose);
        return Together::Answered(all(parts, &error));
    }
    let kind = reply.header("content-type").unwrap_or_default().to_owned();
    let answers = if kind.to_ascii_lowercase().starts_with("multipart/") {
        multipart::read(&kind, &reply.body, parts.len())
    } else {
        json::read(&reply, parts.len())
    };
    Together::Answered(match answers {
        Ok(answers) => answers.into_iter().map(|answer| answer.ok_or_else(unanswered)).collect(),
        Err(error) => all(parts, &as_unknown(error, 200, purpose)),
    })
}

fn all(parts: &[Part], error: &Error) -> Vec<Result<Reply>> {
    parts.iter().map(|_| Err(error.clone())).collect()
}

fn unanswered() -> Error {
    Error::transient(
        "the service answered a batch but not all of its requests; whether they were carried out is not known",
    )
    .with_code("odata.batch")
    .with_property("outcome", "unknown")
}

/// An answer that cannot be read, or a failure that the service does not explain, says nothing about what was done.
fn as_unknown(error: Error, status: u16, purpose: Purpose) -> Error {
    let was_looked_at = status == 200 || status >= 500;
    match purpose {
        Purpose::Write if was_looked_at => {
            let message = format!("{}; whether the batch was carried out is not known", error.message);
            Error::transient(message).with_code(error.code).with_property("outcome", "unknown")
        }
        _ => error,
    }
}
