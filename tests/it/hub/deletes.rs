//! Records that are gone from one system.

use lockstep::store::ConflictState;

use super::systems::{CRM, Customer, ERP, Lab, figures};

const ROWS: [&str; 3] = ["1, 'ann@x', 'Ann', '1'", "2, 'bob@x', 'Bob', '2'", "3, 'cy@x', 'Cy', '3'"];

fn agreed(hub: &'static str) -> Lab {
    let lab = Lab::customers(Customer { hub, ..Customer::default() }, &ROWS, &[]);
    lab.sync(0);
    lab
}

fn many(rows: u32) -> Lab {
    let lab = Lab::customers(Customer::default(), &[], &[]);
    lab.sql(
        "crm",
        &format!(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows}) \
             insert into contacts (id, email, full_name) select i, 'p' || i || '@x', 'P' || i from n"
        ),
    );
    lab.sync(0);
    lab
}

#[test]
fn deletes_go_to_the_other_side() {
    let lab = agreed("");
    lab.sql("crm", "delete from contacts where id = 1");
    lab.sql("erp", "delete from customer where mail = 'cy@x'");
    let sync = lab.sync(0);
    assert_eq!(figures(&sync, ["deleted", "written", "conflicts"]), [2, 0, 0], "{sync}");
    lab.agree_on(&["bob@x|Bob|2"]);
}

#[test]
fn the_last_record_can_be_deleted() {
    let lab = Lab::customers(Customer::default(), &ROWS[..1], &[]);
    lab.sync(0);
    lab.sql("crm", "delete from contacts");
    lab.sync(0);
    lab.agree_on(&[]);
}

#[test]
fn deletes_can_be_left_alone() {
    let lab = agreed("deletes = \"ignore\"");
    lab.sql("crm", "delete from contacts where id = 1");
    let sync = lab.sync(0);
    assert_eq!(figures(&sync, ["deleted", "written"]), [0, 0], "{sync}");
    lab.sql("erp", "update customer set name = 'Anna' where mail = 'ann@x'");
    lab.sync(0);
    assert_eq!(lab.sql("crm", "select count(*) from contacts"), "2");
    assert_eq!(lab.sql("erp", "select count(*) from customer"), "3");
    lab.rests();
}

#[test]
fn deletes_can_be_archived() {
    let archive = Customer {
        hub: "deletes = \"archive\"",
        crm: ", archive = { field = \"state\", value = \"gone\" }",
        erp: ", archive = { field = \"active\", value = false }",
        name: "",
    };
    let lab = Lab::customers(archive, &ROWS, &[]);
    lab.sql("crm", "alter table contacts add column state text");
    lab.sql("erp", "alter table customer add column active boolean default true");
    lab.sync(0);
    lab.sql("crm", "delete from contacts where id = 1");
    lab.sql("erp", "delete from customer where mail = 'bob@x'");
    lab.sync(0);
    assert_eq!(lab.sql("crm", "select email, state from contacts order by 1"), "bob@x|gone\ncy@x|NULL");
    assert_eq!(lab.sql("erp", "select mail, active from customer order by 1"), "ann@x|0\ncy@x|1");
    lab.rests();
}

/// Ann is edited in the ERP and deleted in the CRM, Bob the other way round.
fn edit_against_delete(hub: &'static str) -> Lab {
    let lab = agreed(hub);
    lab.sql("crm", "delete from contacts where id = 1; update contacts set phone = '22' where id = 2");
    lab.sql("erp", "update customer set tel = '11' where mail = 'ann@x'; delete from customer where mail = 'bob@x'");
    lab
}

