//! Tokens of an OAuth 2.0 server by somebody else.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use lockstep::plugin::PluginConnector;
use lockstep_test_servers::Oidc;
use serde_json::{Value, json};

use super::lab::{Answer, Lab, ask, send};

/// Where a refresh token that the server hands out is kept.
const KEPT: &str = ".lockstep/http/crm.api.token";

fn keys(server: &Oidc, auth: &str) -> String {
    let url = server.url();
    format!("http.api = {{ origin = \"{url}\", allow_private = true, auth = {{ {auth} }} }}")
}

fn client(server: &Oidc, id: &str, rest: &str) -> String {
    let url = server.url();
    keys(
        server,
        &format!("oauth2 = {{ token_url = \"{url}/token\", client_id = \"{id}\", secret = \"file:secret\"{rest} }}"),
    )
}

/// Asks the server about itself, without credentials.
async fn control(server: &Oidc, what: &str) -> Value {
    let connector =
        Lab::new("").connect(&format!("http.api = {{ origin = \"{}\", allow_private = true }}", server.url()));
    let answer = ask(&connector, "GET", &format!("/control/{what}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

async fn counts(server: &Oidc) -> [u64; 4] {
    let counts = control(server, "counts").await;
    ["tokens", "refused", "api", "unauthorized"].map(|name| counts[name].as_u64().unwrap())
}

fn body(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

/// A project with a refresh token, as an authorization in a browser ends with.
async fn person(server: &Oidc) -> (Lab, String) {
    let lab = Lab::new(&Oidc::secret("person"));
    let token = control(server, "seed").await["refresh_token"].as_str().unwrap().to_owned();
    std::fs::write(lab.path().join("refresh"), &token).unwrap();
    (lab, token)
}

fn refreshing(lab: &Lab, server: &Oidc) -> PluginConnector {
    lab.connect(&client(server, "person", ", refresh_token = \"file:refresh\""))
}

fn kept(lab: &Lab) -> Value {
    serde_json::from_slice(&std::fs::read(lab.path().join(KEPT)).unwrap()).unwrap()
}

async fn eight(connector: &PluginConnector) -> Vec<Answer> {
    let request = json!({ "target": "/api/x" });
    send(connector, &json!([vec![request; 8]])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_gets_one_token_for_many_requests_and_a_new_one_in_time() {
    let server = Oidc::start();
    for (id, rest) in [("machine", ", scope = \"api:read\""), ("poster", ", client_auth = \"body\"")] {
        let lab = Lab::new(&Oidc::secret(id));
        let connector = lab.connect(&client(&server, id, rest));
        let before = counts(&server).await[0];
        for _ in 0..3 {
            let answer = body(&ask(&connector, "GET", "/api/x").await);
            assert_eq!(answer["client"], id);
            // What the API sends back of the token is not for plugins.
            assert!(answer["echo"].as_str().unwrap().bytes().all(|byte| byte == b'*'), "{answer}");
        }
        assert_eq!(counts(&server).await[0], before + 1);
        // Tokens live for 60 s, and a request takes its time.
        lab.clock.advance(Duration::from_secs(55));
        body(&ask(&connector, "GET", "/api/x").await);
        assert_eq!(counts(&server).await[0], before + 2);
    }
    assert_eq!(counts(&server).await[3], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_asks_while_the_others_wait() {
    let server = Oidc::start();
    let (lab, _) = person(&server).await;
    control(&server, "delay?value=200").await;
    let connector = refreshing(&lab, &server);
    eight(&connector).await.iter().for_each(|answer| drop(body(answer)));
    assert_eq!(counts(&server).await, [1, 0, 8, 0]);
    // All eight are refused and one asks again. Whoever came later than that is not refused at all.
    control(&server, "revoke").await;
    eight(&connector).await.iter().for_each(|answer| drop(body(answer)));
    let [tokens, refused, _, unauthorized] = counts(&server).await;
    assert_eq!((tokens, refused), (2, 0));
    assert!((1..=8).contains(&unauthorized), "{unauthorized}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_is_good_once_lasts_for_ever() {
    let server = Oidc::start();
    let (lab, first) = person(&server).await;
    let mut seen = vec![first];
    for _ in 0..3 {
        // Another process each time: all it knows is in the project's folder.
        let connector = refreshing(&lab, &server);
        assert_eq!(body(&ask(&connector, "GET", "/api/x").await)["account"], "anna");
        let next = kept(&lab)["refresh_token"].as_str().unwrap().to_owned();
        assert!(!seen.contains(&next));
        seen.push(next);
    }
    assert_eq!(counts(&server).await, [3, 0, 3, 0]);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = Oidc::start();
    let (lab, first) = person(&server).await;
    body(&ask(&refreshing(&lab, &server), "GET", "/api/x").await);
    let mode = std::fs::metadata(lab.path().join(KEPT)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!std::fs::read_to_string(lab.path().join(KEPT)).unwrap().contains(&first));
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_take_turns() {
    let server = Oidc::start();
    let (lab, _) = person(&server).await;
    control(&server, "delay?value=100").await;
    let connectors = [refreshing(&lab, &server), refreshing(&lab, &server), refreshing(&lab, &server)];
    let tasks = connectors.map(|connector| tokio::spawn(async move { ask(&connector, "GET", "/api/x").await }));
    for task in tasks {
        body(&task.await.unwrap());
    }
    assert_eq!(counts(&server).await, [3, 0, 3, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_with_a_token_before_what_replaces_its_refresh_token_is_kept() {
    let server = Oidc::start();
    let (lab, _) = person(&server).await;
    let connector = refreshing(&lab, &server);
    // A folder in the way of the file.
    std::fs::create_dir_all(lab.path().join(KEPT).join("in the way")).unwrap();
    let answer = ask(&connector, "GET", "/api/x").await;
    assert_eq!((answer.status, answer.code()), (0, "LS0805"), "{answer:?}");
    assert_eq!(counts(&server).await, [0, 0, 0, 0]);
    // It comes in the way while the server is asked.
    std::fs::remove_dir_all(lab.path().join(KEPT)).unwrap();
    control(&server, "delay?value=300").await;
    let asking = tokio::spawn(async move { (ask(&connector, "GET", "/api/x").await, connector) });
    while counts(&server).await[0] == 0 {
        tokio::task::yield_now().await;
    }
    std::fs::create_dir_all(lab.path().join(KEPT).join("in the way")).unwrap();
    let (answer, connector) = asking.await.unwrap();
    assert_eq!((answer.status, answer.code()), (0, "LS0805"), "{answer:?}");
    assert_eq!(counts(&server).await, [1, 0, 0, 0]);
    // The token that could not be kept is not lost: the one before it would be refused.
    std::fs::remove_dir_all(lab.path().join(KEPT)).unwrap();
    body(&ask(&connector, "GET", "/api/x").await);
    body(&ask(&refreshing(&lab, &server), "GET", "/api/x").await);
    assert_eq!(counts(&server).await, [3, 0, 2, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_refresh_token_in_the_project_takes_the_place_of_the_kept_one() {
    let server = Oidc::start();
    let (lab, first) = person(&server).await;
    body(&ask(&refreshing(&lab, &server), "GET", "/api/x").await);
    // Somebody uses the first one again: the server takes that for theft and refuses the whole family.
    let thief = Lab::new(&Oidc::secret("person"));
    std::fs::write(thief.path().join("refresh"), first).unwrap();
    let stolen = ask(&refreshing(&thief, &server), "GET", "/api/x").await;
    assert_eq!((stolen.code(), &stolen.error["kind"]), ("LS0513", &json!("auth")), "{stolen:?}");
    let refused = ask(&refreshing(&lab, &server), "GET", "/api/x").await;
    assert_eq!(refused.code(), "LS0513");
    assert!(refused.property("hint").unwrap().contains("`refresh_token`"), "{refused:?}");
    let next = control(&server, "seed").await["refresh_token"].as_str().unwrap().to_owned();
    std::fs::write(lab.path().join("refresh"), next).unwrap();
    body(&ask(&refreshing(&lab, &server), "GET", "/api/x").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_given_up_does_not_interrupt_a_refresh() {
    let server = Oidc::start();
    let (lab, _) = person(&server).await;
    control(&server, "delay?value=300").await;
    let connector = refreshing(&lab, &server);
    let asking = tokio::spawn({
        let connector = connector.clone();
        async move { ask(&connector, "GET", "/api/x").await }
    });
    while counts(&server).await[0] == 0 {
        tokio::task::yield_now().await;
    }
    asking.abort();
    assert!(asking.await.is_err());
    body(&ask(&connector, "GET", "/api/x").await);
    body(&ask(&refreshing(&lab, &server), "GET", "/api/x").await);
    assert_eq!(counts(&server).await, [2, 0, 2, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_refused_without_being_told() {
    let server = Oidc::start();
    let lab = Lab::new("wrong-secret-of-a-machine");
    let answer = ask(&lab.connect(&client(&server, "machine", "")), "POST", "/api/x").await;
    assert_eq!((answer.code(), &answer.error["kind"]), ("LS0513", &json!("auth")), "{answer:?}");
    let message = answer.error["message"].as_str().unwrap();
    assert!(message.contains("/token`: it answered 401: invalid_client"), "{message}");
    assert!(!answer.error.to_string().contains("wrong-secret"), "{answer:?}");
    assert_eq!(counts(&server).await[2], 0);
}

/// A key pair: the private half in the lab's folder, the public one as text.
pub fn key(lab: &Lab, args: &str) -> String {
    let run = |args: &str| {
        let output = Command::new("openssl").current_dir(lab.path()).args(args.split(' ')).output().unwrap();
        assert!(output.status.success(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run(&format!("genpkey {args} -out key.pem"));
    run("pkey -in key.pem -pubout -out public.pem");
    let public: PathBuf = lab.path().join("public.pem");
    std::fs::read_to_string(public).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_statements_are_understood() {
    for (algorithm, args) in [
        ("RS256", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048"),
        ("ES256", "-algorithm EC -pkeyopt ec_paramgen_curve:P-256"),
    ] {
        let lab = Lab::new("");
        let server = Oidc::start_with(Some(&key(&lab, args)));
        let url = server.url();
        let statement = |subject: &str| {
            format!(
                "jwt_bearer = {{ token_url = \"{url}/statement\", issuer = \"lockstep\", subject = \"{subject}\", \
                 key = \"file:key.pem\", key_id = \"k1\", algorithm = \"{algorithm}\", scope = \"api:read\" }}"
            )
        };
        // The server's clock is the real one.
        let world = lockstep::world::World::real();
        let connector = lab.connect_in(&keys(&server, &statement("anna")), world.clone()).unwrap();
        assert_eq!(body(&ask(&connector, "GET", "/api/x").await)["client"], "machine", "{algorithm}");
        let seen = control(&server, "counts").await["seen"][0].clone();
        assert_eq!(seen["protectedHeader"], json!({ "alg": algorithm, "typ": "JWT", "kid": "k1" }));
        assert_eq!((&seen["scope"], &seen["payload"]["scope"]), (&json!("api:read"), &json!("api:read")));
        let connector = lab.connect_in(&keys(&server, &statement("otto")), world).unwrap();
        let refused = ask(&connector, "GET", "/api/x").await;
        assert_eq!(refused.code(), "LS0513", "{refused:?}");
        assert!(refused.error["message"].as_str().unwrap().contains("invalid_grant"), "{refused:?}");
    }
}
