//! Who asks, within the document: made by the host, seen by nobody else.

use lockstep::connector::FailureKind;
use lockstep_test_servers::Soap;
use serde_json::json;

use super::{CRM, connect, customer, seed};
use crate::http::server::{Answer, Server};
use crate::plugins::{Reading, run};

const KEYS: &str = "wsdl = \"crm.wsdl\"";

fn auth(kind: &str) -> String {
    format!("auth = {{ wss = {{ username = \"lockstep\", password = \"file:secret\", type = \"{kind}\" }} }}")
}

#[test]
fn a_service_that_wants_a_token_gets_it_as_text_or_as_digest() {
    run(async {
        let server = Soap::start();
        seed(&server, &[customer(1)]);
        server.ask("/-/guard", &json!({"password": "s3cr&t<\"pass word"}).to_string());
        for kind in ["text", "digest"] {
            let plugin = connect(&server.url(), CRM, KEYS, &auth(kind));
            assert_eq!(Reading::full(&plugin, "customers").discovered().await.read().await.records.len(), 1);
        }
        assert_eq!(server.ask("/-/seen", ""), "[\"PasswordText\",\"PasswordDigest\"]");
        // Without one, nobody is let in.
        let plugin = connect(&server.url(), CRM, KEYS, "");
        assert!(Reading::full(&plugin, "customers").discovered().await.read_pages(1).await.is_err());
    });
}

#[test]
fn what_comes_back_holds_no_password_in_any_encoding() {
    run(async {
        let server = Server::start(|number, request| {
            assert!(request.body.contains(">s3cr&amp;t&lt;&quot;pass word</wsse:Password>"), "{}", request.body);
            let fault = |message: &str| {
                format!(
                    "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault>\
                     <faultcode>s:Client</faultcode><faultstring>{message}</faultstring></s:Fault></s:Body></s:Envelope>"
                )
            };
            match number {
                0 => Answer::body(fault("s3cr&amp;t&lt;&quot;pass word &#x73;3cr&#38;t&#60;&#34;pass word")),
                _ => Answer::body(
                    fault("s3cr&t<\"pass word").encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(),
                ),
            }
        });
        let plugin = connect(&server.url(), CRM, KEYS, &auth("text"));
        for _ in 0..2 {
            let failure = Reading::full(&plugin, "customers").discovered().await.read_pages(1).await.unwrap_err();
            let shown = format!("{failure:?}");
            assert!(!shown.contains("pass word") && !shown.contains("s3cr"), "{shown}");
        }
    });
}

#[test]
fn faults_that_turn_strangers_away_are_about_credentials() {
    run(async {
        let server = Server::start(|_, _| {
            let body = "<e:Envelope xmlns:e=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:w=\"urn:w\"><e:Body><e:Fault>\
                <e:Code><e:Value>e:Sender</e:Value><e:Subcode><e:Value>w:FailedAuthentication</e:Value></e:Subcode></e:Code>\
                <e:Reason><e:Text>who are you</e:Text></e:Reason></e:Fault></e:Body></e:Envelope>";
            Answer::Reply { status: 500, headers: Vec::new(), body: body.into() }
        });
        let plugin = connect(&server.url(), CRM, KEYS, "");
        let failure = Reading::full(&plugin, "customers").discovered().await.read_pages(1).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Auth, "FailedAuthentication"));
        assert!(failure.message.contains("who are you"), "{failure}");
    });
}
