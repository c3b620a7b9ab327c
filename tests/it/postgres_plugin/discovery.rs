//! What the catalog says becomes streams.

use lockstep::connector::{Sink as _, Source as _};
use lockstep::record::{Field, Stream};

use super::start;
use crate::plugins::run;

const TABLES: &str = r#"
    CREATE SCHEMA "Sales.EU";
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE DOMAIN cents AS numeric(12,2);
    CREATE DOMAIN price AS cents;
    CREATE TABLE customers (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name varchar(30) NOT NULL,
        credit price,
        mood mood,
        shout text GENERATED ALWAYS AS (upper(name)) STORED,
        updated_at timestamptz NOT NULL
    );
    CREATE INDEX ON customers (updated_at);
    COMMENT ON TABLE customers IS 'who buys';
    COMMENT ON COLUMN customers.name IS 'as on the invoice';
    CREATE TABLE "Sales.EU"."Order ""Lines""" (o int, line int, "we.ird" text, PRIMARY KEY (o, line));
    CREATE TABLE unkeyed (a int, b int NOT NULL, c int NOT NULL);
    CREATE UNIQUE INDEX ON unkeyed (a);
    CREATE UNIQUE INDEX ON unkeyed (b) WHERE b > 0;
    CREATE UNIQUE INDEX ON unkeyed ((b + c));
    CREATE TABLE keyed (a int NOT NULL, b int NOT NULL, c int NOT NULL);
    CREATE UNIQUE INDEX ON keyed (a, b);
    CREATE UNIQUE INDEX ON keyed (c) INCLUDE (a);
    CREATE TABLE measures (at date NOT NULL, v int, PRIMARY KEY (at)) PARTITION BY RANGE (at);
    CREATE TABLE measures_2026 PARTITION OF measures FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    CREATE VIEW names AS SELECT id, name FROM customers;
    CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS n FROM customers;
"#;

fn find<'a>(streams: &'a [Stream], name: &str) -> &'a Stream {
    streams.iter().find(|stream| stream.name == name).unwrap_or_else(|| panic!("no `{name}`"))
}

fn property<'a>(field: &'a Field, name: &str) -> &'a str {
    field.properties.get(name).unwrap_or("")
}

#[test]
fn every_relation_is_a_stream() {
    run(async {
        let (_server, plugin) = start(TABLES);
        let streams = plugin.discover(&[]).await.unwrap();
        let names: Vec<&str> = streams.iter().map(|stream| stream.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "Sales.EU.Order \"Lines\"",
                "public.customers",
                "public.keyed",
                "public.measures",
                "public.names",
                "public.totals",
                "public.unkeyed",
            ]
        );
        for (name, key, relation) in [
            ("public.customers", &["id"][..], "table"),
            ("Sales.EU.Order \"Lines\"", &["o", "line"], "table"),
            ("public.keyed", &["c"], "table"),
            ("public.measures", &["at"], "partitioned table"),
            ("public.names", &[], "view"),
            ("public.totals", &[], "materialized view"),
            ("public.unkeyed", &[], "table"),
        ] {
            let stream = find(&streams, name);
            assert_eq!(stream.key, key, "{name}");
            assert_eq!(stream.properties.get("relation"), Some(relation), "{name}");
        }
        let customers = find(&streams, "public.customers");
        assert_eq!(customers.properties.get("comment"), Some("who buys"));
        assert_eq!(customers.properties.get("modified"), Some("updated_at"));
        assert_eq!(customers.properties.get("write"), Some("upsert,delete,insert,update"));
        assert_eq!(find(&streams, "public.names").properties.get("write"), None);
    });
}

#[test]
fn fields_tell_their_types_and_what_is_special_about_them() {
    run(async {
        let (_server, plugin) = start(TABLES);
        let stream = plugin.discover(&["customers".to_owned()]).await.unwrap().remove(0);
        assert_eq!(stream.name, "customers");
        let fields: Vec<(&str, String, bool, &str)> = stream
            .fields
            .iter()
            .map(|field| {
                (field.name.as_str(), field.logical.to_string(), field.nullable, property(field, "native-type"))
            })
            .collect();
        let text = |text: &str| text.to_owned();
        assert_eq!(
            fields,
            [
                ("id", text("int64"), false, "bigint"),
                ("name", text("text"), false, "character varying(30)"),
                ("credit", text("decimal(12,2)"), true, "price"),
                ("mood", text("text"), true, "mood"),
                ("shout", text("text"), true, "text"),
                ("updated_at", text("timestamp"), false, "timestamp with time zone"),
            ]
        );
        assert_eq!(property(&stream.fields[0], "identity"), "always");
        assert_eq!(property(&stream.fields[1], "comment"), "as on the invoice");
        assert_eq!(property(&stream.fields[1], "max-length"), "30");
        assert_eq!(property(&stream.fields[2], "base-type"), "numeric");
        assert_eq!(property(&stream.fields[4], "generated"), "always");
    });
}

#[test]
fn only_what_is_named_is_looked_at_and_names_with_dots_are_found() {
    run(async {
        let (_server, plugin) = start(TABLES);
        let names = ["Sales.EU.Order \"Lines\"", "public.nothing", "measures_2026", "pg_catalog.pg_class"];
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let streams = plugin.discover(&names).await.unwrap();
        let found: Vec<&str> = streams.iter().map(|stream| stream.name.as_str()).collect();
        assert_eq!(found, ["Sales.EU.Order \"Lines\"", "measures_2026"]);
        assert_eq!(streams[0].fields[2].name, "we.ird");
    });
}

#[test]
fn a_sink_says_whether_it_is_empty() {
    run(async {
        let (server, plugin) = start(TABLES);
        let empty = async |name: &str| {
            let stream = plugin.describe(name).await.unwrap()?;
            stream.properties.get("empty").map(str::to_owned)
        };
        assert_eq!(empty("public.keyed").await.as_deref(), Some("true"));
        server.psql("INSERT INTO keyed VALUES (1, 2, 3)");
        assert_eq!(empty("public.keyed").await.as_deref(), Some("false"));
        assert_eq!(empty("public.nothing").await, None);
    });
}
