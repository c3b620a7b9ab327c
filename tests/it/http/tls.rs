//! Encrypted connections: the system's authorities, and those a project names.

use lockstep_test_servers::Certificate;

use super::lab::{Lab, ask};
use super::server::{Answer, Server};

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_of_ones_own_has_to_be_named() {
    let certificate = Certificate::make();
    let server = Server::start_tls(&certificate, |_, _| Answer::body("hello"));
    let lab = Lab::new("hunter2-hunter2");
    std::fs::copy(certificate.authority(), lab.path().join("ca.pem")).unwrap();
    let keys = |host: &str, rest: &str| {
        format!(
            "http.api = {{ origin = \"https://{host}:{}\", allow_private = true, auth = {{ bearer = \"file:secret\" }}{rest} }}",
            server.port
        )
    };
    let refused = ask(&lab.connect(&keys("localhost", "")), "GET", "/x").await;
    assert_eq!((refused.code(), refused.error["kind"].as_str()), ("LS0507", Some("config")), "{refused:?}");
    assert!(refused.property("hint").unwrap().contains("`ca = \"authority.pem\"`"), "{refused:?}");
    let answer = ask(&lab.connect(&keys("localhost", ", ca = \"ca.pem\"")), "GET", "/x").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"), "{answer:?}");
    assert_eq!(server.requests().last().unwrap().headers["authorization"], "Bearer hunter2-hunter2");
    // The certificate is for another name.
    let other = ask(&lab.connect(&keys("127.0.0.1", ", ca = \"ca.pem\"")), "GET", "/x").await;
    assert_eq!((other.code(), other.error["kind"].as_str()), ("LS0507", Some("config")), "{other:?}");
    assert_eq!(server.requests().len(), 1);
}
