//! Encryption, and knowing with whom.

use super::*;
use lockstep::connector::FailureKind;
use lockstep_test_servers::MariadbOptions;

const CIPHER: &str = "SELECT variable_value FROM information_schema.session_status WHERE variable_name = 'Ssl_version'";

async fn kind(url: &str) -> FailureKind {
    Database::at(url, "test").unwrap().open().await.err().expect("is refused").kind
}

#[test]
fn every_mode_does_what_it_says() {
    run(async {
        let server = Mariadb::start_with(MariadbOptions { tls: true, ..MariadbOptions::default() });
        server.create_user("me", "secret", "ALL");
        let authority = server.certificate_authority().display().to_string();
        let url = |mode: &str| format!("{}?sslmode={mode}", server.url_for("me", "secret"));
        for mode in ["prefer".to_owned(), "require".to_owned(), format!("verify-full&sslrootcert={authority}")] {
            assert_eq!(value(&open(&url(&mode)).await, CIPHER).await, "TLSv1.3", "{mode}");
        }
        assert_eq!(value(&open(&url("disable")).await, CIPHER).await, "");
        // Nobody has signed this certificate whom the system knows.
        assert_eq!(kind(&url("verify-full")).await, FailureKind::Transient);
        let other = |mode: &str| url(&format!("{mode}&ssl-ca={authority}")).replace("localhost", "127.0.0.1");
        assert_eq!(value(&open(&other("verify-ca")).await, CIPHER).await, "TLSv1.3");
        assert_eq!(kind(&other("VERIFY_IDENTITY")).await, FailureKind::Transient);
        // Rows, loads and stopped statements cross it.
        let session = open(&url("require")).await;
        session.script("CREATE TABLE t (a bigint)").await.unwrap();
        assert_eq!(load(&session, "t", &numbers(0..200_000)).await, 200_000);
        assert_same(&read(&session, "SELECT a FROM t ORDER BY a", &[]).await, &numbers(0..200_000));
        let mut rows = session.query("SELECT t.a FROM t, seq_1_to_1000", None, &[]).await.unwrap();
        rows.next(10, 1 << 20).await.unwrap();
        drop(rows);
        assert_eq!(value(&session, "SELECT 'stopped through tls'").await, "stopped through tls");
    });
}

#[test]
fn a_server_without_tls_is_no_match_for_require() {
    run(async {
        let server = Mariadb::start();
        assert_eq!(kind(&format!("{}?sslmode=require", server.url())).await, FailureKind::Config);
        assert_eq!(value(&open(&format!("{}?sslmode=prefer", server.url())).await, "SELECT 'plain'").await, "plain");
    });
}
