//! What cannot be a row is refused; the rest goes on.

use lockstep_text_files::testing::Rejected;

use crate::Reading;

fn check(line: impl Into<Vec<u8>>, fields: &str, code: &str, message: &str) {
    let line: Vec<u8> = line.into();
    let content = [b"{\"a\":1}\n", line.as_slice(), b"\n{\"a\":2}\n"].concat();
    let outcome = Reading::of(content, fields).read();
    assert_eq!(outcome.lines(), ["1", "2"]);
    let raw = String::from_utf8_lossy(&line).trim_end().to_owned();
    let message = format!("`a.jsonl` line 2: {message}");
    assert_eq!(outcome.rejected, [Rejected { position: "line 2".to_owned(), raw, code: code.to_owned(), message }]);
}

#[test]
fn lines_that_are_no_objects() {
    check("{\"a\":}", "a int64", "jsonl.syntax", "expected a value at byte 6, but found `}`");
    check("{\"a\":1", "a int64", "jsonl.syntax", "expected `,` or `}` at byte 7, but found its end");
    check("{\"a\":1} x", "a int64", "jsonl.syntax", "expected nothing behind the object at byte 9, but found `x`");
    check("[1]", "a int64", "jsonl.object", "the line is a JSON value, but not an object");
    check("{\"a\":1,\"a\":1}\r", "a int64", "jsonl.duplicate-key", "the key `a` occurs twice in an object");
    check("{\"x\":{\"b\":1,\"b\":1}}", "a int64", "jsonl.duplicate-key", "the key `b` occurs twice in an object");
    check("{\"x\":\"\\ud800\"}", "a int64", "jsonl.surrogate", "the escape at byte 7 is only half of a character");
    check(&b"{\"x\":\"\xff\"}"[..], "a int64", "jsonl.utf8", "the line is not UTF-8");
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(64), "]".repeat(64));
    check(deep, "a int64", "jsonl.depth", "objects and arrays are nested more than 64 deep");
}

#[test]
fn values_of_another_type() {
    let value = |value: &str, logical: &str, reason: &str| {
        let message = format!("`a` is `{value}`, which is not {logical}: {reason}");
        check(format!("{{\"a\":{value}}}"), &format!("a {logical}"), "jsonl.value", &message);
    };
    value("1.5", "int64", "not a whole number");
    value("9223372036854775808", "int64", "out of the range of 64 bits");
    value("true", "int64", "it is true or false in the JSON");
    value("{}", "int64", "it is an object in the JSON");
    value("\"x\"", "int64", "not a whole number");
    value("[]", "int64", "it is an array in the JSON");
}

#[test]
fn a_truth_is_not_a_number_and_a_number_not_a_date() {
    for (content, fields) in [
        ("{\"a\":1}", "a bool"),
        ("{\"a\":\"true\"}", "a bool"),
        ("{\"a\":20240229}", "a date"),
        ("{\"a\":1e309}", "a float64"),
    ] {
        let outcome = Reading::of(content, fields).read();
        assert_eq!((outcome.rows.len(), outcome.rejected[0].code.as_str()), (0, "jsonl.value"), "{content}");
    }
}

#[test]
fn a_line_without_end_costs_no_other() {
    let endless = "x".repeat(9 << 20);
    let outcome =
        Reading::of(format!("{{\"a\":1}}\n{{\"b\":\"{endless}\"}}\n{{\"a\":2}}\n{{\"b\":\"{endless}"), "a int64")
            .read();
    assert_eq!(outcome.lines(), ["1", "2"]);
    let rejected: Vec<_> =
        outcome.rejected.iter().map(|rejected| (rejected.position.as_str(), rejected.code.as_str())).collect();
    assert_eq!(rejected, [("line 2", "jsonl.length"), ("line 4", "jsonl.length")]);
}
