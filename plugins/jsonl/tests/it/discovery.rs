//! Streams, their fields and types, from samples.

use crate::{PATH, Reading};

fn check(content: impl Into<Vec<u8>>, expected: &str) {
    let streams = Reading::of(content, "").discover(&[PATH]).unwrap();
    let fields = streams[0].fields.iter().map(|field| format!("{} {}", field.name, field.logical_type));
    assert_eq!(fields.collect::<Vec<_>>().join(", "), expected);
}

#[test]
fn types_are_guessed_with_care() {
    check(
        "{\"id\":1,\"price\":1,\"big\":12345678901234567890,\"flag\":true,\"born\":\"2024-02-29\",\"seen\":\"2026-11-21T13:00:00Z\"}\n\
         {\"id\":2,\"price\":1.50,\"big\":1,\"flag\":null,\"born\":\"2024-03-01\",\"seen\":\"2026-11-21T13:00:00+01:00\",\"more\":[1]}\n",
        "id int64, price decimal, big decimal, flag bool, born date, seen timestamp, more json",
    );
}

#[test]
fn one_exception_is_enough() {
    check("{\"a\":\"2024-02-29\"}\n{\"a\":\"soon\"}\n", "a text");
    check("{\"a\":\"2024-02-29\"}\n{\"a\":\"2024-02-29T00:00:00Z\"}\n", "a text");
    check("{\"a\":1}\n{\"a\":\"1\"}\n", "a json");
    check("{\"a\":1}\n{\"a\":true}\n", "a json");
    check("{\"a\":\"x\"}\n{\"a\":{}}\n", "a json");
    check("{\"a\":null}\n", "a text");
    check("{\"a\":\"67e55044-10b1-426f-9247-bb680e5fe0c8\",\"b\":\"12\"}\n", "a text, b text");
    check("{\"a\":1e5}\n", "a decimal");
}

#[test]
fn broken_lines_do_not_count() {
    check("{\"a\":1}\n{\"a\":\"x\n\n{\"a\":2}\n", "a int64");
}

#[test]
fn what_stands_far_down_counts() {
    let head = "{\"n\":1,\"t\":\"some text to fill the line\"}\n".repeat(100_000);
    check(head.as_str(), "n int64, t text");
    check(format!("{head}{}", "{\"n\":1.5,\"late\":true}\n".repeat(10_000)), "n decimal, t text, late bool");
}

#[test]
fn files_without_objects() {
    check("", "");
    let error = Reading::of("hello\n", "").discover(&[PATH]).unwrap_err();
    assert_eq!(
        (error.code.as_str(), error.message.as_str()),
        ("jsonl.object", "`a.jsonl` has no line that is a JSON object")
    );
    assert_eq!(Reading::of("hello\n", "").discover(&[]).unwrap().len(), 1);
}

#[test]
fn keys_that_are_data_are_refused() {
    let object: String = (0..5000).map(|key| format!("{{\"{key}\":1}}\n")).collect();
    let error = Reading::of(object, "").discover(&[PATH]).unwrap_err();
    assert_eq!(error.code, "jsonl.fields");
}
