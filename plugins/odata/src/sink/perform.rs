//! Writes on their way: sent, judged, and sent once more where the first answer cannot be believed.

use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::http::Reply;
use lockstep_web::member;

use super::verdict::{Deed, Verdict, judge, last_word, unanswered};
use crate::batch::{Part, Purpose, send};
use crate::connection::Connection;
use crate::edm::Version;

/// One write.
#[derive(Clone, Debug)]
pub struct Task {
    /// The row of the page it is about.
    pub row: u32,
    pub deed: Deed,
    /// Where it goes, relative to the service.
    pub below: String,
    /// The version the record must have.
    pub etag: Option<String>,
    /// The record must not be there yet, at an address that names it.
    pub must_be_new: bool,
    pub body: Option<String>,
}

/// Makes the writes; each is answered in its place, with a verdict that stands.
pub fn perform(connection: &Connection, version: Version, tasks: &[Task]) -> Vec<Verdict> {
    let mut verdicts = attempt(connection, version, tasks);
    let doubtful: Vec<usize> = (0..tasks.len())
        .filter(|place| {
            matches!(verdicts.get(*place), Some(Verdict::Again(_) | Verdict::WantsVersion(_) | Verdict::Collided(_)))
        })
        .collect();
    if doubtful.is_empty() {
        return verdicts;
    }
    let again: Vec<Task> = doubtful.iter().filter_map(|place| tasks.get(*place).cloned()).collect();
    let before: Vec<Verdict> = doubtful.iter().filter_map(|place| verdicts.get(*place).cloned()).collect();
    for (place, verdict) in doubtful.into_iter().zip(once_more(connection, version, &again, before)) {
        verdicts.get_mut(place).into_iter().for_each(|known| *known = verdict.clone());
    }
    verdicts
}

fn attempt(connection: &Connection, version: Version, tasks: &[Task]) -> Vec<Verdict> {
    let parts: Vec<Part> = tasks.iter().map(|task| part(connection, version, task)).collect();
    let replies = send(connection, version, &parts, Purpose::Write);
    let judged = tasks.iter().zip(replies).map(|(task, reply)| match reply {
        Ok(reply) => judge(task.deed, task.etag.is_some(), &reply),
        Err(error) => unanswered(error),
    });
    judged.collect()
}

/// With the versions the records have now: whoever wants one gets it, and what collided with a change is told from what collided with
/// another record.
fn once_more(connection: &Connection, version: Version, tasks: &[Task], before: Vec<Verdict>) -> Vec<Verdict> {
    let etags = versions(connection, version, tasks);
    let (mut settled, mut repeated) = (Vec::with_capacity(tasks.len()), Vec::new());
    for ((task, verdict), etag) in tasks.iter().zip(before).zip(etags) {
        let has_changed = etag.is_some() && task.etag.is_some() && etag != task.etag;
        match verdict {
            Verdict::Again(error) if has_changed => {
                // Either it was carried out after all, or somebody else was quicker. Whoever looks at the record will see.
                settled.push(Some(Verdict::Unknown(error)));
            }
            Verdict::Collided(error) if has_changed => settled.push(Some(Verdict::Conflict(error))),
            Verdict::Collided(error) => settled.push(Some(Verdict::Rejected(error))),
            Verdict::WantsVersion(error) if etag.is_none() => {
                settled.push(Some(last_word(Verdict::WantsVersion(error))))
            }
            Verdict::WantsVersion(_) => {
                repeated.push(Task { etag, ..task.clone() });
                settled.push(None);
            }
            _ => {
                repeated.push(task.clone());
                settled.push(None);
            }
        }
    }
    let mut second = attempt(connection, version, &repeated).into_iter().map(last_word);
    settled.into_iter().filter_map(|verdict| verdict.or_else(|| second.next())).collect()
}

/// The versions of records as they are now; none where the service tells none.
fn versions(connection: &Connection, version: Version, tasks: &[Task]) -> Vec<Option<String>> {
    let parts: Vec<Part> = tasks
        .iter()
        .map(|task| Part {
            method: "GET",
            below: task.below.clone(),
            headers: dressed(connection, version, Vec::new()),
            body: None,
        })
        .collect();
    send(connection, version, &parts, Purpose::Read).into_iter().map(etag).collect()
}

fn etag(reply: Result<Reply>) -> Option<String> {
    let reply = reply.ok().filter(Reply::is_success)?;
    let of_body = || {
        let object = entity_object(&reply.body);
        let metadata = member(&object, "__metadata");
        member(&object, "@odata.etag").or_else(|| member(metadata?.as_bytes(), "etag"))
    };
    reply.header("etag").map(str::to_owned).or_else(of_body)
}

/// The record of a body: version 2 wraps it.
pub fn entity_object(body: &[u8]) -> Vec<u8> {
    match member(body, "d") {
        Some(inside) if inside.starts_with('{') => inside.into_bytes(),
        _ => body.to_vec(),
    }
}

fn part(connection: &Connection, version: Version, task: &Task) -> Part {
    let method = match (task.deed, version) {
        (Deed::Create, _) if task.must_be_new => "PATCH",
        (Deed::Create, _) => "POST",
        (Deed::Update, Version::V4) => "PATCH",
        (Deed::Update, Version::V2) => "MERGE",
        (Deed::Delete, _) => "DELETE",
    };
    let mut own = Vec::new();
    if task.body.is_some() {
        own.push(("Content-Type".to_owned(), connection.content_type(version).to_owned()));
    }
    if let Some(etag) = &task.etag {
        own.push(("If-Match".to_owned(), etag.clone()));
    }
    if task.must_be_new {
        own.push(("If-None-Match".to_owned(), "*".to_owned()));
    }
    if task.deed == Deed::Update && version == Version::V4 {
        own.push(("Prefer".to_owned(), "return=minimal".to_owned()));
    }
    Part { method, below: task.below.clone(), headers: dressed(connection, version, own), body: task.body.clone() }
}

fn dressed(connection: &Connection, version: Version, own: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut headers = connection.headers(version);
    headers.extend(own);
    connection.dressed(lockstep_plugin_sdk::http::Ask { headers, ..Default::default() }).headers
}
