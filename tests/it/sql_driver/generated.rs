//! Batches nobody thought of: whatever is loaded comes back, from either database.

use super::*;
use lockstep_test_servers::Folder;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Type in PostgreSQL, type in SQLite, logical type. One column of each.
const COLUMNS: &[(&str, &str, &str)] = &[
    ("boolean", "BOOLEAN", "bool"),
    ("int8", "INTEGER", "int64"),
    ("float8", "REAL", "float64"),
    ("numeric(15,4)", "DECIMAL(15,4)", "decimal(15,4)"),
    ("numeric(18,2)", "DECIMAL_TEXT(18,2)", "decimal(18,2)"),
    ("numeric(40,8)", "DECIMAL_TEXT(40,8)", "decimal(40,8)"),
    ("numeric", "DECIMAL_TEXT", "decimal"),
    ("text", "TEXT", "text"),
    ("bytea", "BLOB", "binary"),
    ("json", "JSON_TEXT", "json"),
    ("uuid", "UUID", "uuid"),
    ("date", "DATE", "date"),
    ("time", "TIME", "time"),
    ("timestamp", "TIMESTAMP WITHOUT TIME ZONE", "datetime"),
    ("timestamptz", "TIMESTAMPTZ", "timestamp"),
];

const CASES: u32 = 60;

const INSTANTS: std::ops::Range<i64> = -210_866_803_200_000_000..i64::MAX;

fn maybe<T: std::fmt::Debug + Clone>(
    values: impl Strategy<Value = T>,
    rows: usize,
) -> impl Strategy<Value = Vec<Option<T>>> {
    prop::collection::vec(prop::option::weighted(0.8, values), rows)
}

fn scaled(digits: u32, rows: usize) -> impl Strategy<Value = ArrayRef> {
    let limit = 10i64.pow(digits);
    maybe(1 - limit..limit, rows).prop_map(ints)
}

fn strings(values: impl Strategy<Value = String>, rows: usize) -> impl Strategy<Value = ArrayRef> {
    maybe(values, rows).prop_map(|values| -> ArrayRef { Arc::new(values.into_iter().collect::<StringArray>()) })
}

fn moments(values: std::ops::Range<i64>, rows: usize) -> impl Strategy<Value = ArrayRef> {
    maybe(prop_oneof![8 => values, 1 => Just(i64::MIN), 1 => Just(i64::MAX)], rows).prop_map(ints)
}

/// SQLite forgets the sign of zero; to the host both zeros are one.
fn positive_zero(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value }
}

fn array(logical: &str, rows: usize) -> BoxedStrategy<ArrayRef> {
    let uuid = any::<[u8; 16]>().prop_map(|bytes| {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    });
    match logical {
        "bool" => maybe(any::<bool>(), rows).prop_map(bools).boxed(),
        "int64" => maybe(any::<i64>(), rows).prop_map(ints).boxed(),
        "float64" => maybe(any::<f64>().prop_map(positive_zero), rows).prop_map(floats).boxed(),
        "decimal(15,4)" => scaled(15, rows).boxed(),
        "decimal(18,2)" => scaled(18, rows).boxed(),
        "decimal(40,8)" => strings("-?[1-9][0-9]{0,31}\\.[0-9]{8}", rows).boxed(),
        "decimal" => strings("-?[1-9][0-9]{0,50}(\\.[0-9]{1,50})?|NaN", rows).boxed(),
        "text" => strings("[^\\x00]{0,20}|[\\\\N.\\n\\r\\t\"',;]{0,8}|[-+0-9.e ]{0,9}", rows).boxed(),
        "json" => strings("\"[a-z\\\\\\\\]{0}[a-z]{0,9}\"|-?[1-9][0-9]{0,5}\\.[0-9]{1,3}|\\[ *1, 2\\]|null|true", rows)
            .boxed(),
        "binary" => maybe(prop::collection::vec(any::<u8>(), 0..30), rows)
            .prop_map(|values| -> ArrayRef { Arc::new(values.into_iter().collect::<BinaryArray>()) })
            .boxed(),
        "uuid" => strings(uuid, rows).boxed(),
        "date" => moments(-2_440_588..2_000_000_000, rows).boxed(),
        "time" => maybe(0..86_400_000_000i64, rows).prop_map(ints).boxed(),
        _ => moments(INSTANTS, rows).boxed(),
    }
}

fn batches() -> impl Strategy<Value = Batch> {
    (0usize..70).prop_flat_map(|rows| {
        let arrays: Vec<_> = COLUMNS.iter().map(|(_, _, logical)| array(logical, rows)).collect();
        arrays.prop_map(|arrays| {
            let names: Vec<String> = (0..COLUMNS.len()).map(|number| format!("c{number}")).collect();
            let columns = names.iter().zip(COLUMNS).zip(arrays);
            batch(columns.map(|((name, (_, _, logical)), array)| (name.as_str(), *logical, array)).collect::<Vec<_>>())
        })
    })
}

fn table(native: impl Fn(&(&'static str, &'static str, &'static str)) -> &'static str, more: &str) -> String {
    let columns: Vec<String> =
        COLUMNS.iter().enumerate().map(|(number, types)| format!("c{number} {}", native(types))).collect();
    format!("create table t ({}{more})", columns.join(", "))
}

/// Loads batch after batch into the emptied table `t` and reads each back.
fn check(session: &Session, empty: &str) {
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let runtime = tokio::runtime::Handle::current();
    let result = runner.run(&batches(), |batch| {
        tokio::task::block_in_place(|| {
            runtime.block_on(async {
                session.script(empty).await.unwrap();
                assert_eq!(load(session, "t", &batch).await, batch.rows() as u64);
                let names: Vec<String> = batch.fields().iter().map(|field| field.name.clone()).collect();
                let statement = format!("select {} from t", names.join(", "));
                let found = read(session, &statement, &[]).await;
                for (column, (found, expected)) in COLUMNS.iter().zip(cells(&found).iter().zip(&cells(&batch))) {
                    assert_eq!(found, expected, "{column:?}");
                }
            });
        });
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn postgres_gives_back_what_a_binary_load_took() {
    run(async {
        let (_server, session) = start().await;
        session.script(&table(|types| types.0, "")).await.unwrap();
        tokio::spawn(async move { check(&session, "truncate t") }).await.unwrap();
    });
}

#[test]
fn postgres_gives_back_what_a_text_load_took() {
    run(async {
        let (_server, session) = start().await;
        session.script(&table(|types| types.0, ", c15 int[]")).await.unwrap();
        tokio::spawn(async move { check(&session, "truncate t") }).await.unwrap();
    });
}

#[test]
fn sqlite_gives_back_what_a_load_took() {
    run(async {
        let folder = Folder::new("generated");
        let session =
            Database::sqlite(&folder.path().join("t.db"), "test", Access::ReadWrite).unwrap().open().await.unwrap();
        session.script(&table(|types| types.1, "")).await.unwrap();
        tokio::spawn(async move { check(&session, "delete from t") }).await.unwrap();
    });
}
