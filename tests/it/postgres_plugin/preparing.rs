//! Targets are made, checked and extended; nothing is ever removed, retyped or emptied.

use lockstep::connector::{FailureKind, Sink as _};
use lockstep::plugin::PluginConnector;
use lockstep::record::Stream;
use lockstep_test_servers::Postgres;

use super::{AFRESH, start};
use crate::plugins::{DRY_RUN, EVOLVE, REAL, run, stream};

/// Columns with their types, and the key.
const SHAPE: &str = "
    SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN '!' ELSE '' END,
        ', ' ORDER BY a.attnum)
    FROM pg_attribute a WHERE a.attrelid = to_regclass('%') AND a.attnum > 0 AND NOT a.attisdropped";
const KEY: &str =
    "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = to_regclass('%') AND contype = 'p'";

fn wanted() -> Stream {
    let fields = [
        ("tenant", "int64"),
        ("id", "uuid"),
        ("name", "text"),
        ("price", "decimal(12,2)"),
        ("big", "decimal"),
        ("at", "timestamp"),
        ("wall", "datetime"),
        ("day", "date"),
        ("clock", "time"),
        ("ok", "bool"),
        ("ratio", "float64"),
        ("raw", "binary"),
        ("doc", "json"),
    ];
    stream("public.made", &["tenant", "id"], &fields)
}

#[test]
fn a_table_is_made_with_its_key_types_and_comments() {
    run(async {
        let (server, plugin) = start("");
        let mut wanted = wanted();
        wanted.properties.set("comment", "it's \\ all here");
        wanted.fields[2].properties.set("comment", "as 'spoken'");
        let dry = plugin.prepare(&wanted, DRY_RUN).await.unwrap();
        assert_eq!(server.psql("SELECT count(*) FROM pg_class WHERE relname = 'made'"), "0");
        let real = plugin.prepare(&wanted, REAL).await.unwrap();
        assert_eq!(dry.actions, real.actions);
        assert_eq!(
            server.psql(&SHAPE.replace('%', "made")),
            "tenant bigint!, id uuid!, name text, price numeric(12,2), big numeric, at timestamp with time zone, \
             wall timestamp without time zone, day date, clock time without time zone, ok boolean, ratio double precision, \
             raw bytea, doc json"
        );
        assert_eq!(server.psql(&KEY.replace('%', "made")), "PRIMARY KEY (tenant, id)");
        assert_eq!(server.psql("SELECT obj_description('made'::regclass)"), "it's \\ all here");
        assert_eq!(server.psql("SELECT col_description('made'::regclass, 3)"), "as 'spoken'");
        assert_eq!(real.stream.key, ["tenant", "id"]);
        let types = |stream: &Stream| stream.fields.iter().map(|field| field.logical).collect::<Vec<_>>();
        assert_eq!(types(&real.stream), types(&wanted));
        // The second time there is nothing to do.
        assert!(plugin.prepare(&wanted, EVOLVE).await.unwrap().actions.is_empty());
    });
}

#[test]
fn missing_columns_are_added_only_if_that_is_asked_for() {
    run(async {
        let (server, plugin) = start("CREATE TABLE t (id int PRIMARY KEY, kept text); INSERT INTO t VALUES (1, 'x')");
        let wanted = stream("t", &["id"], &[("id", "int64"), ("new \"one\"", "decimal(9,2)"), ("two", "text")]);
        let failure = plugin.prepare(&wanted, REAL).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Config, "postgres.no-column"));
        assert!(failure.message.contains("`new \"one\"`, `two`"), "{failure}");
        let hint = failure.properties.get("hint").unwrap().to_owned();
        let dry = plugin.prepare(&wanted, DRY_RUN).await.unwrap();
        assert_eq!(dry.actions.join("; "), hint);
        assert_eq!(server.psql(&SHAPE.replace('%', "t")), "id integer!, kept text");
        let real = plugin.prepare(&wanted, EVOLVE).await.unwrap();
        assert_eq!(real.actions, dry.actions);
        assert_eq!(server.psql(&SHAPE.replace('%', "t")), "id integer!, kept text, new \"one\" numeric(9,2), two text");
        assert_eq!(server.psql("SELECT * FROM t"), "1|x||");
        assert_eq!(real.stream.fields.len(), 4);
    });
}

#[test]
fn the_hint_of_a_missing_column_works_when_pasted() {
    run(async {
        let (server, plugin) = start("CREATE TABLE t (id int PRIMARY KEY)");
        let wanted = stream("t", &["id"], &[("id", "int64"), ("a", "json"), ("b", "date")]);
        let failure = plugin.prepare(&wanted, REAL).await.unwrap_err();
        server.psql(failure.properties.get("hint").unwrap());
        assert!(plugin.prepare(&wanted, REAL).await.unwrap().actions.is_empty());
    });
}

async fn check_refused(
    (server, plugin): &(Postgres, PluginConnector),
    statements: &str,
    wanted: &Stream,
    code: &str,
    words: &str,
) {
    server.psql(&format!("{AFRESH}; {statements}"));
    for options in [REAL, EVOLVE, DRY_RUN] {
        let failure = plugin.prepare(wanted, options).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Config, code), "{failure}");
        assert!(failure.message.contains(words), "{failure}");
        assert!(
            code == "postgres.generated-column" || failure.properties.get("hint").is_some() || words.contains("view")
        );
    }
}

