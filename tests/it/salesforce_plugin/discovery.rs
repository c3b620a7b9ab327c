//! What an org says of itself.

use lockstep::connector::{Sink as _, Source as _};

use super::{connect, start};
use crate::http::server::{Answer, Server};
use crate::plugins::run;

#[test]
fn objects_are_streams_with_types_references_and_what_tells_changes() {
    run(async {
        let (_server, plugin) = start("");
        let streams = plugin.discover(&["Account".into(), "Nothing".into(), "a/../b".into()]).await.unwrap();
        assert_eq!(streams.len(), 1);
        let account = &streams[0];
        assert_eq!(account.key, ["Id"]);
        let types: Vec<String> =
            account.fields.iter().map(|field| format!("{} {}", field.name, field.logical)).collect();
        let expected = [
            "Id text",
            "CreatedDate timestamp",
            "LastModifiedDate timestamp",
            "SystemModstamp timestamp",
            "IsDeleted bool",
            "Name text",
            "No__c text",
            "Ref__c text",
            "Credit__c decimal",
            "Rate__c decimal",
            "Score__c decimal",
            "NumberOfEmployees int64",
            "Active__c bool",
            "Since__c date",
            "Opens__c time",
            "Seen__c timestamp",
            "Interests__c text",
            "ParentId text",
            "BillingCity text",
            "BillingAddress json",
            "Description text",
        ];
        assert_eq!(types, expected);
        assert_eq!(account.properties.get("modified"), Some("SystemModstamp"));
        assert_eq!(account.properties.get("write"), Some("upsert,delete,insert,update"));
        let property = |name: &str, property: &str| {
            let field = account.fields.iter().find(|field| field.name == name).unwrap();
            field.properties.get(property).map(str::to_owned)
        };
        assert_eq!(property("Credit__c", "native-type").as_deref(), Some("currency(18,2)"));
        assert_eq!(property("ParentId", "references").as_deref(), Some("Account"));
        assert_eq!(property("No__c", "external-id").as_deref(), Some("true"));
        assert_eq!(property("BillingAddress", "computed").as_deref(), Some("true"));
        assert!(plugin.describe("Nothing").await.unwrap().is_none());
    });
}

#[test]
fn without_names_one_request_lists_all_and_the_project_may_say_which_it_means() {
    run(async {
        let (server, plugin) = start("");
        let names = |streams: &[lockstep::record::Stream]| {
            streams.iter().map(|stream| format!("{} {}", stream.name, stream.fields.len())).collect::<Vec<_>>()
        };
        super::calls(&server);
        assert_eq!(names(&plugin.discover(&[]).await.unwrap()), ["Account 1", "User 1"]);
        assert_eq!(super::calls(&server), [("GET sobjects".to_owned(), 1)]);
        let chosen = connect(&server.url(), "objects = [\"User\"]");
        assert_eq!(names(&chosen.discover(&[]).await.unwrap()), ["User 5"]);
    });
}

#[test]
fn what_is_no_org_says_so() {
    run(async {
        let html = "<!DOCTYPE html><html><body>Log in</body></html>";
        for (status, body, code) in [
            (200, html, "http.page"),
            (200, "", "http.empty"),
            (200, "{}", "salesforce.describe"),
            (200, "{\"name\":\"Account\",\"fields\":[", "http.cut-off"),
            (404, "", "salesforce.404"),
            (401, "", "salesforce.401"),
            (302, "", "salesforce.302"),
            (500, "", "salesforce.500"),
        ] {
            let server = Server::start(move |_, _| match status {
                200 => Answer::body(body),
                status => Answer::status(status),
            });
            let failure = connect(&server.url(), "").discover(&["Account".into()]).await.unwrap_err();
            assert_eq!(failure.detail_code, code, "{status} {body}: {failure}");
        }
    });
}
