//! Tables are made and widened, and nothing else is done to them.

use lockstep::connector::{FailureKind, Sink as _};

use super::start;
use crate::plugins::{DRY_RUN, EVOLVE, REAL, run, stream};

#[test]
fn a_missing_table_is_made_and_a_dry_run_only_says_how() {
    run(async {
        let (server, plugin) = start("");
        let wanted =
            stream("t", &["code", "id"], &[("id", "int64"), ("code", "text"), ("at", "timestamp"), ("doc", "json")]);
        let said = plugin.prepare(&wanted, DRY_RUN).await.unwrap();
        assert_eq!(server.sql("SHOW TABLES"), "");
        let done = plugin.prepare(&wanted, REAL).await.unwrap();
        assert_eq!(said.actions, done.actions);
        assert_eq!(
            (done.stream.key.as_slice(), done.stream.fields.len()),
            (&["code".to_owned(), "id".to_owned()][..], 4)
        );
        let made = server.sql("SHOW CREATE TABLE t");
        for part in
            ["ENGINE=InnoDB", "`at` timestamp(6) NULL DEFAULT NULL", "PRIMARY KEY (`code`,`id`)", "utf8mb4_nopad_bin"]
        {
            assert!(made.contains(part), "{part}: {made}");
        }
        assert!(plugin.prepare(&wanted, REAL).await.unwrap().actions.is_empty());
    });
}

#[test]
fn missing_columns_are_added_only_if_that_is_wanted() {
    run(async {
        let (server, plugin) = start("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
        let wanted = stream("t", &["id"], &[("id", "int64"), ("new", "text"), ("uid", "uuid")]);
        let failure = plugin.prepare(&wanted, REAL).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Config, "mysql.no-column"));
        // The hint works when pasted.
        server.sql(failure.properties.get("hint").unwrap());
        assert_eq!(server.sql("SELECT * FROM t"), "1\tNULL\tNULL");
        server.sql("ALTER TABLE t DROP COLUMN new, DROP COLUMN uid");
        plugin.prepare(&wanted, EVOLVE).await.unwrap();
        assert_eq!(server.sql("SELECT * FROM t"), "1\tNULL\tNULL");
    });
}

#[test]
fn what_cannot_be_written_to_is_said_with_what_would_help() {
    run(async {
        let (server, plugin) = start(
            "CREATE TABLE plain (id int, v int); CREATE TABLE old (id int PRIMARY KEY) ENGINE=MyISAM; CREATE VIEW v AS SELECT * FROM plain; \
             CREATE TABLE sums (id int PRIMARY KEY, a int, s int AS (a + 1) STORED); CREATE TABLE wall (id int PRIMARY KEY, at datetime)",
        );
        for (name, fields, code) in [
            ("plain", &[("id", "int64")][..], "mysql.no-unique-key"),
            ("old", &[("id", "int64")], "mysql.engine"),
            ("v", &[("id", "int64")], "mysql.not-a-table"),
            ("sums", &[("id", "int64"), ("s", "int64")], "mysql.generated-column"),
            ("wall", &[("id", "int64"), ("at", "timestamp")], "mysql.column-type"),
            ("nowhere.t", &[("id", "int64")], "1049"),
        ] {
            let failure = plugin.prepare(&stream(name, &["id"], fields), EVOLVE).await.unwrap_err();
            assert_eq!(failure.detail_code, code, "{name}: {failure}");
            if matches!(code, "mysql.no-unique-key" | "mysql.engine") {
                server.sql(failure.properties.get("hint").unwrap());
                plugin.prepare(&stream(name, &["id"], fields), EVOLVE).await.unwrap();
            }
        }
    });
}
