//! Mistakes in `[connection.NAME]`.

use super::check;

#[test]
fn an_unknown_key_without_a_neighbour_lists_the_keys() {
    let report = check("files.data = { path", r#"files.data = { folder = "x", path"#);
    insta::assert_snapshot!(report, @r#"
    error[LS0203]: lockstep.toml:6: there is no key `folder` in `connection.files.files.data`
    hint: the keys here are `path`
    "#);
}

#[test]
fn a_missing_key_names_its_table() {
    let report = check("plugin = \"csv\"\n", "");
    insta::assert_snapshot!(report, @r#"
    error[LS0205]: lockstep.toml:4: `plugin` is missing in `connection.files`
    hint: for example `plugin = "csv"`
    "#);
}

#[test]
fn a_number_where_a_string_belongs() {
    let report = check(r#"plugin = "csv""#, "plugin = 7");
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:5: `connection.files.plugin` must be a string, found the number `7`
    hint: for example `plugin = "csv"`
    "#);
}

#[test]
fn a_secret_as_a_value() {
    let report = check(r#"{ path = "copy.db" }"#, r#"{ url = "postgres://shop:hunter2@db/shop" }"#);
    insta::assert_snapshot!(report, @r#"
    error[LS0208]: lockstep.toml:10: `connection.db.sql.main.url` must not hold a secret, only a reference to one
    hint: put the URL into an environment variable and write `url = "env:DATABASE_URL"`
    hint: or into a file only you can read and write `url = "file:secrets/database-url"`
    "#);
}

#[test]
fn a_url_without_a_password_is_a_reference_too() {
    let report = check(r#"{ path = "copy.db" }"#, r#"{ url = "postgres:///db?host=/tmp" }"#);
    insta::assert_snapshot!(report, @r#"
    error[LS0208]: lockstep.toml:10: `connection.db.sql.main.url` must not hold a secret, only a reference to one
    hint: put the URL into an environment variable and write `url = "env:DATABASE_URL"`
    hint: or into a file only you can read and write `url = "file:secrets/database-url"`
    "#);
}

#[test]
fn a_url_in_place_of_the_table() {
    let report = check(r#"{ path = "copy.db" }"#, r#""postgres://shop:hunter2@db/shop""#);
    insta::assert_snapshot!(report, @r#"
    error[LS0208]: lockstep.toml:10: `connection.db.sql.main` must not hold a secret, only a reference to one
    hint: put the URL into an environment variable and write `url = "env:DATABASE_URL"`
    hint: or into a file only you can read and write `url = "file:secrets/database-url"`
    "#);
}

#[test]
fn a_password_in_the_configuration() {
    let report = check(r#"plugin = "csv""#, "plugin = \"csv\"\nconfig = { api = { password = \"hunter2\" } }");
    insta::assert_snapshot!(report, @r#"
    error[LS0208]: lockstep.toml:6: `connection.files.config.api.password` must not hold a secret, only a reference to one
    hint: a plugin never sees a credential: give it to a grant, which the host uses for the plugin
    hint: for example `sql.main = { url = "env:DATABASE_URL" }`
    "#);
}

#[test]
fn a_reference_to_no_variable() {
    let report = check(r#"{ path = "copy.db" }"#, r#"{ url = "env:DATABASE URL" }"#);
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:10: `connection.db.sql.main.url` must name an environment variable behind `env:`
    hint: for example `sql.main = { url = "env:DATABASE_URL" }`
    "#);
}

#[test]
fn a_database_given_twice() {
    let report = check(r#"{ path = "copy.db" }"#, r#"{ path = "copy.db", url = "env:DATABASE_URL" }"#);
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:10: `connection.db.sql.main` must have either `url` or `path`, found both
    hint: for example `sql.main = { url = "env:DATABASE_URL" }`
    "#);
}

#[test]
fn a_size_that_is_none() {
    let report = check(r#"plugin = "csv""#, "plugin = \"csv\"\nlimits = { memory = \"64MB\", page_rows = 0 }");
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:6: `connection.files.limits.memory` is `64MB`: a size is a whole number with `B`, `KiB`, `MiB` or `GiB`
    hint: for example `memory = "64MiB"`

    error[LS0204]: lockstep.toml:6: `connection.files.limits.page_rows` must be between 1 and 4294967295, found `0`
    hint: for example `page_rows = 5000`
    "#);
}

#[test]
fn an_origin_with_a_path() {
    let report = check(r#"sql.main = { path = "copy.db" }"#, r#"http.api = { origin = "https://crm.example.com/v1" }"#);
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:10: `connection.db.http.api.origin` is not an origin: an origin ends behind the host and the port; paths belong to the plugin's config
    hint: for example `http.api = { origin = "https://crm.example.com" }`
    "#);
}

#[test]
fn an_origin_with_credentials() {
    let report = check(
        r#"sql.main = { path = "copy.db" }"#,
        r#"http.api = { origin = "https://shop:hunter2@crm.example.com" }"#,
    );
    insta::assert_snapshot!(report, @r#"
    error[LS0208]: lockstep.toml:10: `connection.db.http.api.origin` must not hold a secret, only a reference to one
    hint: write `http.api = { origin = "https://crm.example.com" }`
    "#);
}

#[test]
fn a_plugin_from_a_registry() {
    let report = check(r#"plugin = "csv""#, r#"plugin = "ghcr.io/acme/crm:1.2""#);
    insta::assert_snapshot!(report, @r#"
    error[LS0209]: lockstep.toml:5: `connection.files.plugin` names a plugin in a registry, which this version does not do yet
    hint: `lockstep explain LS0209` says what can be done instead
    "#);
}

#[test]
fn a_plugin_name_that_is_none() {
    let report = check(r#"plugin = "csv""#, r#"plugin = "CSV""#);
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:5: `connection.files.plugin` is `CSV`: a name consists of a-z, 0-9, `_` and `-`; `C` is none of these
    hint: for example `plugin = "csv"`
    "#);
}

#[test]
fn a_number_json_cannot_hold() {
    let report = check(r#"plugin = "csv""#, "plugin = \"csv\"\nconfig = { limit = inf }");
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:6: `connection.files.config.limit` must be finite, found the number `inf`
    hint: for example `config = { delimiter = ";" }`
    "#);
}
