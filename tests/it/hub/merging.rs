//! Edits on both sides between two runs.

use super::systems::{Customer, Lab, figures};

const ROWS: [&str; 2] = ["1, 'ann@x', 'Ann', '1'", "2, 'bob@x', 'Bob', '2'"];

/// Systems that agree about Ann and Bob.
fn agreed(customer: Customer) -> Lab {
    let lab = Lab::customers(customer, &ROWS, &[]);
    lab.sync(0);
    lab
}

fn edit_name_on_both_sides(lab: &Lab) {
    lab.sql("crm", "update contacts set full_name = 'Ann C', changed = '2026-01-01T10:00:00Z' where email = 'ann@x'");
    lab.sql("erp", "update customer set name = 'Ann E', changed = '2026-01-01T11:00:00Z' where mail = 'ann@x'");
}

#[test]
fn different_fields_are_merged() {
    let lab = agreed(Customer::default());
    lab.sql(
        "crm",
        "update contacts set full_name = 'Ann C' where id = 1; update contacts set phone = null where id = 2",
    );
    lab.sql(
        "erp",
        "update customer set tel = '11' where mail = 'ann@x'; update customer set name = 'Robert' where mail = 'bob@x'",
    );
    let sync = lab.sync(0);
    assert_eq!(figures(&sync, ["written", "conflicts"]), [4, 0], "{sync}");
    lab.agree_on(&["ann@x|Ann C|11", "bob@x|Robert|NULL"]);
    assert_eq!(lab.conflicts().len(), 0);
}

#[test]
fn only_what_changed_is_written() {
    let lab = agreed(Customer::default());
    lab.sql("erp", "create trigger strict before update of name on customer begin select raise(abort, 'name'); end");
    lab.sql("crm", "update contacts set phone = '7'");
    lab.sync(0);
    lab.agree_on(&["ann@x|Ann|7", "bob@x|Bob|7"]);
}

#[test]
fn the_same_edit_on_both_sides_is_no_conflict() {
    let lab = agreed(Customer::default());
    lab.sql("crm", "update contacts set full_name = 'Anna' where id = 1");
    lab.sql("erp", "update customer set name = 'Anna' where mail = 'ann@x'");
    let sync = lab.sync(0);
    assert_eq!(figures(&sync, ["written", "conflicts"]), [0, 0], "{sync}");
    lab.agree_on(&["ann@x|Anna|1", "bob@x|Bob|2"]);
}

/// One side wins; the other's value can be read.
#[track_caller]
fn decides(customer: Customer, winner: &str, loser: &str, policy: &str) {
    let lab = agreed(customer);
    edit_name_on_both_sides(&lab);
    lab.sync(0);
    lab.agree_on(&[&format!("ann@x|{winner}|1"), "bob@x|Bob|2"]);
    let (kind, state, subject, body) = lab.conflict();
    assert_eq!((kind, state, subject.as_str(), &body["policy"]), ("field", "decided", "name", &policy.into()));
    assert_eq!(body["base"]["name"], "Ann", "{body}");
    let values = [&body["current"]["name"], &body["incoming"]["name"]];
    assert!(values.contains(&&loser.into()) && values.contains(&&winner.into()), "{body}");
    let resolution = lab.conflicts()[0].conflict.resolution.clone().unwrap();
    assert!(resolution.contains(winner), "{resolution}");
}

#[test]
fn the_first_in_the_list_wins() {
    decides(Customer { name: ", conflict = [\"erp\", \"crm\"]", ..Customer::default() }, "Ann E", "Ann C", "priority");
    decides(Customer { name: ", conflict = [\"crm\", \"erp\"]", ..Customer::default() }, "Ann C", "Ann E", "priority");
}

#[test]
fn the_later_edit_wins() {
    let keys = ", modified = \"changed\"";
    let newest = Customer { crm: keys, erp: keys, name: ", conflict = \"newest\"", hub: "" };
    decides(newest, "Ann E", "Ann C", "newest");
}

#[test]
fn edits_of_nearly_the_same_moment_have_no_order() {
    let keys = ", modified = \"changed\"";
    let lab = agreed(Customer { crm: keys, erp: keys, name: ", conflict = \"newest\"", hub: "clock_doubt = \"2h\"" });
    edit_name_on_both_sides(&lab);
    lab.sync(0);
    lab.agree_on(&["ann@x|Ann C|1", "bob@x|Bob|2"]);
    let (_, state, subject, body) = lab.conflict();
    assert_eq!((state, subject.as_str(), &body["incoming"]["name"]), ("decided", "name", &"Ann E".into()));
}

