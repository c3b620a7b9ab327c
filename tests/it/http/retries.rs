//! What is sent again, when, and what is not.

use std::net::TcpListener;
use std::time::Duration;

use lockstep::plugin::PluginConnector;
use serde_json::{Value, json};

use super::lab::{Lab, ask, send};
use super::server::{Answer, Server};

fn connect(lab: &Lab, server: &Server) -> PluginConnector {
    lab.connect(&format!("http.api = {{ origin = \"{}\", allow_private = true }}", server.url()))
}

/// Answers once like this, and 200 after that.
fn once(answer: impl Fn() -> Answer + Send + Sync + 'static) -> Server {
    Server::start(move |number, _| if number == 0 { answer() } else { Answer::status(200) })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_done_twice_is_repeated_and_nothing_else() {
    type Trouble = fn() -> Answer;
    let troubles: [(&str, Trouble); 4] = [
        ("503", || Answer::status(503)),
        ("504", || Answer::status(504)),
        ("cut", || Answer::Cut),
        ("cut body", || Answer::CutBody),
    ];
    for (name, trouble) in troubles {
        for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
            let server = once(trouble);
            let lab = Lab::new("");
            assert_eq!(ask(&connect(&lab, &server), method, "/x").await.status, 200, "{method} after {name}");
            assert_eq!(lab.clock.slept().len(), 1, "{method} after {name}");
        }
        for method in ["POST", "PATCH"] {
            let server = once(trouble);
            let answer = ask(&connect(&Lab::new(""), &server), method, "/x").await;
            assert_eq!(server.requests().len(), 1, "{method} after {name}");
            assert_eq!((answer.code(), answer.property("outcome")), ("LS0516", Some("unknown")), "{name}: {answer:?}");
            // What a hub looks up before it writes again.
            assert_eq!(answer.error["kind"], "transient");
        }
    }
}

