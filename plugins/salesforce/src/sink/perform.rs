//! Writes on their way: collected, sent, and answered one by one.

use lockstep_json::write_strings;
use lockstep_plugin_sdk::error::{Error, ErrorKind, Result};
use lockstep_web::answer::{fault, json};
use lockstep_web::{Ask, Reply};

use super::verdict::{Answered, Deed, Verdict};
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
    /// The record; for a delete its id.
    pub body: String,
}

/// Where the records of an object are written, and by which field those without an id are addressed.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub object: &'a str,
    pub external_id: Option<&'a str>,
}

/// Makes the writes; each is answered in its place.
pub fn perform(connection: &Connection, place: Place<'_>, tasks: &[Task]) -> Vec<Verdict> {
    let mut verdicts: Vec<Option<Verdict>> = tasks.iter().map(|_| None).collect();
    let mut waiting = groups(tasks);
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

/// Tasks of one kind that go in one request, by their places.
fn groups(tasks: &[Task]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for deed in [Deed::Create, Deed::Upsert, Deed::Update, Deed::Delete] {
        let (mut group, mut bytes) = (Vec::new(), 0);
        for (at, task) in tasks.iter().enumerate().filter(|(_, task)| task.deed == deed) {
            if group.len() == COLLECTION_MAX || (bytes + task.body.len() > REQUEST_BYTES_MAX && !group.is_empty()) {
                groups.push(std::mem::take(&mut group));
                bytes = 0;
            }
            bytes += task.body.len();
            group.push(at);
        }
        groups.extend(Some(group).filter(|group| !group.is_empty()));
    }
    groups
}

fn ask(connection: &Connection, place: Place<'_>, tasks: &[Task], group: &[usize]) -> Ask {
    let bodies: Vec<&str> = group.iter().filter_map(|at| tasks.get(*at)).map(|task| task.body.as_str()).collect();
    let deed = group.first().and_then(|at| tasks.get(*at)).map_or(Deed::Update, |task| task.deed);
    let (method, below) = match (deed, place.external_id) {
        (Deed::Delete, _) => {
            let below = format!("composite/sobjects?ids={}&allOrNone=false", bodies.join(","));
            return Ask::new("DELETE", connection.service.target(&below));
        }
        (Deed::Upsert, Some(field)) => ("PATCH", format!("composite/sobjects/{}/{field}", place.object)),
        (Deed::Update, _) => ("PATCH", "composite/sobjects".to_owned()),
        (Deed::Create | Deed::Upsert, _) => ("POST", "composite/sobjects".to_owned()),
    };
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
            _ if error.code == "web.page" => Verdict::Retry(error),
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

/// The key of a record as the host stores it.
pub fn key_text(values: &[String]) -> Vec<u8> {
    write_strings(values).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn task(deed: Deed, body: &str) -> Task {
        Task { row: 0, deed, body: body.to_owned() }
    }

    #[test]
    fn writes_of_one_kind_go_together() {
        let mut tasks: Vec<Task> = (0..450).map(|_| task(Deed::Update, "{}")).collect();
        tasks.insert(3, task(Deed::Create, "{}"));
        tasks.push(task(Deed::Delete, "001"));
        let sizes: Vec<usize> = groups(&tasks).iter().map(Vec::len).collect();
        assert_eq!(sizes, [1, 200, 200, 50, 1]);
        let wide = "x".repeat(2_000_000);
        let tasks: Vec<Task> = (0..3).map(|_| task(Deed::Update, &wide)).collect();
        assert_eq!(groups(&tasks).len(), 3);
        assert_eq!(groups(&[]), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn requests_are_what_the_resource_wants() {
        let connection = Connection::new(Config::read("{}").unwrap());
        let place = Place { object: "A", external_id: Some("No__c") };
        let shown = |deed, bodies: &[&str]| {
            let tasks: Vec<Task> = bodies.iter().map(|body| task(deed, body)).collect();
            let ask = ask(&connection, place, &tasks, &(0..tasks.len()).collect::<Vec<_>>());
            let body = ask.body.map(|body| String::from_utf8(body).unwrap()).unwrap_or_default();
            format!("{} {} {body}", ask.method, ask.target.replace("/services/data/v62.0/", ""))
        };
        assert_eq!(shown(Deed::Create, &["{}"]), r#"POST composite/sobjects {"allOrNone":false,"records":[{}]}"#);
        assert_eq!(
            shown(Deed::Upsert, &["{}"]),
            r#"PATCH composite/sobjects/A/No__c {"allOrNone":false,"records":[{}]}"#
        );
        assert_eq!(
            shown(Deed::Update, &["{}", "{}"]),
            r#"PATCH composite/sobjects {"allOrNone":false,"records":[{},{}]}"#
        );
        assert_eq!(shown(Deed::Delete, &["1", "2"]), "DELETE composite/sobjects?ids=1,2&allOrNone=false ");
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
