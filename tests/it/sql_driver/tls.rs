//! Encryption, and knowing with whom.

use super::*;
use lockstep::connector::FailureKind;
use lockstep_test_servers::Options;

const ENCRYPTED: &str = "select ssl::text || ' ' || version from pg_stat_ssl where pid = pg_backend_pid()";

fn start_with_tls() -> Postgres {
    let server = Postgres::start_with(Options { tls: true, ..Options::default() });
    server.create_user("me", "secret", "scram-sha-256");
    server
}

async fn kind(url: &str) -> FailureKind {
    Database::postgres(url, "test").unwrap().open().await.err().expect("is refused").kind
}

#[test]
fn every_mode_does_what_it_says() {
    run(async {
        let server = start_with_tls();
        let authority = server.certificate_authority().display().to_string();
        let url = |mode: &str| format!("{}?sslmode={mode}", server.url_for("me", "secret"));
        // With TLS the password's proof is bound to the certificate.
        for mode in ["prefer".to_owned(), "require".to_owned(), format!("verify-full&sslrootcert={authority}")] {
            let session = open(&url(&mode)).await;
            assert_eq!(value(&session, ENCRYPTED).await, "true TLSv1.3", "{mode}");
        }
        let session = open(&url("disable")).await;
        assert_eq!(value(&session, "select ssl from pg_stat_ssl where pid = pg_backend_pid()").await, "false");
        // Nobody has signed this certificate whom the system knows.
        assert_eq!(kind(&url("verify-full")).await, FailureKind::Transient);
        assert_eq!(kind(&url("verify-ca")).await, FailureKind::Transient);
    });
}

#[test]
fn the_name_counts_only_for_verify_full() {
    run(async {
        let server = start_with_tls();
        let authority = server.certificate_authority().display().to_string();
        let url = |mode: &str| {
            let url = server.url_for("me", "secret").replace("localhost", "127.0.0.1");
            format!("{url}?sslmode={mode}&sslrootcert={authority}")
        };
        assert_eq!(value(&open(&url("verify-ca")).await, ENCRYPTED).await, "true TLSv1.3");
        assert_eq!(value(&open(&url("require")).await, ENCRYPTED).await, "true TLSv1.3");
        assert_eq!(kind(&url("verify-full")).await, FailureKind::Transient);
    });
}

#[test]
fn a_server_without_tls_is_no_match_for_require() {
    run(async {
        let server = Postgres::start();
        assert_eq!(kind(&format!("{}?sslmode=require", server.url())).await, FailureKind::Config);
        let session = open(&format!("{}?sslmode=prefer", server.url())).await;
        assert_eq!(value(&session, "select 'plain'").await, "plain");
    });
}

#[test]
fn rows_and_loads_cross_tls() {
    run(async {
        let server = start_with_tls();
        let session = open(&format!("{}?sslmode=require", server.url_for("me", "secret"))).await;
        session.script("create table t (a int8)").await.unwrap();
        assert_eq!(load(&session, "t", &numbers(0..200_000)).await, 200_000);
        assert_same(&read(&session, "select a from t order by a", &[]).await, &numbers(0..200_000));
        let mut rows = session.query("select a from t, generate_series(1, 1000)", None, &[]).await.unwrap();
        rows.next(10, 1 << 20).await.unwrap();
        drop(rows);
        assert_eq!(value(&session, "select 'cancelled through tls'").await, "cancelled through tls");
    });
}
