//! Records that refer to records of another hub, by the ids each system has for them.

use super::systems::{Lab, figures};

const HUBS: &str = "[sync.company]\nmode = \"hub\"\nmatch = [\"name\"]\n\
    endpoints.crm = { stream = \"account\" }\nendpoints.erp = { stream = \"firm\" }\n\
    [sync.company.fields]\nname = { crm = \"name\", erp = \"name\" }\n\
    [sync.person]\nmode = \"hub\"\nmatch = [\"email\"]\nconflict = [\"crm\", \"erp\"]\n\
    endpoints.crm = { stream = \"contact\" }\nendpoints.erp = { stream = \"person\" }\n\
    [sync.person.fields]\nemail = { crm = \"email\", erp = \"mail\" }\n\
    company = { crm = \"account\", erp = \"firm\", reference = \"company\" }\n";

/// Ann works for Ace, Bob for Big; every system has ids of its own.
fn employed() -> Lab {
    let lab = Lab::files(&["crm", "erp"], HUBS);
    lab.sql("crm", "create table account (id integer primary key, name text)");
    lab.sql("crm", "create table contact (id integer primary key, email text, account integer)");
    lab.sql("erp", "create table firm (no integer primary key autoincrement, name text)");
    lab.sql("erp", "create table person (no integer primary key autoincrement, mail text, firm integer)");
    lab.sql("erp", "insert into firm (no, name) values (70, 'Zed')");
    lab.sql("crm", "insert into account values (1, 'Ace'), (2, 'Big')");
    lab.sql("crm", "insert into contact values (1, 'ann@x', 1), (2, 'bob@x', 2)");
    lab.run(&["run"]).ends(0);
    lab.run(&["run"]).ends(0);
    assert_eq!(erp(&lab), "ann@x|Ace\nbob@x|Big");
    lab
}

fn erp(lab: &Lab) -> String {
    lab.sql("erp", "select mail, name from person left join firm on firm.no = person.firm order by mail")
}

#[test]
fn references_that_differ_are_told_by_the_keys_of_their_targets() {
    let lab = employed();
    let company = |name: &str| lab.sql("erp", &format!("select no from firm where name = '{name}'"));
    let (ace, big) = (company("Ace"), company("Big"));
    lab.run(&["verify"]).ends(0);
    lab.sql("erp", &format!("update person set firm = {big} where mail = 'ann@x'"));
    let found = lab.run(&["verify", "person", "--json"]).ends(1).json();
    let erp_end = &found["result"]["syncs"][0]["endpoints"][1];
    assert_eq!(
        (&erp_end["endpoint"], figures(erp_end, ["differing", "missing", "unknown"])),
        (&"erp".into(), [1, 0, 0])
    );
    let example = &erp_end["examples"][0];
    assert_eq!(
        [&example["field"], &example["agreed"], &example["shown"]].map(|value| value.to_string()),
        ["\"company\"".to_owned(), ace.clone(), big.clone()]
    );
    // One that leads nowhere.
    lab.sql("erp", "update person set firm = 999 where mail = 'ann@x'");
    let found = lab.run(&["verify", "person", "--json"]).ends(1).json();
    let example = &found["result"]["syncs"][0]["endpoints"][1]["examples"][0];
    assert_eq!([example["agreed"].to_string(), example["shown"].to_string()], [ace, "999".to_owned()]);
    // And one that is gone; a repair takes it in like any other change.
    lab.sql("erp", "update person set firm = null where mail = 'ann@x'");
    lab.run(&["verify", "person", "--repair"]).ends(1).says(&["company", "taken in"]);
    lab.run(&["run"]).ends(0);
    assert_eq!(lab.sql("crm", "select email, account from contact order by id"), "ann@x|NULL\nbob@x|2");
    lab.run(&["verify"]).ends(0);
}

#[test]
fn who_refers_to_a_record_that_was_merged_refers_to_the_survivor() {
    let lab = employed();
    let merge = ["merge", "company", "Ace", "Big", "--yes"];
    lab.run(&merge).ends(2).says(&["1 record of `person` refer to it", "`--leave`"]);
    let mut leaving = merge.to_vec();
    leaving.push("--leave");
    lab.run(&leaving).ends(0).says(&["1 record refers to", "is merged into"]);
    lab.run(&["run"]).ends(0);
    assert_eq!(erp(&lab), "ann@x|Ace\nbob@x|Ace");
    assert_eq!(lab.sql("crm", "select email, account from contact order by id"), "ann@x|1\nbob@x|1");
    lab.run(&["verify", "person"]).ends(0);
}
