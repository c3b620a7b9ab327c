//! Writes to servers that misbehave: every row gets an answer that can be believed.

use lockstep::connector::{Source as _, WriteMode, WriteResults, WriteStatus};
use lockstep::record::ChangeKind;
use serde_json::{Value, json};

use super::bad_input::{connect, service};
use crate::http::server::{Answer, Request, Server};
use crate::plugins::{apply, changes, page, run};
use WriteStatus::{Conflict, Ok as Fine, Rejected, Retry, Unknown};

fn id(n: u32) -> String {
    format!("001Ab0000{n:06}")
}

/// Three records; `write` answers what writes.
fn writing(write: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Server {
    service(move |_, request| match request.method.as_str() {
        "POST" if request.target.ends_with("/composite/sobjects/A") => {
            let rows: Vec<String> = (1..=3).map(|n| format!("{{\"Id\":\"{}\",\"Name\":\"a\"}}", id(n))).collect();
            Answer::body(format!("[{}]", rows.join(",")))
        }
        _ => write(request),
    })
}

fn statuses(results: &WriteResults) -> Vec<WriteStatus> {
    results.statuses.clone().unwrap_or_else(|| vec![WriteStatus::Ok; 3])
}

/// What becomes of an update of each of the three records.
async fn update(server: &Server) -> Vec<WriteStatus> {
    let plugin = connect(server);
    let target = plugin.discover(&["A".to_owned()]).await.unwrap().remove(0);
    let change = |n: u32| (ChangeKind::Upsert, json!({"Id": id(n), "Name": "b", "expected:Name": "a"}));
    let rows = changes(&target, &[change(1), change(2), change(3)]);
    statuses(&apply(&plugin, &target, WriteMode::Update, rows).await.1)
}

async fn insert(server: &Server) -> Vec<WriteStatus> {
    let plugin = connect(server);
    let target = plugin.discover(&["A".to_owned()]).await.unwrap().remove(0);
    let rows: Vec<Value> = (7..10).map(|n| json!({"Name": format!("b{n}")})).collect();
    statuses(&apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await.1)
}

fn reply(status: u16, body: &str) -> Answer {
    Answer::Reply { status, headers: Vec::new(), body: body.into() }
}

const DONE: &str = r#"{"id":"001Ab0000000007","success":true,"errors":[]}"#;

fn no(code: &str) -> String {
    format!("{{\"success\":false,\"errors\":[{{\"statusCode\":\"{code}\",\"message\":\"no\",\"fields\":[]}}]}}")
}

#[test]
fn failures_within_a_success_are_told_one_by_one() {
    run(async {
        for (second, update_is, insert_is) in [
            (no("FIELD_CUSTOM_VALIDATION_EXCEPTION"), Rejected, Rejected),
            (no("DUPLICATE_VALUE"), Rejected, Conflict),
            (no("ENTITY_IS_DELETED"), Conflict, Rejected),
            (no("UNABLE_TO_LOCK_ROW"), Retry, Retry),
            (no("REQUEST_LIMIT_EXCEEDED"), Retry, Retry),
            // A success with a complaint, and a record that nobody says anything of.
            (r#"{"success":true,"errors":[{"statusCode":"X","message":"no"}]}"#.to_owned(), Rejected, Rejected),
            ("{}".to_owned(), Unknown, Unknown),
        ] {
            let body = format!("[{DONE},{second},{DONE}]");
            let server = writing(move |_| reply(200, &body));
            assert_eq!(update(&server).await, [Fine, update_is, Fine], "{second}");
            assert_eq!(insert(&server).await, [Fine, insert_is, Fine], "{second}");
        }
        // One was made, and nobody knows which.
        let server = writing(|_| reply(200, &format!("[{DONE},{{\"success\":true,\"errors\":[]}},{DONE}]")));
        assert_eq!(insert(&server).await, [Fine, Unknown, Fine]);
        assert_eq!(update(&server).await, [Fine, Fine, Fine]);
    });
}

#[test]
fn what_got_no_answer_that_makes_sense_is_unknown_and_what_was_turned_away_is_not() {
    run(async {
        let refused = |code: &str| format!("[{{\"errorCode\":\"{code}\",\"message\":\"no\"}}]");
        for (status, body, expected) in [
            (200, String::new(), Unknown),
            (200, "<html>Log in</html>".to_owned(), Unknown),
            (200, format!("[{DONE},{DONE}]"), Unknown),
            (200, format!("[{DONE},{DONE},{DONE}"), Unknown),
            (200, refused("UNKNOWN_EXCEPTION"), Unknown),
            (500, refused("UNKNOWN_EXCEPTION"), Unknown),
            (500, String::new(), Unknown),
            (502, String::new(), Unknown),
            (401, refused("INVALID_SESSION_ID"), Retry),
            (403, refused("REQUEST_LIMIT_EXCEEDED"), Retry),
            (403, refused("INSUFFICIENT_ACCESS"), Rejected),
            (302, String::new(), Retry),
            (400, refused("INVALID_FIELD"), Rejected),
        ] {
            let answer = body.clone();
            let server = writing(move |_| reply(status, &answer));
            assert_eq!(insert(&server).await, [expected; 3], "{status} {body}");
            assert_eq!(update(&server).await, [expected; 3], "{status} {body}");
        }
        let server = writing(|_| Answer::Cut);
        assert_eq!(insert(&server).await, [Unknown; 3]);
        // It is not sent again: that could make three more.
        assert_eq!(server.requests().iter().filter(|request| request.method == "POST").count(), 1);
        let server = writing(|_| Answer::status(429));
        assert_eq!(insert(&server).await, [Retry; 3]);
    });
}
