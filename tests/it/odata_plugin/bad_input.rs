//! Services that send what they should not: each has a code, and an outcome in which nothing is lost, doubled or deleted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lockstep::connector::{FailureKind, PageLimits, PageStatus, Source as _};

use super::connect_at_once;
use super::reading::METADATA;
use crate::http::server::{Answer, Request, Server};
use crate::plugins::{Reading, Shown, run};

/// A service with one set `A`; `answer` is given the number of the request for records, from 0.
fn service(answer: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static) -> Server {
    let number = AtomicUsize::new(0);
    Server::start(move |_, request| {
        if request.target.contains("metadata") {
            return Answer::body(METADATA);
        }
        answer(number.fetch_add(1, Ordering::SeqCst), request)
    })
}

async fn read(server: &Server, keys: &str) -> Result<Shown, lockstep::connector::Failure> {
    let plugin = connect_at_once(&server.url(), "/s", keys);
    let mut reading = Reading::full(&plugin, "A").discovered().await;
    reading.read_pages(100).await
}

/// What one answer leads to.
fn refuse(body: impl Into<Vec<u8>>, kind: FailureKind, code: &str) {
    let body = body.into();
    run(async {
        let shown = body.clone();
        let server = service(move |_, _| Answer::body(body.clone()));
        let failure = read(&server, "").await.unwrap_err();
        let text = String::from_utf8_lossy(&shown[..shown.len().min(80)]).into_owned();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (kind, code), "{text}: {failure}");
    });
}

#[test]
fn answers_that_are_none_end_the_reading_with_a_reason() {
    let row = |id: u32| format!("{{\"id\":{id},\"name\":\"a\"}}");
    refuse("<!DOCTYPE html><html><body>Please log in</body></html>", FailureKind::Auth, "http.page");
    refuse("", FailureKind::Transient, "http.empty");
    refuse(r#"{"error":{"code":"E7","message":"not today"}}"#, FailureKind::Transient, "E7");
    refuse(format!("{{\"value\":[{},{}", row(1), &row(2)[..9]), FailureKind::Transient, "http.cut-off");
    refuse(format!("{{\"value\":[{}]", row(1)), FailureKind::Transient, "http.cut-off");
    refuse(format!("{{\"value\":[{}],\"x\":{}1", row(1), "[".repeat(100_000)), FailureKind::Permanent, "http.json");
    refuse(r#"{"id":1,"name":"a"}"#, FailureKind::Permanent, "odata.no-list");
    refuse("[]", FailureKind::Permanent, "http.json");
    refuse(b"{\"value\":[{\"id\":1,\"name\":\"\xff\"}]}".as_slice(), FailureKind::Permanent, "http.utf8");
}

#[test]
fn bad_records_are_put_aside_and_prove_nothing() {
    run(async {
        let records = [
            r#"{"id":1,"name":"a"}"#,
            r#"{"id":99999999999999999999999999,"name":"huge"}"#,
            r#"{"id":1e400,"name":"huger"}"#,
            r#"{"id":2,"name":"b","name":"c"}"#,
            r#"{"id":"three","name":"mixed"}"#,
            r#"{"id":{"a":1},"name":"mixed"}"#,
            r#"{"id":4,"name":"\ud800"}"#,
            r#"{"id":5,"name":{"a":1}}"#,
            r#"{"id":6}"#,
            "7",
        ];
        let body = format!("{{\"value\":[{}]}}", records.join(","));
        let server = service(move |_, _| Answer::body(body.clone()));
        let plugin = connect_at_once(&server.url(), "/s", "");
        let request = Reading::full(&plugin, "A").discovered().await.request;
        let mut reader = plugin.open(request).await.unwrap();
        let page = reader.next(PageLimits { rows: 1000, bytes: 1 << 20 }).await.unwrap();
        let shown = crate::plugins::records(&page.changes.data);
        let ids: Vec<i64> = shown.iter().map(|record| record["id"].as_i64().unwrap()).collect();
        // An object where a text was expected is a text of its own; what is not said is not null.
        assert_eq!(ids, [1, 5, 6]);
        assert!(!shown[2].contains_key("name"), "{:?}", shown[2]);
        let codes: Vec<&str> = page.rejected.iter().map(|rejection| rejection.error.detail_code.as_str()).collect();
        let expected =
            ["web.value", "web.value", "web.record", "web.value", "web.value", "odata.record", "odata.record"];
        assert_eq!(codes, expected);
    });
}

/// Records as a page, in the order of their ids, with a link to the next page.
fn page(ids: std::ops::RangeInclusive<u32>, link: &str) -> Answer {
    let rows: Vec<String> = ids.map(|id| format!("{{\"id\":{id},\"name\":\"n{id}\"}}")).collect();
    let link = if link.is_empty() { String::new() } else { format!(",\"@odata.nextLink\":\"{link}\"") };
    Answer::body(format!("{{\"value\":[{}]{link}}}", rows.join(",")))
}

fn count(answer: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static, total: u32) -> Server {
    let number = AtomicUsize::new(0);
    service(move |_, request| {
        if request.target.contains("$count") {
            return Answer::body(total.to_string());
        }
        answer(number.fetch_add(1, Ordering::SeqCst), request)
    })
}

const LINKS: &str = "paging = \"links\"";

#[test]
fn links_are_followed_whatever_the_server_calls_itself_and_never_out_or_in_circles() {
    run(async {
        let links = [
            "http://localhost/s/A?$skiptoken=1",
            "https://proxy.example.com/s/A?$skiptoken=2",
            "A?$skiptoken=3",
            "/s/A?$skiptoken=4",
        ];
        let server = count(
            move |number, _| {
                page(number as u32 + 1..=number as u32 + 1, links.get(number).copied().unwrap_or_default())
            },
            5,
        );
        let shown = read(&server, LINKS).await.unwrap();
        assert_eq!((shown.ints("id"), shown.status), (vec![1, 2, 3, 4, 5], Some(PageStatus::EnumerationComplete)));
        for (link, code) in [
            ("https://evil.example.com/steal?x=1", "http.link"),
            ("/other/A?$skiptoken=1", "http.link"),
            ("../../etc", "http.link"),
            ("A?$skiptoken=1", "odata.cycle"),
        ] {
            let server = count(move |number, _| page(number as u32 + 1..=number as u32 + 1, link), 9);
            let failure = read(&server, LINKS).await.unwrap_err();
            assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Permanent, code), "{link}");
            assert!(server.requests().len() < 8, "{link}");
        }
    });
}

