//! What a service says of itself.

use lockstep::connector::{Sink as _, Source as _};

use super::{connect, start};
use crate::http::server::{Answer, Server};
use crate::plugins::run;

#[test]
fn sets_are_streams_with_types_keys_and_what_tells_changes() {
    run(async {
        let (_server, plugin) = start("");
        let streams = plugin.discover(&[]).await.unwrap();
        let names: Vec<&str> = streams.iter().map(|stream| stream.name.as_str()).collect();
        assert_eq!(names, ["Customers", "Lines", "Counted"]);
        let customers = &streams[0];
        assert_eq!(customers.key, ["ID"]);
        let types: Vec<String> =
            customers.fields.iter().map(|field| format!("{} {}", field.name, field.logical)).collect();
        let expected = [
            "ID uuid",
            "number text",
            "name text",
            "credit decimal(18,2)",
            "rate decimal",
            "points int64",
            "visits int64",
            "active bool",
            "since date",
            "opens time",
            "score float64",
            "photo binary",
            "modifiedAt timestamp",
        ];
        assert_eq!(types, expected);
        assert_eq!(customers.properties.get("modified"), Some("modifiedAt"));
        assert_eq!(customers.properties.get("write"), Some("upsert,delete,insert,update"));
        assert!(!customers.fields[0].nullable && customers.fields[1].nullable);
        assert_eq!(customers.fields[1].properties.get("max-length"), Some("20"));
        assert_eq!(customers.fields[3].properties.get("native-type"), Some("Edm.Decimal(18,2)"));
        assert_eq!(streams[1].key, ["document", "line"]);
        assert_eq!(plugin.discover(&["Lines".into(), "None".into()]).await.unwrap().len(), 1);
        assert!(plugin.describe("None").await.unwrap().is_none());
    });
}

#[test]
fn what_is_no_service_says_so() {
    run(async {
        let html = "<!DOCTYPE html><html><body>Log in</body></html>";
        for (status, body, code) in [
            (200, html, "http.page"),
            (200, "", "odata.metadata"),
            (200, "<edmx:Edmx Version=\"4.0\" xmlns:edmx=\"x\">", "odata.metadata"),
            (200, "<!DOCTYPE a [<!ENTITY b \"c\">]><edmx:Edmx xmlns:edmx=\"x\" Version=\"4.0\"/>", "http.page"),
            (200, "{}", "odata.metadata"),
            (404, "", "odata.404"),
            (401, "", "odata.401"),
            (302, "", "odata.302"),
            (500, "", "odata.500"),
        ] {
            let server = Server::start(move |_, _| match status {
                200 => Answer::body(body),
                status => Answer::status(status),
            });
            let failure = connect(&server.url(), "/sales", "").discover(&[]).await.unwrap_err();
            assert_eq!(failure.detail_code, code, "{status} {body}: {failure}");
        }
    });
}
