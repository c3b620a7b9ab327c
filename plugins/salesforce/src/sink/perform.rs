//! Writes on their way: collected, sent, and answered one by one.

use lockstep_plugin_sdk::error::{Error, ErrorKind, Result};
use lockstep_plugin_sdk::http::answer::json;
use lockstep_plugin_sdk::http::{Ask, Reply};
use lockstep_web::answer::fault;

use super::body::{Cell, record};
use super::verdict::{Answered, Deed, Verdict};
use crate::config::Write;
use crate::connection::Connection;
use crate::trouble::refused;

/// What a collection takes.
const COLLECTION_MAX: usize = 200;
/// Bytes of a request: half of what the vendor takes.
const REQUEST_BYTES_MAX: usize = 3_000_000;

/// One write.
#[derive(Clone, Debug)]
pub struct Task {
    /// The row of the page it is about.
    pub row: u32,
    pub deed: Deed,
    /// The record, if it is there.
    pub id: Option<String>,
    pub cells: Vec<Cell>,
}

impl Task {
    /// About so many bytes of a request.
    fn bytes(&self) -> usize {
        self.cells.iter().map(|cell| cell.name.len() + cell.text.as_ref().map_or(4, String::len) + 6).sum::<usize>()
            + 80
    }
}

/// What a table says for null. Nothing at all says nothing.
pub const TABLE_NULL: &str = "#N/A";

/// Whether a table can say it.
fn fits(task: &Task) -> bool {
    !task.cells.iter().any(|cell| cell.text.as_deref() == Some(TABLE_NULL))
}

/// Where the records of an object are written, and by which field those without an id are addressed.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub object: &'a str,
    pub external_id: Option<&'a str>,
}

/// Whether so many records are written by a job.
pub fn is_for_jobs(connection: &Connection, rows: usize) -> bool {
    connection.config.write == Write::Jobs && rows > COLLECTION_MAX
}

/// Makes the writes; each is answered in its place.
pub fn perform(connection: &Connection, place: Place<'_>, tasks: &[Task]) -> Vec<Verdict> {
    let mut verdicts: Vec<Option<Verdict>> = tasks.iter().map(|_| None).collect();
    for deed in DEEDS {
        let fitting: Vec<usize> =
            (0..).zip(tasks).filter(|(_, task)| task.deed == deed && fits(task)).map(|(at, _)| at).collect();
        if is_for_jobs(connection, fitting.len()) {
            let of_deed: Vec<&Task> = fitting.iter().filter_map(|at| tasks.get(*at)).collect();
            for (at, verdict) in fitting.iter().zip(super::job::perform(connection, place, deed, &of_deed)) {
                verdicts.get_mut(*at).into_iter().for_each(|known| *known = verdict.clone());
            }
        }
    }
    let is_open = |at: &usize| verdicts.get(*at).is_some_and(Option::is_none);
    let open: Vec<usize> = (0..tasks.len()).filter(is_open).collect();
    let mut waiting = groups(tasks, &open);
    while !waiting.is_empty() {
        let asks = waiting.iter().map(|group| ask(connection, place, tasks, group)).collect();
        let replies = connection.send_all(asks);
        let mut halves = Vec::new();
        for (group, reply) in waiting.into_iter().zip(replies) {
            if group.len() > 1 && reply.as_ref().is_ok_and(is_about_one_of_them) {
                // One record that cannot even be read takes all others of its request with it.
                let (one, other) = group.split_at(group.len() / 2);
                halves.extend([one.to_vec(), other.to_vec()]);
                continue;
            }
            let deed = group.first().and_then(|at| tasks.get(*at)).map_or(Deed::Update, |task| task.deed);
            for (at, verdict) in group.iter().zip(judge(reply, deed, group.len())) {
                verdicts.get_mut(*at).into_iter().for_each(|known| *known = Some(verdict.clone()));
            }
        }
        waiting = halves;
    }
    verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(|| Verdict::Unknown(unanswered()))).collect()
}

