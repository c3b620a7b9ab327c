//! Credentials that are the same for every request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::lab::{Lab, ask, send};
use super::server::{Answer, Server};

const SECRET: &str = "hunter2/+ \"correct horse\" battery";

fn keys(server: &Server, auth: &str) -> String {
    format!("http.api = {{ origin = \"{}\", allow_private = true, auth = {{ {auth} }} }}", server.url())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_reaches_the_upstream() {
    let server = Server::start(|_, _| Answer::status(200));
    let lab = Lab::new(SECRET);
    let basic = STANDARD.encode(format!("anna:{SECRET}"));
    let key_alone = STANDARD.encode(format!("{SECRET}:"));
    for (auth, header, value) in [
        (r#"basic = { user = "anna", password = "file:secret" }"#, "authorization", format!("Basic {basic}")),
        (r#"basic = { user = "file:secret" }"#, "authorization", format!("Basic {key_alone}")),
        (r#"bearer = "file:secret""#, "authorization", format!("Bearer {SECRET}")),
        (r#"bearer = "command:cat secret""#, "authorization", format!("Bearer {SECRET}")),
        (r#"header = { X-Api-Key = "file:secret" }"#, "x-api-key", SECRET.to_owned()),
    ] {
        assert_eq!(ask(&lab.connect(&keys(&server, auth)), "GET", "/x").await.status, 200, "{auth}");
        assert_eq!(server.requests().last().unwrap().headers.get(header), Some(&value), "{auth}");
    }
    let connector = lab.connect(&keys(&server, r#"query = { api_key = "file:secret" }"#));
    ask(&connector, "GET", "/x?a=%20b&api_key=mine").await;
    let parameter = "api_key=hunter2%2F%2B+%22correct+horse%22+battery";
    assert_eq!(server.requests().last().unwrap().target, format!("/x?a=%20b&{parameter}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_cannot_say_who_it_is() {
    let server = Server::start(|_, _| Answer::status(200));
    let lab = Lab::new(SECRET);
    let connector = lab.connect(&keys(&server, r#"header = { X-Api-Key = "file:secret" }"#));
    for name in ["Authorization", "Cookie", "Accept-Encoding", "Host"] {
        let answer = send(&connector, &json!([[{ "target": "/", "headers": [[name, "mine"]] }]])).await.remove(0);
        assert_eq!(answer.code(), "LS0505", "{name}: {answer:?}");
    }
    assert!(server.requests().is_empty());
    // In place of what the plugin says, not beside it.
    send(&connector, &json!([[{ "target": "/", "headers": [["x-api-key", "mine"]] }]])).await;
    assert_eq!(server.requests()[0].headers["x-api-key"], SECRET);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_echo_is_overwritten_wherever_it_stands() {
    let percent: String = SECRET.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let forms = [
        SECRET.to_owned(),
        STANDARD.encode(SECRET),
        STANDARD.encode(format!("Bearer {SECRET}")),
        percent,
        serde_json::to_string(SECRET).unwrap(),
    ];
    let echoes = forms.clone();
    let server = Server::start(move |number, _| {
        let echo = &echoes[number / 2 % echoes.len()];
        let status = if number % 2 == 0 { 200 } else { 400 };
        Answer::Reply { status, headers: vec![("x-echo", echo.clone())], body: format!("<{echo}>").into_bytes() }
    });
    let connector = Lab::new(SECRET).connect(&keys(&server, r#"bearer = "file:secret""#));
    for form in &forms {
        for _ in 0..2 {
            let answer = ask(&connector, "GET", "/x").await;
            let middle = &form[4..form.len() - 4];
            assert!(!answer.body.contains(middle) && !answer.headers.contains(middle), "{form}: {answer:?}");
            assert!(answer.body.contains("********") && answer.headers.contains("********"), "{form}: {answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_echo_in_a_failure_is_overwritten_too() {
    let server = Server::start(|_, request| {
        let body = request.headers["authorization"].clone().into_bytes();
        Answer::Reply { status: 503, headers: Vec::new(), body }
    });
    let connector = Lab::new(SECRET).connect(&keys(&server, r#"bearer = "file:secret""#));
    let answer = ask(&connector, "POST", "/x").await;
    assert!(answer.property("detail").unwrap().contains("Bearer ****"), "{answer:?}");
    assert!(!answer.error.to_string().contains("correct horse"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_compressed_unasked_does_not_get_past() {
    let server = Server::start(|_, _| Answer::body("\u{1f}").header("content-encoding", "gzip"));
    let connector = Lab::new(SECRET).connect(&keys(&server, r#"bearer = "file:secret""#));
    let answer = ask(&connector, "GET", "/x").await;
    assert_eq!((answer.status, answer.code()), (0, "LS0507"), "{answer:?}");
    assert_eq!(server.requests()[0].headers["accept-encoding"], "identity");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_origin_gets_them() {
    let other = Server::start(|_, _| Answer::status(200));
    let elsewhere = other.url();
    let server = Server::start(move |_, _| Answer::status(302).header("location", format!("{elsewhere}/stolen")));
    let connector = Lab::new(SECRET).connect(&keys(&server, r#"bearer = "file:secret""#));
    // Redirects are for the plugin to read, and it gets no further than its origin.
    assert_eq!(ask(&connector, "GET", "/x").await.status, 302);
    assert_eq!(ask(&connector, "GET", &format!("{}/stolen", other.url())).await.code(), "LS0505");
    let by_name = format!("http://localhost:{}/x", server.port);
    assert_eq!(ask(&connector, "GET", &by_name).await.code(), "LS0505");
    assert!(other.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_changed_is_read_again() {
    let server = Server::start(|_, request| {
        Answer::status(if request.headers["authorization"] == "Bearer new-secret" { 200 } else { 401 })
    });
    let lab = Lab::new("old-secret");
    let connector = lab.connect(&keys(&server, r#"bearer = "file:secret""#));
    // The same secret once more would be no use.
    assert_eq!(ask(&connector, "GET", "/x").await.status, 401);
    assert_eq!(server.requests().len(), 1);
    std::fs::write(lab.path().join("secret"), "new-secret").unwrap();
    assert_eq!(ask(&connector, "POST", "/x").await.status, 200);
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn what_cannot_be_used_is_refused_with_its_line() {
    let lab = Lab::new("two\nlines");
    let refusal = |keys: &str| lab.try_connect(keys).err().map(|error| error.to_string()).unwrap_or_default();
    let endpoint = |auth: &str| format!("http.api = {{ origin = \"https://a.example\", auth = {{ {auth} }} }}");
    let missing = refusal(&endpoint(r#"bearer = "file:nowhere""#));
    assert_eq!(missing, "lockstep.toml:5: the secret of `connection.crm.http.api.auth.bearer` is not there");
    let broken = refusal(&endpoint(r#"bearer = "file:secret""#));
    assert!(broken.starts_with("lockstep.toml:5: `connection.crm.http.api.auth.bearer`: leads to"), "{broken}");
    let no_key =
        refusal(&endpoint(r#"jwt_bearer = { token_url = "https://a.example/t", issuer = "a", key = "file:secret" }"#));
    assert!(no_key.contains("lockstep.toml:5: `connection.crm.http.api.auth.jwt_bearer.key`: it holds no"), "{no_key}");
    let no_authority = refusal("http.api = { origin = \"https://a.example\", ca = \"secret\" }");
    assert!(no_authority.contains("lockstep.toml:5: `connection.crm.http.api.ca`: `"), "{no_authority}");
    for said in [missing, broken, no_key, no_authority] {
        assert!(!said.contains("lines"), "{said}");
    }
}

#[tokio::test]
async fn a_session_is_kept_and_neither_shown_nor_shared() {
    let server = Server::start(|_, _| Answer::body("x").header("set-cookie", "session=S1; Path=/; HttpOnly"));
    let lab = Lab::new("");
    let keys = format!("http.api = {{ origin = \"{}\", allow_private = true }}", server.url());
    let (one, other) = (lab.connect(&keys), lab.connect(&keys));
    for plugin in [&one, &one, &other] {
        let answer = ask(plugin, "GET", "/a").await;
        assert!(!answer.headers.contains("S1") && !answer.headers.contains("cookie"), "{}", answer.headers);
    }
    let sent: Vec<Option<String>> =
        server.requests().iter().map(|request| request.headers.get("cookie").cloned()).collect();
    assert_eq!(sent, [None, Some("session=S1".to_owned()), None]);
}
