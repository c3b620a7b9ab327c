//! Two records that a person, or a system, says are one.

use serde_json::{Value, json};

use super::systems::{CRM, ERP, Lab, figures};

const HUB: &str = "[sync.customer]\nmode = \"hub\"\nmatch = [\"email\"]\nHUB\n\
    endpoints.crm = { stream = \"contacts\" }\nendpoints.erp = { stream = \"customer\" }\n\
    endpoints.shop = { stream = \"buyer\" }\n[sync.customer.fields]\n\
    email = { crm = \"email\", erp = \"mail\", shop = \"mail\", conflict = [\"crm\"] }\n\
    name = { crm = \"full_name\", erp = \"name\", shop = \"name\", conflict = [\"crm\"] }\n\
    phone = { crm = \"phone\", erp = \"tel\", shop = \"tel\", conflict = [\"crm\"] }\n";

fn three(hub: &str) -> Lab {
    let lab = Lab::files(&["crm", "erp", "shop"], &HUB.replace("HUB", hub));
    lab.sql("crm", CRM);
    lab.sql("erp", ERP);
    lab.sql("shop", "create table buyer (id integer primary key, mail text, name text, tel text)");
    lab
}

fn all(lab: &Lab) -> [String; 3] {
    [
        lab.sql("crm", "select email, full_name, phone from contacts order by email"),
        lab.sql("erp", "select mail, name, tel from customer order by mail"),
        lab.sql("shop", "select mail, name, tel from buyer order by mail"),
    ]
}

/// Two records, each in every system.
fn two_of_each(hub: &str) -> Lab {
    let lab = three(hub);
    lab.sql("crm", "insert into contacts (id, email, full_name, phone) values (1, 'ann@x', 'Ann', null)");
    lab.sql("erp", "insert into customer (no, mail, name, tel) values (7, 'anna@x', 'Anna', '5')");
    lab.sync(0);
    let both = "ann@x|Ann|NULL\nanna@x|Anna|5";
    assert_eq!(all(&lab), [both; 3]);
    lab
}

#[track_caller]
fn merge(lab: &Lab, args: &[&str]) -> Value {
    let words: Vec<&str> = ["merge", "customer"].iter().chain(args).chain(&["--yes", "--json"]).copied().collect();
    lab.run(&words).ends(0).json()["result"].clone()
}

#[test]
fn the_losers_copies_go_where_both_have_one() {
    let lab = two_of_each("");
    lab.run(&["merge", "customer", "ann@x", "erp:7"]).ends(2).says(&["--yes"]);
    let merged = merge(&lab, &["ann@x", "erp:7"]);
    assert_eq!((&merged["moved"], merged["left"].as_array().unwrap().len()), (&json!([]), 3), "{merged}");
    assert_eq!(merged["filled"], json!([{"field": "phone", "value": "5"}]), "{merged}");
    // Nothing is written before the next run.
    assert_eq!(all(&lab)[0], "ann@x|Ann|NULL\nanna@x|Anna|5");
    lab.run(&["plan"]).ends(0).says(&["1 delete"]);
    let sync = lab.sync(0);
    assert_eq!(figures(&sync, ["deleted", "conflicts", "dead_letters"]), [3, 0, 0], "{sync}");
    assert_eq!(all(&lab), ["ann@x|Ann|5"; 3]);
    lab.rests();
    lab.run(&["why", "customer", "ann@x.phone"]).ends(0).says(&["was merged into it"]);
    lab.run(&["verify"]).ends(0);
    lab.run(&["lineage", "verify"]).ends(0);
    // A new record with the loser's address is a new record.
    lab.sql("erp", "insert into customer (mail, name, tel) values ('anna@x', 'Another', '9')");
    lab.sync(0);
    assert_eq!(all(&lab), ["ann@x|Ann|5\nanna@x|Another|9"; 3]);
    lab.rests();
}

#[test]
fn a_merge_is_taken_back() {
    let lab = two_of_each("");
    let merged = merge(&lab, &["ann@x", "erp:7"]);
    lab.sync(0);
    lab.sql("crm", "update contacts set full_name = 'Ann M' where id = 1");
    lab.sync(0);
    lab.run(&["rollback", &merged["run"].to_string(), "--yes"]).ends(0).says(&["is taken back by run"]);
    lab.sync(0);
    assert_eq!(all(&lab), ["ann@x|Ann M|NULL\nanna@x|Anna|5"; 3]);
    lab.rests();
    // The record that is back is found by its address again.
    lab.sql("erp", "delete from customer where mail = 'anna@x'");
    lab.sync(0);
    assert_eq!(all(&lab), ["ann@x|Ann M|NULL"; 3]);
}