const DEEDS: [Deed; 4] = [Deed::Create, Deed::Upsert, Deed::Update, Deed::Delete];

/// Tasks of one kind that go in one request, by their places; those of `open`.
fn groups(tasks: &[Task], open: &[usize]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for deed in DEEDS {
        let (mut group, mut bytes) = (Vec::new(), 0);
        let of_deed = open.iter().filter_map(|at| Some((*at, tasks.get(*at)?))).filter(|(_, task)| task.deed == deed);
        for (at, task) in of_deed {
            if group.len() == COLLECTION_MAX || (bytes + task.bytes() > REQUEST_BYTES_MAX && !group.is_empty()) {
                groups.push(std::mem::take(&mut group));
                bytes = 0;
            }
            bytes += task.bytes();
            group.push(at);
        }
        groups.extend(Some(group).filter(|group| !group.is_empty()));
    }
    groups
}

fn ask(connection: &Connection, place: Place<'_>, tasks: &[Task], group: &[usize]) -> Ask {
    let tasks: Vec<&Task> = group.iter().filter_map(|at| tasks.get(*at)).collect();
    let deed = tasks.first().map_or(Deed::Update, |task| task.deed);
    let (method, below) = match (deed, place.external_id) {
        (Deed::Delete, _) => {
            let ids: Vec<&str> = tasks.iter().filter_map(|task| task.id.as_deref()).collect();
            let below = format!("composite/sobjects?ids={}&allOrNone=false", ids.join(","));
            return Ask::new("DELETE", connection.service.target(&below));
        }
        (Deed::Upsert, Some(field)) => ("PATCH", format!("composite/sobjects/{}/{field}", place.object)),
        (Deed::Update, _) => ("PATCH", "composite/sobjects".to_owned()),
        (Deed::Create | Deed::Upsert, _) => ("POST", "composite/sobjects".to_owned()),
    };
    let bodies: Vec<String> = tasks.iter().map(|task| record(place.object, task.id.as_deref(), &task.cells)).collect();
    let body = format!("{{\"allOrNone\":false,\"records\":[{}]}}", bodies.join(","));
    connection.with_body(method, &below, body)
}

/// Whether the request was not understood, or is too large: nothing of it was done.
fn is_about_one_of_them(reply: &Reply) -> bool {
    matches!(reply.status, 400 | 413 | 414)
}

fn judge(reply: Result<Reply>, deed: Deed, count: usize) -> Vec<Verdict> {
    let all = |verdict: Verdict| vec![verdict; count];
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) if error.property("outcome") == Some("unknown") => return all(Verdict::Unknown(error)),
        Err(error) => return all(Verdict::Retry(error)),
    };
    if !reply.is_success() {
        let error = refused(&reply, deed.name());
        return all(match reply.status {
            // What fails on the way may have been done.
            500..=599 => Verdict::Unknown(error),
            300..=399 | 401 | 407 => Verdict::Retry(error),
            _ if error.is(ErrorKind::RateLimited) || error.is(ErrorKind::Transient) => Verdict::Retry(error),
            _ if error.code == "http.page" => Verdict::Retry(error),
            _ => Verdict::Rejected(Error { kind: ErrorKind::InvalidData.name().to_owned(), ..error }),
        });
    }
    let answers = json(&reply).and_then(|text| Answered::read_all(text).map_err(|found| fault(text, found)));
    match answers {
        Ok(answers) if answers.len() == count => answers.into_iter().map(|answered| answered.judge(deed)).collect(),
        Ok(_) => all(Verdict::Unknown(unanswered())),
        Err(error) => {
            let message = format!("{}; whether the records were written is not known", error.message);
            all(Verdict::Unknown(Error::transient(message).with_code(error.code)))
        }
    }
}

