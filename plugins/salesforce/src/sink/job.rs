//! Writes by a job of Bulk API 2.0: a table is uploaded, and when the job is done three others tell what became of each row.

use std::collections::BTreeMap;

use lockstep_json::write_strings;
use lockstep_plugin_sdk::error::{Error, ErrorKind, Result};
use lockstep_plugin_sdk::http::{Ask, Reply};

use super::perform::{Place, TABLE_NULL, Task};
use super::verdict::{Deed, Verdict, judge};
use crate::connection::Connection;
use crate::csv::{Rows, write_row};
use crate::job::{Job, Progress, Resource, text};
use crate::object::ID;
use crate::trouble::{Words, refused};

/// What stands between the cells of our tables: few others use it, which tells our jobs from those of others.
pub const DELIMITER: (char, &str) = ('^', "CARET");

/// Makes the writes, which are all of one kind; each is answered in its place. None for what was surely not written, and may be in
/// another way.
pub fn perform(connection: &Connection, place: Place<'_>, deed: Deed, tasks: &[&Task]) -> Vec<Option<Verdict>> {
    let all = |verdict: Verdict| vec![Some(verdict); tasks.len()];
    let header = header(place, deed, tasks);
    let job = match begin(connection, place, deed, &header, tasks) {
        Ok(job) => job,
        // There are objects that jobs do not know.
        Err(error) if error.is(ErrorKind::Permanent) || error.is(ErrorKind::Config) => return vec![None; tasks.len()],
        Err(error) => return all(Verdict::Retry(error)),
    };
    let progress = job.watch(connection);
    match progress {
        Ok(Progress::Done | Progress::Ended(_)) => {}
        Ok(Progress::Open | Progress::UnderWay) => {
            let message = format!("the job `{}` is still under way; it is looked at again later", job.id);
            return all(Verdict::Unknown(Error::transient(message).with_code("salesforce.job")));
        }
        Err(error) => return all(Verdict::Unknown(error)),
    }
    let mut results = Results::new(deed, &header, tasks);
    for (kind, rest) in KINDS {
        let told = job.table(connection, rest).and_then(|reply| results.take(kind, text(&reply)?));
        if let Err(error) = told {
            results.complain(error);
        }
    }
    if results.is_complete() {
        // One that stays is one that was left behind.
        let _ = job.forget(connection);
    }
    let reason = match progress {
        Ok(Progress::Ended(reason)) => Some(reason),
        _ => None,
    };
    results.verdicts(reason)
}

/// What a table tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Done,
    Failed,
    /// The job ended before its turn.
    Untouched,
}

const KINDS: [(Told, &str); 3] =
    [(Told::Done, "/successfulResults"), (Told::Failed, "/failedResults"), (Told::Untouched, "/unprocessedrecords")];

/// The columns: first the one by which a record is addressed, if it is.
fn header(place: Place<'_>, deed: Deed, tasks: &[&Task]) -> Vec<String> {
    let mut header = match (deed, place.external_id) {
        (Deed::Update | Deed::Delete, _) => vec![ID.to_owned()],
        (Deed::Upsert, Some(field)) => vec![field.to_owned()],
        _ => Vec::new(),
    };
    for cell in tasks.iter().flat_map(|task| &task.cells) {
        if !header.contains(&cell.name) {
            header.push(cell.name.clone());
        }
    }
    header
}

/// What stands in a column. Nothing leaves a field as it is.
fn cell<'a>(task: &'a Task, name: &str) -> &'a str {
    match task.cells.iter().find(|cell| cell.name == name) {
        Some(cell) => cell.text.as_deref().unwrap_or(TABLE_NULL),
        None if name == ID => task.id.as_deref().unwrap_or_default(),
        None => "",
    }
}

/// Makes a job, gives it its table and closes it. An error means that nothing will be done.
fn begin(connection: &Connection, place: Place<'_>, deed: Deed, header: &[String], tasks: &[&Task]) -> Result<Job> {
    let operation = match deed {
        Deed::Create => "insert",
        Deed::Upsert => "upsert",
        Deed::Update => "update",
        Deed::Delete => "delete",
    };
    let mut settings = vec![
        ("object", place.object),
        ("operation", operation),
        ("contentType", "CSV"),
        ("lineEnding", "LF"),
        ("columnDelimiter", DELIMITER.1),
    ];
    settings.extend(place.external_id.filter(|_| deed == Deed::Upsert).map(|field| ("externalIdFieldName", field)));
    let (job, _) = Job::create(connection, Resource::Ingest, &settings)?;
    let mut table = String::new();
    write_row(&mut table, DELIMITER.0, header.iter().map(String::as_str));
    for task in tasks {
        write_row(&mut table, DELIMITER.0, header.iter().map(|name| cell(task, name)));
    }
    let upload = Ask::new("PUT", connection.service.target(&job.below("/batches")));
    // Twice is once too often: a job takes one table.
    let upload = upload.header("Content-Type", "text/csv; charset=UTF-8").body(table).idempotent(false);
    succeeded(connection.send(upload), "take the table of a job").map_err(|error| give_up(connection, &job, error))?;
    close(connection, &job)?;
    Ok(job)
}

