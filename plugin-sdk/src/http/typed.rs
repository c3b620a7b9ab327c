//! Answers as values, and what those mean that are no success.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::answer::{beginning, json, kind_of, page, sentence};
use super::ask::Reply;
use crate::error::{Error, Result};

/// Where APIs say what is wrong: the message, and what they complain about in single fields.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Complaint {
    message: Said,
    title: Said,
    detail: Said,
    error_description: Said,
    error: Said,
    errors: Said,
}

/// Words in a place where one API has a text, the next an object and the third a list.
#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Said {
    Text(String),
    // Before objects, for those are read from lists as well.
    List(Vec<Said>),
    Object(Box<Complaint>),
    Other(serde::de::IgnoredAny),
    #[default]
    Nothing,
}

impl Said {
    fn words(&self) -> Option<String> {
        match self {
            Self::Text(text) if !text.trim().is_empty() => Some(sentence(text)),
            Self::Object(complaint) => complaint.words(),
            Self::List(list) => {
                let words: Vec<String> = list.iter().filter_map(Self::words).collect();
                (!words.is_empty()).then(|| words.join("; "))
            }
            _ => None,
        }
    }
}

impl Complaint {
    fn words(&self) -> Option<String> {
        let first = [&self.message, &self.detail, &self.error_description, &self.title, &self.error];
        let first = first.into_iter().find_map(Said::words);
        let all: Vec<String> = first.into_iter().chain(self.errors.words()).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

/// How long limits that say no time are waited out.
const PAUSE: Duration = Duration::from_secs(60);

impl Reply {
    /// The value this answer holds. A status that is no success is the error it means ([`Reply::failure`]); so are a login page with
    /// status 200, an empty answer, one that breaks off (`transient`), and one that is something else than a `T` (`permanent`).
    ///
    /// ```
    /// use lockstep_plugin_sdk::error::ErrorKind;
    /// use lockstep_plugin_sdk::testing::reply;
    ///
    /// assert_eq!(reply(200, "[1, 2]").json::<Vec<i64>>().unwrap(), [1, 2]);
    /// assert!(reply(200, "[1, 2").json::<Vec<i64>>().unwrap_err().is(ErrorKind::Transient));
    /// assert!(reply(200, "<html>Sign in</html>").json::<Vec<i64>>().unwrap_err().is(ErrorKind::Auth));
    /// assert!(reply(500, "[1, 2]").json::<Vec<i64>>().unwrap_err().is(ErrorKind::Transient));
    /// ```
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        if !self.is_success() {
            return Err(self.failure());
        }
        let text = json(self)?;
        serde_json::from_str(text).map_err(|reason| misfit(text, &reason))
    }

    /// The value in the answer to a write. As [`Reply::json`]; but where the record may have been written all the same (the service
    /// failed, or says a success that makes no sense) the error says so: its row is of unknown outcome, and the host looks.
    ///
    /// ```
    /// use lockstep_plugin_sdk::testing::reply;
    ///
    /// let outcome = |status, body| reply(status, body).written::<i64>().unwrap_err().is_outcome_unknown();
    /// assert!(outcome(500, "oops") && outcome(201, "<html>"));
    /// assert!(!outcome(422, "no"));
    /// ```
    pub fn written<T: DeserializeOwned>(&self) -> Result<T> {
        let is_doubtful = self.is_success() || self.status >= 500;
        self.json().map_err(|error| if is_doubtful { error.with_outcome_unknown() } else { error })
    }

    /// The same for a write whose answer says nothing of use: any success is one.
    pub fn done(&self) -> Result<()> {
        match self.status {
            200..=299 => Ok(()),
            500.. => Err(self.failure().with_outcome_unknown()),
            _ => Err(self.failure()),
        }
    }

    /// What an answer that is no success means, in the words of the service where it has any: the kind by the status, the code
    /// `http.404`, the properties `status` and `detail` (how the body begins). Limits are told by some with 403 and a header.
    ///
    /// ```
    /// use lockstep_plugin_sdk::error::ErrorKind;
    /// use lockstep_plugin_sdk::testing::reply;
    ///
    /// let error = reply(422, r#"{"message": "not valid", "errors": [{"message": "`title` is missing"}]}"#).failure();
    /// assert_eq!(error.message, "the service answered 422: not valid; `title` is missing");
    /// assert!(error.is(ErrorKind::Permanent));
    ///
    /// let mut limited = reply(403, "{}");
    /// limited.headers = vec![("X-RateLimit-Remaining".into(), "0".into()), ("Retry-After".into(), "7".into())];
    /// assert_eq!(limited.failure().retry_after_ms, Some(7000));
    /// ```
    pub fn failure(&self) -> Error {
        let said = serde_json::from_slice::<Said>(&self.body).ok().and_then(|said| said.words());
        let is_page = said.is_none() && self.body.trim_ascii().starts_with(b"<");
        if is_page && !(500..600).contains(&self.status) {
            return page(self);
        }
        let words = said.map(|words| format!(": {words}")).unwrap_or_default();
        let message = format!("the service answered {}{words}", self.status);
        let error = match self.limited() {
            Some(pause) => Error::rate_limited(message, pause),
            None => Error::new(kind_of(self.status), message),
        };
        error
            .with_code(format!("http.{}", self.status))
            .with_property("status", self.status.to_string())
            .with_property("detail", beginning(&self.body))
    }

    fn limited(&self) -> Option<Duration> {
        let is_used_up =
            self.header("x-ratelimit-remaining") == Some("0") || self.header("ratelimit-remaining") == Some("0");
        let after = self.header("retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        let is_limit = self.status == 429 || (self.status == 403 && (is_used_up || after.is_some()));
        is_limit.then(|| after.filter(|after| !after.is_zero()).unwrap_or(PAUSE))
    }
}

/// Why a text is not the value it should be. One that breaks off may be whole the next time.
fn misfit(text: &str, reason: &serde_json::Error) -> Error {
    let error = match reason.classify() {
        serde_json::error::Category::Eof => {
            Error::transient(format!("the answer breaks off: {reason}")).with_code("http.cut-off")
        }
        _ => Error::permanent(format!("the answer is not what it should be: {reason}")).with_code("http.json"),
    };
    error.with_property("detail", beginning(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use crate::error::ErrorKind;
    use crate::testing::reply as answered;

    #[test]
    fn services_are_quoted_wherever_they_say_it() {
        for (body, words) in [
            (r#"{"message": "a."}"#, ": a"),
            (r#"{"error": "a", "error_description": "b"}"#, ": b"),
            (r#"{"error": {"code": 7, "message": "a"}}"#, ": a"),
            (r#"{"title": "a", "detail": "b", "status": 400}"#, ": b"),
            (r#"{"errors": ["a", {"detail": "b"}, 3]}"#, ": a; b"),
            (r#"{"message": 3}"#, ""),
            (r#"["a"]"#, ": a"),
            ("nonsense", ""),
        ] {
            assert_eq!(answered(400, body).failure().message, format!("the service answered 400{words}"), "{body}");
        }
    }

    #[test]
    fn statuses_have_their_kinds() {
        for (status, kind) in [
            (302, ErrorKind::Auth),
            (401, ErrorKind::Auth),
            (403, ErrorKind::Auth),
            (404, ErrorKind::NotFound),
            (409, ErrorKind::Conflict),
            (410, ErrorKind::StaleCursor),
            (422, ErrorKind::Permanent),
            (429, ErrorKind::RateLimited),
            (500, ErrorKind::Transient),
        ] {
            assert!(answered(status, "{}").failure().is(kind), "{status}");
        }
        assert_eq!(answered(403, "<html>").failure().code, "http.page");
        assert_eq!(answered(500, "<html>").failure().code, "http.500");
        let mut limited = answered(403, "{}");
        limited.headers = vec![("retry-after".into(), "0".into())];
        assert_eq!(limited.failure().retry_after_ms, Some(60_000), "zero would be a loop");
    }

    #[test]
    fn what_nobody_knows_is_told_as_that() {
        for (status, body, is_unknown) in [(200, "{", true), (201, "", true), (500, "{}", true), (404, "{}", false)] {
            assert_eq!(
                answered(status, body).written::<u8>().unwrap_err().is_outcome_unknown(),
                is_unknown,
                "{status}"
            );
        }
        assert!(answered(204, "").done().is_ok());
        assert!(answered(500, "").done().unwrap_err().is_outcome_unknown());
        assert!(!answered(409, "").done().unwrap_err().is_outcome_unknown());
    }
}