#[test]
fn a_person_is_asked_and_everything_else_goes_on() {
    let lab = agreed(Customer::default());
    edit_name_on_both_sides(&lab);
    lab.sql("crm", "update contacts set phone = '9'");
    let sync = lab.sync(1);
    assert_eq!(figures(&sync, ["conflicts", "dead_letters"]), [1, 0], "{sync}");
    assert_eq!(lab.both(), ("ann@x|Ann C|9\nbob@x|Bob|9".to_owned(), "ann@x|Ann E|9\nbob@x|Bob|9".to_owned()));
    lab.rests();
    assert_eq!(lab.conflict().1, "open");
    // A person takes the CRM's side by hand.
    lab.sql("erp", "update customer set name = 'Ann C' where mail = 'ann@x'");
    lab.sync(0);
    assert_eq!(lab.conflict().1, "outdated");
    lab.agree_on(&["ann@x|Ann C|9", "bob@x|Bob|9"]);
}

#[test]
fn counters_add_up_and_sets_are_united() {
    let text = "[sync.stock]\nmode = \"hub\"\nmatch = [\"code\"]\nendpoints.shop = { stream = \"item\" }\n\
        endpoints.store = { stream = \"item\" }\n[sync.stock.fields]\ncode = { shop = \"code\", store = \"code\" }\n\
        pieces = { shop = \"pieces\", store = \"pieces\", conflict = \"counter\" }\n\
        tags = { shop = \"tags\", store = \"tags\", conflict = { set = \";\" } }\n";
    let lab = Lab::files(&["shop", "store"], text);
    for system in ["shop", "store"] {
        lab.sql(system, "create table item (id integer primary key, code text, pieces integer, tags text)");
        lab.sql(system, "insert into item (code, pieces, tags) values ('a', 10, 'x;y')");
    }
    lab.sync(0);
    lab.sql("shop", "update item set pieces = 7, tags = 'x;y;shop'");
    lab.sql("store", "update item set pieces = 30, tags = 'y;store'");
    lab.sync(0);
    for system in ["shop", "store"] {
        assert_eq!(lab.sql(system, "select pieces from item"), "27");
        let tags = lab.sql(system, "select tags from item");
        let mut tags: Vec<&str> = tags.split(';').collect();
        tags.sort_unstable();
        assert_eq!(tags, ["shop", "store", "y"]);
    }
    lab.rests();
}

/// Two systems with places, whose fields `zip` and `city` move together.
fn places() -> Lab {
    let text = "[sync.place]\nmode = \"hub\"\nmatch = [\"code\"]\nendpoints.a = { stream = \"place\" }\n\
        endpoints.b = { stream = \"place\" }\n[sync.place.fields]\ncode = { a = \"code\", b = \"code\" }\n\
        zip = { a = \"zip\", b = \"zip\", group = \"address\", conflict = [\"b\", \"a\"] }\n\
        city = { a = \"city\", b = \"city\", group = \"address\", conflict = [\"b\", \"a\"] }\n";
    let lab = Lab::files(&["a", "b"], text);
    for system in ["a", "b"] {
        lab.sql(system, "create table place (id integer primary key, code text, zip text, city text)");
    }
    lab.sql("a", "insert into place values (1, 'p', '10115', 'Berlin')");
    lab
}

#[test]
fn fields_of_a_group_are_decided_together() {
    let lab = places();
    lab.sync(0);
    lab.sql("a", "update place set zip = '20095', city = 'Hamburg'");
    lab.sql("b", "update place set zip = '10117'");
    lab.sync(0);
    for system in ["a", "b"] {
        assert_eq!(lab.sql(system, "select zip, city from place"), "10117|Berlin");
    }
    lab.rests();
}

/// Two programs insist on a zip each: what is in its group is left alone with it, and no longer than until a person decides.
#[test]
fn a_group_that_goes_back_and_forth_is_left_alone_as_one() {
    let lab = places();
    lab.sync(0);
    for zip in ["1", "2", "1", "2", "1", "2", "1", "2"] {
        lab.sql(if zip == "1" { "a" } else { "b" }, &format!("update place set zip = '{zip}'"));
        lab.run(&["run"]);
    }
    assert_eq!(lab.conflict().0, "oscillation");
    lab.sql("a", "update place set city = 'Bonn'");
    lab.run(&["run"]);
    assert_eq!(lab.sql("b", "select city from place"), "Berlin");
    let conflicts = lab.run(&["conflicts", "list", "--json"]).json();
    let id = conflicts["result"]["conflicts"][0]["id"].to_string();
    lab.run(&["conflicts", "resolve", &id, "--set", "zip=3"]);
    lab.sync(0);
    for system in ["a", "b"] {
        assert_eq!(lab.sql(system, "select zip, city from place"), "3|Berlin", "{system}");
    }
    lab.sql("a", "update place set city = 'Bonn'");
    lab.sync(0);
    assert_eq!(lab.sql("b", "select zip, city from place"), "3|Bonn");
    lab.rests();
}