#[test]
fn an_edit_against_a_delete_waits_for_a_person() {
    let lab = edit_against_delete("");
    let sync = lab.sync(1);
    assert_eq!(figures(&sync, ["conflicts", "deleted", "dead_letters"]), [2, 0, 0], "{sync}");
    assert_eq!(lab.both(), ("bob@x|Bob|22\ncy@x|Cy|3".to_owned(), "ann@x|Ann|11\ncy@x|Cy|3".to_owned()));
    lab.rests();
    let conflicts = lab.conflicts();
    assert_eq!(conflicts.len(), 2);
    assert!(conflicts.iter().all(|conflict| conflict.conflict.kind.name() == "delete"), "{conflicts:#?}");
    // The edit that collided can be read.
    let bodies: String = conflicts.iter().map(|conflict| conflict.conflict.body.clone()).collect();
    assert!(bodies.contains("\"22\"") && bodies.contains("\"11\""), "{bodies}");
}

#[test]
fn who_gets_the_record_meanwhile_does_not_answer_for_who_deleted_it() {
    const HUB: &str = "[sync.customer]\nmode = \"hub\"\nmatch = [\"email\"]\nconflict = [\"crm\", \"erp\", \"shop\"]\n\
        endpoints.crm = { stream = \"contacts\" }\nendpoints.erp = { stream = \"customer\" }\n\
        endpoints.shop = { stream = \"customer\", direction = \"read\" }\n[sync.customer.fields]\n\
        email = { crm = \"email\", erp = \"mail\", shop = \"mail\" }\n\
        phone = { crm = \"phone\", erp = \"tel\", shop = \"tel\" }\n";
    let lab = Lab::databases(&[], &["crm", "erp", "shop"], HUB);
    for (system, schema) in [("crm", CRM), ("erp", ERP), ("shop", ERP)] {
        lab.sql(system, schema);
    }
    lab.sql("crm", "insert into contacts (id, email, full_name, phone) values (1, 'ann@x', 'Ann', '1')");
    lab.sync(0);
    lab.sql("crm", "update contacts set phone = '11'");
    lab.sql("erp", "delete from customer");
    lab.sync(1);
    let open = || lab.conflicts().iter().filter(|conflict| conflict.conflict.state == ConflictState::Open).count();
    assert_eq!(open(), 1);
    lab.sql("shop", "insert into customer (mail, tel) values ('ann@x', '11')");
    lab.sync(1);
    assert_eq!((open(), lab.sql("erp", "select count(*) from customer").as_str()), (1, "0"));
    // Who has deleted it and makes it again has answered.
    lab.sql("erp", "insert into customer (mail, tel) values ('ann@x', '11')");
    lab.sync(0);
    assert_eq!(open(), 0);
}

#[test]
fn the_edit_brings_the_record_back() {
    let lab = edit_against_delete("delete_conflict = \"edit-wins\"");
    lab.sync(0);
    lab.agree_on(&["ann@x|Ann|11", "bob@x|Bob|22", "cy@x|Cy|3"]);
    assert_eq!(lab.conflicts().len(), 2);
}

#[test]
fn the_delete_counts_whatever_was_edited() {
    let lab = edit_against_delete("delete_conflict = \"delete-wins\"");
    lab.sync(0);
    lab.agree_on(&["cy@x|Cy|3"]);
    assert_eq!(lab.conflicts().len(), 2);
}

#[test]
fn a_record_that_is_made_again_under_its_key_comes_back() {
    let lab = agreed("");
    lab.sql("crm", "delete from contacts where id = 1");
    lab.sync(0);
    assert_eq!(lab.sql("erp", "select count(*) from customer"), "2");
    lab.sql("crm", "insert into contacts (id, email, full_name) values (1, 'ann@x', 'Ann again')");
    lab.sync(0);
    lab.agree_on(&["ann@x|Ann again|NULL", "bob@x|Bob|2", "cy@x|Cy|3"]);
    // Deleted and made again between two runs is an edit.
    lab.sql(
        "crm",
        "delete from contacts where id = 2; insert into contacts (id, email, full_name) values (2, 'bob@x', 'B')",
    );
    lab.sync(0);
    lab.agree_on(&["ann@x|Ann again|NULL", "bob@x|B|NULL", "cy@x|Cy|3"]);
}

