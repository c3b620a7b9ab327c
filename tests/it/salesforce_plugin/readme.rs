//! What the plugin's README shows works as it stands there, but for where the systems are.

use lockstep_test_servers::{Postgres, Salesforce};

use super::accounts;
use crate::hub::systems::figures;
use crate::mirror::project::Project;

const README: &str = include_str!("../../../plugins/salesforce/README.md");

#[test]
fn the_hub_keeps_both_in_agreement() {
    let (_, rest) = README.split_once("```toml\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    let (_, text) = text.split_once("name = \"sales\"\n").unwrap();
    let (server, database) = (Salesforce::start(), Postgres::start());
    server.run(&accounts(3));
    server.run("site.isLocked = true; site.tokens.set('a-token-of-some-length', Infinity)");
    database.psql(
        "create table account (id bigint generated always as identity primary key, no text, name text, credit numeric(18,2)); \
         insert into account (no, name, credit) values ('N1', 'Name 1', 1.25), ('N9', 'Nine', 9)",
    );
    let real = "origin = \"https://example.my.salesforce.com\"";
    assert!(text.contains(real) && text.contains("env:ERP_URL"));
    let text = text.replace(real, &format!("origin = \"{}\", allow_private = true", server.url()));
    let project = Project::new(&text.replace("env:CRM_TOKEN", "file:token").replace("env:ERP_URL", "file:url"));
    project.write("token", "a-token-of-some-length");
    project.write("url", database.url());
    assert_eq!(figures(&project.sync(0), ["written", "deleted"]), [3, 0]);
    let erp = database.psql("select string_agg(no || ' ' || name || ' ' || credit, ', ' order by no) from account");
    assert_eq!(erp, "N1 Name 1 1.25, N2 Name 2 2.25, N3 Name 3 3.25, N9 Nine 9.00");
    assert_eq!(server.run("return org.unique('Account', 'No__c', 'N9').Name"), "\"Nine\"");
    assert_eq!(figures(&project.sync(0), ["written", "deleted"]), [0, 0]);
}