#[test]
fn a_service_that_does_not_go_on_behind_keys_is_read_by_its_links() {
    run(async {
        // It refuses the filter, or it ignores it.
        for refuses in [true, false] {
            let server = service(move |_, request| match request.target.as_str() {
                target if target.contains("$count") => Answer::body("6"),
                target if target.contains("$filter") && refuses => Answer::status(501),
                target if target.contains("skiptoken") => page(4..=6, ""),
                _ => page(1..=3, "A?$skiptoken=3"),
            });
            let shown = read(&server, "page_size = 2").await.unwrap();
            let mut ids = shown.sorted("id");
            ids.dedup();
            assert_eq!(
                (ids, shown.status),
                (vec![1, 2, 3, 4, 5, 6], Some(PageStatus::EnumerationComplete)),
                "{refuses}"
            );
        }
    });
}

#[test]
fn a_service_that_miscounts_proves_nothing() {
    run(async {
        let server = count(
            |number, _| {
                page(number as u32 * 2 + 1..=number as u32 * 2 + 2, if number == 0 { "A?$skiptoken=1" } else { "" })
            },
            5,
        );
        assert_eq!(read(&server, LINKS).await.unwrap().status, Some(PageStatus::CaughtUp));
    });
}

/// A service that does not count, of six records in pages of three: the first pass, and what the one for the keys is shown. `behind`: what
/// stands behind the last one.
async fn uncounted(again: impl Fn(bool) -> Answer + Send + Sync + 'static, behind: fn() -> Answer) -> Shown {
    let server = service(move |_, request| match request.target.as_str() {
        target if target.contains("$count") => Answer::status(404),
        target if target.contains("$skip=") => behind(),
        target if target.contains("again") => again(false),
        target if target.contains("$select=id&") => again(true),
        target if target.contains("skiptoken") => page(4..=6, ""),
        _ => page(1..=3, "A?$skiptoken=3"),
    });
    let shown = read(&server, LINKS).await.unwrap();
    assert_eq!(shown.ints("id"), [1, 2, 3, 4, 5, 6]);
    shown
}

#[test]
fn where_a_service_does_not_count_the_keys_are_read_once_more() {
    run(async {
        let empty = || Answer::body("{\"value\":[]}");
        let stable = |is_first| if is_first { page(1..=3, "A?again=3") } else { page(4..=6, "") };
        assert_eq!(uncounted(stable, empty).await.status, Some(PageStatus::EnumerationComplete));
        // One has gone, one has come, it leads in a circle, it refuses, or there is more where it stops: nothing is known.
        let gone = |is_first| if is_first { page(1..=3, "A?again=3") } else { page(4..=5, "") };
        let come = |is_first| if is_first { page(1..=3, "A?again=3") } else { page(4..=7, "") };
        let other = |is_first| if is_first { page(1..=3, "A?again=3") } else { page(5..=7, "") };
        assert_eq!(uncounted(gone, empty).await.status, Some(PageStatus::CaughtUp));
        assert_eq!(uncounted(come, empty).await.status, Some(PageStatus::CaughtUp));
        assert_eq!(uncounted(other, empty).await.status, Some(PageStatus::CaughtUp));
        assert_eq!(uncounted(|_| page(1..=6, "A?again=1"), empty).await.status, Some(PageStatus::CaughtUp));
        assert_eq!(uncounted(|_| Answer::status(501), empty).await.status, Some(PageStatus::CaughtUp));
        assert_eq!(uncounted(stable, || page(7..=7, "")).await.status, Some(PageStatus::CaughtUp));
        assert_eq!(uncounted(stable, || Answer::status(501)).await.status, Some(PageStatus::CaughtUp));
    });
}

