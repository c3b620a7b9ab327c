//! Mistakes in `[lineage]`.

/// The report on the good project with this behind it.
fn check(table: &str) -> String {
    super::check("[sync.customers]", &format!("[lineage]\n{table}\n\n[sync.customers]"))
}

#[test]
fn an_unknown_key() {
    insta::assert_snapshot!(check("openlinage = { file = \"a\" }"), @"");
    insta::assert_snapshot!(check("openlineage = { url = \"http://a\", apikey = \"env:A\" }"), @"");
}

#[test]
fn both_ways_or_none() {
    insta::assert_snapshot!(check("openlineage = { file = \"a\", url = \"http://a\" }"), @"");
    insta::assert_snapshot!(check("openlineage = { namespace = \"a\" }"), @"");
}

#[test]
fn a_file_has_no_key() {
    insta::assert_snapshot!(check("openlineage = { file = \"a\", api_key = \"env:A\" }"), @"");
}

#[test]
fn what_is_no_url_of_a_consumer() {
    insta::assert_snapshot!(check("openlineage = { url = \"marquez:5000\" }"), @"");
    insta::assert_snapshot!(check("openlineage = { url = \"not a url\" }"), @"");
    insta::assert_snapshot!(check("openlineage = { url = \"http://a/?key=hunter2\" }"), @"");
}

#[test]
fn a_secret_as_a_value() {
    insta::assert_snapshot!(check("openlineage = { url = \"http://me:hunter2@a\" }"), @"");
    insta::assert_snapshot!(check("openlineage = { url = \"http://a\", api_key = \"hunter2\" }"), @"");
}

#[test]
fn values_that_make_no_sense() {
    insta::assert_snapshot!(check("openlineage = { url = \"http://a\", timeout = \"0s\", namespace = \"\" }"), @"");
}
