//! Services that send what they should not: each has a code, and an outcome in which nothing is lost, doubled or deleted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lockstep::connector::{Failure, FailureKind, PageStatus, Source as _, WriteMode, WriteStatus};
use lockstep::plugin::PluginConnector;
use serde_json::json;

use super::{CRM, connect_in};
use crate::http::lab::Lab;
use crate::http::server::{Answer, Server};
use crate::plugins::{Reading, Shown, apply, complaints, page, run};

const KEYS: &str = "wsdl = \"crm.wsdl\"";

fn envelope(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><S:Envelope xmlns:S=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns=\"urn:example:crm\" \
         xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\"><S:Body>{body}</S:Body></S:Envelope>"
    )
}

fn list(customers: &str) -> String {
    envelope(&format!("<ListCustomersResponse><Result>{customers}</Result></ListCustomersResponse>"))
}

fn fault(code: &str) -> String {
    let inner = format!("<faultcode xmlns=''>S:{code}</faultcode><faultstring xmlns=''>no</faultstring>");
    envelope(&format!("<S:Fault>{inner}</S:Fault>"))
}

fn connect(url: &str, manifest: &str, keys: &str) -> PluginConnector {
    connect_in(url, manifest, keys, "", Lab::new("").world()).unwrap_or_else(|error| panic!("{error}"))
}

async fn read(server: &Server) -> Result<Shown, Failure> {
    let plugin = connect(&server.url(), CRM, KEYS);
    Reading::full(&plugin, "customers").discovered().await.read_pages(100).await
}

fn answering(status: u16, body: impl Into<Vec<u8>>) -> Server {
    let body = body.into();
    Server::start(move |_, _| Answer::Reply { status, headers: Vec::new(), body: body.clone() })
}

/// What one answer leads to.
fn refuse(status: u16, body: impl Into<Vec<u8>>, kind: FailureKind, code: &str) {
    let body = body.into();
    run(async {
        let shown = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
        match read(&answering(status, body)).await {
            Ok(read) => panic!("{status} {shown}: {} records", read.records.len()),
            Err(failure) => {
                assert_eq!((failure.kind, failure.detail_code.as_str()), (kind, code), "{status} {shown}: {failure}");
            }
        }
    });
}

#[test]
fn answers_that_are_no_xml_end_the_reading_with_a_reason() {
    use FailureKind::{Auth, Permanent, Transient};
    refuse(200, "<!DOCTYPE html><html><body>Please log in</body></html>", Auth, "http.page");
    refuse(200, "<html><body>log in", Auth, "http.page");
    refuse(200, "please log in", Auth, "http.page");
    refuse(200, " ", Transient, "http.empty");
    let whole = list("<Customer><Id>1</Id></Customer>");
    refuse(200, &whole[..whole.len() - 30], Transient, "http.cut-off");
    let bomb = format!("<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>{whole}");
    refuse(200, bomb, Permanent, "soap.xml");
    for customer in [
        "<Customer><Name>&xxe;</Name></Customer>",
        "<Customer Id='1' Id='2'/>",
        "<Customer><Name>&#4;</Name></Customer>",
        "<Customer><x:Id>1</x:Id></Customer>",
        &"<Customer>".repeat(5000),
    ] {
        refuse(200, list(customer), Permanent, "soap.xml");
    }
    refuse(200, b"<?xml version='1.0' encoding='utf-8'?><a>\xff</a>".as_slice(), Permanent, "soap.encoding");
    refuse(200, [&b"\xff\xfe<\0a\0>\0"[..], b"\x00\xd8"].concat(), Permanent, "soap.encoding");
}

#[test]
fn answers_to_something_else_end_the_reading_with_a_reason() {
    use FailureKind::{Auth, Permanent, RateLimited, Transient};
    for body in [
        "<a/>".to_owned(),
        envelope(""),
        envelope("<ListCustomersResponse xmlns='urn:other'><Result/></ListCustomersResponse>"),
        envelope("<FindCustomersResponse/>"),
    ] {
        refuse(200, body, Permanent, "soap.answer");
    }
    refuse(401, "", Auth, "api.401");
    refuse(302, "", Auth, "api.302");
    refuse(500, "<html>oops</html>", Transient, "api.500");
    refuse(429, "", RateLimited, "");
    refuse(503, "", Transient, "");
    for status in [200, 500] {
        refuse(status, fault("Client"), Permanent, "Client");
        refuse(status, fault("Server"), Transient, "Server");
    }
}

#[test]
fn wide_characters_prefixes_and_character_data_make_no_difference() {
    run(async {
        let text = list(
            "<c:Customer xmlns:c='urn:example:crm'><c:Id> 1\n</c:Id><c:Name><![CDATA[<Ü>]]>&amp;</c:Name>\
             <c:Credit i:nil='true'/><Number xmlns='urn:foreign'>x</Number><Tag>a</Tag></c:Customer>",
        );
        let wide =
            |unit: fn(u16) -> [u8; 2]| format!("\u{feff}{text}").encode_utf16().flat_map(unit).collect::<Vec<u8>>();
        for body in [text.clone().into_bytes(), wide(u16::to_le_bytes), wide(u16::to_be_bytes)] {
            let shown = read(&answering(200, body)).await.unwrap();
            let record = &shown.records[0];
            assert_eq!((&record["Id"], &record["Name"], &record["Credit"]), (&json!(1), &json!("<Ü>&"), &json!(null)));
            // What has the same name in another namespace is something else.
            assert!(!record.contains_key("Number"), "{record:?}");
            assert_eq!(record["Tag"], json!(["a"]));
        }
    });
}

