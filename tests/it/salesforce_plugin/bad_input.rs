//! Servers that send what they should not: each has a code, and an outcome in which nothing is lost, doubled or deleted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lockstep::connector::{Failure, FailureKind, PageLimits, PageStatus, Source as _};
use lockstep::plugin::PluginConnector;

use crate::http::lab::Lab;
use crate::http::server::{Answer, Request, Server};
use crate::plugins::{Reading, Shown, run};

pub const DESCRIBE: &str = r#"{"name":"A","label":"A","queryable":true,"createable":true,"updateable":true,"deletable":true,"fields":[
    {"name":"Id","type":"id","nillable":false},{"name":"Name","type":"string","nillable":true,"createable":true,"updateable":true},
    {"name":"No__c","type":"int","nillable":true,"createable":true,"updateable":true},{"name":"IsDeleted","type":"boolean"},
    {"name":"SystemModstamp","type":"datetime"}]}"#;

/// An org with one object `A`; `answer` is given the number of the request for records, from 0.
pub fn service(answer: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static) -> Server {
    let number = AtomicUsize::new(0);
    Server::start(move |_, request| {
        if request.target.ends_with("/describe") {
            return Answer::body(DESCRIBE);
        }
        answer(number.fetch_add(1, Ordering::SeqCst), request)
    })
}

/// The plugin, on a clock that jumps over all pauses.
pub fn connect(server: &Server) -> PluginConnector {
    let lab = Lab::new("");
    let text = format!("http.api = {{ origin = \"{}\", allow_private = true }}", server.url());
    lab.connect_plugin("salesforce", &text, lab.world()).unwrap_or_else(|error| panic!("{error}"))
}

async fn read(server: &Server) -> Result<Shown, Failure> {
    let plugin = connect(server);
    let mut reading = Reading::full(&plugin, "A").discovered().await;
    reading.read_pages(100).await
}

/// What one answer leads to.
fn refuse(body: impl Into<Vec<u8>>, kind: FailureKind, code: &str) {
    let body = body.into();
    run(async {
        let shown = body.clone();
        let server = service(move |_, _| Answer::body(body.clone()));
        let failure = read(&server).await.unwrap_err();
        let text = String::from_utf8_lossy(&shown[..shown.len().min(80)]).into_owned();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (kind, code), "{text}: {failure}");
    });
}

fn record(n: u32) -> String {
    format!("{{\"attributes\":{{\"type\":\"A\"}},\"Id\":\"001Ab0000{n:06}\",\"Name\":\"n{n}\",\"No__c\":{n}}}")
}

/// Records as a page, in the order of their Ids, with a link to the next page.
fn page(numbers: std::ops::RangeInclusive<u32>, link: &str) -> Answer {
    let rows: Vec<String> = numbers.map(record).collect();
    let link = if link.is_empty() {
        ",\"done\":true".to_owned()
    } else {
        format!(",\"done\":false,\"nextRecordsUrl\":\"{link}\"")
    };
    Answer::body(format!("{{\"totalSize\":9{link},\"records\":[{}]}}", rows.join(",")))
}