/// From here on it is carried out, whether we hear of it or not.
fn close(connection: &Connection, job: &Job) -> Result<()> {
    match succeeded(job.set_state(connection, "UploadComplete"), "carry a job out") {
        Ok(()) => Ok(()),
        Err(error) => match job.progress(connection) {
            Ok(Progress::Open) => Err(give_up(connection, job, error)),
            // It was closed, or nobody knows: whoever watches it will see.
            _ => Ok(()),
        },
    }
}

fn succeeded(reply: Result<Reply>, what: &str) -> Result<()> {
    let reply = reply?;
    if reply.is_success() { Ok(()) } else { Err(refused(&reply, what)) }
}

/// A job that was never closed does nothing.
fn give_up(connection: &Connection, job: &Job, error: Error) -> Error {
    let _ = job.set_state(connection, "Aborted");
    error
}

/// What became of the rows, as far as it was told.
struct Results {
    deed: Deed,
    header: Vec<String>,
    /// The tasks with these cells that nothing was told of yet.
    open: BTreeMap<String, Vec<usize>>,
    /// None where nothing was told; none within that where nothing was done.
    verdicts: Vec<Option<Option<Verdict>>>,
    complaint: Option<Error>,
}

impl Results {
    fn new(deed: Deed, header: &[String], tasks: &[&Task]) -> Self {
        let mut open: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, task) in tasks.iter().enumerate().rev() {
            let cells = header.iter().map(|name| cell(task, name));
            open.entry(told_by(deed, cells)).or_default().push(at);
        }
        Self { deed, header: header.to_vec(), open, verdicts: vec![None; tasks.len()], complaint: None }
    }

    fn complain(&mut self, error: Error) {
        self.complaint.get_or_insert(error);
    }

    fn is_complete(&self) -> bool {
        self.complaint.is_none() && self.verdicts.iter().all(Option::is_some)
    }

    /// Takes one of the three tables. An empty one has no rows.
    fn take(&mut self, told: Told, text: &str) -> Result<()> {
        let mut rows = Rows::new(text, DELIMITER.0);
        let Some((_, columns)) = rows.next()? else { return Ok(()) };
        let place = |name: &str| columns.iter().position(|column| column.eq_ignore_ascii_case(name));
        let places: Vec<Option<usize>> = self.header.iter().map(|name| place(name)).collect();
        let (id, reason) = (place("sf__Id"), place("sf__Error"));
        if places.iter().any(Option::is_none) || (told == Told::Failed && reason.is_none()) {
            return Err(
                Error::transient("the results of a job have other columns than its table").with_code("salesforce.csv")
            );
        }
        while let Some((_, cells)) = rows.next()? {
            let at = |place: Option<usize>| place.and_then(|place| cells.get(place)).map_or("", |cell| cell);
            let known = told_by(self.deed, places.iter().map(|place| at(*place)));
            let Some(task) = self.open.get_mut(&known).and_then(Vec::pop) else { continue };
            let verdict = match told {
                Told::Done => Some(Verdict::Done(Some(at(id).to_owned()).filter(|id| !id.is_empty()))),
                Told::Failed => Some(judge(self.deed, &words(at(reason)))),
                Told::Untouched => None,
            };
            self.verdicts.get_mut(task).into_iter().for_each(|place| *place = Some(verdict.clone()));
        }
        Ok(())
    }

    /// `reason`: why the job ended before its end.
    fn verdicts(self, reason: Option<String>) -> Vec<Option<Verdict>> {
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        let untold = self.complaint.unwrap_or_else(|| {
            Error::transient(format!("the job does not tell what became of this record{reason}"))
                .with_code("salesforce.job")
        });
        let told = |verdict: Option<Option<Verdict>>| verdict.unwrap_or_else(|| Some(Verdict::Unknown(untold.clone())));
        self.verdicts.into_iter().map(told).collect()
    }
}

