//! Records that change on their way: fields with other names, defaults and constants, and a transform.

use lockstep_test_servers::Postgres;

use super::project::{Project, counts};

const SYNC: &str = "[sync.people]\nmode = \"mirror\"\n\
    source = { connection = \"files\", stream = \"people.csv\", key = [\"id\"] }\n\
    target = { connection = \"db\", stream = \"crm.people\" }\ndeletes = \"compare\"\n\
    [[sync.people.transforms]]\nplugin = \"clean\"\nconfig = { all_text = [\"trim\"], fields = { mail = [\"email\"] } }\n\
    [sync.people.fields]\nperson = \"id\"\nfull_name = { source = \"name\" }\nmail = \"mail\"\n\
    country = { source = \"country\", default = \"DE\" }\norigin = { constant = \"shop\" }\n";

const PEOPLE: &str =
    "id,name,mail,country,secret\n1,  Ada ,ADA@Example.com ,,x\n2,Grace,grace@example.com,US,y\n3,Bad,no mail,,z\n";

#[test]
fn records_arrive_reshaped_and_leave_other_columns_alone() {
    let server = Postgres::start();
    server.psql(
        "create schema crm; create table crm.people (person bigint primary key, full_name text, mail text, country text, \
         origin text, remark text default 'ours')",
    );
    let project = Project::with_database(&server, SYNC);
    project.write("data/people.csv", PEOPLE);
    let sync = project.sync(1);
    assert_eq!((sync["written"].as_u64(), sync["dead_letters"].as_u64()), (Some(2), Some(1)), "{sync}");
    let rows = || server.psql("select * from crm.people order by person");
    assert_eq!(rows(), "1|Ada|ADA@example.com|DE|shop|ours\n2|Grace|grace@example.com|US|shop|ours");
    let letters = project.run(&["dead-letters", "list", "--json"]).ends(0).json();
    let letter = &letters["result"]["dead_letters"][0];
    assert_eq!(letter["record"]["values"]["mail"], "no mail", "{letter:#}");
    assert_eq!(letter["record"]["values"]["secret"], "z", "the record is complete");
    assert!(letter["plugin"]["label"].as_str().unwrap().starts_with("clean@"), "{letter:#}");

    server.psql("update crm.people set remark = 'mine'");
    project.write("data/people.csv", PEOPLE.replace("Grace", "Hopper").replace("no mail", "b@example.com"));
    assert_eq!(counts(&project.sync(0)), [3, 2, 1, 0, 0, 0, 0]);
    assert_eq!(
        rows(),
        "1|Ada|ADA@example.com|DE|shop|mine\n2|Hopper|grace@example.com|US|shop|mine\n3|Bad|b@example.com|DE|shop|ours"
    );
    let letters = project.run(&["dead-letters", "list", "--json"]).ends(0).json();
    assert_eq!(letters["result"]["dead_letters"].as_array().unwrap().len(), 0);
}

/// Another mapping is another target: everything is read again, and what does not change is not written.
#[test]
fn a_new_mapping_is_applied_to_every_record() {
    let server = Postgres::start();
    server.psql("create schema crm");
    let project = Project::with_database(&server, SYNC);
    project.write("data/people.csv", PEOPLE.replace("no mail", "b@example.com"));
    project.sync(0);
    let text = project.read("lockstep.toml").replacen("[project]\nname = \"test\"\n", "", 1);
    project.define(&text.replace("\"shop\"", "\"store\""));
    assert_eq!(counts(&project.sync(0))[1], 3);
    assert_eq!(server.psql("select distinct origin from crm.people"), "store");
    // A field that is no longer mapped keeps its values.
    project.define(&text.replace("origin = { constant = \"shop\" }\n", ""));
    assert_eq!(counts(&project.sync(0))[1], 0);
    assert_eq!(server.psql("select distinct origin from crm.people"), "store");
}