fn unanswered() -> Error {
    Error::transient("Salesforce did not answer for every record; whether they were written is not known")
        .with_code("salesforce.answer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn task(deed: Deed, id: Option<&str>, text: &str) -> Task {
        let kind = crate::kind::Kind::Text("string".into());
        let cells = vec![Cell { name: "Name".into(), kind, text: Some(text.to_owned()) }];
        Task { row: 0, deed, id: id.map(str::to_owned), cells }
    }

    fn all(tasks: &[Task]) -> Vec<usize> {
        (0..tasks.len()).collect()
    }

    #[test]
    fn writes_of_one_kind_go_together() {
        let mut tasks: Vec<Task> = (0..450).map(|_| task(Deed::Update, Some("1"), "a")).collect();
        tasks.insert(3, task(Deed::Create, None, "a"));
        tasks.push(task(Deed::Delete, Some("1"), ""));
        let sizes: Vec<usize> = groups(&tasks, &all(&tasks)).iter().map(Vec::len).collect();
        assert_eq!(sizes, [1, 200, 200, 50, 1]);
        let wide = "x".repeat(2_000_000);
        let tasks: Vec<Task> = (0..3).map(|_| task(Deed::Update, Some("1"), &wide)).collect();
        assert_eq!(groups(&tasks, &all(&tasks)).len(), 3);
        assert_eq!(groups(&[], &[]), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn requests_are_what_the_resource_wants() {
        let connection = Connection::new(Config::read("{}").unwrap());
        let place = Place { object: "A", external_id: Some("No__c") };
        let shown = |deed, ids: &[Option<&str>]| {
            let tasks: Vec<Task> = ids.iter().map(|id| task(deed, *id, "a")).collect();
            let ask = ask(&connection, place, &tasks, &(0..tasks.len()).collect::<Vec<_>>());
            let body = ask.body.map(|body| String::from_utf8(body).unwrap()).unwrap_or_default();
            format!("{} {} {body}", ask.method, ask.target.replace("/services/data/v62.0/", ""))
        };
        let made = r#"{"allOrNone":false,"records":[{"attributes":{"type":"A"},"Name":"a"}]}"#;
        assert_eq!(shown(Deed::Create, &[None]), format!("POST composite/sobjects {made}"));
        assert_eq!(shown(Deed::Upsert, &[None]), format!("PATCH composite/sobjects/A/No__c {made}"));
        let changed = r#"{"allOrNone":false,"records":[{"attributes":{"type":"A"},"Id":"1","Name":"a"}]}"#;
        assert_eq!(shown(Deed::Update, &[Some("1")]), format!("PATCH composite/sobjects {changed}"));
        assert_eq!(shown(Deed::Delete, &[Some("1"), Some("2")]), "DELETE composite/sobjects?ids=1,2&allOrNone=false ");
    }

    #[test]
    fn what_fails_as_a_whole_is_answered_for_each() {
        let check = |status, body: &str, expected: &str| {
            let reply = Reply { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
            let verdicts = judge(Ok(reply), Deed::Update, 2);
            assert_eq!(verdicts.len(), 2);
            let shown = format!("{:?}", verdicts[1]);
            assert_eq!(shown.split(['(', ' ']).next().unwrap(), expected, "{status} {body}");
        };
        check(401, r#"[{"errorCode":"INVALID_SESSION_ID","message":"no"}]"#, "Retry");
        check(403, r#"[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"no"}]"#, "Retry");
        check(403, r#"[{"errorCode":"X","message":"no"}]"#, "Rejected");
        check(400, r#"[{"errorCode":"JSON_PARSER_ERROR","message":"no"}]"#, "Rejected");
        check(500, r#"[{"errorCode":"UNKNOWN_EXCEPTION","message":"no"}]"#, "Unknown");
        check(200, "<html>Log in</html>", "Unknown");
        check(200, "", "Unknown");
        check(200, r#"[{"success":true}]"#, "Unknown");
        check(200, r#"[{"success":true},{"success":true}"#, "Unknown");
        check(200, r#"[{"success":true},{"success":true}]"#, "Done");
        check(302, "", "Retry");
    }
}