/// By which of its cells a row of a result is known again: a record by what it is addressed by, a new one by all it has.
fn told_by<'a>(deed: Deed, cells: impl Iterator<Item = &'a str>) -> String {
    write_strings(cells.take(if deed == Deed::Create { usize::MAX } else { 1 }))
}

/// `DUPLICATE_VALUE:duplicate value found: …:No__c --`
fn words(text: &str) -> Words {
    let (code, rest) = text.split_once(':').unwrap_or((text, ""));
    let (message, fields) = rest.rsplit_once(':').unwrap_or((rest, ""));
    let fields = fields.trim_end_matches("--").split(',').map(str::trim).filter(|field| !field.is_empty());
    Words { code: code.trim().to_owned(), message: message.to_owned(), fields: fields.map(str::to_owned).collect() }
}

#[cfg(test)]
mod tests {
    use super::super::body::Cell;
    use super::*;
    use crate::kind::Kind;

    fn task(deed: Deed, id: Option<&str>, cells: &[(&str, Option<&str>)]) -> Task {
        let kind = Kind::Text("string".into());
        let cell = |(name, text): &(&str, Option<&str>)| Cell {
            name: (*name).to_owned(),
            kind: kind.clone(),
            text: text.map(str::to_owned),
        };
        Task { row: 0, deed, id: id.map(str::to_owned), cells: cells.iter().map(cell).collect() }
    }

    fn names(verdicts: Vec<Option<Verdict>>) -> Vec<String> {
        let name = |verdict: &Verdict| format!("{verdict:?}").split(['(', ' ']).next().unwrap().to_owned();
        verdicts.iter().map(|verdict| verdict.as_ref().map_or("-".to_owned(), name)).collect()
    }

    #[test]
    fn reasons_are_read() {
        let found =
            words("DUPLICATE_VALUE:duplicate value found: No__c duplicates value on record with id: 001:No__c --");
        assert_eq!((found.code.as_str(), found.fields), ("DUPLICATE_VALUE", vec!["No__c".to_owned()]));
        assert_eq!(words("UNABLE_TO_LOCK_ROW:unable to obtain exclusive access:--").fields, [""; 0]);
        assert_eq!(words("odd").code, "odd");
    }

    #[test]
    fn rows_are_known_again_whatever_their_order() {
        let tasks = [
            task(Deed::Create, None, &[("Name", Some("a^\"b"))]),
            task(Deed::Create, None, &[("Name", Some("same")), ("No__c", None)]),
            task(Deed::Create, None, &[("Name", Some("same")), ("No__c", None)]),
            task(Deed::Create, None, &[("Name", Some("gone"))]),
        ];
        let tasks: Vec<&Task> = tasks.iter().collect();
        let place = Place { object: "A", external_id: None };
        let header = header(place, Deed::Create, &tasks);
        assert_eq!(header, ["Name", "No__c"]);
        let mut results = Results::new(Deed::Create, &header, &tasks);
        results.take(Told::Done, "\"sf__Id\"^\"sf__Created\"^\"Name\"^\"No__c\"\n\"001\"^true^\"same\"^\"#N/A\"\n\"002\"^true^\"a^\"\"b\"^\n").unwrap();
        results
            .take(Told::Failed, "sf__Id^sf__Error^Name^No__c\n^\"DUPLICATE_VALUE:no:No__c --\"^same^#N/A\n")
            .unwrap();
        results.take(Told::Untouched, "").unwrap();
        assert!(!results.is_complete());
        assert_eq!(names(results.verdicts(None)), ["Done", "Done", "Conflict", "Unknown"]);
    }

    #[test]
    fn what_is_addressed_is_known_by_its_address() {
        let tasks = [
            task(Deed::Update, Some("1"), &[("Name", Some("x"))]),
            task(Deed::Update, Some("2"), &[("Credit__c", None)]),
        ];
        let tasks: Vec<&Task> = tasks.iter().collect();
        let header = header(Place { object: "A", external_id: None }, Deed::Update, &tasks);
        let mut results = Results::new(Deed::Update, &header, &tasks);
        // A table without one of its columns is none.
        assert!(results.take(Told::Done, "sf__Id^Id\n1^1\n").is_err());
        results.take(Told::Done, "sf__Id^Id^Name^Credit__c\n1^1^made otherwise^\n").unwrap();
        results.take(Told::Untouched, "Id^Name^Credit__c\n2^^#N/A\n").unwrap();
        assert!(results.is_complete());
        assert_eq!(names(results.verdicts(None)), ["Done", "-"]);
    }
}
