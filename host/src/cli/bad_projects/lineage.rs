//! Mistakes in `[lineage]`.

/// The report on the good project with this behind it.
fn check(table: &str) -> String {
    super::check("[sync.customers]", &format!("[lineage]\n{table}\n\n[sync.customers]"))
}

#[test]
fn an_unknown_key() {
    insta::assert_snapshot!(check("openlinage = { file = \"a\" }"), @r#"
    error[LS0203]: lockstep.toml:13: there is no key `openlinage` in `lineage`
    hint: did you mean `openlineage`?
    "#);
    insta::assert_snapshot!(check("openlineage = { url = \"http://a\", apikey = \"env:A\" }"), @r#"
    error[LS0203]: lockstep.toml:13: there is no key `apikey` in `lineage.openlineage`
    hint: did you mean `api_key`?
    "#);
}

#[test]
fn both_ways_or_none() {
    insta::assert_snapshot!(check("openlineage = { file = \"a\", url = \"http://a\" }"), @r#"
    error[LS0204]: lockstep.toml:13: `lineage.openlineage` must have either `file` or `url`, found both
    hint: for example `openlineage = { file = "lineage.ndjson" }`
    "#);
    insta::assert_snapshot!(check("openlineage = { namespace = \"a\" }"), @r#"
    error[LS0204]: lockstep.toml:13: `lineage.openlineage` must have either `file` or `url`, found neither
    hint: for example `openlineage = { file = "lineage.ndjson" }`
    "#);
}

#[test]
fn a_file_has_no_key() {
    insta::assert_snapshot!(check("openlineage = { file = \"a\", api_key = \"env:A\" }"), @r#"
    error[LS0204]: lockstep.toml:13: `lineage.openlineage` has `api_key` or `timeout`, which belong to `url`; a file needs neither
    hint: for example `openlineage = { file = "lineage.ndjson" }`
    "#);
}

#[test]
fn what_is_no_url_of_a_consumer() {
    insta::assert_snapshot!(check("openlineage = { url = \"marquez:5000\" }"), @r#"
    error[LS0204]: lockstep.toml:13: `lineage.openlineage.url` must begin with `http://` or `https://`
    hint: for example `url = "http://127.0.0.1:5000"`
    "#);
    insta::assert_snapshot!(check("openlineage = { url = \"not a url\" }"), @r#"
    error[LS0204]: lockstep.toml:13: `lineage.openlineage.url` is not a URL
    hint: for example `url = "http://127.0.0.1:5000"`
    "#);
    insta::assert_snapshot!(check("openlineage = { url = \"http://a/?key=hunter2\" }"), @r#"
    error[LS0204]: lockstep.toml:13: `lineage.openlineage.url` must end with the path, without `?` and `#`
    hint: for example `url = "http://127.0.0.1:5000"`
    "#);
}

#[test]
fn a_secret_as_a_value() {
    insta::assert_snapshot!(check("openlineage = { url = \"http://me:hunter2@a\" }"), @r#"
    error[LS0208]: lockstep.toml:13: `lineage.openlineage.url` must not hold a secret, only a reference to one
    hint: put the key into an environment variable and write `api_key = "env:OPENLINEAGE_API_KEY"`
    hint: or into a file only you can read and write `api_key = "file:secrets/openlineage"`
    "#);
    insta::assert_snapshot!(check("openlineage = { url = \"http://a\", api_key = \"hunter2\" }"), @r#"
    error[LS0208]: lockstep.toml:13: `lineage.openlineage.api_key` must not hold a secret, only a reference to one
    hint: put the key into an environment variable and write `api_key = "env:OPENLINEAGE_API_KEY"`
    hint: or into a file only you can read and write `api_key = "file:secrets/openlineage"`
    "#);
}

#[test]
fn values_that_make_no_sense() {
    insta::assert_snapshot!(check("openlineage = { url = \"http://a\", timeout = \"0s\", namespace = \"\" }"), @r#"
    error[LS0204]: lockstep.toml:13: `lineage.openlineage.timeout` must be more than nothing
    hint: for example `timeout = "5s"`

    error[LS0204]: lockstep.toml:13: `lineage.openlineage.namespace` must not be empty
    hint: for example `namespace = "acme"`
    "#);
}
