//! What the schema says becomes streams.

use lockstep::connector::{Sink as _, Source as _};
use lockstep::record::Stream;

use super::start;
use crate::plugins::run;

const TABLES: &str = r#"
    CREATE TABLE customers (
        id INTEGER PRIMARY KEY,
        name VARCHAR(30) NOT NULL,
        credit DECIMAL(12,2),
        shout TEXT GENERATED ALWAYS AS (upper(name)),
        updated_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
    );
    CREATE INDEX by_time ON customers (updated_at);
    CREATE TABLE "Order ""Lines""" (o INT, line INT, "we.ird" TEXT, PRIMARY KEY (line, o)) WITHOUT ROWID;
    CREATE TABLE unkeyed (a INT, b INT NOT NULL, c INT NOT NULL);
    CREATE UNIQUE INDEX u1 ON unkeyed (b) WHERE b > 0;
    CREATE UNIQUE INDEX u2 ON unkeyed (b + c);
    CREATE TABLE keyed (a INT NOT NULL, b INT NOT NULL, c INT NOT NULL, d INT UNIQUE);
    CREATE UNIQUE INDEX k1 ON keyed (a, b);
    CREATE UNIQUE INDEX k2 ON keyed (c);
    CREATE TABLE "main.dotted" (id INTEGER PRIMARY KEY);
    CREATE VIEW names AS SELECT id, name, 1 + 1 AS two FROM customers;
    CREATE VIEW broken AS SELECT * FROM nowhere;
    CREATE VIRTUAL TABLE words USING fts5 (word);
"#;

fn find<'a>(streams: &'a [Stream], name: &str) -> &'a Stream {
    streams.iter().find(|stream| stream.name == name).unwrap_or_else(|| panic!("no `{name}`"))
}

#[test]
fn every_relation_is_a_stream() {
    run(async {
        let (_file, plugin) = start(TABLES).await;
        let streams = plugin.discover(&[]).await.unwrap();
        let names: Vec<&str> = streams.iter().map(|stream| stream.name.as_str()).collect();
        assert_eq!(names, ["Order \"Lines\"", "customers", "keyed", "main.dotted", "names", "unkeyed", "words"]);
        for (name, key, relation, write) in [
            ("customers", &["id"][..], "table", Some("upsert,delete,insert,update")),
            ("Order \"Lines\"", &["line", "o"], "table", Some("upsert,delete,insert,update")),
            ("keyed", &["c"], "table", Some("upsert,delete,insert,update")),
            ("names", &[], "view", None),
            ("unkeyed", &[], "table", None),
            ("words", &[], "virtual table", None),
        ] {
            let stream = find(&streams, name);
            assert_eq!(stream.key, key, "{name}");
            assert_eq!(stream.properties.get("relation"), Some(relation), "{name}");
            assert_eq!(stream.properties.get("write"), write, "{name}");
        }
        let customers = find(&streams, "customers");
        assert_eq!(customers.properties.get("modified"), Some("updated_at"));
        let fields: Vec<String> = customers
            .fields
            .iter()
            .map(|field| {
                format!("{} {} {}", field.name, field.logical, if field.nullable { "null" } else { "not null" })
            })
            .collect();
        assert_eq!(
            fields,
            [
                "id int64 not null",
                "name text not null",
                "credit decimal(12,2) null",
                "shout text null",
                "updated_at text not null"
            ]
        );
        assert_eq!(customers.fields[1].properties.get("native-type"), Some("VARCHAR(30)"));
        assert_eq!(customers.fields[3].properties.get("generated"), Some("always"));
    });
}

#[test]
fn names_are_found_as_sqlite_finds_them() {
    run(async {
        let (_file, plugin) = start(TABLES).await;
        let wanted = ["main.customers", "CUSTOMERS", "main.dotted", "nowhere", "sqlite_schema"].map(str::to_owned);
        let streams = plugin.discover(&wanted).await.unwrap();
        let names: Vec<&str> = streams.iter().map(|stream| stream.name.as_str()).collect();
        assert_eq!(names, ["main.customers", "CUSTOMERS", "main.dotted"]);
        assert_eq!(streams[0].fields, streams[1].fields);
        assert_eq!(streams[2].fields.len(), 1);
        assert!(plugin.describe("nowhere").await.unwrap().is_none());
        let described = plugin.describe("keyed").await.unwrap().unwrap();
        assert_eq!(described.properties.get("empty"), Some("true"));
    });
}
