//! Mistakes in `http.ALIAS` and `budget` of a connection.

use super::check;

/// The report on an endpoint with this `auth`.
fn check_auth(auth: &str) -> String {
    check(
        r#"sql.main = { path = "copy.db" }"#,
        &format!("http.api = {{ origin = \"https://a.example\", auth = {{ {auth} }} }}"),
    )
}

fn check_budget(budget: &str) -> String {
    check(r#"sql.main = { path = "copy.db" }"#, &format!("budget = {{ {budget} }}"))
}

#[test]
fn a_secret_in_place_of_a_reference() {
    insta::assert_snapshot!(check_auth(r#"bearer = "hunter2""#), @r#"
    error[LS0208]: lockstep.toml:10: `connection.db.http.api.auth.bearer` must not hold a secret, only a reference to one
    hint: put it into an environment variable and write `bearer = "env:CRM_SECRET"`
    hint: or into a file only you can read and write `bearer = "file:secrets/crm"`
    hint: or let a program print it and write `bearer = "command:pass show crm"`
    "#);
    let report = check_auth(r#"header = { "X Key!" = "env:A", X-Api-Key = "hunter2" }"#);
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:10: `connection.db.http.api.auth.header."X Key!"` is not the name of a header
    hint: for example `header = { X-Api-Key = "env:CRM_KEY" }`

    error[LS0208]: lockstep.toml:10: `connection.db.http.api.auth.header.X-Api-Key` must not hold a secret, only a reference to one
    hint: put it into an environment variable and write `X-Api-Key = "env:CRM_SECRET"`
    hint: or into a file only you can read and write `X-Api-Key = "file:secrets/crm"`
    hint: or let a program print it and write `X-Api-Key = "command:pass show crm"`
    "#);
    assert!(!report.contains("hunter2"));
}

#[test]
fn a_user_without_a_password_may_be_a_secret() {
    let report = check_auth(r#"basic = { user = "sk_live_hunter2" }"#);
    insta::assert_snapshot!(report, @r#"
    error[LS0208]: lockstep.toml:10: `connection.db.http.api.auth.basic.user` must not hold a secret, only a reference to one
    hint: give the password too: `basic = { user = "lockstep", password = "env:CRM_PASSWORD" }`
    hint: or, if the user's name is the key, a reference to it: `basic = { user = "env:CRM_KEY" }`
    "#);
    assert!(!report.contains("hunter2"));
}

#[test]
fn nothing_and_too_much() {
    insta::assert_snapshot!(check_auth(""), @r#"
    error[LS0204]: lockstep.toml:10: `connection.db.http.api.auth` must have one of `basic`, `bearer`, `oauth2`, `jwt_bearer`, `header`, `query`, `body` and `wss`
    hint: for example `auth = { bearer = "env:CRM_TOKEN" }`
    "#);
    let literal = check_auth(r#"body = { api_key = "hunter2-hunter2" }"#);
    assert!(literal.contains("LS0208") && !literal.contains("hunter2"), "{literal}");
    insta::assert_snapshot!(check_auth(r#"bearer = "env:A", header = { authorization = "env:B" }"#), @r#"
    error[LS0204]: lockstep.toml:10: `connection.db.http.api.auth` fills the header `Authorization` twice: one of `basic`, `bearer`, `oauth2`, `jwt_bearer` and `header` can
    hint: for example `auth = { bearer = "env:CRM_TOKEN" }`
    "#);
}

#[test]
fn headers_of_the_host() {
    insta::assert_snapshot!(check_auth(r#"header = { Host = "env:A" }"#), @r#"
    error[LS0204]: lockstep.toml:10: `connection.db.http.api.auth.header.Host` is a header that only the host may set
    hint: for example `header = { X-Api-Key = "env:CRM_KEY" }`
    "#);
}

#[test]
fn a_token_url_that_is_none() {
    let oauth2 =
        |url: &str| check_auth(&format!("oauth2 = {{ token_url = \"{url}\", client_id = \"a\", secret = \"env:B\" }}"));
    insta::assert_snapshot!(oauth2("login"), @r#"
    error[LS0204]: lockstep.toml:10: `connection.db.http.api.auth.oauth2.token_url` is not a URL
    hint: for example `token_url = "https://login.example.com/token"`
    "#);
    insta::assert_snapshot!(oauth2("http://login.example.com/token"), @r#"
    error[LS0204]: lockstep.toml:10: `connection.db.http.api.auth.oauth2.token_url` would send credentials without encryption
    hint: for example `token_url = "https://login.example.com/token"`
    "#);
    let report = oauth2("https://u:hunter2@login.example.com/token");
    insta::assert_snapshot!(report, @r#"
    error[LS0208]: lockstep.toml:10: `connection.db.http.api.auth.oauth2.token_url` must not hold a secret, only a reference to one
    hint: write `token_url = "https://login.example.com/token"`
    "#);
    assert!(!report.contains("hunter2"));
}

#[test]
fn a_client_without_a_secret() {
    insta::assert_snapshot!(check_auth(r#"oauth2 = { token_url = "https://l.example/token", client_id = "a", scop = "b" }"#), @r#"
    error[LS0203]: lockstep.toml:10: there is no key `scop` in `connection.db.http.api.auth.oauth2`
    hint: did you mean `scope`?

    error[LS0205]: lockstep.toml:10: `secret` is missing in `connection.db.http.api.auth.oauth2`
    hint: for example `secret = "env:CRM_SECRET"`
    "#);
}

#[test]
fn an_algorithm_nobody_offers() {
    let report = check_auth(
        r#"jwt_bearer = { token_url = "https://l.example/token", issuer = "a", key = "file:k.pem", algorithm = "none" }"#,
    );
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:10: `connection.db.http.api.auth.jwt_bearer.algorithm` must be `RS256` or `ES256`, found `none`
    hint: for example `algorithm = "ES256"`
    "#);
}

#[test]
fn credentials_without_encryption() {
    let report = check(
        r#"sql.main = { path = "copy.db" }"#,
        r#"http.api = { origin = "http://a.example", auth = { bearer = "env:A" } }"#,
    );
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:10: `connection.db.http.api.auth` would send credentials without encryption
    hint: for example `origin = "https://crm.example.com"` or, for a server in the same protected network, `allow_private = true`
    "#);
}

#[test]
fn a_command_with_an_open_quote() {
    insta::assert_snapshot!(check_auth(r#"bearer = "command:pass show 'crm""#), @r#"
    error[LS0204]: lockstep.toml:10: `connection.db.http.api.auth.bearer` must name a program behind `command:`, with every quote closed
    hint: for example `bearer = "env:CRM_TOKEN"`
    "#);
}

#[test]
fn budgets_out_of_range() {
    insta::assert_snapshot!(check_budget("requests_per_second = 0, concurrency = 0, daily = -1, reserve = 2.0"), @r#"
    error[LS0204]: lockstep.toml:10: `connection.db.budget.requests_per_second` must be between 0.0001 and 10000, found the number `0`
    hint: for example `requests_per_second = 10`

    error[LS0204]: lockstep.toml:10: `connection.db.budget.concurrency` must be between 1 and 1000, found `0`
    hint: for example `concurrency = 4`

    error[LS0204]: lockstep.toml:10: `connection.db.budget.daily` must be between 1 and 4294967295, found `-1`
    hint: for example `daily = 50000`

    error[LS0204]: lockstep.toml:10: `connection.db.budget.reserve` must be between 0 and 1, found the number `2`
    hint: for example `reserve = 0.2`
    "#);
    insta::assert_snapshot!(check_budget("reserve = 0.2"), @r#"
    error[LS0204]: lockstep.toml:10: `connection.db.budget.reserve` is a share of `daily`, which is missing
    hint: for example `daily = 50000, reserve = 0.2`
    "#);
    insta::assert_snapshot!(check_budget(r#"headers = { remaining = "X Left", dayly_used = "X" }"#), @r#"
    error[LS0204]: lockstep.toml:10: `connection.db.budget.headers.remaining` is not the name of a header
    hint: for example `headers = { remaining = "X-HubSpot-RateLimit-Remaining" }`

    error[LS0203]: lockstep.toml:10: there is no key `dayly_used` in `connection.db.budget.headers`
    hint: did you mean `daily_used`?
    "#);
}