#[test]
fn bad_records_are_put_aside_and_hold_up_no_other() {
    run(async {
        let customers = [
            "<Id>1</Id><Name>a</Name>",
            "<Id>99999999999999999999999999</Id>",
            "<Id>2</Id><Credit>1e5000000000</Credit>",
            "<Id>three</Id>",
            "<Id>4</Id><Name>a</Name><Name>b</Name>",
            "<Id>5</Id><Name><b>a</b></Name>",
            "<Name>without a key</Name>",
            "<Id>6</Id><Changed>yesterday</Changed>",
            "<Id>7</Id><Credit/>",
        ];
        let customers: String = customers.iter().map(|inner| format!("<Customer>{inner}</Customer>")).collect();
        let plugin = connect(&answering(200, list(&customers)).url(), CRM, KEYS);
        let shown = Reading::full(&plugin, "customers").discovered().await.read().await;
        assert_eq!(shown.sorted("Id"), [1, 7]);
        assert_eq!(shown.rejected.len(), 7, "{:?}", shown.rejected);
        assert_eq!(shown.records[1]["Credit"], json!(null));
    });
}

#[test]
fn a_list_that_is_missing_is_empty_where_the_schema_says_so() {
    run(async {
        for body in [envelope("<ListCustomersResponse/>"), list("")] {
            let shown = read(&answering(200, body)).await.unwrap();
            assert_eq!((shown.records.len(), shown.status), (0, Some(PageStatus::EnumerationComplete)));
        }
    });
}

#[test]
fn a_page_that_is_shown_again_is_a_circle() {
    run(async {
        let full: String = (1..=500).map(|id| format!("<Customer><Id>{id}</Id></Customer>")).collect();
        let failure = read(&answering(200, list(&full))).await.err().unwrap();
        assert_eq!(failure.detail_code, "api.cycle");
    });
}

/// What an answer to `SaveCustomer` means for a new record.
fn made(answer: impl Fn() -> Answer + Send + Sync + 'static, status: WriteStatus, code: &str) {
    run(async {
        let saved = Arc::new(AtomicUsize::new(0));
        let counted = saved.clone();
        let server = Server::start(move |_, request| match request.body.contains("SaveCustomer") {
            true => {
                counted.fetch_add(1, Ordering::SeqCst);
                answer()
            }
            false => Answer::body(envelope("<FindCustomersResponse/>")),
        });
        let plugin = connect(&server.url(), CRM, KEYS);
        let target = plugin.discover(&[]).await.unwrap().remove(0);
        let rows = [json!({"Number": "A", "Name": "x"})];
        let (counts, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        let told = complaints(&results);
        assert_eq!((counts, told.len(), told[0].1), ((0, 0, 0), 1, status), "{code} {results:?}");
        assert!(code.is_empty() || told[0].2 == code, "{code} {told:?}");
        // Whatever was answered, it was asked for once.
        assert_eq!(saved.load(Ordering::SeqCst), 1, "{code}");
    });
}

#[test]
fn nothing_is_made_twice_because_an_answer_makes_no_sense() {
    use WriteStatus::{Rejected, Unknown};
    made(|| Answer::Cut, Unknown, "");
    made(|| Answer::CutBody, Unknown, "");
    made(|| Answer::status(503), Unknown, "");
    made(|| Answer::body("<html>log in</html>"), Unknown, "http.page");
    made(|| Answer::body("<S:Envelope xmlns:S='http://schemas.xmlsoap.org/soap/env"), Unknown, "http.cut-off");
    made(|| Answer::body(envelope("<FindCustomersResponse/>")), Unknown, "soap.answer");
    for status in [200, 500] {
        let faulty = move |code: &'static str| {
            move || Answer::Reply { status, headers: Vec::new(), body: fault(code).into_bytes() }
        };
        made(faulty("Client"), Rejected, "Client");
        made(faulty("Server"), Unknown, "Server");
        made(faulty("E4711"), Unknown, "E4711");
    }
}

#[test]
fn a_manifest_that_does_not_fit_the_wsdl_says_where() {
    let refuse = |from: &str, to: &str, keys: &str, code: &str, says: &str| {
        run(async {
            let plugin = connect("http://127.0.0.1:9", &CRM.replacen(from, to, 1), keys);
            let failure = plugin.discover(&[]).await.unwrap_err();
            assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Config, code), "{failure}");
            assert!(failure.message.contains(says), "{failure}");
        });
    };
    refuse("\"ListCustomers\"", "\"ListCustomer\"", KEYS, "soap.operation", "`ListCustomers`");
    refuse("Result/Customer", "Result/Client", KEYS, "soap.element", "Result/Client");
    refuse("input", "imput", KEYS, "api.manifest", "/streams/customers/read/imput");
    refuse("key", "key", "wsdl = \"manifest.toml\"", "soap.wsdl", "no XML");
}
