//! How much an upstream is asked, by everybody together.

use std::time::Duration;

use lockstep::plugin::PluginConnector;
use lockstep::world::World;
use serde_json::json;

use super::lab::{Lab, ask, send};
use super::server::{Answer, Server};

fn keys(server: &Server, budget: &str) -> String {
    format!("http.api = {{ origin = \"{}\", allow_private = true }}\nbudget = {{ {budget} }}", server.url())
}

fn in_real_time(server: &Server, budget: &str) -> PluginConnector {
    Lab::new("").connect_in(&keys(server, budget), World::real()).unwrap()
}

async fn many(connector: &PluginConnector, requests: usize) {
    let answers = send(connector, &json!([vec![json!({ "target": "/x" }); requests]])).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pace_is_kept_by_all_together() {
    let server = Server::start(|_, _| Answer::status(200));
    let connector = in_real_time(&server, "requests_per_second = 40");
    let other = connector.clone();
    let beside = tokio::spawn(async move { many(&other, 10).await });
    many(&connector, 10).await;
    beside.await.unwrap();
    let requests = server.requests();
    let took = requests.iter().map(|request| request.at).max().unwrap() - requests[0].at;
    // Nineteen pauses of 25 ms, measured where requests arrive, less the time the first took to get there.
    assert!(took >= Duration::from_millis(19 * 25 - 60), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_are_under_way_than_allowed() {
    let slow = || Server::start(|_, _| Answer::After(Duration::from_millis(30), Box::new(Answer::status(200))));
    let server = slow();
    let connector = in_real_time(&server, "concurrency = 2");
    let other = connector.clone();
    let beside = tokio::spawn(async move { many(&other, 8).await });
    many(&connector, 8).await;
    beside.await.unwrap();
    assert_eq!(server.most_under_way(), 2);
    let server = slow();
    many(&in_real_time(&server, "concurrency = 100"), 16).await;
    assert_eq!(server.most_under_way(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_day_ends_with_its_quota_and_outlasts_the_process() {
    let server = Server::start(|_, _| Answer::status(200));
    let lab = Lab::new("");
    let keys = keys(&server, "daily = 20, reserve = 0.25");
    let mut answers = Vec::new();
    for _ in 0..6 {
        // Another process each time.
        let connector = lab.connect(&keys);
        for _ in 0..3 {
            answers.push(ask(&connector, "GET", "/x").await);
        }
    }
    // A quarter is kept for those who write.
    assert_eq!(server.requests().len(), 15);
    assert!(answers[..15].iter().all(|answer| answer.status == 200));
    let last = &answers[17];
    assert_eq!((last.code(), &last.error["kind"]), ("LS0517", &json!("config")), "{last:?}");
    assert!(last.error["message"].as_str().unwrap().ends_with("there are new ones in 15 h 11 min"), "{last:?}");
    // On the lab's clock it is 08:49:37.
    lab.clock.advance(Duration::from_secs(16 * 3600));
    assert_eq!(ask(&lab.connect(&keys), "GET", "/x").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_counts_as_a_request() {
    let server = Server::start(|number, _| Answer::status(if number % 2 == 0 { 503 } else { 200 }));
    let lab = Lab::new("");
    let connector = lab.connect(&keys(&server, "daily = 5, reserve = 0"));
    let answers =
        [ask(&connector, "GET", "/x").await, ask(&connector, "GET", "/x").await, ask(&connector, "GET", "/x").await];
    assert_eq!(answers.map(|answer| answer.status), [200, 200, 0]);
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_upstream_says_is_left_is_heeded() {
    for (headers, budget) in [
        ([("ratelimit-remaining", "0"), ("ratelimit-reset", "7")], ""),
        ([("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "784111784")], ""),
        ([("ratelimit", "\"default\";r=0;t=7"), ("x-other", "")], ""),
        ([("x-left", "0"), ("x-until", "7")], "headers = { remaining = \"X-Left\", reset = \"X-Until\" }"),
        ([("x-calls", "40/40"), ("x-until", "7")], "headers = { used = \"X-Calls\", reset = \"X-Until\" }"),
    ] {
        let server = Server::start(move |_, _| {
            headers.iter().fold(Answer::status(200), |answer, (name, value)| answer.header(name, *value))
        });
        let lab = Lab::new("");
        let connector = lab.connect(&keys(&server, budget));
        assert_eq!(ask(&connector, "GET", "/x").await.status, 200);
        assert_eq!(lab.clock.slept(), [], "{headers:?}");
        assert_eq!(ask(&connector, "GET", "/x").await.status, 200);
        assert_eq!(lab.clock.slept(), [Duration::from_secs(7)], "{headers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_may_say_what_the_headers_are_called_and_the_connection_knows_better() {
    for (budget, waits) in [("", vec![Duration::from_secs(7)]), ("headers = { remaining = \"X-Other\" }", vec![])] {
        let server = Server::start(|_, _| Answer::status(200).header("x-left", "0").header("x-until", "7"));
        let lab = Lab::new("");
        let connector = lab.connect(&keys(&server, budget));
        let options =
            json!([["rate-header:remaining", "X-Left"], ["rate-header:reset", "X-Until"], ["rate-header:?", "x"]]);
        let round = json!([{ "target": "/x", "options": options }]);
        assert!(send(&connector, &json!([round, round])).await.iter().all(|answer| answer.status == 200));
        assert_eq!(lab.clock.slept(), waits, "{budget}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_used_of_the_day_counts_too() {
    let server = Server::start(|_, _| Answer::status(200).header("sforce-limit-info", "api-usage=4990/5000"));
    let keys = keys(&server, "daily = 5000, reserve = 0.001, headers = { daily_used = \"Sforce-Limit-Info\" }");
    let lab = Lab::new("");
    let connector = lab.connect(&keys);
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(ask(&connector, "GET", "/x").await.status);
    }
    // After the first answer there are ten left, five of them for those who write.
    assert_eq!(answers, [200, 200, 200, 200, 200, 200, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_to_look_at_an_answer_again_is_no_reason_to_stop_asking() {
    let server = Server::start(|_, _| Answer::status(202).header("retry-after", "30"));
    let lab = Lab::new("");
    let connector = lab.connect(&keys(&server, ""));
    for _ in 0..2 {
        assert_eq!(ask(&connector, "GET", "/job").await.status, 202);
    }
    assert_eq!(lab.clock.slept(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_new_credentials_counts_too() {
    let server = Server::start(|_, request| {
        Answer::status(if request.headers["authorization"] == "Bearer new-secret" { 200 } else { 401 })
    });
    let lab = Lab::new("old-secret");
    let keys = format!(
        "http.api = {{ origin = \"{}\", allow_private = true, auth = {{ bearer = \"file:secret\" }} }}\n\
         budget = {{ daily = 3, reserve = 0, concurrency = 1 }}",
        server.url()
    );
    let connector = lab.connect(&keys);
    std::fs::write(lab.path().join("secret"), "new-secret").unwrap();
    for expected in [200, 200, 0] {
        assert_eq!(ask(&connector, "GET", "/x").await.status, expected);
    }
    assert_eq!(server.requests().len(), 3);
}
