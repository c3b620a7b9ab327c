//! Streams and their types, from samples.

use lockstep_text_files::testing::gzip;

use crate::Reading;

fn check(content: impl Into<Vec<u8>>, config: &str, expected: &str) {
    let streams = Reading::of(content, "").config(config).discover(&["a.csv"]).unwrap();
    assert_eq!(types(&streams[0]), expected);
}

fn types(stream: &lockstep_plugin_sdk::types::Stream) -> String {
    let fields = stream.fields.iter().map(|field| format!("{} {}", field.name, field.logical_type));
    fields.collect::<Vec<_>>().join(", ")
}

#[test]
fn types_are_guessed_with_care() {
    check(
        "id,zip,price,flag,born,seen,wall,code,name,void\n\
         1,01234,1.50,true,2024-02-29,2026-11-21T13:00:00Z,2026-11-21T13:00:00,67e55044-10b1-426f-9247-bb680e5fe0c8,x,\n\
         2,99999,-3,false,2024-03-01,2026-11-21T13:00:00+01:00,2026-11-21 13:00,67e55044-10b1-426f-9247-bb680e5fe0c9,,\n",
        "",
        "id int64, zip text, price decimal, flag bool, born date, seen timestamp, wall datetime, code uuid, name text, void text",
    );
}

#[test]
fn nulls_say_nothing_and_empty_texts_say_text() {
    check("a,b,c\n1,,NULL\n,\"\",2\n", r#"{ "null": ["NULL", ""] }"#, "a int64, b text, c int64");
    check("a,b\n1,\"\"\n", r#"{ "null_quoted": true }"#, "a int64, b text");
    check("a\n\"1\"\n\"2\"\n", "", "a int64");
}

#[test]
fn faulty_records_do_not_count() {
    check("a,b\n1,2\nx\n3,\"4\"5\n6,7\n", "", "a int64, b int64");
}

#[test]
fn files_without_records_are_text() {
    check("a,b\n", "", "a text, b text");
    check("a,b", "", "a text, b text");
}

#[test]
fn what_stands_far_down_counts() {
    let filler = "1,\"a text, with a line\nend and \"\"quotes\"\"\"\n";
    let head = format!("n,note\n{}", filler.repeat(100_000));
    check(head.as_str(), "", "n int64, note text");
    check(format!("{head}{}", "x,b\n".repeat(10_000)), "", "n text, note text");
    check(format!("{head}{}", "1.5,b\n".repeat(10_000)), "", "n decimal, note text");
}

#[test]
fn packed_files_are_looked_into() {
    let store = Reading::at("x/a.csv.gz", gzip(b"id,name\n1,x\n"), "");
    let streams = store.discover(&[]).unwrap();
    assert_eq!((streams[0].name.as_str(), types(&streams[0]).as_str()), ("x/a.csv.gz", "id int64, name text"));
}

#[test]
fn streams_are_the_files_of_the_right_name() {
    let reading = Reading::at("b.csv", "id\n1\n", "");
    reading.store.put("a.tsv", "id\tname\n1\tx\n");
    reading.store.put("readme.txt", "hello\n");
    reading.store.put("empty.csv", "");
    let names = |streams: Vec<lockstep_plugin_sdk::types::Stream>| {
        streams.into_iter().map(|stream| stream.name).collect::<Vec<_>>()
    };
    assert_eq!(names(reading.discover(&[]).unwrap()), ["a.tsv", "b.csv", "empty.csv"]);
    assert_eq!(names(reading.discover(&["b.csv", "missing.csv"]).unwrap()), ["b.csv"]);
    let texts = reading.clone().config(r#"{ "extensions": ["txt"] }"#);
    assert_eq!(names(texts.discover(&[]).unwrap()), ["readme.txt"]);
}

#[test]
fn a_file_that_cannot_be_understood_is_an_error_only_if_it_is_wanted() {
    let reading = Reading::of("", "");
    let listed = reading.discover(&[]).unwrap();
    let problem = lockstep_plugin_sdk::types::option(&listed[0].properties, "problem").unwrap();
    assert_eq!(problem, "`a.csv` has no line with the names of its columns");
    let error = reading.discover(&["a.csv"]).unwrap_err();
    assert_eq!((error.kind.as_str(), error.code.as_str()), ("config", "csv.header"));
}

#[test]
fn the_size_is_told() {
    let streams = Reading::of("id\n1\n", "").discover(&["a.csv"]).unwrap();
    assert_eq!(lockstep_plugin_sdk::types::option(&streams[0].properties, "bytes"), Some("5"));
    assert!(streams[0].fields[0].nullable && streams[0].key.is_empty());
}

#[test]
fn headers_must_make_sense() {
    for (content, config, message) in [
        ("a,b,a\n", "", "`a.csv` has two columns named `a`, the 1st and the 3rd"),
        ("a,,column_2\n", "", "`a.csv` has two columns named `column_2`, the 2nd and the 3rd"),
        ("a,b\n", r#"{ "columns": ["x"] }"#, "`a.csv` has 2 columns in its first line, but `columns` names 1"),
        ("a,\"b\"c\n", "", "`a.csv` has a first line with a misplaced quote"),
        ("# only\n", r##"{ "comment": "#" }"##, "`a.csv` has no line with the names of its columns"),
    ] {
        let reading = Reading::of(content, "a text").config(config);
        assert_eq!(reading.discover(&["a.csv"]).unwrap_err().message, message);
        assert_eq!(reading.try_read().unwrap_err().message, message);
    }
}

#[test]
fn a_column_that_is_gone_is_an_error() {
    let error = Reading::of("a,b\n1,2\n", "a int64, c text").try_read().unwrap_err();
    assert_eq!((error.kind.as_str(), error.code.as_str()), ("not-found", "csv.column"));
    assert_eq!(error.message, "`a.csv` has no column `c`; its columns are `a`, `b`");
    assert_eq!(error.property("field"), Some("c"));
}
