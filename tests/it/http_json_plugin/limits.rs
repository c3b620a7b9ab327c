//! What an API says is left to be asked, under names of its own, and lists that leave out what is old.

use std::time::Duration;

use lockstep::connector::{PageStatus, ReadMode, Source as _};
use lockstep::plugin::PluginConnector;
use lockstep_test_servers::Stripe;
use serde_json::json;

use super::connect_api;
use crate::http::lab::Lab;
use crate::http::server::{Answer, Server};
use crate::plugins::{Reading, run};

/// Two pages of contacts, each with these headers.
fn hubspot(headers: &'static [(&'static str, &'static str)], budget: &str) -> (Server, Lab, PluginConnector) {
    let server = Server::start(|_, request| {
        let next = if request.target.contains("after=") { "" } else { ",\"paging\":{\"next\":{\"after\":\"1\"}}" };
        let body = format!("{{\"results\":[{{\"id\":\"1\",\"properties\":{{}}}}]{next}}}");
        match request.target.contains("/properties/") {
            true => Answer::body("{\"results\":[]}"),
            false => headers.iter().fold(Answer::body(body), |answer, (name, value)| answer.header(name, *value)),
        }
    });
    let lab = Lab::new("");
    let text = format!(
        "http.api = {{ origin = \"{}\", allow_private = true }}\nconfig = {{ api = \"hubspot\" }}\n{budget}",
        server.url()
    );
    let plugin = lab.connect_plugin("http-json", &text, lab.world()).unwrap();
    (server, lab, plugin)
}

#[test]
fn the_headers_that_a_manifest_names_are_kept_to() {
    run(async {
        let (_server, lab, plugin) = hubspot(&[("X-HubSpot-RateLimit-Remaining", "0")], "");
        let mut reading = Reading::full(&plugin, "contacts").discovered().await;
        assert_eq!(lab.clock.slept(), []);
        assert_eq!(reading.read().await.records.len(), 2);
        // Nothing was left behind the first page: nothing more is asked until the window is over.
        assert_eq!(lab.clock.slept(), [Duration::from_secs(1)]);
        // What others have used of the day counts as well.
        let day = "budget = { daily = 1000 }";
        let (server, _lab, plugin) = hubspot(&[("X-HubSpot-RateLimit-Daily-Remaining", "50")], day);
        let mut reading = Reading::full(&plugin, "contacts").discovered().await;
        let before = server.requests().len();
        let failure = reading.read_pages(2).await.unwrap_err();
        assert!(failure.to_string().contains("1000 requests a day"), "{failure}");
        assert_eq!(server.requests().len(), before + 1);
    });
}

#[test]
fn a_header_that_nobody_knows_the_use_of_is_a_mistake() {
    run(async {
        let plugin = connect_api(
            "http://127.0.0.1:9",
            "api = \"hubspot\", manifest = { rate_headers = { left = \"X-Left\" } }",
            "",
            "",
        );
        let failure = plugin.discover(&[]).await.unwrap_err();
        assert!(failure.message.contains("/rate_headers/left"), "{failure}");
    });
}

/// Stripe keeps what happened for thirty days.
#[test]
fn a_list_that_leaves_out_what_is_old_proves_nothing_and_is_read_on_from_where_it_was() {
    run(async {
        let server = Stripe::start();
        let plugin = connect_api(
            &server.url(),
            "api = \"stripe\"",
            "auth = { basic = { user = \"file:secret\" } }",
            Stripe::key(),
        );
        for n in 0..120 {
            server.ask("POST", "/v1/customers", &format!("email=m{n}@example.com"));
        }
        let mut reading = Reading::full(&plugin, "events").discovered().await;
        reading.request.mode = ReadMode::Incremental;
        let first = reading.read().await;
        // However many pages it takes: what is not shown may be there, or have been.
        assert_eq!((first.records.len(), first.status), (120, Some(PageStatus::CaughtUp)));
        let mut short = Reading::full(&plugin, "events").discovered().await;
        assert_eq!(short.read().await.status, Some(PageStatus::CaughtUp));
        assert_eq!(first.records[0]["type"], json!("customer.created"));
        assert!(first.records[0]["object_id"].as_str().unwrap().starts_with("cus_"), "{:?}", first.records[0]);
        // What is older than the lookback is not told again.
        server.ask("POST", "/-/age", "");
        assert_eq!(reading.read().await.records.len(), 0);
        server.ask("POST", "/v1/customers", "email=late@example.com");
        let late = reading.read().await;
        assert_eq!(late.records.len(), 1);
        assert!(late.records[0]["object"].to_string().contains("late@example.com"), "{:?}", late.records);
        let streams = plugin.discover(&["balance_transactions".to_owned()]).await.unwrap();
        assert_eq!(streams[0].properties.get("modified"), Some("created"));
    });
}
