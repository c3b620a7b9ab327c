//! An issue as the tracker tells it, and as a record.

use lockstep_plugin_sdk::prelude::*;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Record)]
pub struct Issue {
    #[record(key)]
    pub number: i64,
    pub title: String,
    pub body: Option<String>,
    pub state: String,
    pub labels: Json,
    pub author: Option<String>,
    #[record(modified)]
    pub updated_at: Timestamp,
}

#[derive(Deserialize)]
pub struct Told {
    pub number: i64,
    title: String,
    body: Option<String>,
    state: String,
    #[serde(default)]
    labels: Vec<Label>,
    user: Option<User>,
    updated_at: Timestamp,
    pull_request: Option<IgnoredAny>,
}

/// With its colour and more, or by its name alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Label {
    Whole { name: String },
    Name(String),
}

#[derive(Deserialize)]
struct User {
    login: String,
}

impl Told {
    /// The record. Pull requests are told as issues; they are none.
    pub fn issue(self) -> Option<Issue> {
        if self.pull_request.is_some() {
            return None;
        }
        let names = self.labels.into_iter().map(|label| match label {
            Label::Whole { name } | Label::Name(name) => serde_json::Value::String(name),
        });
        Some(Issue {
            number: self.number,
            title: self.title,
            body: self.body,
            state: self.state,
            labels: Json(serde_json::Value::Array(names.collect()).to_string()),
            author: self.user.map(|user| user.login),
            updated_at: self.updated_at,
        })
    }
}

/// What may be written of an issue: a page holds some of it, and the rest stays as it is.
#[derive(Debug, Record, Serialize)]
pub struct Edit {
    #[serde(skip)]
    pub number: Maybe<i64>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    pub title: Maybe<String>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    pub body: Maybe<String>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    pub state: Maybe<String>,
    #[serde(skip_serializing_if = "Maybe::is_absent")]
    pub labels: Maybe<Json>,
}

impl Edit {
    /// The first field that the issue does not hold as said here.
    pub fn differs(&self, issue: &Issue) -> Option<&'static str> {
        let found = [
            ("title", self.title.differs(Some(&issue.title))),
            ("body", self.body.differs(issue.body.as_ref())),
            ("state", self.state.differs(Some(&issue.state))),
            ("labels", self.labels.differs(Some(&issue.labels))),
        ];
        found.into_iter().find(|(_, differs)| *differs).map(|(name, _)| name)
    }

    /// Says nothing about what the issue holds already.
    pub fn without_what(&mut self, issue: &Issue) {
        fn keep<T: PartialEq>(edit: &mut Maybe<T>, now: Option<&T>) {
            if !edit.differs(now) {
                *edit = Maybe::Absent;
            }
        }
        keep(&mut self.title, Some(&issue.title));
        keep(&mut self.body, issue.body.as_ref());
        keep(&mut self.state, Some(&issue.state));
        keep(&mut self.labels, Some(&issue.labels));
    }
}
