//! Writes to services that misbehave: every row gets an answer that can be believed.

use std::sync::atomic::{AtomicUsize, Ordering};

use lockstep::connector::{Source as _, WriteMode, WriteResults, WriteStatus};
use lockstep::plugin::PluginConnector;
use lockstep::record::{ChangeKind, Stream};
use serde_json::{Value, json};

use super::connect_at_once;
use super::reading::METADATA;
use crate::http::server::{Answer, Request, Server};
use crate::plugins::{apply, changes, page, run};

const RECORDS: &str = r#"{"value":[{"@odata.etag":"W/\"1\"","id":1,"name":"a"},{"@odata.etag":"W/\"1\"","id":2,"name":"a"},{"@odata.etag":"W/\"1\"","id":3,"name":"a"}]}"#;

/// Three records in version 1; `write` answers what writes, by the number of such requests.
fn service(write: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static) -> Server {
    let number = AtomicUsize::new(0);
    Server::start(move |_, request| match request.method.as_str() {
        "GET" if request.target.contains("metadata") => Answer::body(METADATA),
        "GET" if request.target.contains("/A(") => Answer::body(r#"{"@odata.etag":"W/\"1\"","id":1,"name":"a"}"#),
        "GET" => Answer::body(RECORDS),
        _ => write(number.fetch_add(1, Ordering::SeqCst), request),
    })
}

async fn connect(server: &Server, keys: &str) -> (PluginConnector, Stream) {
    let plugin = connect_at_once(&server.url(), "/s", keys);
    let target = plugin.discover(&["A".to_owned()]).await.unwrap().remove(0);
    (plugin, target)
}

fn statuses(results: &WriteResults, rows: usize) -> Vec<WriteStatus> {
    results.statuses.clone().unwrap_or_else(|| vec![WriteStatus::Ok; rows])
}

/// What becomes of an update of each of the three records.
async fn update(server: &Server, keys: &str) -> Vec<WriteStatus> {
    let (plugin, target) = connect(server, keys).await;
    let change = |id: i64| (ChangeKind::Upsert, json!({"id": id, "name": "b", "expected:name": "a"}));
    let (_, results) =
        apply(&plugin, &target, WriteMode::Update, changes(&target, &[change(1), change(2), change(3)])).await;
    statuses(&results, 3)
}

async fn insert(server: &Server, keys: &str) -> Vec<WriteStatus> {
    let (plugin, target) = connect(server, keys).await;
    let rows: Vec<Value> = (7..10).map(|id| json!({"id": id, "name": "b"})).collect();
    let (_, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
    statuses(&results, 3)
}

const SINGLE: &str = "batch = \"none\"";
const FAILED: &str = r#"{"error":{"code":"E","message":"name must not be b"}}"#;
use WriteStatus::{Conflict, Ok as Fine, Rejected, Retry, Unknown};

#[test]
fn one_record_that_fails_takes_no_other_with_it() {
    run(async {
        for (status, body, update_is, insert_is) in [
            (400, FAILED, Rejected, Rejected),
            (500, FAILED, Rejected, Rejected),
            (200, FAILED, Rejected, Rejected),
            (201, FAILED, Rejected, Rejected),
            (500, "", Unknown, Unknown),
            (409, FAILED, Rejected, Conflict),
            (412, "", Conflict, Conflict),
            (404, FAILED, Conflict, Rejected),
            (423, FAILED, Retry, Retry),
        ] {
            let answer = move |request: &Request, fails: &str| {
                let is_it = request.target.contains(fails) || request.body.contains("\"id\":8");
                let reply = |status, body: &str| Answer::Reply { status, headers: Vec::new(), body: body.into() };
                if is_it { reply(status, body) } else { reply(204, "") }
            };
            let server = service(move |_, request| answer(request, "A(2)"));
            assert_eq!(update(&server, SINGLE).await, [Fine, update_is, Fine], "{status} {body}");
            let server = service(move |_, request| answer(request, "A(8)"));
            assert_eq!(insert(&server, SINGLE).await, [Fine, insert_is, Fine], "{status} {body}");
        }
    });
}

#[test]
fn what_got_no_answer_is_unknown_and_what_was_turned_away_is_not() {
    run(async {
        let server = service(|_, _| Answer::Cut);
        assert_eq!(insert(&server, SINGLE).await, [Unknown; 3]);
        assert_eq!(server.requests().iter().filter(|request| request.method == "POST").count(), 3);
        let server = service(|_, _| Answer::Cut);
        assert_eq!(insert(&server, "").await, [Unknown; 3]);
        assert_eq!(server.requests().iter().filter(|request| request.method == "POST").count(), 1);
        let server = service(|_, _| Answer::status(429));
        assert_eq!(insert(&server, "").await, [Retry; 3]);
        let server = service(|_, _| Answer::status(401));
        assert_eq!(insert(&server, "").await, [Retry; 3]);
        let server = service(|_, _| Answer::status(500));
        assert_eq!(insert(&server, "").await, [Unknown; 3]);
        let server = service(|_, _| Answer::body("<html>Log in</html>"));
        assert_eq!(insert(&server, "").await, [Unknown; 3]);
    });
}

/// The answer to a batch, with these parts.
fn batch(parts: &[&str]) -> Answer {
    let parts: String =
        parts.iter().map(|part| format!("--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 {part}\r\n")).collect();
    Answer::body(format!("{parts}--b--\r\n")).header("content-type", "multipart/mixed; boundary=b")
}

#[test]
fn parts_of_a_batch_are_judged_one_by_one() {
    run(async {
        let made = "201 Created\r\nOData-EntityId: /s/A(7)\r\n\r\n{\"id\":7}\r\n";
        let refused = &format!("400 Bad Request\r\nContent-Type: application/json\r\n\r\n{FAILED}\r\n");
        let disguised = &format!("201 Created\r\nContent-Type: application/json\r\n\r\n{FAILED}\r\n");
        for (parts, expected) in [
            (vec![made, refused, made], [Fine, Rejected, Fine]),
            (vec![made, disguised, made], [Fine, Rejected, Fine]),
            // It stopped at the first failure.
            (vec![made, refused], [Fine, Rejected, Unknown]),
            (vec![], [Unknown; 3]),
            (vec!["200 OK\r\n\r\n", "200 OK\r\n\r\n", "200 OK\r\n\r\n", "200 OK\r\n\r\n"], [Unknown; 3]),
            (vec!["nonsense"], [Unknown; 3]),
        ] {
            let owned: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
            let server = service(move |_, _| batch(&owned.iter().map(String::as_str).collect::<Vec<_>>()));
            assert_eq!(insert(&server, "").await, expected, "{parts:?}");
        }
        let answers = r#"{"responses":[{"id":"2","status":201,"body":{"id":9}},{"id":"0","status":201,"body":{"error":{"code":"E","message":"no"}}}]}"#;
        let server = service(move |_, _| Answer::body(answers));
        assert_eq!(insert(&server, "batch = \"json\"").await, [Rejected, Unknown, Fine]);
    });
}

#[test]
fn batches_that_are_too_large_are_halved_and_services_without_any_get_single_requests() {
    run(async {
        let made = "201 Created\r\nOData-EntityId: /s/A(7)\r\n\r\n\r\n";
        let server = service(move |_, request| match request.body.matches("POST A").count() {
            2.. => Answer::status(413),
            _ if request.target.contains("batch") => batch(&[made]),
            _ => Answer::status(204),
        });
        assert_eq!(insert(&server, "").await, [Fine; 3]);
        for status in [404, 405, 501] {
            let server =
                service(move |_, request| Answer::status(if request.target.contains("batch") { status } else { 204 }));
            assert_eq!(insert(&server, "").await, [Fine; 3], "{status}");
        }
    });
}

#[test]
fn a_write_that_was_carried_out_though_it_failed_is_not_made_again() {
    run(async {
        // The version has changed since: it may have been ours.
        let server = Server::start(|_, request| match request.method.as_str() {
            "GET" if request.target.contains("metadata") => Answer::body(METADATA),
            "GET" if request.target.contains("/A(") => Answer::body(r#"{"@odata.etag":"W/\"2\"","id":1,"name":"b"}"#),
            "GET" => Answer::body(RECORDS),
            _ => Answer::status(504),
        });
        assert_eq!(update(&server, SINGLE).await, [Unknown; 3]);
        assert_eq!(server.requests().iter().filter(|request| request.method == "PATCH").count(), 3);
    });
}
