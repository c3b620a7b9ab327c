//! Tokens and limits: the host's business, at an org's end points.

use lockstep::world::World;
use lockstep_test_servers::Salesforce;

use super::{accounts, calls};
use crate::http::lab::Lab;
use crate::http::oauth::key;
use crate::plugins::{Reading, run};

#[test]
fn a_session_that_expires_while_records_are_read_is_begun_anew() {
    run(async {
        let lab = Lab::new("");
        let server = Salesforce::start_with(Some(&key(&lab, "-algorithm RSA -pkeyopt rsa_keygen_bits:2048")));
        server.run(&format!("site.isLocked = true; site.uses = 3; org.page = 10; {}", accounts(100)));
        let connection = |subject: &str| {
            let url = server.url();
            format!(
                "http.api = {{ origin = \"{url}\", allow_private = true, auth = {{ jwt_bearer = {{ token_url = \"{url}/services/oauth2/token\", \
                 issuer = \"3MVG9\", subject = \"{subject}\", audience = \"https://login.salesforce.com\", key = \"file:key.pem\" }} }} }}\n\
                 budget = {{ daily = 1000 }}"
            )
        };
        let plugin = lab.connect_plugin("salesforce", &connection("sync@example.com"), World::real()).unwrap();
        let shown = Reading::full(&plugin, "Account").discovered().await.read().await;
        assert_eq!(shown.sorted("NumberOfEmployees"), (1..=100).collect::<Vec<_>>());
        let told = calls(&server);
        // Eleven requests and a describe, three to a token; what was turned away is asked again.
        assert!(told.contains(&("POST services/oauth2/token".to_owned(), 4)), "{told:?}");
        // Somebody else uses up what there is for the day: the host asks no more.
        server.run("site.used = 990");
        let mut reading = Reading::full(&plugin, "Account").discovered().await;
        let failure = reading.read_pages(1).await.unwrap_err();
        assert_eq!(failure.code.id, "LS0517");
    });
}

#[test]
fn a_limit_that_the_org_itself_keeps_is_waited_for() {
    run(async {
        let server = Salesforce::start();
        server.run(&format!("site.limit = 2; org.page = 10; {}", accounts(30)));
        let plugin = super::connect(&server.url(), "");
        let mut reading = Reading::full(&plugin, "Account").discovered().await.page_rows(10);
        assert_eq!(reading.read_pages(1).await.unwrap().records.len(), 10);
        let failure = reading.read_pages(9).await.unwrap_err();
        assert_eq!(
            (failure.kind, failure.detail_code.as_str()),
            (lockstep::connector::FailureKind::RateLimited, "REQUEST_LIMIT_EXCEEDED")
        );
        assert!(failure.retry_after.is_some());
        server.run("site.limit = 99");
        assert_eq!(reading.read_pages(9).await.unwrap().records.len(), 20);
    });
}
