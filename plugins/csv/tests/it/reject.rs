//! What cannot be a row is refused, with everything a person needs to repair it; the rest goes on.

use lockstep_text_files::testing::Rejected;

use crate::Reading;

fn check(content: impl Into<Vec<u8>>, fields: &str, rows: &[&str], rejected: &[(&str, &str, &str, &str)]) {
    let content = content.into();
    // Alone and in company, with the fault at every place of a long stretch.
    for (before, behind) in [(0, 0), (3, 200), (90, 1)] {
        check_in_company(&content, fields, rows, rejected, before, behind);
    }
}

fn check_in_company(
    content: &[u8],
    fields: &str,
    rows: &[&str],
    rejected: &[(&str, &str, &str, &str)],
    before: usize,
    behind: usize,
) {
    let at = content.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let filler: &[u8] = if fields.contains("text") { b"1,a\n" } else { b"1,2\n" };
    let rows_of_filler = |count| vec![if fields.contains("text") { "1|a" } else { "1|2" }; count];
    let content = [&content[..at], &filler.repeat(before), &content[at..], &filler.repeat(behind)].concat();
    let outcome = Reading::of(content, fields).read();
    let expected = [rows_of_filler(before), rows.to_vec(), rows_of_filler(behind)].concat();
    assert_eq!(outcome.lines(), expected);
    let expected: Vec<Rejected> = rejected.iter().map(|expected| shifted(*expected, before)).collect();
    assert_eq!(outcome.rejected, expected);
}

/// The same, so many lines further down.
fn shifted((line, raw, code, message): (&str, &str, &str, &str), lines: usize) -> Rejected {
    let number = |line: &str| (line.parse::<usize>().unwrap() + lines).to_string();
    let mut message = message.to_owned();
    while let Some((head, tail)) = message.split_once('<').map(|(head, tail)| (head.to_owned(), tail.to_owned())) {
        let (line, tail) = tail.split_once('>').unwrap();
        message = format!("{head}{}{tail}", number(line));
    }
    Rejected { position: format!("line {}", number(line)), raw: raw.to_owned(), code: code.to_owned(), message }
}

#[test]
fn values_that_do_not_fit() {
    check(
        "id,n\n1,x\n2,9223372036854775808\n3,4\n",
        "id int64, n int64",
        &["3|4"],
        &[
            ("2", "1,x", "csv.value", "`a.csv` line <2>: `n` is `x`, which is not int64: not a whole number"),
            (
                "3",
                "2,9223372036854775808",
                "csv.value",
                "`a.csv` line <3>: `n` is `9223372036854775808`, which is not int64: out of the range of 64 bits",
            ),
        ],
    );
}

#[test]
fn records_of_another_width() {
    check(
        "id,n\n1\n1,2,3\n4,5\n",
        "id int64, n int64",
        &["4|5"],
        &[
            ("2", "1", "csv.columns", "`a.csv` line <2>: the record has 1 field, but the file has 2 columns"),
            ("3", "1,2,3", "csv.columns", "`a.csv` line <3>: the record has 3 fields, but the file has 2 columns"),
        ],
    );
}

#[test]
fn text_that_is_not_utf8() {
    check(
        &b"id,name\n1,Z\xfcrich\n2,ok\n"[..],
        "id int64, name text",
        &["2|ok"],
        &[("2", "1,Z\u{fffd}rich", "csv.utf8", "`a.csv` line <2>: `name` is `Z\u{fffd}rich`, which is not UTF-8")],
    );
}

#[test]
fn what_is_not_wanted_does_no_harm() {
    let outcome = Reading::of(&b"id,name\n1,Z\xfcrich\n2,ok\n"[..], "id int64").read();
    assert_eq!((outcome.lines(), outcome.rejected.len()), (vec!["1".to_owned(), "2".to_owned()], 0));
}

#[test]
fn lost_quotes() {
    check(
        "id,name\n1,\"a\n2,\"b\"\n3,\"c\"d\n4,e\n",
        "id int64, name text",
        &["2|b", "4|e"],
        &[
            (
                "2",
                "1,\"a\n",
                "csv.quote",
                "`a.csv` line <2>: the quote opened on line <2> is closed on line <3> in the middle of a field",
            ),
            (
                "4",
                "3,\"c\"d\n",
                "csv.quote",
                "`a.csv` line <4>: the quote opened on line <4> is closed in the middle of a field",
            ),
        ],
    );
    let outcome = Reading::of("id,name\n1,\"a\nb\",\"c\n2,x\n3,y", "id int64, name text").read();
    assert_eq!(outcome.lines(), ["2|x", "3|y"]);
    assert_eq!(outcome.rejected[0].raw, "1,\"a\nb\",\"c\n");
    assert_eq!(outcome.rejected[0].message, "`a.csv` line 2: the quote opened on line 3 is never closed");
}

#[test]
fn the_hint_declares_the_type() {
    let page = Reading::of("id,zip code\n1,x\n", "zip code int64").pages().unwrap().remove(0);
    let error = &page.rejected[0].error;
    assert_eq!(error.kind, "invalid-data");
    assert_eq!(error.property("field"), Some("zip code"));
    assert_eq!(
        error.property("hint"),
        Some("declare the column's type beside the stream: types = { \"zip code\" = \"text\" }")
    );
}

#[test]
fn a_record_without_end_costs_little_memory_and_no_other_record() {
    let endless = "x".repeat(9 << 20);
    let outcome = Reading::of(format!("id,name\n1,a\n2,{endless}\n3,c\n"), "id int64, name text").read();
    assert_eq!(outcome.lines(), ["1|a", "3|c"]);
    assert_eq!((outcome.rejected[0].code.as_str(), outcome.rejected[0].position.as_str()), ("csv.length", "line 3"));
    assert_eq!(outcome.rejected[0].raw.len(), 64 << 10);
}

#[test]
fn a_quote_that_is_never_closed_does_not_swallow_the_file() {
    let rows = "7,\"b\"\n".repeat(2 << 20);
    let outcome = Reading::of(format!("id,name\n1,\"a\n{}8,c\n", rows.replace('"', "")), "id int64, name text").read();
    assert_eq!(outcome.rejected.len(), 1);
    assert_eq!(outcome.rejected[0].message, "`a.csv` line 2: the quote opened on line 2 is never closed");
    assert_eq!(outcome.rows.len(), (2 << 20) + 1);
}

#[test]
fn rejections_fill_pages_too() {
    let pages = Reading::of(format!("id\n{}", "x\n".repeat(50)), "id int64").limits(7, 1 << 20).pages().unwrap();
    assert!(pages.iter().all(|page| page.rejected.len() <= 7));
    assert_eq!(pages.iter().map(|page| page.rejected.len()).sum::<usize>(), 50);
    let pages = Reading::of(format!("id\n{}", "x\n".repeat(50)), "id int64").limits(100, 1).pages().unwrap();
    assert!(pages.iter().all(|page| page.rejected.len() <= 1));
}