/// The first attempt may have been carried out, whatever became of the others.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_repeated_in_vain_may_have_been_done() {
    let server = Server::start(|number, _| if number == 0 { Answer::Cut } else { Answer::status(429) });
    let connector = connect(&Lab::new(""), &server);
    for (method, outcome) in [("PUT", Some("unknown")), ("GET", None)] {
        let answer = ask(&connector, method, "/x").await;
        assert_eq!((answer.status, answer.property("outcome")), (0, outcome), "{method}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_may_know_better_than_the_method() {
    for (method, idempotent, requests) in [("POST", "true", 2), ("PUT", "false", 1)] {
        let server = once(|| Answer::Cut);
        let options = [["idempotent", idempotent]];
        let request = json!([[{ "method": method, "target": "/", "body": "once more", "options": options }]]);
        send(&connect(&Lab::new(""), &server), &request).await;
        assert_eq!(server.requests().len(), requests, "{method}");
        for sent in server.requests() {
            assert_eq!((sent.method.as_str(), sent.body.as_str()), (method, "once more"));
        }
    }
    let server = once(|| Answer::Cut);
    let request = json!([[{ "target": "/", "options": [["idempotent", "perhaps"]] }]]);
    let answer = send(&connect(&Lab::new(""), &server), &request).await.remove(0);
    assert_eq!((answer.code(), server.requests().len()), ("LS0406", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_turned_away_may_come_again_whatever_the_method() {
    let server = once(|| Answer::status(429));
    assert_eq!(ask(&connect(&Lab::new(""), &server), "POST", "/x").await.status, 200);
    // Nobody listens any more: nothing was sent.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let lab = Lab::new("");
    let connector = lab.connect(&format!("http.api = {{ origin = \"http://{closed}\", allow_private = true }}"));
    let answer = ask(&connector, "POST", "/x").await;
    assert_eq!((answer.code(), answer.property("outcome")), ("LS0507", None), "{answer:?}");
    assert_eq!(lab.clock.slept().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_means_something_is_for_the_plugin() {
    for status in [200, 201, 204, 302, 304, 400, 401, 403, 404, 409, 412, 422, 428, 500, 501] {
        let server = Server::start(move |_, _| Answer::status(status));
        assert_eq!(ask(&connect(&Lab::new(""), &server), "GET", "/x").await.status, i64::from(status));
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_retry_after_is_obeyed_and_bounded() {
    // On the lab's clock it is 08:49:37.
    for (value, least, most) in [
        ("7", 7_000, 7_000),
        ("2.5", 2_500, 2_500),
        ("Sun, 06 Nov 1994 08:49:57 GMT", 20_000, 20_000),
        ("0", 50, 500),
        ("-5", 50, 500),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 50, 500),
        ("soon", 50, 500),
    ] {
        let server = once(move || Answer::status(429).header("retry-after", value));
        let lab = Lab::new("");
        assert_eq!(ask(&connect(&lab, &server), "GET", "/x").await.status, 200, "{value}");
        let slept: Duration = lab.clock.slept().iter().sum();
        let range = Duration::from_millis(least)..=Duration::from_millis(most);
        assert!(range.contains(&slept), "{value}: {slept:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_pause_is_for_the_sync_and_holds_for_the_whole_connection() {
    for (value, expected) in [("300", 300_000), ("1000000000", 3_600_000), ("Fri, 31 Dec 9999 23:59:59 GMT", 3_600_000)]
    {
        let server = once(move || Answer::status(429).header("retry-after", value));
        let lab = Lab::new("");
        let connector = connect(&lab, &server);
        for _ in 0..2 {
            let answer = ask(&connector, "GET", "/x").await;
            assert_eq!((answer.code(), &answer.error["kind"]), ("LS0514", &json!("rate-limited")), "{answer:?}");
            assert_eq!(answer.error["retry_after_ms"], json!(expected), "{value}");
        }
        // The second did not even ask.
        assert_eq!((server.requests().len(), lab.clock.slept().len()), (1, 0));
        lab.clock.advance(Duration::from_millis(expected));
        assert_eq!(ask(&connector, "GET", "/x").await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repeats_stay_below_their_share() {
    // Every second request fails, so no origin is suspended.
    let server = Server::start(|number, _| Answer::status(if number % 2 == 0 { 503 } else { 200 }));
    let connector = connect(&Lab::new(""), &server);
    let mut failed = 0;
    for _ in 0..200 {
        failed += usize::from(ask(&connector, "GET", "/x").await.status == 0);
    }
    let requests = server.requests().len();
    // Ten are saved up, and every tenth request earns one.
    assert!((210..=230).contains(&requests), "{requests} requests for 200");
    assert!(failed > 50, "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_fails_time_after_time_is_left_alone() {
    let server = Server::start(|number, _| Answer::status(if number < 9 { 503 } else { 200 }));
    let lab = Lab::new("");
    let connector = connect(&lab, &server);
    let mut codes: Vec<String> = Vec::new();
    for _ in 0..4 {
        codes.push(ask(&connector, "GET", "/x").await.code().to_owned());
    }
    assert_eq!(codes, ["LS0507", "LS0507", "LS0515", "LS0515"]);
    assert_eq!(server.requests().len(), 8);
    let answer = ask(&connector, "POST", "/x").await;
    assert_eq!(answer.error["retry_after_ms"], 5000, "{answer:?}");
    // It was not sent, and says so: its outcome is known.
    assert_eq!((&answer.error["kind"], answer.property("outcome")), (&json!("rate-limited"), None));
    // One goes to see, fails, and the wait doubles.
    lab.clock.advance(Duration::from_secs(5));
    assert_eq!(ask(&connector, "POST", "/x").await.code(), "LS0516");
    assert_eq!(ask(&connector, "GET", "/x").await.error["retry_after_ms"], Value::from(10_000));
    lab.clock.advance(Duration::from_secs(10));
    assert_eq!(ask(&connector, "GET", "/x").await.status, 200);
    assert_eq!(server.requests().len(), 10);
}
