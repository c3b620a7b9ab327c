//! Values arrive as they were written.

use proptest::prelude::*;

use lockstep_text_files::testing::gzip;

use crate::Reading;

fn check(content: &str, fields: &str, expected: &[&str]) {
    let outcome = Reading::of(content, fields).read();
    assert_eq!(outcome.lines(), expected, "{content:?}");
    assert_eq!(outcome.rejected, [], "{content:?}");
    assert_eq!(outcome.status, "enumeration-complete");
}

#[test]
fn every_type() {
    check(
        "id,flag,price,born,seen,wall,ratio,code,note\n\
         -7,true,12.50,2024-02-29,2026-11-21T13:00:00+01:00,2026-11-21 12:00:00,1.5e3,67e55044-10b1-426f-9247-bb680e5fe0c8,x\n",
        "id int64, flag bool, price decimal, born date, seen timestamp, wall datetime, ratio float64, code uuid, note text",
        &["-7|true|12.50|19782|1795262400000000|1795262400000000|1500|67e55044-10b1-426f-9247-bb680e5fe0c8|x"],
    );
}

#[test]
fn null_and_the_empty_text_are_not_the_same() {
    check("a,b\n,\"\"\n\"\",\n", "a text, b text", &["NULL|", "|NULL"]);
    let nulls = Reading::of("a,b\nNULL,\n\"NULL\",-\n", "a text, b text").config(r#"{ "null": ["NULL", "-"] }"#);
    assert_eq!(nulls.read().rows, [["NULL", ""], ["NULL", "NULL"]]);
    let quoted = Reading::of("a,b\n\"\",x\n", "a int64, b text").config(r#"{ "null_quoted": true }"#);
    assert_eq!(quoted.read().lines(), ["NULL|x"]);
}

#[test]
fn quotes_keep_everything() {
    check(
        "id,note\r\n1,\"two\r\nlines, one \"\"word\"\"\"\r\n2,\"lf\nonly\"\r\n3,\"cr\ronly\"",
        "id int64, note text",
        &["1|two\r\nlines, one \"word\"", "2|lf\nonly", "3|cr\ronly"],
    );
}

#[test]
fn lines_end_in_three_ways_and_blank_ones_are_nothing() {
    check("a,b\r\r1,x\n\n\r\n2,y\r\n\n3,z", "a int64, b text", &["1|x", "2|y", "3|z"]);
}

#[test]
fn a_projection_takes_the_wanted_columns_in_the_wanted_order() {
    check("a,b,c\n1,x,not a number\n2,y,\n", "b text, a int64", &["x|1", "y|2"]);
}

#[test]
fn columns_without_a_name_are_numbered() {
    check("a,,c\n1,2,3\n", "column_2 int64, c text", &["2|3"]);
}

#[test]
fn files_without_a_header() {
    let none = Reading::of("1,x\n2,y\n", "column_1 int64, column_2 text").config(r#"{ "header": false }"#);
    assert_eq!(none.read().lines(), ["1|x", "2|y"]);
    let named = r#"{ "header": false, "columns": ["id", "name"] }"#;
    assert_eq!(Reading::of("1,x\n", "id int64, name text").config(named).read().lines(), ["1|x"]);
    let renamed = r#"{ "columns": ["id", "name"] }"#;
    assert_eq!(Reading::of("a,a\n1,x\n", "id int64, name text").config(renamed).read().lines(), ["1|x"]);
}

#[test]
fn delimiters_are_found_out() {
    for delimiter in [",", ";", "\t", "|"] {
        let content = "id,\"a name\",price\n1,x,2\n".replace(',', delimiter);
        assert_eq!(Reading::of(content, "id int64, price int64").read().lines(), ["1|2"], "{delimiter:?}");
    }
    check("id;price in EUR, net;d\n1;2,5;3\n", "id int64, d int64", &["1|3"]);
}

#[test]
fn what_stands_before_the_header_is_skipped() {
    let config = r##"{ "skip_lines": 2, "comment": "#" }"##;
    let reading =
        Reading::of("Export of today\r\n\"unclosed\n# a,b,c\nid,name\n1,x\n# 2,y\n3,#z\n", "id int64, name text");
    assert_eq!(reading.config(config).read().lines(), ["1|x", "3|#z"]);
}

#[test]
fn words_for_true_and_false() {
    let reading =
        Reading::of("a\nja\nNEIN\n\n", "a bool").config(r#"{ "true_words": ["ja"], "false_words": ["nein"] }"#);
    assert_eq!(reading.read().lines(), ["true", "false"]);
}

#[test]
fn encodings() {
    let text = "id,name\r\n1,Zürich €\r\n2,\"𝄞 \"\"x\"\"\"\r\n";
    let expected = ["1|Zürich €", "2|𝄞 \"x\""];
    let units: Vec<u16> = text.encode_utf16().collect();
    let le: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let be: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    for (content, encoding) in [
        (text.as_bytes().to_vec(), "auto"),
        ([b"\xef\xbb\xbf", text.as_bytes()].concat(), "auto"),
        ([b"\xff\xfe", le.as_slice()].concat(), "auto"),
        ([b"\xfe\xff", be.as_slice()].concat(), "auto"),
        (le, "utf-16le"),
        (be, "utf-16be"),
    ] {
        let reading =
            Reading::of(content.clone(), "id int64, name text").config(&format!(r#"{{ "encoding": "{encoding}" }}"#));
        assert_eq!(reading.read().lines(), expected, "{encoding}");
        let packed = Reading::at("a.csv.gz", gzip(&content), "id int64, name text")
            .config(&format!(r#"{{ "encoding": "{encoding}" }}"#));
        assert_eq!(packed.limits(1, 1).read_resuming().lines(), expected, "{encoding}, packed");
    }
    let latin = Reading::of(&b"id;name\n1;Z\xfcrich \x80\n"[..], "id int64, name text");
    assert_eq!(latin.clone().config(r#"{ "encoding": "windows-1252" }"#).read().lines(), ["1|Zürich €"]);
    assert_eq!(latin.config(r#"{ "encoding": "latin-1" }"#).read().lines(), ["1|Zürich \u{80}"]);
}

#[test]
fn pages_obey_their_limits() {
    let content = format!("id,name\n{}", "1,xxxxxxxxxx\n".repeat(5000));
    let pages = Reading::of(content.as_str(), "id int64, name text").limits(300, 1 << 20).pages().unwrap();
    assert!(pages.iter().all(|page| page.changes.data.rows <= 300));
    assert_eq!(pages.iter().map(|page| page.changes.data.rows).sum::<u32>(), 5000);
    // A row takes 8 + 4 + 10 bytes.
    let pages = Reading::of(content.as_str(), "id int64, name text").limits(10_000, 2200).pages().unwrap();
    assert_eq!(pages[0].changes.data.rows, 100);
    let pages = Reading::of(content.as_str(), "id int64, name text").limits(10_000, 1).pages().unwrap();
    assert_eq!(pages[0].changes.data.rows, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn neither_reads_nor_pages_nor_restarts_matter(
        content in "(([0-9]{1,3}|x|\"[0-9]\"),([a-zü,\"\n\r]{0,3}|\"[a-z,\n\r]{0,4}(\"\")?\")(\n|\r\n|\r|\n\n)){0,12}",
        read_bytes in 1u64..50,
        rows in 1u32..5,
        bytes in 1u64..60,
    ) {
        let content = format!("id,name\n{content}");
        let reading = Reading::of(content.as_str(), "id int64, name text");
        let expected = reading.read();
        let cut = reading.short_reads(read_bytes).limits(rows, bytes);
        prop_assert_eq!(&cut.read(), &expected);
        let resumed = cut.read_resuming();
        prop_assert_eq!(resumed.rows, expected.rows);
        prop_assert_eq!(resumed.rejected, expected.rejected);
    }

    #[test]
    fn what_is_written_with_quotes_is_read_as_it_was(rows in prop::collection::vec(("\\PC{0,8}", "[\"\n\r,;a ]{0,6}"), 0..8)) {
        let quote = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let lines: String = rows.iter().map(|(a, b)| format!("{},{}\n", quote(a), quote(b))).collect();
        let outcome = Reading::of(format!("a,b\n{lines}"), "a text, b text").read();
        let expected: Vec<Vec<String>> = rows.into_iter().map(|(a, b)| vec![a, b]).collect();
        prop_assert_eq!(outcome.rows, expected);
    }

    #[test]
    fn no_bytes_make_it_panic_or_lose_records(content in prop::collection::vec(prop_oneof![any::<u8>(), Just(b','), Just(b'"'), Just(b'\n'), Just(b'1')], 0..80)) {
        let bytes = [&b"a,b\n"[..], &content].concat();
        let one = Reading::of(bytes.clone(), "a text, b text").config(r#"{ "encoding": "utf-8", "quote": "" }"#);
        let outcome = one.read();
        let lines = content.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty()).count();
        prop_assert_eq!(outcome.rows.len() + outcome.rejected.len(), lines);
        let _ = Reading::of(bytes, "a int64, b date").try_read();
    }
}
