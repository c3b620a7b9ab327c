//! Values arrive as they were written.

use proptest::prelude::*;

use lockstep_text_files::testing::gzip;

use crate::Reading;

fn check(content: &str, fields: &str, expected: &[&str]) {
    let outcome = Reading::of(content, fields).read();
    assert_eq!(outcome.lines(), expected, "{content}");
    assert_eq!(outcome.rejected, [], "{content}");
    assert_eq!(outcome.status, "enumeration-complete");
}

#[test]
fn every_type() {
    check(
        "{\"id\":-7,\"flag\":true,\"price\":12.50,\"born\":\"2024-02-29\",\"seen\":\"2026-11-21T13:00:00+01:00\",\"ratio\":1.5e3,\
         \"code\":\"67E55044-10b1-426f-9247-bb680e5fe0c8\",\"note\":\"a\\n\\u00fc\",\"more\":{\"x\": [1,  2.0]}}\n",
        "id int64, flag bool, price decimal, born date, seen timestamp, ratio float64, code uuid, note text, more json",
        &["-7|true|12.50|19782|1795262400000000|1500|67e55044-10b1-426f-9247-bb680e5fe0c8|a\nü|{\"x\": [1,  2.0]}"],
    );
}

#[test]
fn numbers_are_exact() {
    check(
        "{\"a\":123456789012345678901234567890.10}\n{\"a\":-0.00}\n{\"a\":1e3}\n{\"a\":\"0.10\"}\n",
        "a decimal",
        &["123456789012345678901234567890.10", "0.00", "1000", "0.10"],
    );
    check(
        "{\"a\":9223372036854775807}\n{\"a\":5.0}\n{\"a\":5e1}\n{\"a\":\"-6\"}\n",
        "a int64",
        &["9223372036854775807", "5", "50", "-6"],
    );
    check("{\"a\":12.5}\n", "a decimal(9,2)", &["1250"]);
    let long = format!("1{}", "0".repeat(400));
    check("{\"a\":1e400}\n", "a decimal", &[&long]);
}

#[test]
fn absent_null_and_empty_are_three_things() {
    check("{\"a\":null}\n{}\n{\"a\":\"\"}\n", "a text, b int64", &["NULL|ABSENT", "ABSENT|ABSENT", "|ABSENT"]);
}

#[test]
fn text_and_json_take_everything() {
    let content = "{\"a\":1.50}\n{\"a\":[1]}\n{\"a\":\"x\\ty\"}\n{\"a\":true}\n";
    check(content, "a text", &["1.50", "[1]", "x\ty", "true"]);
    check(content, "a json", &["1.50", "[1]", "\"x\\ty\"", "true"]);
}

#[test]
fn keys_come_in_any_order_and_some_are_nobodys() {
    check(
        "{\"b\":1,\"a\":\"x\"}\n{\"a\":\"y\",\"zzz\":[],\"b\":2}\n{\"\\u0061\":\"z\"}\n{\"a\":\"w\",\"b\":3}\n",
        "a text, b int64",
        &["x|1", "y|2", "z|ABSENT", "w|3"],
    );
}

#[test]
fn lines_end_as_they_like_and_blank_ones_are_nothing() {
    check("\n  \r\n{\"a\":1}\r\n\r\n {\"a\":2} \n\n{\"a\":3}", "a int64", &["1", "2", "3"]);
    check("", "a int64", &[]);
}

#[test]
fn packed_and_encoded_files() {
    let text = "{\"a\":\"Zürich\"}\n{\"a\":\"𝄞\"}\n";
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [b"\xff\xfe", utf16.as_slice()].concat();
    for (path, content) in [
        ("a.jsonl", [b"\xef\xbb\xbf", text.as_bytes()].concat()),
        ("a.ndjson", marked.clone()),
        ("x/a.jsonl.gz", gzip(text.as_bytes())),
        ("a.ndjson.gz", gzip(&marked)),
    ] {
        let reading = Reading::at(path, content, "a text").limits(1, 1);
        assert_eq!(reading.read().lines(), ["Zürich", "𝄞"], "{path}");
        assert_eq!(reading.read_resuming().lines(), ["Zürich", "𝄞"], "{path}");
    }
}

proptest! {
    #[test]
    fn neither_reads_nor_pages_nor_restarts_matter(
        lines in prop::collection::vec("\\{(\"a\":([0-9]{1,3}|null|\"x\"))?\\}|\\{\"b\":\"[a-zü]{0,6}\"\\}|[{}x]{0,3}", 0..10),
        read_bytes in 1u64..50,
        rows in 1u32..4,
        bytes in 1u64..60,
    ) {
        let reading = Reading::of(lines.join("\n"), "a int64, b text");
        let expected = reading.read();
        let count = lines.iter().filter(|line| !line.is_empty()).count();
        prop_assert_eq!(expected.rows.len() + expected.rejected.len(), count);
        let cut = reading.short_reads(read_bytes).limits(rows, bytes);
        prop_assert_eq!(&cut.read(), &expected);
        let resumed = cut.read_resuming();
        prop_assert_eq!(resumed.rows, expected.rows);
        prop_assert_eq!(resumed.rejected, expected.rejected);
    }

    #[test]
    fn any_text_and_any_number_come_back(texts in prop::collection::vec(any::<String>(), 1..5), numbers in prop::collection::vec(any::<i64>(), 5)) {
        let object = |(text, number): (&String, &i64)| serde_json::json!({ "n": number, "t": text }).to_string() + "\n";
        let content: String = texts.iter().zip(&numbers).map(object).collect();
        let outcome = Reading::of(content, "t text, n int64").read();
        let expected: Vec<Vec<String>> = texts.iter().zip(&numbers).map(|(text, number)| vec![text.clone(), number.to_string()]).collect();
        prop_assert_eq!(outcome.rows, expected);
    }

    #[test]
    fn no_bytes_make_it_panic_or_lose_lines(content in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'"'), Just(b'{'), Just(b'}')], 0..80)) {
        let outcome = Reading::of(content.clone(), "a text").config(r#"{ "encoding": "latin-1" }"#).read();
        let lines = content.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
        prop_assert_eq!(outcome.rows.len() + outcome.rejected.len(), lines);
        let _ = Reading::of(content, "a int64").try_read();
    }
}