#[test]
fn a_table_without_the_key_is_refused() {
    run(async {
        let own = start("");
        let wanted = stream("t", &["id"], &[("id", "int64"), ("v", "text")]);
        let code = "postgres.no-unique-key";
        for table in [
            "CREATE TABLE t (id int, v text)",
            "CREATE TABLE t (id int, v text PRIMARY KEY)",
            "CREATE TABLE t (id int, v text, PRIMARY KEY (id, v))",
            "CREATE TABLE t (id int, v text); CREATE UNIQUE INDEX ON t (id) WHERE id > 0",
            "CREATE TABLE t (id int UNIQUE DEFERRABLE INITIALLY DEFERRED, v text)",
        ] {
            check_refused(&own, table, &wanted, code, "no unique index on its key, \"id\"").await;
        }
        let (server, plugin) = own;
        server.psql(&format!("{AFRESH}; CREATE TABLE t (id int, v text)"));
        server.psql(plugin.prepare(&wanted, REAL).await.unwrap_err().properties.get("hint").unwrap());
        plugin.prepare(&wanted, REAL).await.unwrap();
        let keyless = Stream { key: Vec::new(), ..wanted };
        assert_eq!(plugin.prepare(&keyless, REAL).await.unwrap_err().detail_code, "postgres.no-key");
    });
}

#[test]
fn columns_that_cannot_take_a_field_are_refused() {
    run(async {
        let own = start("");
        let wanted = |logical: &str| stream("t", &["id"], &[("id", "int64"), ("v", logical)]);
        let table = |column: &str| format!("CREATE TABLE t (id int PRIMARY KEY, v {column})");
        for (column, logical, words) in [
            ("int", "float64", "`v` is `integer`"),
            ("bytea", "text", "`v` is `bytea`"),
            ("timestamp", "timestamp", "`v` is `timestamp without time zone`"),
            ("date", "datetime", "`v` is `date`"),
            ("numeric(3,-2)", "decimal(9,2)", "`v` is `numeric(3,-2)`"),
            ("text", "binary", "`v` is `text`"),
        ] {
            check_refused(&own, &table(column), &wanted(logical), "postgres.column-type", words).await;
        }
        let always = "int GENERATED ALWAYS AS IDENTITY";
        check_refused(&own, &table(always), &wanted("int64"), "postgres.identity-column", "numbered by the server")
            .await;
        let computed = "int GENERATED ALWAYS AS (id + 1) STORED";
        check_refused(&own, &table(computed), &wanted("int64"), "postgres.generated-column", "computed by the server")
            .await;
        let view = "CREATE VIEW t AS SELECT 1 AS id, 2 AS v";
        check_refused(&own, view, &wanted("int64"), "postgres.not-a-table", "is a view").await;
    });
}

#[test]
fn any_name_is_a_name() {
    run(async {
        let (server, plugin) = start("CREATE SCHEMA \"Sales.EU\"; CREATE SCHEMA crm");
        for (name, table) in
            [("crm.Order \"Lines\"", "crm.\"Order \"\"Lines\"\"\""), ("SELECT; --", "public.\"SELECT; --\"")]
        {
            let wanted = stream(name, &["group", "I'd"], &[("group", "text"), ("I'd", "int64"), ("we\"ird.", "bool")]);
            let prepared = plugin.prepare(&wanted, REAL).await.unwrap();
            assert_eq!(prepared.stream.name, name);
            assert_eq!(
                server.psql(&SHAPE.replace("'%'", &format!("$n${table}$n$"))),
                "group text!, I'd bigint!, we\"ird. boolean"
            );
        }
        let failure = plugin.prepare(&stream("nowhere.t", &["id"], &[("id", "int64")]), REAL).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Config, "postgres.no-schema"));
        assert_eq!(failure.properties.get("hint"), Some("CREATE SCHEMA \"nowhere\""));
        let long = "x".repeat(64);
        for wanted in
            [stream(&long, &["id"], &[("id", "int64")]), stream("t", &["id"], &[("id", "int64"), (&long, "text")])]
        {
            assert_eq!(plugin.prepare(&wanted, REAL).await.unwrap_err().detail_code, "postgres.name");
        }
        // A schema with a dot in its name can be written to, once the table exists.
        server.psql("CREATE TABLE \"Sales.EU\".t (id int PRIMARY KEY)");
        plugin.prepare(&stream("Sales.EU.t", &["id"], &[("id", "int64")]), REAL).await.unwrap();
    });
}

#[test]
fn who_may_not_create_is_told_so() {
    run(async {
        let (server, _) = start("CREATE TABLE t (id int PRIMARY KEY)");
        server.create_user("reader", "s3cr3t-word", "scram-sha-256");
        server.psql("REVOKE ALL ON SCHEMA public FROM reader; REVOKE CREATE ON SCHEMA public FROM PUBLIC");
        let plugin = crate::plugins::postgres(&server.url_for("reader", "s3cr3t-word"));
        let failure = plugin.prepare(&stream("made", &["id"], &[("id", "int64")]), REAL).await.unwrap_err();
        assert_eq!(failure.detail_code, "42501", "{failure}");
        assert!(!format!("{failure:?}").contains("s3cr3t-word"));
    });
}