#[test]
fn answers_that_are_none_end_the_reading_with_a_reason() {
    refuse("<!DOCTYPE html><html><body>Please log in</body></html>", FailureKind::Auth, "http.page");
    refuse("", FailureKind::Transient, "http.empty");
    refuse(r#"[{"errorCode":"E7","message":"not today"}]"#, FailureKind::Transient, "E7");
    refuse(r#"{"errorCode":"E7","message":"not today"}"#, FailureKind::Transient, "E7");
    refuse(r#"{"error":"invalid_grant"}"#, FailureKind::Transient, "invalid_grant");
    refuse(
        format!("{{\"done\":true,\"records\":[{},{}", record(1), &record(2)[..9]),
        FailureKind::Transient,
        "http.cut-off",
    );
    refuse(format!("{{\"done\":true,\"records\":[{}]", record(1)), FailureKind::Transient, "http.cut-off");
    refuse(
        format!("{{\"records\":[{}],\"x\":{}1", record(1), "[".repeat(100_000)),
        FailureKind::Permanent,
        "http.json",
    );
    refuse(r#"{"Id":"1","Name":"a"}"#, FailureKind::Permanent, "salesforce.no-records");
    refuse(r#"{"done":false,"records":[]}"#, FailureKind::Permanent, "salesforce.no-next");
    refuse(b"{\"records\":[{\"Id\":\"1\",\"Name\":\"\xff\"}]}".as_slice(), FailureKind::Permanent, "http.utf8");
}

#[test]
fn bad_records_are_put_aside_and_gone_behind() {
    run(async {
        let id = |n: u32| format!("\"Id\":\"001Ab0000{n:06}\"");
        let records = [
            format!("{{{},\"No__c\":1}}", id(1)),
            format!("{{{},\"No__c\":99999999999999999999999999}}", id(2)),
            format!("{{{},\"No__c\":1e400}}", id(3)),
            format!("{{{},\"Name\":\"b\",\"Name\":\"c\"}}", id(4)),
            format!("{{{},\"No__c\":\"three\"}}", id(5)),
            format!("{{{},\"Name\":\"\\ud800\"}}", id(6)),
            format!("{{{},\"Name\":{{\"a\":1}}}}", id(7)),
            format!("{{{},\"Name\":{}1{}}}", id(8), "[".repeat(5000), "]".repeat(5000)),
            format!("{{{}}}", id(9)),
            "7".to_owned(),
        ];
        let body = format!("{{\"done\":true,\"records\":[{}]}}", records.join(","));
        let server = service(move |_, _| Answer::body(body.clone()));
        let plugin = connect(&server);
        let request = Reading::full(&plugin, "A").discovered().await.request;
        let mut reader = plugin.open(request).await.unwrap();
        let page = reader.next(PageLimits { rows: 1000, bytes: 1 << 20 }).await.unwrap();
        let shown = crate::plugins::records(&page.changes.data);
        // An object where a text was expected is a text of its own; what is not said is not null.
        let ids: Vec<&str> = shown.iter().map(|record| &record["Id"].as_str().unwrap()[12..15]).collect();
        assert_eq!(ids, ["001", "007", "009"]);
        assert!(!shown[2].contains_key("Name"), "{:?}", shown[2]);
        let codes: Vec<&str> = page.rejected.iter().map(|rejection| rejection.error.detail_code.as_str()).collect();
        let expected = [
            "web.value",
            "web.value",
            "web.record",
            "web.value",
            "salesforce.record",
            "salesforce.record",
            "salesforce.record",
        ];
        assert_eq!(codes, expected);
    });
}

#[test]
fn links_are_followed_whatever_the_server_calls_itself_and_never_out_or_in_circles() {
    run(async {
        let links = [
            "http://localhost/services/data/v62.0/query/01g-1",
            "https://na1.example.com/services/data/v62.0/query/01g-2",
            "/services/data/v62.0/query/01g-3",
        ];
        let server = service(move |number, _| {
            let n = number as u32 + 1;
            page(n..=n, links.get(number).copied().unwrap_or_default())
        });
        let shown = read(&server).await.unwrap();
        assert_eq!((shown.ints("No__c"), shown.status), (vec![1, 2, 3, 4], Some(PageStatus::EnumerationComplete)));
        for (link, code) in [
            ("https://evil.example.com/steal?x=1", "http.link"),
            ("/services/apexrest/query/01g-1", "http.link"),
            ("../../../../etc", "http.link"),
            ("/services/data/v62.0/query/01g-1", "salesforce.cycle"),
        ] {
            let server = service(move |number, _| page(number as u32 + 1..=number as u32 + 1, link));
            let failure = read(&server).await.unwrap_err();
            assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Permanent, code), "{link}");
            assert!(server.requests().len() < 8, "{link}");
        }
    });
}

type Trouble = Arc<dyn Fn() -> Answer + Send + Sync>;

fn refusal(status: u16, code: &str) -> Answer {
    Answer::Reply {
        status,
        headers: Vec::new(),
        body: format!("[{{\"errorCode\":\"{code}\",\"message\":\"no\"}}]").into(),
    }
}

#[test]
fn trouble_in_the_middle_is_passed_or_said() {
    run(async {
        let trouble: [(Trouble, Option<FailureKind>); 11] = [
            (Arc::new(|| refusal(401, "INVALID_SESSION_ID")), Some(FailureKind::Auth)),
            (Arc::new(|| refusal(403, "REQUEST_LIMIT_EXCEEDED")), Some(FailureKind::RateLimited)),
            (Arc::new(|| refusal(500, "UNKNOWN_EXCEPTION")), Some(FailureKind::Transient)),
            (Arc::new(|| refusal(400, "QUERY_TIMEOUT")), Some(FailureKind::Transient)),
            (Arc::new(|| Answer::status(500)), Some(FailureKind::Transient)),
            (Arc::new(|| Answer::status(429).header("retry-after", "0")), None),
            (Arc::new(|| Answer::status(429).header("retry-after", "7")), None),
            (Arc::new(|| Answer::status(429)), None),
            (Arc::new(|| Answer::status(503)), None),
            (Arc::new(|| Answer::Cut), None),
            (Arc::new(|| Answer::CutBody), None),
        ];
        for (number, (trouble, expected)) in trouble.into_iter().enumerate() {
            let (failing, asked) = (trouble.clone(), AtomicUsize::new(0));
            let server = service(move |_, request| {
                let is_second = request.target.contains("%3E");
                if is_second && (expected.is_some() || asked.fetch_add(1, Ordering::SeqCst) < 2) {
                    return failing();
                }
                if is_second { page(4..=4, "") } else { page(1..=3, "/services/data/v62.0/query/01g-1") }
            });
            let plugin = connect(&server);
            let mut reading = Reading::full(&plugin, "A").discovered().await;
            let first = reading.read_pages(1).await.unwrap();
            assert_eq!(first.sorted("No__c"), [1, 2, 3]);
            // It broke off, and goes on behind the last record.
            match (reading.read_pages(9).await, expected) {
                (Ok(rest), None) => assert_eq!(rest.sorted("No__c"), [4], "{number}"),
                (Err(failure), Some(kind)) => assert_eq!(failure.kind, kind, "{number}"),
                (outcome, _) => panic!("{number}: {outcome:?}"),
            }
        }
    });
}

#[test]
fn a_field_that_goes_between_two_pages_is_said_and_nothing_is_taken_for_null() {
    run(async {
        let server = service(move |number, _| match number {
            0 => page(1..=3, "/services/data/v62.0/query/01g-1"),
            _ => refusal(400, "INVALID_FIELD"),
        });
        let plugin = connect(&server);
        let mut reading = Reading::full(&plugin, "A").discovered().await;
        assert_eq!(reading.read_pages(1).await.unwrap().records.len(), 3);
        let failure = reading.read_pages(1).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Config, "INVALID_FIELD"));
    });
}

#[test]
fn records_that_move_while_they_are_read_hide_no_other() {
    run(async {
        let (server, plugin) = super::start(&format!("org.page = 10; {}", super::accounts(35)));
        let mut reading = Reading::full(&plugin, "Account").discovered().await.page_rows(10);
        let mut found = reading.read_pages(1).await.unwrap().ints("NumberOfEmployees");
        // Those that were shown go, and new ones come: nobody takes their places.
        server.run(&super::account(1, "org.purge(record.Id); org.purge(org.unique('Account', 'No__c', 'N2').Id); org.create('Account', { Name: 'new', NumberOfEmployees: 36 })"));
        found.extend(reading.read().await.ints("NumberOfEmployees"));
        assert_eq!(found, (1..=36).collect::<Vec<_>>());
    });
}