#[test]
fn copies_that_are_one_too_many_can_stay() {
    let lab = two_of_each("");
    let merged = merge(&lab, &["ann@x", "erp:7", "--leave"]);
    assert_eq!(merged["left"][0]["becomes"], "left alone", "{merged}");
    assert_eq!(figures(&lab.sync(0), ["deleted"]), [0]);
    let both = "ann@x|Ann|5\nanna@x|Anna|5";
    assert_eq!(all(&lab), [both; 3]);
    // They are nobody's business any more.
    lab.sql("erp", "update customer set name = 'Nobody' where mail = 'anna@x'");
    lab.rests();
    lab.sql("shop", "delete from buyer where mail = 'anna@x'");
    lab.rests();
    assert_eq!(all(&lab)[0], both);
}

#[test]
fn deletes_that_stay_where_they_are_leave_the_copies_too() {
    let lab = two_of_each("deletes = \"ignore\"");
    merge(&lab, &["ann@x", "erp:7"]);
    assert_eq!(figures(&lab.sync(0), ["deleted"]), [0]);
    assert_eq!(all(&lab)[0], "ann@x|Ann|5\nanna@x|Anna|5");
    lab.rests();
}

#[test]
fn the_losers_copies_become_the_survivors_where_it_has_none() {
    let text = "[sync.customer]\nmode = \"hub\"\nmatch = [\"email\"]\nconflict = [\"crm\"]\n\
        endpoints.crm = { stream = \"contacts\" }\nendpoints.erp = { stream = \"customer\", direction = \"read\" }\n\
        [sync.customer.fields]\nemail = { crm = \"email\", erp = \"mail\" }\nname = { crm = \"full_name\", erp = \"name\" }\n\
        phone = { crm = \"phone\", erp = \"tel\", owner = \"erp\" }\n";
    let lab = Lab::files(&["crm", "erp"], text);
    lab.sql("crm", CRM);
    lab.sql("erp", ERP);
    lab.sql("crm", "insert into contacts (id, email, full_name, phone) values (1, 'ann@x', 'Ann', '1')");
    lab.sync(0);
    lab.sql("erp", "insert into customer (no, mail, name, tel) values (7, 'anna@x', 'Anna', '5')");
    lab.sync(0);
    assert_eq!(lab.sql("crm", "select count(*) from contacts"), "2");
    let merged = merge(&lab, &["crm:1", "erp:7"]);
    assert_eq!(merged["moved"], json!([{"endpoint": "erp", "key": "7"}]), "{merged}");
    lab.sync(0);
    // The owner's number counts, though the survivor had another.
    assert_eq!(lab.sql("crm", "select email, full_name, phone from contacts"), "ann@x|Ann|5");
    lab.rests();
    lab.sql("erp", "update customer set name = 'Annabel', tel = '6'");
    lab.sync(0);
    // The ERP, which is only read, has never seen the survivor's name: the policy decides.
    assert_eq!(lab.sql("crm", "select email, full_name, phone from contacts"), "ann@x|Ann|6");
    lab.rests();
    lab.run(&["rollback", &merged["run"].to_string(), "--yes"]).ends(0);
    lab.sync(0);
    assert_eq!(lab.sql("crm", "select count(*) from contacts"), "2");
    lab.rests();
    lab.sql("erp", "update customer set tel = '8'");
    lab.sync(0);
    assert_eq!(lab.sql("crm", "select phone from contacts where email = 'anna@x'"), "8");
}

#[test]
fn what_cannot_be_merged_is_refused() {
    let lab = two_of_each("");
    lab.run(&["merge", "customer", "ann@x", "crm:1", "--yes"]).ends(2).says(&["is one record already"]);
    lab.run(&["merge", "customer", "ann@x", "nobody@x", "--yes"]).says(&["has no record `nobody@x`"]);
    lab.sql("crm", "delete from contacts where email = 'anna@x'");
    lab.sync(0);
    lab.run(&["merge", "customer", "ann@x", "#2", "--yes"]).ends(2).says(&["record 2 is deleted"]);
}

/// The CRM merges two contacts itself: one of them vanishes.
#[test]
fn a_system_that_merges_has_deleted_a_record() {
    let lab = two_of_each("");
    lab.sql(
        "crm",
        "delete from contacts where email = 'anna@x'; update contacts set phone = '5' where email = 'ann@x'",
    );
    let sync = lab.sync(0);
    assert_eq!(figures(&sync, ["deleted", "conflicts"]), [2, 0], "{sync}");
    assert_eq!(all(&lab), ["ann@x|Ann|5"; 3]);
    lab.rests();

    let lab = two_of_each("deletes = \"ignore\"");
    lab.sql("crm", "delete from contacts where email = 'anna@x'");
    assert_eq!(figures(&lab.sync(0), ["deleted"]), [0]);
    assert_eq!(all(&lab)[1], "ann@x|Ann|NULL\nanna@x|Anna|5");

    // Below the guard it is like any other delete.
    let lab = two_of_each("guard = { rows = 0, share = 0.0 }");
    lab.sql("crm", "delete from contacts where email = 'anna@x'");
    let sync = lab.sync(1);
    assert_eq!(figures(&sync, ["deleted", "held"]), [0, 1], "{sync}");
    assert_eq!(all(&lab)[1], "ann@x|Ann|NULL\nanna@x|Anna|5");
}
