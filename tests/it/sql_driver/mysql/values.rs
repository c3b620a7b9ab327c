//! Values cross the driver exactly or are reported, in either direction.

use super::*;

const EVERY: &str = "CREATE TABLE every (
    flag tinyint(1), tiny tinyint, small smallint unsigned, medium mediumint, plain int, big bigint, huge bigint unsigned,
    amount decimal(12,2), exact decimal(40,10), half float, whole double, word varchar(20), fixed char(5), body longtext,
    raw blob, padded binary(4), doc json, day date, clock time(6), wall datetime(6), at timestamp(6) NULL, year year,
    bits bit(12), one bit(1), mood enum('sad', 'ok'), tags set('a', 'b', 'c'), ident uuid, addr inet6)";

#[test]
fn every_type_has_its_natural_reading() {
    run(async {
        let (_server, session) = start().await;
        session.script(EVERY).await.unwrap();
        session
            .execute(
                "INSERT INTO every VALUES (1, -128, 65535, -8388608, -2147483648, 9223372036854775807, 18446744073709551615, 1234567890.12,
                 123456789012345678901234567890.0123456789, 0.1, 0.1, 'größe 😀', 'ab', 'text', x'00ff27', 'abcd', '{\"a\": 1}', '2026-11-21',
                 '13:14:15.123456', '2026-11-21 13:14:15.123456', '2026-11-21 13:14:15.5', 2026, b'101', 1, 'ok', 'c,a',
                 '01234567-89ab-4def-8123-456789abcdef', '::1')",
                None,
            )
            .await
            .unwrap();
        let rows = session.query("SELECT * FROM every", None, &[]).await.unwrap();
        let types: Vec<String> = rows.fields().iter().map(|field| field.logical.to_string()).collect();
        drop(rows);
        assert_eq!(
            types.join(" "),
            "bool int64 int64 int64 int64 int64 decimal(20,0) decimal(12,2) decimal(40,10) float64 float64 text text text \
             binary binary text date time datetime timestamp int64 int64 bool text text text text"
        );
        let shown = async |columns: &str| {
            let page =
                read_page(&session, &format!("SELECT {columns} FROM every"), &vec!["text"; columns.split(',').count()])
                    .await;
            assert!(page.problems.is_empty(), "{:?}", page.problems);
            page.data
                .columns()
                .iter()
                .map(|column| column.array.as_any().downcast_ref::<StringArray>().unwrap().value(0).to_owned())
                .collect::<Vec<_>>()
                .join("|")
        };
        assert_eq!(
            shown("flag, tiny, small, medium, plain, big, huge, amount, exact, half, whole").await,
            "1|-128|65535|-8388608|-2147483648|9223372036854775807|18446744073709551615|1234567890.12|\
             123456789012345678901234567890.0123456789|0.1|0.1"
        );
        assert_eq!(
            shown("word, fixed, doc, day, clock, wall, at, year, mood, tags, ident, addr").await,
            "größe 😀|ab|{\"a\": 1}|2026-11-21|13:14:15.123456|2026-11-21T13:14:15.123456|2026-11-21T13:14:15.5|2026|ok|a,c|\
             01234567-89ab-4def-8123-456789abcdef|::1"
        );
        // As what the plugin wants them.
        let wanted = [
            ("huge", "decimal(20,0)"),
            ("doc", "json"),
            ("ident", "uuid"),
            ("at", "timestamp"),
            ("half", "float64"),
            ("bits", "int64"),
        ];
        for (column, logical) in wanted {
            read(&session, &format!("SELECT {column} FROM every"), &[logical]).await;
        }
        let times = read(&session, "SELECT at, wall FROM every", &["timestamp", "datetime"]).await;
        let expected = [("at", "timestamp", 1_795_266_855_500_000), ("wall", "datetime", 1_795_266_855_123_456)];
        assert_same(&times, &batch(expected.map(|(name, logical, micros)| (name, logical, ints([Some(micros)])))));
        // A float of 4 bytes is what it is, not what it is printed as.
        assert_same(
            &read(&session, "SELECT half FROM every", &["float64"]).await,
            &batch([("half", "float64", floats([Some(f64::from(0.1f32))]))]),
        );
    });
}

