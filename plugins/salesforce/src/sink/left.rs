//! Jobs that were left behind: those of a run that ended before it had read what they had done.
//!
//! As long as one of them is at work, nobody can say which records there are. One that has made new records tells their Ids: who is
//! about to make the same ones takes those instead.

use std::collections::BTreeMap;

use lockstep_json::{Fault, read_object, write_strings};
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::http::Ask;
use lockstep_plugin_sdk::http::answer::json;
use lockstep_web::answer::fault;
use lockstep_web::member;

use super::job::DELIMITER;
use super::perform::{TABLE_NULL, Task};
use crate::connection::{Connection, document};
use crate::csv::Rows;
use crate::job::{Job, Progress, Resource, text};
use crate::trouble::refused;

/// Lists of jobs are short: they are kept for a week.
const LIST_PAGES_MAX: usize = 50;

/// What jobs that were left behind have made.
#[derive(Debug, Default)]
pub struct Left {
    jobs: Vec<LeftJob>,
}

#[derive(Debug)]
struct LeftJob {
    job: Job,
    /// Ids by the fields that were given.
    made: BTreeMap<String, Vec<String>>,
    was_used: bool,
}

/// The fields of a record with what was said of them, whatever their order.
fn fields_text(mut fields: Vec<[String; 2]>) -> String {
    fields.sort_unstable();
    write_strings(fields.as_flattened())
}

/// An entry of the list of jobs.
struct Entry {
    job: Job,
    operation: String,
    progress: Progress,
}

impl Left {
    /// Finds the jobs for an object and waits for those that are at work.
    pub fn find(connection: &Connection, object: &str) -> Result<Self> {
        let mut left = Self::default();
        for Entry { job, operation, mut progress } in list(connection, object)? {
            if progress == Progress::UnderWay {
                progress = job.watch(connection)?;
            }
            if progress == Progress::UnderWay {
                let message = format!("the job `{}`, which was left behind, is still under way", job.id);
                let wait = std::time::Duration::from_secs(30);
                return Err(Error::rate_limited(message, wait).with_code("salesforce.job"));
            }
            if operation == "insert" && progress != Progress::Open {
                let made = made(&text_of(connection, &job)?)?;
                left.jobs.push(LeftJob { job, made, was_used: false });
            }
        }
        Ok(left)
    }

    /// The Id of the record that a job has made of this.
    pub fn take(&mut self, task: &Task) -> Option<String> {
        let said =
            |cell: &super::body::Cell| [cell.name.clone(), cell.text.clone().unwrap_or_else(|| TABLE_NULL.to_owned())];
        let fields = fields_text(task.cells.iter().map(said).collect());
        let of_job = |left: &mut LeftJob| {
            let id = left.made.get_mut(&fields)?.pop()?;
            left.was_used = true;
            Some(id)
        };
        self.jobs.iter_mut().find_map(of_job)
    }

    /// Jobs of which everything was taken are left behind no more.
    pub fn forget_used(&mut self, connection: &Connection) {
        self.jobs.retain(|left| {
            let is_used_up = left.was_used && left.made.values().all(Vec::is_empty);
            if is_used_up {
                let _ = left.job.forget(connection);
            }
            !is_used_up
        });
    }
}

fn text_of(connection: &Connection, job: &Job) -> Result<String> {
    text(&job.table(connection, "/successfulResults")?).map(str::to_owned)
}

/// Our jobs for an object: those of the same user with tables like ours.
fn list(connection: &Connection, object: &str) -> Result<Vec<Entry>> {
    let what = "list jobs";
    let own = connection.get("", what)?;
    json(&own)?;
    let user = member(&own.body, "identity").and_then(|url| url.rsplit('/').next().map(str::to_owned));
    let Some(user) = user else {
        return Err(Error::permanent("Salesforce does not say who we are").with_code("salesforce.identity"));
    };
    let mut next = connection.service.target("jobs/ingest?jobType=V2Ingest");
    let mut found = Vec::new();
    for _ in 0..LIST_PAGES_MAX {
        let reply = connection.send(Ask::get(next.clone()))?;
        if !reply.is_success() {
            return Err(refused(&reply, what));
        }
        let list = json(&reply)?;
        found.extend(entries(list, object, &user)?);
        match member(&reply.body, "nextRecordsUrl") {
            Some(link) => next = connection.service.follow(&next, &link)?,
            None => return Ok(found),
        }
    }
    Err(Error::permanent("the list of jobs has no end").with_code("salesforce.cycle"))
}

