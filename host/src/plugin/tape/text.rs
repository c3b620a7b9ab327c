//! A recording as a file: JSON, one line for the head, one for each exchange, one for each thing the plugin gave.
//!
//! Nothing leaves through here that is a secret: every text is searched for those the host knows, and for tokens that came in answers.
//! A token is overwritten wherever it stands, also in the requests that carried it on, so that they still belong together.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Code, Explain, codes};
use crate::plugin::capability::http::Scrubber;

const VERSION: u32 = 1;

/// Names under which servers hand out what opens doors: headers, members of JSON, elements of XML; in lower case, without dashes.
const TOKEN_NAMES: &[&str] = &[
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "sessiontoken",
    "authtoken",
    "csrftoken",
    "sessionid",
    "clientsecret",
    "apikey",
    "password",
    "xcsrftoken",
    "xxsrftoken",
    "xauthtoken",
    "xapikey",
    "xsessionid",
    "authorization",
];

/// A recording as it stands in its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    pub head: Head,
    pub exchanges: Vec<Exchange>,
    /// What the plugin gave, in order.
    pub gave: Vec<Value>,
}

/// What was recorded, and with what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// `csv@0.1.0`.
    pub plugin: String,
    pub digest: String,
    pub connection: String,
    pub config: Value,
    /// The aliases that were granted, per capability, with what lay behind them.
    pub grants: BTreeMap<String, BTreeMap<String, String>>,
    /// The streams that were read.
    pub streams: Vec<String>,
    /// Rows and bytes asked for per page.
    pub page_rows: u32,
    pub page_bytes: u64,
    pub began: DateTime<Utc>,
    /// What the plugin's chance follows from.
    pub chance: u64,
    /// What was written behind that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes: Option<Writes>,
    /// What the battery was to look at, if what it asks was recorded, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<Value>,
}

/// What was written, page by page, each made durable by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Writes {
    pub stream: String,
    pub key: Vec<String>,
    pub steps: Vec<Step>,
}

/// One page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// `upsert`, `insert`, `update`.
    pub mode: String,
    /// Whether the rows are to be deleted; else they are written.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deletes: bool,
    pub rows: Vec<serde_json::Map<String, Value>>,
}

/// A request and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    pub asked: Value,
    pub got: Value,
    /// Since the recording began.
    pub elapsed_ms: u64,
    /// How often in a row the same request was answered the same.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub times: u64,
}

fn once() -> u64 {
    1
}

fn is_once(times: &u64) -> bool {
    *times == 1
}

#[derive(Serialize, Deserialize)]
struct FirstLine {
    #[serde(rename = "lockstep-recording")]
    version: u32,
    #[serde(flatten)]
    head: Value,
}

/// Why a file is no recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    #[error("`{path}` is not a recording: {reason}")]
    NotOne { path: String, reason: String },
    #[error("`{path}` is a recording of version {version}; this program reads version {VERSION}")]
    Version { path: String, version: u32 },
}

impl Explain for RecordingError {
    fn code(&self) -> &'static Code {
        &codes::RECORDING
    }

    fn hints(&self) -> Vec<String> {
        vec!["record it again: `lockstep plugin record --connection NAME --out FILE`".to_owned()]
    }
}

