//! The nasty files of `testdata/`.

use std::path::Path;

use lockstep_text_files::testing::Outcome;

use crate::Reading;

fn read(name: &str, config: &str) -> Outcome {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name);
    let content = std::fs::read(path).unwrap();
    let streams = Reading::at(name, content.clone(), "").config(config).discover(&[name]).unwrap();
    let fields: Vec<String> =
        streams[0].fields.iter().map(|field| format!("{} {}", field.name, field.logical_type)).collect();
    Reading::at(name, content, &fields.join(", ")).config(config).read()
}

fn codes(outcome: &Outcome) -> Vec<(&str, &str)> {
    outcome.rejected.iter().map(|rejected| (rejected.position.as_str(), rejected.code.as_str())).collect()
}

#[test]
fn excel() {
    let outcome = read("excel.csv", "");
    assert_eq!(outcome.lines(), ["1|Müller|1.234,50|01.02.2024", "2|O\"Neil|-,5|NULL"]);
    assert_eq!(outcome.rejected, []);
}

#[test]
fn utf16() {
    let outcome = read("utf16.csv", "");
    assert_eq!(outcome.lines(), ["1|Zürich|true", "2|東京|false"]);
}

#[test]
fn latin1() {
    let outcome = read("windows1252.csv", r#"{ "encoding": "windows-1252" }"#);
    assert_eq!(outcome.lines(), ["1|Café „Größe“|5 €"]);
    assert_eq!(codes(&read("windows1252.csv", "")), [("line 2", "csv.utf8")]);
}

#[test]
fn nasty() {
    let outcome = read("nasty.csv", r##"{ "comment": "#" }"##);
    assert_eq!(
        outcome.lines(),
        [
            "1|plain|10.00|NULL",
            "2|comma, inside|-0.50|",
            "3|\"quoted\" words|99999999999999999.99|two\nlines",
            "4|5\" pipe|0.1|# no comment",
            "9|after the faults|1|NULL",
            "10| spaces stay |2|last line without an end",
        ]
    );
    assert_eq!(
        codes(&outcome),
        [("line 8", "csv.columns"), ("line 9", "csv.columns"), ("line 10", "csv.quote"), ("line 11", "csv.quote")]
    );
}

#[test]
fn packed() {
    let outcome = read("members.csv.gz", "");
    assert_eq!(outcome.lines(), ["1|a", "2|b", "3|c"]);
}
