//! APIs that send what they should not, or do not what they say: each has a code, and an outcome in which nothing is lost, doubled or
//! deleted.

use std::sync::atomic::{AtomicUsize, Ordering};

use lockstep::connector::{FailureKind, PageLimits, PageStatus, Source as _, WriteMode, WriteResults, WriteStatus};
use lockstep::plugin::PluginConnector;
use lockstep::record::ChangeKind;
use serde_json::{Value, json};

use super::try_connect;
use crate::http::lab::Lab;
use crate::http::server::{Answer, Request, Server};
use crate::plugins::{Reading, Shown, apply, changes, page, run};

/// One stream `things`, paged by what `PAGING` says.
const MANIFEST: &str = r#"
base = "/s"
[errors]
code = "error.code"
message = "error.message"
failed = ["error"]
[streams.things]
key = "id"
fields = { id = "int64", name = "text" }
etag = "ETag"
read = { path = "/things", query = { after = "${after}", offset = "${offset}", cursor = "${cursor}" }, records = "list", page_size = 3, paging = PAGING }
find = [{ by = "id", path = "/things/${key.id}" }]
create = { method = "POST", path = "/things", json = "${record}" }
update = { method = "PATCH", path = "/things/${key.id}", headers = { If-Match = "${version}" }, json = "${record}" }
delete = { method = "DELETE", path = "/things/${key.id}", headers = { If-Match = "${version}" } }
"#;

const BY_LINK: &str = "{ by = \"link\", next = \"next\" }";
const BY_LAST: &str = "{ by = \"last\", last = \"id\" }";
const BY_OFFSET: &str = "{ by = \"offset\" }";

fn connect(server: &Server, paging: &str) -> PluginConnector {
    let world = Lab::new("").world();
    let manifest = MANIFEST.replace("PAGING", paging);
    try_connect(&server.url(), &manifest, "", world).unwrap_or_else(|error| panic!("{error}"))
}

/// `answer` is given the number of the request, from 0.
fn service(answer: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static) -> Server {
    let number = AtomicUsize::new(0);
    Server::start(move |_, request| answer(number.fetch_add(1, Ordering::SeqCst), request))
}

async fn read(server: &Server, paging: &str) -> Result<Shown, lockstep::connector::Failure> {
    let plugin = connect(server, paging);
    let mut reading = Reading::full(&plugin, "things").discovered().await;
    reading.read_pages(100).await
}

fn list(ids: impl IntoIterator<Item = u32>, next: &str) -> Answer {
    let rows: Vec<Value> = ids.into_iter().map(|id| json!({"id": id, "name": format!("n{id}")})).collect();
    Answer::body(json!({"list": rows, "next": next}).to_string())
}

/// What one answer leads to.
fn refuse(status: u16, body: impl Into<Vec<u8>>, kind: FailureKind, code: &str) {
    let body = body.into();
    run(async {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let server = service(move |_, _| Answer::Reply { status, headers: Vec::new(), body: body.clone() });
        let failure = read(&server, BY_LINK).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (kind, code), "{status} {shown}: {failure}");
    });
}

