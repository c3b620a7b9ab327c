//! What capabilities answer, as it stands in a recording: texts as texts, so that a change of them shows in a review.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::record::Properties;

/// Something a capability answers.
pub trait Taped: Sized {
    fn to_json(&self) -> Value;

    /// None if it makes no sense.
    fn from_json(value: &Value) -> Option<Self>;
}

impl Taped for String {
    fn to_json(&self) -> Value {
        Value::String(self.clone())
    }

    fn from_json(value: &Value) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }
}

impl Taped for u64 {
    fn to_json(&self) -> Value {
        Value::from(*self)
    }

    fn from_json(value: &Value) -> Option<Self> {
        value.as_u64()
    }
}

impl Taped for () {
    fn to_json(&self) -> Value {
        Value::Null
    }

    fn from_json(value: &Value) -> Option<Self> {
        value.is_null().then_some(())
    }
}

/// Text as it is; anything else in base64.
pub fn bytes_to_json(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::String(text.to_owned()),
        Err(_) => json!({ "base64": STANDARD.encode(bytes) }),
    }
}

pub fn bytes_from_json(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.clone().into_bytes()),
        other => STANDARD.decode(other.get("base64")?.as_str()?).ok(),
    }
}

/// A failure with everything the plugin is told of it.
pub fn failure_to_json(failure: &Failure) -> Value {
    let retry_after_ms = failure.retry_after.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    json!({
        "kind": failure.kind.name(),
        "code": failure.code.id,
        "origin": failure.origin,
        "detail_code": failure.detail_code,
        "message": failure.message,
        "retry_after_ms": retry_after_ms,
        "properties": failure.properties.0,
    })
}

pub fn failure_from_json(value: &Value) -> Failure {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let pairs = value.get("properties").cloned().unwrap_or_default();
    Failure {
        kind: FailureKind::from_plugin(&text("kind")),
        origin: text("origin"),
        code: codes::find(&text("code")).unwrap_or(&codes::PLUGIN_ERROR),
        detail_code: text("detail_code"),
        message: text("message"),
        retry_after: value.get("retry_after_ms").and_then(Value::as_u64).map(Duration::from_millis),
        properties: Properties(serde_json::from_value(pairs).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_the_same_afterwards() {
        let mut failure = Failure::new(FailureKind::RateLimited, &codes::HTTP_LIMITED, "http", "asked too often")
            .with("status", "429")
            .with("outcome", "unknown");
        failure.retry_after = Some(Duration::from_millis(1500));
        failure.detail_code = "E7".into();
        let again = failure_from_json(&failure_to_json(&failure));
        assert_eq!(format!("{again:?}"), format!("{failure:?}"));
    }

    #[test]
    fn bytes_are_the_same_afterwards() {
        for bytes in [&b"text"[..], b"", "tök".as_bytes(), b"\xff\x00\x01"] {
            assert_eq!(bytes_from_json(&bytes_to_json(bytes)).as_deref(), Some(bytes));
        }
    }
}