impl Recording {
    /// Reads a file's text; `path` stands in errors.
    pub fn parse(path: &str, text: &str) -> Result<Self, RecordingError> {
        let not_one = |line: usize, error: serde_json::Error| RecordingError::NotOne {
            path: path.to_owned(),
            reason: format!("line {line}: {error}"),
        };
        let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
        let (_, first) = lines.next().unwrap_or((1, ""));
        let FirstLine { version, head } = serde_json::from_str(first).map_err(|error| not_one(1, error))?;
        if version != VERSION {
            return Err(RecordingError::Version { path: path.to_owned(), version });
        }
        let head = serde_json::from_value(head).map_err(|error| not_one(1, error))?;
        let (mut exchanges, mut gave) = (Vec::new(), Vec::new());
        for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let value: Value = serde_json::from_str(line).map_err(|error| not_one(number, error))?;
            match value.get("gave") {
                Some(given) => gave.push(given.clone()),
                None => exchanges.push(serde_json::from_value(value).map_err(|error| not_one(number, error))?),
            }
        }
        Ok(Self { head, exchanges, gave })
    }

    /// The text of the file, without these secrets and without tokens.
    pub fn to_text(&self, secrets: &[String]) -> String {
        let tokens = self.tokens();
        let scrubber = Scrubber::new(secrets.iter().chain(&tokens).map(String::as_str));
        let head = serde_json::to_value(&self.head).unwrap_or_default();
        let first = serde_json::to_value(FirstLine { version: VERSION, head }).unwrap_or_default();
        let exchanges = self.exchanges.iter().map(|exchange| serde_json::to_value(exchange).unwrap_or_default());
        let gave = self.gave.iter().map(|given| serde_json::json!({ "gave": given }));
        let mut text = String::new();
        for mut line in std::iter::once(first).chain(exchanges).chain(gave) {
            scrub(&scrubber, &mut line);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{line}");
        }
        text
    }

    /// What came in answers under a name that says it is one.
    fn tokens(&self) -> Vec<String> {
        let mut tokens = Vec::new();
        for exchange in &self.exchanges {
            collect_tokens(&exchange.got, &mut tokens);
        }
        tokens.sort_unstable();
        tokens.dedup();
        tokens
    }
}

fn scrub(scrubber: &Scrubber, value: &mut Value) {
    match value {
        Value::String(text) => {
            *text = scrubber.scrub_text(std::mem::take(text));
            scrub_inside(scrubber, text);
        }
        Value::Array(values) => values.iter_mut().for_each(|value| scrub(scrubber, value)),
        Value::Object(members) => {
            let scrubbed = std::mem::take(members).into_iter().map(|(name, mut value)| {
                scrub(scrubber, &mut value);
                (scrubber.scrub_text(name), value)
            });
            *members = scrubbed.collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A text that is a document in JSON may hold texts with escapes of their own.
fn scrub_inside(scrubber: &Scrubber, text: &mut String) {
    if !text.trim_start().starts_with(['{', '[', '"']) {
        return;
    }
    let Ok(before) = serde_json::from_str::<Value>(text) else { return };
    let mut after = before.clone();
    scrub(scrubber, &mut after);
    if after != before {
        *text = after.to_string();
    }
}

fn is_token_name(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    TOKEN_NAMES.contains(&plain.to_ascii_lowercase().as_str())
}

fn collect_tokens(value: &Value, tokens: &mut Vec<String>) {
    match value {
        // A header: a name and its value.
        Value::Array(pair) => {
            if let [Value::String(name), Value::String(value)] = pair.as_slice()
                && is_token_name(name)
            {
                tokens.push(value.clone());
            }
            pair.iter().for_each(|value| collect_tokens(value, tokens));
        }
        Value::Object(members) => {
            for (name, value) in members {
                if let (true, Value::String(text)) = (is_token_name(name), value) {
                    tokens.push(text.clone());
                }
                collect_tokens(value, tokens);
            }
        }
        Value::String(text) if text.starts_with(['{', '[']) => {
            if let Ok(inner) = serde_json::from_str::<Value>(text) {
                collect_tokens(&inner, tokens);
            }
        }
        Value::String(text) if text.starts_with('<') => collect_from_xml(text, tokens),
        _ => {}
    }
}

/// The texts of elements without children: `<sessionId>…</sessionId>`.
fn collect_from_xml(text: &str, tokens: &mut Vec<String>) {
    for part in text.split('<') {
        let Some((tag, value)) = part.split_once('>') else { continue };
        let name = tag.split_whitespace().next().unwrap_or_default();
        let local = name.rsplit(':').next().unwrap_or(name);
        if is_token_name(local) && !value.trim().is_empty() {
            tokens.push(value.trim().to_owned());
        }
    }
}
