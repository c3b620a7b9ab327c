//! XML without a WSDL: what a manifest says in place of a schema.

use lockstep::connector::{Source as _, WriteMode};
use lockstep::plugin::PluginConnector;
use lockstep::world::World;
use serde_json::json;

use crate::http::lab::Lab;
use crate::http::server::{Answer, Server};
use crate::plugins::{Reading, apply, complaints, page, run};

const MANIFEST: &str = r#"
[xml]
lists = ["Phone"]
namespaces = { a = "urn:address" }

[streams.people]
key = "Id"
fields = { Id = "int64", Name = "text", street = { type = "text", path = "a:Name" }, Phone = "json" }

[streams.people.read]
path = "/xml"
records = "Person"
xml = "<List xmlns='urn:people'><Key>${secret.key}</Key></List>"

[streams.people.create]
path = "/xml"
xml = "<Save xmlns='urn:people'><Key>${secret.key}</Key><Person>${record}</Person></Save>"
id = "Id"
"#;

const SECRET: &str = "a-<key>-of-some-length-&-more";

const PEOPLE: &str = "<People xmlns='urn:people' xmlns:z='urn:address'>\
    <Person><Id>1</Id><Name>Ann</Name><z:Name>Main &amp; 5th</z:Name><Phone>1</Phone></Person>\
    <Person><Id>2</Id><z:Name>Elm</z:Name><Name>Ben</Name><Phone>2</Phone><Phone>3</Phone></Person>\
    <Person><Id>3</Id><z:Name>Oak</z:Name></Person></People>";

fn connect(server: &Server, manifest: &str) -> PluginConnector {
    let lab = Lab::new(SECRET);
    std::fs::write(lab.path().join("manifest.toml"), manifest).unwrap();
    let text = format!(
        "http.api = {{ origin = \"{}\", allow_private = true, auth = {{ body = {{ key = \"file:secret\" }} }} }}\n\
         config = {{ manifest = \"manifest.toml\" }}",
        server.url()
    );
    lab.connect_plugin("soap", &text, World::real()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn lists_and_prefixes_of_the_manifest_say_what_no_schema_says() {
    run(async {
        let server = Server::start(|_, _| Answer::body(PEOPLE));
        let shown = Reading::full(&connect(&server, MANIFEST), "people").discovered().await.read().await;
        let expected = json!([
            {"Id": 1, "Name": "Ann", "street": "Main & 5th", "Phone": ["1"]},
            {"Id": 2, "Name": "Ben", "street": "Elm", "Phone": ["2", "3"]},
            // Who has no name is not called by the street.
            {"Id": 3, "street": "Oak"},
        ]);
        assert_eq!(json!(shown.records), expected);
        // Without them, one number is no list, and the other name is nobody's.
        let bare = MANIFEST.replace("lists = ", "attributes = ").replace("a = \"urn", "b = \"urn");
        let shown = Reading::full(&connect(&server, &bare), "people").discovered().await.read().await;
        assert_eq!((&shown.records[0]["Phone"], shown.records[0].get("street")), (&json!("\"1\""), None));
    });
}

#[test]
fn a_secret_within_a_document_is_written_by_the_host_as_xml_wants_it() {
    run(async {
        let server = Server::start(|_, request| match request.body.contains("<Save") {
            // What comes back is searched for it.
            true => Answer::body(format!(
                "<Saved><Id>7</Id><Echo>{}</Echo></Saved>",
                SECRET.replace('&', "&amp;").replace('<', "&lt;")
            )),
            false => Answer::body(PEOPLE),
        });
        let plugin = connect(&server, MANIFEST);
        assert_eq!(Reading::full(&plugin, "people").discovered().await.read().await.records.len(), 3);
        let target = plugin.discover(&[]).await.unwrap().remove(0);
        let rows = [json!({"Name": "${secret.key}", "Phone": "[\"1\",\"2\"]"})];
        let (counts, results) = apply(&plugin, &target, WriteMode::Insert, page(&target, &rows)).await;
        assert_eq!((counts, complaints(&results)), ((1, 0, 0), vec![]));
        let key = "<Key>a-&lt;key&gt;-of-some-length-&amp;-more</Key>";
        let sent: Vec<String> = server.requests().into_iter().map(|request| request.body).collect();
        assert!(
            sent.iter().all(|body| body.contains(key) && body.matches("-of-some-length-").count() == 1),
            "{sent:?}"
        );
        // A record says what it says.
        let saved = sent.iter().find(|body| body.contains("<Save")).unwrap();
        assert!(saved.contains("<Name>${secret.key}</Name><Phone>1</Phone><Phone>2</Phone>"), "{saved}");
    });
}