fn entries(text: &str, object: &str, user: &str) -> Result<Vec<Entry>> {
    let (mut document, mut records) = (document(text), Vec::new());
    let read = document.object::<Fault>(|document, key| {
        if &*key.of(document.text()) != b"records" || !document.is_next(b'[') {
            return document.value().map(|_| ());
        }
        document.array(|document| {
            records.push(document.value()?);
            Ok(())
        })
    });
    read.and_then(|()| document.end()).map_err(|found| fault(text, found))?;
    let mut found = Vec::new();
    for record in records {
        let record = record.of(text.as_bytes());
        read_object(record, &mut Vec::new()).map_err(|found| fault(text, found))?;
        let said = |name: &str| member(record, name).unwrap_or_default();
        let is_ours = said("object") == object
            && said("columnDelimiter") == DELIMITER.1
            && is_same_user(&said("createdById"), user);
        if is_ours {
            let progress = Progress::read(&said("state"), None)?;
            let job = Job { resource: Resource::Ingest, id: said("id") };
            found.push(Entry { job, operation: said("operation"), progress });
        }
    }
    Ok(found)
}

/// In one of them the Id may have fifteen characters and in the other eighteen.
fn is_same_user(one: &str, other: &str) -> bool {
    let long = |id: &str| crate::id::long(id).unwrap_or_else(|| id.to_owned());
    long(one) == long(other)
}

/// Ids of what a job has made, by the fields it was given.
fn made(table: &str) -> Result<BTreeMap<String, Vec<String>>> {
    let (mut rows, mut found) = (Rows::new(table, DELIMITER.0), BTreeMap::<String, Vec<String>>::new());
    let Some((_, header)) = rows.next()? else { return Ok(found) };
    while let Some((_, cells)) = rows.next()? {
        let named = header.iter().zip(&cells);
        let (own, given): (Vec<_>, Vec<_>) = named.partition(|(name, _)| name.starts_with("sf__"));
        let id = own.iter().find(|(name, _)| *name == "sf__Id").map(|(_, id)| id.to_string());
        let fields = given.into_iter().filter(|(_, cell)| !cell.is_empty());
        let fields = fields.map(|(name, cell)| [name.to_string(), cell.to_string()]).collect();
        found.entry(fields_text(fields)).or_default().extend(id.filter(|id| !id.is_empty()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_jobs_are_left_behind() {
        let entry = |id: &str, object: &str, delimiter: &str, user: &str, state: &str| {
            format!(
                "{{\"id\":\"{id}\",\"object\":\"{object}\",\"columnDelimiter\":\"{delimiter}\",\"createdById\":\"{user}\",\"state\":\"{state}\",\"operation\":\"insert\"}}"
            )
        };
        let list = [
            entry("1", "A", "CARET", "005000000000001AAA", "JobComplete"),
            entry("2", "A", "CARET", "005000000000001", "InProgress"),
            entry("3", "B", "CARET", "005000000000001AAA", "JobComplete"),
            entry("4", "A", "COMMA", "005000000000001AAA", "JobComplete"),
            entry("5", "A", "CARET", "005000000000002AAA", "JobComplete"),
        ];
        let text = format!("{{\"done\":true,\"records\":[{}],\"nextRecordsUrl\":null}}", list.join(","));
        let found = entries(&text, "A", "005000000000001AAA").unwrap();
        let shown: Vec<(&str, bool)> =
            found.iter().map(|entry| (entry.job.id.as_str(), entry.progress == Progress::UnderWay)).collect();
        assert_eq!(shown, [("1", false), ("2", true)]);
        assert!(entries("{\"records\":[7]}", "A", "x").is_err());
    }

    #[test]
    fn what_was_made_is_found_by_what_was_given() {
        let found = made("sf__Id^sf__Created^Name^No__c\n1^true^a^\n2^true^a^\n3^true^a^#N/A\n").unwrap();
        let fields = |fields: &[[&str; 2]]| fields_text(fields.iter().map(|field| field.map(str::to_owned)).collect());
        assert_eq!(found[&fields(&[["Name", "a"]])], ["1", "2"]);
        assert_eq!(found[&fields(&[["No__c", "#N/A"], ["Name", "a"]])], ["3"]);
        assert!(made("").unwrap().is_empty());
    }
}