#[test]
fn answers_that_are_none_end_the_reading_with_a_reason() {
    refuse(200, "<!DOCTYPE html><html><body>Please log in</body></html>", FailureKind::Auth, "http.page");
    refuse(200, "", FailureKind::Transient, "http.empty");
    refuse(200, r#"{"error":{"code":"E7","message":"not today"}}"#, FailureKind::Transient, "E7");
    refuse(200, r#"{"list":[{"id":1},{"id"#, FailureKind::Transient, "http.cut-off");
    refuse(200, r#"{"list":[{"id":1}]"#, FailureKind::Transient, "http.cut-off");
    refuse(200, format!("{{\"list\":[],\"x\":{}1", "[".repeat(100_000)), FailureKind::Permanent, "http.json");
    refuse(200, r#"{"id":1}"#, FailureKind::Permanent, "api.no-list");
    refuse(200, r#"{"list":null}"#, FailureKind::Permanent, "api.no-list");
    refuse(200, "[]", FailureKind::Permanent, "api.no-list");
    refuse(200, b"{\"list\":[{\"id\":1,\"name\":\"\xff\"}]}".as_slice(), FailureKind::Permanent, "http.utf8");
    refuse(401, r#"{"error":{"code":"expired","message":"no"}}"#, FailureKind::Auth, "expired");
    refuse(302, "", FailureKind::Auth, "api.302");
    refuse(403, "<html>no</html>", FailureKind::Auth, "http.page");
    refuse(404, "{}", FailureKind::NotFound, "api.404");
    refuse(500, "<html>oops</html>", FailureKind::Transient, "api.500");
    refuse(429, "", FailureKind::RateLimited, "");
    refuse(503, "", FailureKind::Transient, "");
}

#[test]
fn bad_records_are_put_aside_and_hold_up_no_other() {
    run(async {
        let deep = format!("{{\"id\":8,\"name\":{}{}}}", "[".repeat(70), "]".repeat(70));
        let records = [
            r#"{"id":1,"name":"a"}"#,
            r#"{"id":99999999999999999999999999,"name":"huge"}"#,
            r#"{"id":1e400,"name":"huger"}"#,
            r#"{"id":2,"name":"b","name":"c"}"#,
            r#"{"id":"three","name":"mixed"}"#,
            r#"{"id":{"a":1},"name":"mixed"}"#,
            r#"{"id":4,"name":"\ud800"}"#,
            r#"{"id":5,"name":{"a": 1}}"#,
            r#"{"id":6}"#,
            r#"{"name":"without a key"}"#,
            r#"{"id":null,"name":"without a key"}"#,
            "7",
            &deep,
        ];
        let body = format!("{{\"list\":[{}]}}", records.join(","));
        let server = service(move |_, _| Answer::body(body.clone()));
        let plugin = connect(&server, BY_LINK);
        let request = Reading::full(&plugin, "things").discovered().await.request;
        let mut reader = plugin.open(request).await.unwrap();
        let page = reader.next(PageLimits { rows: 1000, bytes: 1 << 20 }).await.unwrap();
        let shown = crate::plugins::records(&page.changes.data);
        let ids: Vec<i64> = shown.iter().map(|record| record["id"].as_i64().unwrap()).collect();
        assert_eq!(ids, [1, 5, 6]);
        // What is not said is not null.
        assert!(!shown[2].contains_key("name") && shown[1]["name"] == "{\"a\":1}", "{shown:?}");
        let codes: Vec<&str> = page.rejected.iter().map(|rejection| rejection.error.detail_code.as_str()).collect();
        let (value, record) = ("web.value", "api.record");
        assert_eq!(codes, [value, value, record, value, value, record, value, value, record, record]);
    });
}

#[test]
fn links_are_followed_whatever_the_server_calls_itself_and_never_out_or_in_circles() {
    run(async {
        let links = [
            "http://localhost/s/things?p=1",
            "https://proxy.example.com:8443/s/things?p=2",
            "things?p=3",
            "/s/things?p=4",
            "",
        ];
        let server =
            service(move |number, _| list([number as u32 + 1], links.get(number).copied().unwrap_or_default()));
        let shown = read(&server, "{ by = \"link\", next = \"next\", stable = true }").await.unwrap();
        assert_eq!((shown.ints("id"), shown.status), (vec![1, 2, 3, 4, 5], Some(PageStatus::EnumerationComplete)));
        let targets: Vec<String> = server.requests().iter().map(|request| request.target.clone()).collect();
        assert_eq!(targets[1..], ["/s/things?p=1", "/s/things?p=2", "/s/things?p=3", "/s/things?p=4"]);
        for (link, code) in [
            ("https://evil.example.com/steal?x=1", "http.link"),
            ("/other/things?p=1", "http.link"),
            ("../../etc", "http.link"),
            ("things?p=1", "api.cycle"),
        ] {
            let server = service(move |number, _| list([number as u32 + 1], link));
            let failure = read(&server, BY_LINK).await.unwrap_err();
            assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Permanent, code), "{link}");
            assert!(server.requests().len() < 8, "{link}");
        }
        // By a header, as RFC 8288 writes it.
        let server = service(|number, _| {
            let more = format!(
                "<https://api.example.com/s/things?p={}>; rel=\"next\", </s/things?p=1>; rel=first",
                number + 1
            );
            let answer = list([number as u32 + 1], "");
            if number < 2 { answer.header("Link", more) } else { answer }
        });
        assert_eq!(read(&server, "{ by = \"link\" }").await.unwrap().ints("id"), [1, 2, 3]);
    });
}

#[test]
fn readings_that_can_be_disturbed_prove_nothing() {
    run(async {
        for (paging, expected) in [
            ("{ by = \"link\", next = \"next\" }", PageStatus::CaughtUp),
            ("{ by = \"link\", next = \"next\", stable = true }", PageStatus::EnumerationComplete),
            ("{ by = \"cursor\", next = \"next\" }", PageStatus::CaughtUp),
        ] {
            let server = service(|number, _| {
                list([number as u32], ["/s/things?p=1", ""].get(number).copied().unwrap_or_default())
            });
            let shown = read(&server, paging).await.unwrap();
            assert_eq!((shown.records.len(), shown.status), (2, Some(expected)), "{paging}");
        }
    });
}

#[test]
fn an_api_that_ignores_where_to_go_on_does_not_keep_us_for_ever() {
    run(async {
        let server = service(|_, _| list([1, 2, 3], ""));
        let failure = read(&server, BY_LAST).await.unwrap_err();
        assert_eq!(failure.detail_code, "api.cycle");
        assert!(server.requests().len() < 5);
        let server = service(|_, _| list([1, 2, 3], ""));
        let failure = read(&server, BY_OFFSET).await.unwrap_err();
        assert_eq!(failure.detail_code, "api.cycle");
        assert!(server.requests().len() < 20);
        // A page that is shorter than what was asked for is not the last one, unless the manifest says so.
        let server = service(|number, _| list(if number < 4 { vec![number as u32 + 1] } else { vec![] }, ""));
        let shown = read(&server, BY_LAST).await.unwrap();
        assert_eq!((shown.ints("id"), shown.status), (vec![1, 2, 3, 4], Some(PageStatus::EnumerationComplete)));
    });
}

#[test]
fn a_reading_goes_on_after_whatever_broke_it_off() {
    run(async {
        let broken = || Answer::status(401);
        for fault in [
            broken as fn() -> Answer,
            || Answer::status(503),
            || Answer::CutBody,
            || Answer::body("<html>"),
            || Answer::body("{\"list\":["),
        ] {
            let server = Server::start(move |number, request| {
                let after = request.target.split("after=").nth(1).map_or(0, |after| after.parse::<u32>().unwrap());
                // The second page fails for a while.
                if after == 3 && number < 6 { fault() } else { list((after + 1..=after + 3).filter(|id| *id <= 7), "") }
            });
            let plugin = connect(&server, BY_LAST);
            let mut reading = Reading::full(&plugin, "things").discovered().await;
            let mut found = Vec::new();
            let mut failures = 0;
            let status = loop {
                match reading.read_pages(1).await {
                    Ok(shown) => {
                        found.extend(shown.ints("id"));
                        if shown.status != Some(PageStatus::More) {
                            break shown.status;
                        }
                    }
                    Err(_) => failures += 1,
                }
                assert!(failures < 30);
            };
            assert!(failures > 0);
            assert_eq!((found, status), ((1..=7).collect(), Some(PageStatus::CaughtUp)));
        }
    });
}

fn statuses(results: &WriteResults, rows: usize) -> Vec<WriteStatus> {
    results.statuses.clone().unwrap_or_else(|| vec![WriteStatus::Ok; rows])
}

/// Three records in version 1; `write` answers what writes, by the number of such requests.
fn three(write: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static) -> Server {
    let number = AtomicUsize::new(0);
    Server::start(move |_, request| match request.method.as_str() {
        "GET" => {
            let id = request.target.rsplit('/').next().unwrap().parse::<u32>().unwrap();
            if id > 3 {
                Answer::status(404)
            } else {
                Answer::body(json!({"id": id, "name": "a"}).to_string()).header("ETag", "\"v1\"")
            }
        }
        _ => write(number.fetch_add(1, Ordering::SeqCst), request),
    })
}

async fn update(server: &Server) -> Vec<WriteStatus> {
    let plugin = connect(server, BY_LINK);
    let target = plugin.discover(&[]).await.unwrap().remove(0);
    let change = |id: i64| (ChangeKind::Upsert, json!({"id": id, "name": "b", "expected:name": "a"}));
    let (_, results) =
        apply(&plugin, &target, WriteMode::Update, changes(&target, &[change(1), change(2), change(3)])).await;
    statuses(&results, 3)
}

async fn insert(server: &Server) -> Vec<WriteStatus> {
    let plugin = connect(server, BY_LINK);
    let target = plugin.discover(&[]).await.unwrap().remove(0);
    let rows: Vec<Value> = (7..10).map(|id| json!({"id": id, "name": "b"})).collect();
    let (_, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
    statuses(&results, 3)
}

use WriteStatus::{Conflict, Ok as Fine, Rejected, Retry, Unknown};

const FAILED: &str = r#"{"error":{"code":"E","message":"name must not be b"}}"#;

#[test]
fn one_record_that_fails_takes_no_other_with_it() {
    run(async {
        for (status, body, update_is, insert_is) in [
            (400, FAILED, Rejected, Rejected),
            (500, FAILED, Rejected, Rejected),
            (200, FAILED, Rejected, Rejected),
            (201, FAILED, Rejected, Rejected),
            (500, "", Unknown, Unknown),
            (409, FAILED, Conflict, Conflict),
            (412, "", Conflict, Conflict),
            (404, FAILED, Conflict, Rejected),
            (423, FAILED, Retry, Retry),
            (401, "", Retry, Retry),
        ] {
            let answer = move |_: usize, request: &Request| {
                let is_it = request.target.ends_with("/2") || request.body.contains("\"id\":8");
                let reply = |status, body: &str| Answer::Reply { status, headers: Vec::new(), body: body.into() };
                if is_it { reply(status, body) } else { reply(204, "") }
            };
            let server = three(answer);
            assert_eq!(update(&server).await, [Fine, update_is, Fine], "{status} {body}");
            assert!(
                server
                    .requests()
                    .iter()
                    .filter(|request| request.method == "PATCH")
                    .all(|request| request.headers["if-match"] == "\"v1\"")
            );
            let server = three(answer);
            assert_eq!(insert(&server).await, [Fine, insert_is, Fine], "{status} {body}");
        }
    });
}

#[test]
fn what_got_no_answer_is_unknown_and_what_was_turned_away_is_not() {
    run(async {
        let server = three(|_, _| Answer::Cut);
        assert_eq!(insert(&server).await, [Unknown; 3]);
        // It is not sent again: there could be two.
        assert_eq!(server.requests().iter().filter(|request| request.method == "POST").count(), 3);
        let server = three(|_, _| Answer::Cut);
        assert_eq!(update(&server).await, [Unknown; 3]);
        let server = three(|_, _| Answer::status(429));
        assert_eq!(insert(&server).await, [Retry; 3]);
        let server = three(|_, _| Answer::body("<html>Log in</html>"));
        assert_eq!(insert(&server).await, [Unknown; 3]);
        let server = three(|_, _| Answer::body("{\"id\":"));
        assert_eq!(insert(&server).await, [Unknown; 3]);
    });
}

#[test]
fn who_wants_a_version_gets_the_one_there_is() {
    run(async {
        let looks = AtomicUsize::new(0);
        // Versions are shown only from the second look at a record on.
        let server = Server::start(move |_, request| match request.method.as_str() {
            "GET" => {
                let answer = Answer::body(
                    json!({"id": request.target.rsplit('/').next().unwrap().parse::<u32>().unwrap(), "name": "a"})
                        .to_string(),
                );
                if looks.fetch_add(1, Ordering::SeqCst) < 3 { answer } else { answer.header("ETag", "\"v7\"") }
            }
            _ if request.headers.get("if-match").is_some_and(|version| version == "\"v7\"") => Answer::status(204),
            _ => Answer::status(428),
        });
        assert_eq!(update(&server).await, [Fine; 3]);
    });
}

#[test]
fn mistakes_in_a_manifest_are_told_by_pointer() {
    run(async {
        let server = service(|_, _| list([], ""));
        let manifest = MANIFEST.replace("PAGING", "{ by = \"cursor\" }");
        let plugin = try_connect(&server.url(), &manifest, "", Lab::new("").world()).unwrap();
        let failure = plugin.discover(&[]).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Config, "api.manifest"));
        assert!(failure.message.contains("`/streams/things/read/paging/next`"), "{failure}");
        let error = try_connect(&server.url(), "a = ", "", Lab::new("").world()).err().unwrap();
        assert!(error.to_string().contains("manifest.toml") && error.to_string().contains("TOML"), "{error}");
        assert!(server.requests().is_empty());
    });
}
