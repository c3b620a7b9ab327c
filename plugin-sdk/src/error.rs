//! Errors as the host wants them: it decides on the kind alone.

pub use crate::bindings::capabilities::lockstep::plugin::types::Error;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the host can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Credentials are missing, wrong or expired.
    Auth,
    /// The configuration cannot work.
    Config,
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
    Other,
}

impl ErrorKind {
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

    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    pub fn invalid_data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidData, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Transient, message)
    }

    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Permanent, message)
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

    /// The next step, for a person.
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        self.with_property("hint", hint)
    }

    pub fn is(&self, kind: ErrorKind) -> bool {
        self.kind == kind.name()
    }

    pub fn property(&self, name: &str) -> Option<&str> {
        crate::types::option(&self.properties, name)
    }
}