type Trouble = Arc<dyn Fn() -> Answer + Send + Sync>;

#[test]
fn trouble_in_the_middle_is_passed_or_said() {
    run(async {
        let trouble: [(Trouble, Option<FailureKind>); 9] = [
            (Arc::new(|| Answer::status(401)), Some(FailureKind::Auth)),
            (Arc::new(|| Answer::status(429).header("retry-after", "0")), None),
            (Arc::new(|| Answer::status(429).header("retry-after", "7")), None),
            (Arc::new(|| Answer::status(429).header("retry-after", "Sun, 06 Nov 1994 08:49:40 GMT")), None),
            (Arc::new(|| Answer::status(429).header("retry-after", "nonsense")), None),
            (Arc::new(|| Answer::status(429)), None),
            (Arc::new(|| Answer::status(503)), None),
            (Arc::new(|| Answer::Cut), None),
            (Arc::new(|| Answer::status(500)), Some(FailureKind::Transient)),
        ];
        for (number, (trouble, expected)) in trouble.into_iter().enumerate() {
            let (failing, asked) = (trouble.clone(), AtomicUsize::new(0));
            let server = service(move |_, request| {
                let is_second = request.target.contains("$filter");
                if is_second && (expected.is_some() || asked.fetch_add(1, Ordering::SeqCst) < 2) {
                    return failing();
                }
                if is_second { page(4..=4, "") } else { page(1..=3, "") }
            });
            let plugin = connect_at_once(&server.url(), "/s", "page_size = 2");
            let mut reading = Reading::full(&plugin, "A").discovered().await.page_rows(3);
            let first = reading.read_pages(1).await.unwrap();
            assert_eq!(first.sorted("id"), [1, 2, 3]);
            match (reading.read_pages(9).await, expected) {
                (Ok(rest), None) => assert_eq!(rest.sorted("id"), [4], "{number}"),
                (Err(failure), Some(kind)) => assert_eq!(failure.kind, kind, "{number}"),
                (outcome, _) => panic!("{number}: {outcome:?}"),
            }
        }
    });
}

#[test]
fn a_field_that_goes_between_two_pages_is_said_and_nothing_is_taken_for_null() {
    run(async {
        let refusal = r#"{"error":{"code":"0x80060888","message":"Could not find a property named 'name'."}}"#;
        let server = service(move |number, _| match number {
            0 => page(1..=3, ""),
            _ => Answer::Reply { status: 400, headers: Vec::new(), body: refusal.into() },
        });
        let plugin = connect_at_once(&server.url(), "/s", "page_size = 2, paging = \"keys\"");
        let mut reading = Reading::full(&plugin, "A").discovered().await.page_rows(3);
        assert_eq!(reading.read_pages(1).await.unwrap().records.len(), 3);
        let failure = reading.read_pages(1).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Permanent, "0x80060888"));
        assert!(failure.message.contains("Could not find a property named 'name'"), "{failure}");
        // One that is silently left out is absent.
        let server = service(|_, _| Answer::body(r#"{"value":[{"id":1}]}"#));
        let shown = read(&server, "").await.unwrap();
        assert!(!shown.records[0].contains_key("name"));
    });
}

#[test]
fn a_page_of_nothing_but_bad_records_is_gone_behind() {
    run(async {
        let server = service(|number, request| match number {
            0 => Answer::body(r#"{"value":[{"id":"x"},{"id":"y"},{"id":"z"}]}"#),
            _ => {
                assert!(request.target.contains("$skip=3"), "{}", request.target);
                page(4..=4, "")
            }
        });
        let plugin = connect_at_once(&server.url(), "/s", "page_size = 2");
        let request = Reading::full(&plugin, "A").discovered().await.request;
        let mut reader = plugin.open(request).await.unwrap();
        let limits = PageLimits { rows: 3, bytes: 1 << 20 };
        assert_eq!(reader.next(limits).await.unwrap().rejected.len(), 3);
        let page = reader.next(limits).await.unwrap();
        assert_eq!((page.changes.rows(), page.status), (1, PageStatus::EnumerationComplete));
    });
}
