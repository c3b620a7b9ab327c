//! What the catalog says becomes streams.

use lockstep::connector::{Sink as _, Source as _};
use lockstep::record::Stream;

use super::start;
use crate::plugins::{mysql, run};

const TABLES: &str = r#"
    CREATE TABLE customers (
        id int unsigned AUTO_INCREMENT PRIMARY KEY COMMENT 'number',
        name varchar(30) NOT NULL,
        credit decimal(12,2),
        doc json,
        shout varchar(30) GENERATED ALWAYS AS (upper(name)) STORED,
        updated_at datetime NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
        KEY (updated_at)
    ) COMMENT 'who buys';
    CREATE TABLE `Order ``Lines```(o int, line int, `we.ird` text, PRIMARY KEY (line, o));
    CREATE TABLE unkeyed (a int, b varchar(300) NOT NULL, UNIQUE (b(10)));
    CREATE TABLE keyed (a int NOT NULL, b int NOT NULL, c int NOT NULL, d int UNIQUE, UNIQUE k1 (a, b), UNIQUE k2 (c));
    CREATE TABLE `a.b` (id int PRIMARY KEY);
    CREATE VIEW names AS SELECT id, name, 1 + 1 AS two FROM customers;
    CREATE TABLE gone (a int); CREATE VIEW broken AS SELECT * FROM gone; DROP TABLE gone;
    CREATE SEQUENCE numbers;
    CREATE DATABASE other; CREATE TABLE other.things (id int PRIMARY KEY, `x` enum('a', 'b'));
"#;

fn find<'a>(streams: &'a [Stream], name: &str) -> &'a Stream {
    streams.iter().find(|stream| stream.name == name).unwrap_or_else(|| panic!("no `{name}`"))
}

#[test]
fn every_relation_of_the_database_is_a_stream() {
    run(async {
        let (_server, plugin) = start(TABLES);
        let streams = plugin.discover(&[]).await.unwrap();
        let mut names: Vec<&str> = streams.iter().map(|stream| stream.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["Order `Lines`", "a.b", "customers", "keyed", "names", "numbers", "unkeyed"]);
        let every = Some("upsert,delete,insert,update");
        for (name, key, relation, write) in [
            ("customers", &["id"][..], "table", every),
            ("Order `Lines`", &["line", "o"], "table", every),
            ("keyed", &["c"], "table", every),
            ("names", &[], "view", None),
            ("numbers", &[], "sequence", None),
            ("unkeyed", &[], "table", None),
        ] {
            let stream = find(&streams, name);
            assert_eq!(stream.key, key, "{name}");
            assert_eq!(stream.properties.get("relation"), Some(relation), "{name}");
            assert_eq!(stream.properties.get("write"), write, "{name}");
        }
    });
}

#[test]
fn columns_tell_their_types_and_what_the_server_does_with_them() {
    run(async {
        let (_server, plugin) = start(TABLES);
        let customers = plugin.discover(&["customers".to_owned()]).await.unwrap().remove(0);
        assert_eq!(customers.properties.get("modified"), Some("updated_at"));
        assert_eq!(customers.properties.get("comment"), Some("who buys"));
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
                "doc json null",
                "shout text null",
                "updated_at datetime not null"
            ]
        );
        let property = |field: usize, name: &str| customers.fields[field].properties.get(name);
        assert_eq!((property(0, "identity"), property(0, "comment")), (Some("by default"), Some("number")));
        assert_eq!((property(1, "native-type"), property(1, "max-length")), (Some("varchar(30)"), Some("30")));
        assert_eq!((property(4, "generated"), property(5, "generated")), (Some("always"), None));
    });
}

#[test]
fn names_may_say_the_database() {
    run(async {
        let (server, plugin) = start(TABLES);
        let wanted = ["test.customers", "other.things", "a.b", "nowhere", "Customers"].map(str::to_owned);
        let streams = plugin.discover(&wanted).await.unwrap();
        let names: Vec<&str> = streams.iter().map(|stream| stream.name.as_str()).collect();
        // This server tells names apart by their case.
        assert_eq!(names, ["test.customers", "other.things", "a.b"]);
        assert!(plugin.describe("nowhere").await.unwrap().is_none());
        assert_eq!(plugin.describe("keyed").await.unwrap().unwrap().properties.get("empty"), Some("true"));
        server.sql("INSERT INTO keyed VALUES (1, 1, 1, 1)");
        assert_eq!(plugin.describe("keyed").await.unwrap().unwrap().properties.get("empty"), Some("false"));
        // Without a database in the URL every one is shown.
        let all = mysql(&server.url().replace("/test", "")).discover(&[]).await.unwrap();
        find(&all, "other.things");
        find(&all, "test.customers");
        assert!(!all.iter().any(|stream| stream.name.starts_with("mysql.")));
    });
}
