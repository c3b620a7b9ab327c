//! What the plugin's README shows works as it stands there, but for where the systems are.

use lockstep_test_servers::{Cap, Postgres};

use super::customers;
use crate::hub::systems::figures;
use crate::mirror::project::Project;

const README: &str = include_str!("../../../plugins/odata/README.md");

#[test]
fn the_hub_keeps_both_in_agreement() {
    let (_, rest) = README.split_once("```toml\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    let (_, text) = text.split_once("name = \"sales\"\n").unwrap();
    let (server, database) = (Cap::start(), Postgres::start());
    server.sql(&customers(3, "2026-01-01T00:00:00.000Z"));
    database.psql(
        "create table customer (id bigint generated always as identity primary key, no text, name text, credit numeric(18,2)); \
         insert into customer (no, name, credit) values ('N1', 'Name 1', 1.25), ('N9', 'Nine', 9)",
    );
    let real = "origin = \"https://crm.example.com\"";
    assert!(text.contains(real) && text.contains("env:ERP_URL"));
    let text = text.replace(real, &format!("origin = \"{}\", allow_private = true", server.url()));
    let project = Project::new(&text.replace("env:CRM_TOKEN", "file:token").replace("env:ERP_URL", "file:url"));
    project.write("token", "a-token-of-some-length");
    project.write("url", database.url());
    assert_eq!(figures(&project.sync(0), ["written", "deleted"]), [3, 0]);
    let erp = database.psql("select string_agg(no || ' ' || name || ' ' || credit, ', ' order by no) from customer");
    assert_eq!(erp, "N1 Name 1 1.25, N2 Name 2 2.25, N3 Name 3 3.25, N9 Nine 9.00");
    let nine = server.sql("select name from Sales_Customers where number = 'N9'");
    assert_eq!(nine, "[{\"name\":\"Nine\"}]");
    assert_eq!(figures(&project.sync(0), ["written", "deleted"]), [0, 0]);
}
