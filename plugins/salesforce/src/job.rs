//! Jobs of Bulk API 2.0: made, watched, and read when they are done.

use std::thread::sleep;
use std::time::Duration;

use lockstep_json::write_string;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::http::answer::{json, page};
use lockstep_plugin_sdk::http::{Ask, Reply};
use lockstep_web::member;

use crate::connection::Connection;
use crate::trouble::refused;

/// How long one call into the plugin waits for a job: the host allows two minutes for everything.
const PATIENCE: Duration = Duration::from_secs(80);
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(8);

/// What a job is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    Query,
    Ingest,
}

impl Resource {
    fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Ingest => "ingest",
        }
    }
}

/// How far a job has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It waits for its data.
    Open,
    UnderWay,
    Done,
    /// It ended before its end, for this reason.
    Ended(String),
}

impl Progress {
    pub fn read(state: &str, reason: Option<String>) -> Result<Self> {
        Ok(match state {
            "Open" => Self::Open,
            "UploadComplete" | "InProgress" => Self::UnderWay,
            "JobComplete" => Self::Done,
            "Failed" | "Aborted" => Self::Ended(reason.unwrap_or_else(|| state.to_owned())),
            other => {
                let message = format!("a job is in a state nobody knows: `{other}`");
                return Err(Error::transient(message).with_code("salesforce.job"));
            }
        })
    }
}

/// A job by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub resource: Resource,
    pub id: String,
}

impl Job {
    /// A new job, as `settings` describe it, and the answer that told its id.
    pub fn create(connection: &Connection, resource: Resource, settings: &[(&str, &str)]) -> Result<(Self, Reply)> {
        let ask = connection.with_body("POST", &format!("jobs/{}", resource.name()), object(settings));
        let reply = connection.send(ask)?;
        if !reply.is_success() {
            return Err(refused(&reply, "make a job"));
        }
        json(&reply)?;
        let id = member(&reply.body, "id").filter(|id| is_id(id)).ok_or_else(|| {
            Error::transient("Salesforce made a job and did not say which").with_code("salesforce.job")
        })?;
        Ok((Self { resource, id }, reply))
    }

    pub fn below(&self, rest: &str) -> String {
        format!("jobs/{}/{}{rest}", self.resource.name(), self.id)
    }

    /// How far it is. A job that nobody knows any more is an error of kind `not-found`.
    pub fn progress(&self, connection: &Connection) -> Result<Progress> {
        let reply = connection.get(&self.below(""), "tell how far a job is")?;
        json(&reply)?;
        Progress::read(&member(&reply.body, "state").unwrap_or_default(), member(&reply.body, "errorMessage"))
    }

    /// Waits for its end, as long as one call may.
    pub fn watch(&self, connection: &Connection) -> Result<Progress> {
        let (mut waited, mut pause) = (Duration::ZERO, PAUSE_FIRST);
        loop {
            let progress = self.progress(connection)?;
            if progress != Progress::UnderWay || waited >= PATIENCE {
                return Ok(progress);
            }
            sleep(pause);
            waited += pause;
            pause = (pause * 3 / 2).min(PAUSE_MAX);
        }
    }

    /// A table that belongs to it: the text, and what the headers say.
    pub fn table(&self, connection: &Connection, rest: &str) -> Result<Reply> {
        let target = connection.service.target(&self.below(rest));
        let reply = connection.send_as(Ask::get(target), "text/csv")?;
        if !reply.is_success() {
            return Err(refused(&reply, "show what a job has done"));
        }
        if reply.body.trim_ascii_start().starts_with(b"<") {
            return Err(page(&reply));
        }
        Ok(reply)
    }

    /// Changes its state.
    pub fn set_state(&self, connection: &Connection, state: &str) -> Result<Reply> {
        let ask = connection.with_body("PATCH", &self.below(""), object(&[("state", state)])).idempotent(true);
        connection.send(ask)
    }

    /// Nobody will ask for it again.
    pub fn forget(&self, connection: &Connection) -> Result<Reply> {
        connection.send(Ask::new("DELETE", connection.service.target(&self.below(""))))
    }
}

/// The text of a table.
pub fn text(reply: &Reply) -> Result<&str> {
    let body = reply.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&reply.body);
    std::str::from_utf8(body)
        .map_err(|_| Error::permanent("Salesforce answered with a table that is not UTF-8").with_code("http.utf8"))
}

/// Ids of jobs stand in URLs as they are.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn object(members: &[(&str, &str)]) -> String {
    let mut out = String::from("{");
    for (place, (name, value)) in members.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        write_string(&mut out, name);
        out.push(':');
        write_string(&mut out, value);
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_what_can_be_done() {
        let read = |state: &str| Progress::read(state, None).map_err(|error| error.code);
        assert_eq!(read("Open"), Ok(Progress::Open));
        assert_eq!(read("InProgress"), Ok(Progress::UnderWay));
        assert_eq!(read("JobComplete"), Ok(Progress::Done));
        assert_eq!(read("Aborted"), Ok(Progress::Ended("Aborted".into())));
        assert_eq!(read(""), Err("salesforce.job".into()));
    }

    #[test]
    fn settings_are_an_object() {
        assert_eq!(object(&[("a", "b\""), ("c", "d")]), r#"{"a":"b\"","c":"d"}"#);
        assert!(is_id("750x") && !is_id("../x") && !is_id(""));
    }
}