#[test]
fn many_deletes_wait_for_approval() {
    let lab = many(100);
    lab.sql("crm", "delete from contacts where id <= 40; update contacts set phone = '7' where id = 41");
    let sync = lab.sync(1);
    assert_eq!(figures(&sync, ["held", "deleted"]), [40, 0], "{sync}");
    assert_eq!(lab.sql("erp", "select count(*), count(tel) from customer"), "100|1", "the rest flows");
    lab.run(&["status"]).says(&["approve 1"]);
    approve(&lab);
    assert_eq!(lab.sql("erp", "select count(*) from customer"), "60");
    lab.rests();
}

/// Approves whatever is held and runs, until nothing is: a person says yes once.
fn approve(lab: &Lab) {
    lab.run(&["approve", "1"]).ends(0);
    let sync = lab.sync(0);
    assert_eq!(figures(&sync, ["held"]), [0], "{sync}");
}

#[test]
fn an_empty_table_deletes_nothing_without_approval() {
    let lab = many(60);
    lab.sql("crm", "delete from contacts");
    for _ in 0..2 {
        let sync = lab.sync(1);
        assert_eq!(figures(&sync, ["held", "deleted"]), [60, 0], "{sync}");
    }
    assert_eq!(lab.sql("erp", "select count(*) from customer"), "60");
    let status = lab.run(&["status", "--json"]).ends(0).json();
    assert_eq!(status["result"]["holds"].as_array().unwrap().len(), 1, "{status}");
    approve(&lab);
    lab.agree_on(&[]);
}

#[test]
fn what_comes_back_before_approval_was_never_gone() {
    let lab = many(60);
    lab.sql("crm", "create table kept as select * from contacts; delete from contacts");
    lab.sync(1);
    lab.sql("crm", "insert into contacts select * from kept");
    let sync = lab.sync(0);
    assert_eq!(figures(&sync, ["held", "deleted", "written"]), [0, 0, 0], "{sync}");
    assert_eq!(lab.sql("erp", "select count(*) from customer"), "60");
    let status = lab.run(&["status", "--json"]).ends(0).json();
    assert_eq!(status["result"]["holds"], serde_json::json!([]), "nobody is asked about it any more");
}

#[test]
fn many_deletes_on_both_sides_are_approved_one_by_one() {
    let lab = many(100);
    lab.sql("crm", "delete from contacts where id <= 30");
    lab.sql("erp", "delete from customer where no > 60");
    let sync = lab.sync(1);
    assert_eq!(figures(&sync, ["held", "deleted"]), [70, 0], "{sync}");
    lab.run(&["approve", "2"]).ends(0);
    let sync = lab.sync(1);
    assert_eq!(figures(&sync, ["held", "deleted"]), [30, 40], "{sync}");
    assert_eq!(lab.sql("crm", "select count(*) from contacts"), "30");
    lab.run(&["approve", "1"]).ends(0);
    lab.sync(0);
    assert_eq!(lab.sql("crm", "select min(id), max(id) from contacts"), "31|60");
    assert_eq!(lab.sql("erp", "select count(*) from customer"), "30");
    lab.rests();
}

#[test]
fn a_table_that_is_gone_deletes_nothing() {
    let lab = many(30);
    lab.sql("crm", "alter table contacts rename to kept");
    lab.run(&["run"]).ends(2).says(&["LS0701", "contacts"]);
    assert_eq!(lab.sql("erp", "select count(*) from customer"), "30");
    lab.sql("crm", "alter table kept rename to contacts");
    lab.sync(0);
    lab.rests();
}

#[test]
fn a_conflict_about_a_delete_is_over_when_both_sides_agree() {
    let lab = edit_against_delete("");
    lab.sync(1);
    // Ann is deleted on the other side as well, Bob is made again.
    lab.sql("erp", "delete from customer where mail = 'ann@x'; insert into customer (mail, name, tel) values ('bob@x', 'Bob', '22')");
    lab.sync(0);
    lab.agree_on(&["bob@x|Bob|22", "cy@x|Cy|3"]);
    assert!(
        lab.conflicts().iter().all(|conflict| conflict.conflict.state.name() == "outdated"),
        "{:#?}",
        lab.conflicts()
    );
}