#[test]
fn values_that_are_none_are_reported() {
    run(async {
        let (server, session) = start().await;
        server.sql(
            "SET sql_mode = 'ALLOW_INVALID_DATES'; CREATE TABLE odd (id int, d date, t time, w datetime, b tinyint(1), u bigint unsigned);
             INSERT INTO odd VALUES (1, '0000-00-00', '-01:00:00', '2026-02-31 00:00:00', 2, 18446744073709551615),
                 (2, '2026-11-00', '25:00:00', '0000-00-00 00:00:00', 0, 1), (3, NULL, '24:00:00', NULL, NULL, NULL)",
        );
        let page = read_page(
            &session,
            "SELECT id, d, t, w, b, u FROM odd ORDER BY id",
            &["int64", "date", "time", "datetime", "bool", "int64"],
        )
        .await;
        let problems: Vec<(u32, &str, &str)> = page
            .problems
            .iter()
            .map(|problem| (problem.row, problem.error.properties.get("field").unwrap(), problem.error.code.id))
            .collect();
        assert_eq!(
            problems,
            [
                (0, "d", "LS0601"),
                (0, "t", "LS0602"),
                (0, "w", "LS0601"),
                (0, "b", "LS0601"),
                (0, "u", "LS0602"),
                (1, "d", "LS0601"),
                (1, "t", "LS0602"),
                (1, "w", "LS0601")
            ]
        );
        assert!(page.problems[0].error.message.contains("`0000-00-00`"));
        // As text nothing is lost.
        let texts = read(&session, "SELECT t FROM odd ORDER BY id", &["text"]).await;
        let array = texts.columns()[0].array.clone();
        let shown: Vec<_> =
            array.as_any().downcast_ref::<StringArray>().unwrap().iter().flatten().map(str::to_owned).collect();
        assert_eq!(shown, ["-01:00:00", "25:00:00", "24:00:00"]);
    });
}

fn everything() -> Batch {
    batch([
        ("flag", "bool", bools([Some(true), Some(false), None])),
        ("number", "int64", ints([Some(i64::MIN), Some(i64::MAX), None])),
        ("whole", "float64", floats([Some(0.1), Some(-1e300), None])),
        ("amount", "decimal(12,2)", ints([Some(-5), Some(999_999_999_999), None])),
        (
            "exact",
            "decimal(40,10)",
            texts([Some("-0.0000000001"), Some("123456789012345678901234567890.0123456789"), None]),
        ),
        ("at", "timestamp", ints([Some(1_000_000), Some(i64::from(i32::MAX) * 1_000_000 + 999_999), None])),
        ("wall", "datetime", ints([Some(-62_135_596_800_000_000), Some(253_402_300_799_999_999), None])),
        ("day", "date", ints([Some(-719_162), Some(2_932_896), None])),
        ("clock", "time", ints([Some(0), Some(86_399_999_999), None])),
        (
            "ident",
            "uuid",
            texts([Some("01234567-89ab-4def-8123-456789abcdef"), Some("ffffffff-ffff-ffff-ffff-ffffffffffff"), None]),
        ),
        ("word", "text", texts([Some("it's a \\ \"quoted\" `text`\n\r\t\0\u{1a}😀"), Some(""), None])),
        ("doc", "json", texts([Some("{ \"b\": 1.10, \"a\": [\"\\\\\"] }"), Some("null"), None])),
        ("raw", "binary", blobs([Some(&b"\0\xff'\\\"\x1a"[..]), Some(&b""[..]), None])),
    ])
}

const KEPT: &str = "CREATE TABLE kept (flag tinyint(1), number bigint, whole double, amount decimal(12,2), exact decimal(40,10),
    at timestamp(6) NULL, wall datetime(6), day date, clock time(6), ident uuid, word longtext, doc json, raw longblob)";

fn types() -> Vec<String> {
    everything().fields().iter().map(|field| field.logical.to_string()).collect()
}

