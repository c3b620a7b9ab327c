//! How long the dead are remembered.

use std::time::Duration;

use super::systems::{Customer, Lab, figures};

const ROWS: [&str; 2] = ["1, 'ann@x', 'Ann', '1'", "2, 'bob@x', 'Bob', '2'"];

/// How many records, links and match keys there are, and what is owed.
fn kept(lab: &Lab) -> [String; 3] {
    let state = rusqlite::Connection::open(lab.path(".lockstep/state.db")).unwrap();
    ["record", "link", "match_key"].map(|table| {
        let count: i64 = state.query_row(&format!("select count(*) from {table}"), [], |row| row.get(0)).unwrap();
        count.to_string()
    })
}

fn bob_dies(hub: &'static str) -> Lab {
    let lab = Lab::customers(Customer { hub, ..Customer::default() }, &ROWS, &[]);
    lab.sync(0);
    assert_eq!(kept(&lab), ["2", "4", "2"]);
    lab.sql("crm", "delete from contacts where id = 2");
    assert_eq!(figures(&lab.sync(0), ["deleted"]), [1]);
    assert_eq!(kept(&lab), ["2", "4", "2"]);
    lab
}

/// Beyond a horizon of two seconds, and its period.
fn later() {
    std::thread::sleep(Duration::from_millis(2_500));
}

#[test]
fn the_dead_are_forgotten_and_who_returns_is_new() {
    let lab = bob_dies("tombstones = \"2s\"");
    let rollback = lab.sync(0)["run"].as_u64().unwrap() - 1;
    assert_eq!(kept(&lab), ["2", "4", "2"], "it is too early");
    later();
    lab.sync(0);
    assert_eq!(kept(&lab), ["1", "2", "1"]);
    lab.rests();
    lab.run(&["why", "customer", "bob@x"]).says(&["has no record `bob@x`"]);
    lab.run(&["lineage", "verify"]).ends(0);
    lab.run(&["rollback", &rollback.to_string(), "--yes"]).ends(0).says(&["forgotten"]);
    lab.sql("erp", "insert into customer (no, mail, name, tel) values (2, 'bob@x', 'Robert', '3')");
    lab.sync(0);
    lab.agree_on(&["ann@x|Ann|1", "bob@x|Robert|3"]);
    assert_eq!(kept(&lab), ["2", "4", "2"]);
    lab.run(&["why", "customer", "bob@x"]).ends(0).says(&["#3", "nobody had said anything before"]);
}

#[test]
fn within_the_horizon_who_returns_is_who_was_there() {
    let lab = bob_dies("");
    later();
    lab.sync(0);
    lab.sql("erp", "insert into customer (no, mail, name, tel) values (2, 'bob@x', 'Robert', '3')");
    lab.sync(0);
    assert_eq!(kept(&lab)[0], "2");
    lab.run(&["why", "customer", "bob@x"]).ends(0).says(&["#2"]);
}

#[test]
fn nobody_is_forgotten_while_a_copy_is_still_somewhere() {
    let lab = Lab::customers(Customer { hub: "tombstones = \"2s\"", ..Customer::default() }, &ROWS, &[]);
    lab.sync(0);
    lab.sql("erp", "create trigger never before delete on customer begin select raise(abort, 'never'); end");
    lab.sql("crm", "delete from contacts where id = 2");
    lab.sync(1);
    later();
    lab.run(&["run"]);
    later();
    lab.run(&["run"]);
    assert_eq!(kept(&lab)[0], "2");
    // It does not come back either.
    assert_eq!(lab.sql("crm", "select count(*) from contacts"), "1");
    lab.sql("erp", "drop trigger never");
    lab.run(&["dead-letters", "retry", "--all"]).ends(0);
    later();
    lab.sync(0);
    later();
    lab.sync(0);
    assert_eq!((kept(&lab)[0].as_str(), lab.sql("erp", "select count(*) from customer").as_str()), ("1", "1"));
}

#[test]
fn nobody_is_forgotten_before_everybody_was_read_completely() {
    let crm = ", modified = \"changed\", enumerate = { every = \"1h\" }";
    let lab = Lab::customers(Customer { hub: "tombstones = \"2s\"", crm, ..Customer::default() }, &ROWS, &[]);
    lab.sync(0);
    lab.sql("erp", "delete from customer where mail = 'bob@x'");
    assert_eq!(figures(&lab.sync(0), ["deleted"]), [1]);
    later();
    lab.sync(0);
    assert_eq!(kept(&lab)[0], "2", "the CRM may still have something to say");
    lab.run(&["run", "--full"]).ends(0);
    later();
    lab.sync(0);
    assert_eq!(kept(&lab)[0], "1");
}

/// SQLite gives the id of the last row that was deleted to the next one.
#[test]
fn an_id_that_is_given_away_again_is_nobodys_any_more() {
    let lab = bob_dies("");
    lab.sql("erp", "insert into customer (mail, name, tel) values ('cy@x', 'Cy', '3')");
    lab.sync(0);
    assert_eq!(lab.sql("crm", "select id, email from contacts order by id"), "1|ann@x\n2|cy@x");
    lab.agree_on(&["ann@x|Ann|1", "cy@x|Cy|3"]);
    lab.run(&["why", "customer", "crm:2"]).ends(0).says(&["#3"]);
    // Deleted and given away before anybody looked.
    let incremental =
        Customer { crm: ", modified = \"changed\", enumerate = { every = \"1h\" }", ..Customer::default() };
    let lab = Lab::customers(incremental, &ROWS, &[]);
    lab.sync(0);
    lab.sql("crm", "delete from contacts where id = 2");
    lab.sql("erp", "insert into customer (mail, name, tel) values ('cy@x', 'Cy', '3')");
    lab.sync(0);
    lab.agree_on(&["ann@x|Ann|1", "cy@x|Cy|3"]);
}
