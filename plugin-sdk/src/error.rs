//! Errors as the host wants them: it decides on the kind alone.
//!
//! ```
//! use std::time::Duration;
//! use lockstep_plugin_sdk::prelude::*;
//!
//! let error = Error::rate_limited("the daily quota is used up", Duration::from_secs(60)).with_code("429");
//! assert_eq!((error.kind.as_str(), error.retry_after_ms), ("rate-limited", Some(60_000)));
//!
//! let error = Error::invalid_data("field `age`: `x` is not a number").with_field("age").with_hint("see the third column");
//! assert_eq!(error.property("field"), Some("age"));
//! ```

use std::time::Duration;

pub use crate::bindings::capabilities::lockstep::plugin::types::Error;

/// What the functions of a plugin answer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the host can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Credentials are missing, wrong or expired.
    Auth,
    /// The configuration cannot work.
    Config,
    /// A stream, a file, a record that does not exist.
    NotFound,
    /// The record is not in the state that was expected.
    Conflict,
    /// Records are at fault: the host looks for them and puts them aside.
    InvalidData,
    /// Too many requests; `retry_after_ms` says when to come back.
    RateLimited,
    /// May work later.
    Transient,
    /// Will never work.
    Permanent,
    /// The cursor's position is gone: the host reads everything again.
    StaleCursor,
    /// Anything else.
    Other,
}

impl ErrorKind {
    /// As the contract spells it: `invalid-data`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Config => "config",
            Self::NotFound => "not-found",
            Self::Conflict => "conflict",
            Self::InvalidData => "invalid-data",
            Self::RateLimited => "rate-limited",
            Self::Transient => "transient",
            Self::Permanent => "permanent",
            Self::StaleCursor => "stale-cursor",
            Self::Other => "other",
        }
    }
}

impl Error {
    /// One sentence, lower case, without a final period; never a secret.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind: kind.name().to_owned(),
            code: String::new(),
            message: message.into(),
            retry_after_ms: None,
            properties: Vec::new(),
        }
    }

    /// Credentials are missing, wrong or expired.
    pub fn auth(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Auth, message)
    }

    /// The configuration cannot work.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// A stream, a file, a record that does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// The record is not in the state that was expected.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    /// Records are at fault: the host looks for them and puts them aside.
    pub fn invalid_data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidData, message)
    }

    /// May work later.
    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Transient, message)
    }

    /// Will never work.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Permanent, message)
    }

    /// The cursor's position is gone: the host reads everything again.
    pub fn stale_cursor(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::StaleCursor, message)
    }

    /// Too many requests: come back after this time.
    pub fn rate_limited(message: impl Into<String>, retry_after: Duration) -> Self {
        Self::new(ErrorKind::RateLimited, message).with_retry_after(retry_after)
    }

    /// A code for people and search engines: `csv.columns`.
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = code.into();
        self
    }

    /// `field`, `row`, `hint`, `detail`.
    pub fn with_property(mut self, name: &str, value: impl Into<String>) -> Self {
        self.properties.push((name.to_owned(), value.into()));
        self
    }

    /// The field that is at fault.
    pub fn with_field(self, name: impl Into<String>) -> Self {
        self.with_property("field", name)
    }

    /// When it may work: the host does not try before.
    pub fn with_retry_after(mut self, time: Duration) -> Self {
        self.retry_after_ms = Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// The next step, for a person.
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        self.with_property("hint", hint)
    }

    /// Says that what was asked for may have been done nevertheless: the host looks before it writes again.
    pub fn with_outcome_unknown(mut self) -> Self {
        self.properties.retain(|(name, _)| name != "outcome");
        self.with_property("outcome", "unknown")
    }

    /// Whether what was asked for may have been done nevertheless.
    pub fn is_outcome_unknown(&self) -> bool {
        self.property("outcome") == Some("unknown")
    }

    /// Whether it is of this kind.
    pub fn is(&self, kind: ErrorKind) -> bool {
        self.kind == kind.name()
    }

    /// What [`Error::with_property`] said.
    pub fn property(&self, name: &str) -> Option<&str> {
        crate::types::option(&self.properties, name)
    }
}

impl From<lockstep_values::LogicalTypeError> for Error {
    fn from(error: lockstep_values::LogicalTypeError) -> Self {
        Self::config(error.to_string())
    }
}

impl From<lockstep_values::DecimalError> for Error {
    fn from(error: lockstep_values::DecimalError) -> Self {
        Self::invalid_data(error.to_string())
    }
}

impl From<lockstep_values::TimeError> for Error {
    fn from(error: lockstep_values::TimeError) -> Self {
        Self::invalid_data(error.to_string())
    }
}