#[test]
fn loaded_values_come_back_as_they_went_in() {
    run(async {
        let (_server, session) = start().await;
        session.script(KEPT).await.unwrap();
        assert_eq!(load(&session, "kept", &everything()).await, 3);
        let types = types();
        let types: Vec<&str> = types.iter().map(String::as_str).collect();
        assert_same(&read(&session, "SELECT * FROM kept", &types).await, &everything());
        // Where a backslash is nothing but a backslash, too.
        session.script("DELETE FROM kept; SET sql_mode = 'NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES'").await.unwrap();
        assert_eq!(load(&session, "kept", &everything()).await, 3);
        assert_same(&read(&session, "SELECT * FROM kept", &types).await, &everything());
    });
}

#[test]
fn parameters_come_back_as_they_went_in() {
    run(async {
        let (_server, session) = start().await;
        session.script(KEPT).await.unwrap();
        let statement = format!("INSERT INTO kept VALUES ({})", vec!["?"; 13].join(", "));
        assert_eq!(session.execute(&statement, Some(&everything())).await.unwrap(), 3);
        let types = types();
        let types: Vec<&str> = types.iter().map(String::as_str).collect();
        assert_same(&read(&session, "SELECT * FROM kept", &types).await, &everything());
        // And they find what they are equal to.
        for column in 0..11 {
            let name = everything().fields()[column].name.clone();
            let field = everything().slice(0, 1);
            let parameter = Batch::new(
                field.fields()[column..=column].to_vec().into(),
                field.columns()[column..=column].to_vec(),
                1,
            )
            .unwrap();
            let statement = format!("SELECT count(*) FROM kept WHERE {name} = ?");
            let mut rows = session.query(&statement, Some(&parameter), &logicals(&["int64"])).await.unwrap();
            assert_same(&rows.next(1, 1).await.unwrap().unwrap().data, &batch([("a", "int64", ints([Some(1)]))]));
        }
    });
}

#[test]
fn values_of_many_megabytes_cross_in_several_packets() {
    run(async {
        let server = Mariadb::start_with(lockstep_test_servers::MariadbOptions {
            settings: vec![("max-allowed-packet".into(), "64M".into())],
            ..Default::default()
        });
        let session = open(&server.url()).await;
        session.script("CREATE TABLE t (a int PRIMARY KEY, b longtext)").await.unwrap();
        for length in [0xff_ffff - 100, 0xff_ffff, 18_000_000] {
            let long = "y".repeat(length);
            let rows =
                batch([("a", "int64", ints([Some(1), Some(2)])), ("b", "text", texts([Some("x"), Some(&long)]))]);
            assert_eq!(load(&session, "t", &rows).await, 2);
            assert_same(&read(&session, "SELECT a, b FROM t ORDER BY a", &["int64", "text"]).await, &rows);
            session.script("TRUNCATE t").await.unwrap();
        }
        let parameter = batch([("1", "text", texts([Some("z".repeat(20_000_000).as_str())]))]);
        let mut rows = session.query("SELECT length(?)", Some(&parameter), &logicals(&["int64"])).await.unwrap();
        assert_same(&rows.next(1, 1).await.unwrap().unwrap().data, &batch([("a", "int64", ints([Some(20_000_000)]))]));
        drop(rows);
        // What the server does not take is not sent, and the load goes on.
        let long = "y".repeat(64 << 20);
        let rows = batch([("a", "int64", ints([Some(1), Some(2)])), ("b", "text", texts([Some("x"), Some(&long)]))]);
        let mut ingest = session.ingest(&["t".into()], rows.fields()).await.unwrap();
        ingest.append(&rows.slice(0, 1)).await.unwrap();
        let failure = ingest.append(&rows.slice(1, 1)).await.unwrap_err();
        assert_eq!(
            (failure.kind, failure.properties.get("row")),
            (lockstep::connector::FailureKind::InvalidData, Some("1"))
        );
        assert_eq!(ingest.finish().await.unwrap(), 1);
    });
}
