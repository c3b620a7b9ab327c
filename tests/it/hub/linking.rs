//! Two populated systems meet for the first time, and what new records with the same e-mail address come to.

use super::systems::{Customer, Lab, figures};

const PRIORITY: Customer =
    Customer { hub: "conflict = [\"erp\", \"crm\"]", crm: "", erp: "", name: ", conflict = [\"crm\", \"erp\"]" };

#[test]
fn records_are_linked_made_and_settled() {
    let crm = ["1, 'ann@x', 'Ann', '1'", "2, 'bob@x', 'Bob', '2'", "3, 'Cy@X ', 'Cy', '3'"];
    let erp = ["71, 'bob@x', 'Robert', '22'", "72, 'cy@x', 'Cy', '3'", "73, 'dee@x', 'Dee', null"];
    let lab = Lab::customers(PRIORITY, &crm, &erp);
    // Cy's address is written in two ways; the ERP's counts.
    let sync = lab.sync(0);
    assert_eq!(figures(&sync, ["read", "dead_letters", "conflicts", "waiting"]), [6, 0, 0, 0], "{sync}");
    lab.agree_on(&["ann@x|Ann|1", "bob@x|Bob|22", "cy@x|Cy|3", "dee@x|Dee|NULL"]);
    assert_eq!(lab.sql("crm", "select group_concat(id) from contacts"), "1,2,3,4");
    assert_eq!(lab.sql("erp", "select group_concat(no) from customer"), "71,72,73,74");
    let conflicts = lab.conflicts();
    let told: Vec<(&str, &str)> =
        conflicts.iter().map(|conflict| (conflict.conflict.subject.as_str(), conflict.conflict.state.name())).collect();
    assert_eq!(told, [("name", "decided"), ("phone", "decided"), ("email", "decided")]);
}

#[test]
fn fields_that_differ_wait_for_a_person_and_hold_up_nothing() {
    let lab = Lab::customers(
        Customer { name: ", conflict = \"manual\"", ..PRIORITY },
        &["1, 'ann@x', 'Ann', '1'", "2, 'bob@x', 'Bob', '2'"],
        &["71, 'bob@x', 'Robert', '22'"],
    );
    let sync = lab.sync(1);
    assert_eq!(figures(&sync, ["conflicts", "dead_letters"]), [1, 0], "{sync}");
    let (crm, erp) = lab.both();
    assert_eq!((crm.as_str(), erp.as_str()), ("ann@x|Ann|1\nbob@x|Bob|22", "ann@x|Ann|1\nbob@x|Robert|22"));
    lab.rests();
    let open = lab.conflicts().into_iter().find(|conflict| conflict.conflict.state.name() == "open").unwrap();
    let (kind, _, subject, body) = super::systems::described(&open);
    assert_eq!((kind, subject.as_str()), ("field", "name"));
    assert_eq!((&body["current"]["name"], &body["incoming"]["name"]), (&"Bob".into(), &"Robert".into()), "{body}");
    // Whoever makes them equal has decided.
    lab.sql("crm", "update contacts set full_name = 'Robert' where id = 2");
    lab.sync(0);
    lab.agree_on(&["ann@x|Ann|1", "bob@x|Robert|22"]);
}

#[test]
fn the_later_change_counts_on_the_first_link() {
    let keys = ", modified = \"changed\"";
    let newest = Customer { hub: "conflict = \"newest\"", crm: keys, erp: keys, name: "" };
    let lab = Lab::customers(newest, &["1, 'ann@x', 'Ann', '1'", "2, 'bob@x', 'Bob', '2'"], &[]);
    lab.sql("crm", "update contacts set changed = '2026-01-01T10:00:00Z'");
    lab.sql(
        "erp",
        "insert into customer values (71, 'ann@x', 'Annie', '11', '2026-01-01T11:00:00Z'), \
         (72, 'bob@x', 'Robert', '22', '2026-01-01T09:00:00Z')",
    );
    lab.sync(0);
    lab.agree_on(&["ann@x|Annie|11", "bob@x|Bob|2"]);
    let losers: Vec<String> = lab
        .conflicts()
        .iter()
        .map(|conflict| super::systems::described(conflict).3)
        .map(|body| format!("{} {}", body["current"], body["incoming"]))
        .collect();
    assert!(losers.contains(&"{\"name\":\"Bob\"} {\"name\":\"Robert\"}".to_owned()), "{losers:?}");
    assert_eq!(losers.len(), 4);
}

#[test]
fn the_owner_has_the_say() {
    let crm = ["1, 'ann@x', 'Ann', '1'"];
    let erp = ["71, 'ann@x', 'Annie', '11'"];
    let restore = Customer { hub: "conflict = [\"erp\", \"crm\"]", crm: "", erp: "", name: ", owner = \"crm\"" };
    let lab = Lab::customers(restore, &crm, &erp);
    lab.sync(0);
    lab.agree_on(&["ann@x|Ann|11"]);
    lab.sql("erp", "update customer set name = 'Anna'");
    lab.sync(0);
    lab.agree_on(&["ann@x|Ann|11"]);

    // The owner is read second.
    let lab = Lab::customers(Customer { name: ", owner = \"erp\"", ..restore }, &crm, &erp);
    lab.sync(0);
    lab.agree_on(&["ann@x|Annie|11"]);

    let ignore = Customer { name: ", owner = \"crm\", others = \"ignore\"", ..restore };
    let lab = Lab::customers(ignore, &crm, &erp);
    lab.sync(0);
    assert_eq!(lab.both(), ("ann@x|Ann|11".to_owned(), "ann@x|Annie|11".to_owned()));
    lab.rests();
    lab.sql("crm", "update contacts set full_name = 'Anne'");
    lab.sync(0);
    lab.agree_on(&["ann@x|Anne|11"]);
}

#[test]
fn new_records_with_one_address_become_one() {
    let lab = Lab::customers(PRIORITY, &["1, 'ann@x', 'Ann', '1'"], &[]);
    for (system, table, column) in [("crm", "contacts", "email"), ("erp", "customer", "mail")] {
        lab.sql(system, &format!("create unique index {table}_address on {table} ({column})"));
    }
    lab.sync(0);
    lab.sql("crm", "insert into contacts (email, full_name) values ('new@x', 'New'), ('crm@x', 'Crm')");
    lab.sql("erp", "insert into customer (mail, name) values ('new@x', 'Novel'), ('erp@x', 'Erp')");
    let sync = lab.sync(0);
    assert_eq!(figures(&sync, ["dead_letters", "conflicts"]), [0, 0], "{sync}");
    lab.agree_on(&["ann@x|Ann|1", "crm@x|Crm|NULL", "erp@x|Erp|NULL", "new@x|New|NULL"]);
    let (kind, state, subject, body) = lab.conflict();
    assert_eq!((kind, state, subject.as_str()), ("field", "decided", "name"));
    assert_eq!(body["incoming"]["name"], "Novel");
}

#[test]
fn two_records_of_one_system_with_one_address_are_told() {
    let lab = Lab::customers(
        PRIORITY,
        &["1, 'ann@x', 'Ann', '1'", "2, 'ann@x', 'Ann II', '2'"],
        &["71, 'bob@x', 'Bob', '3'"],
    );
    let sync = lab.sync(1);
    assert_eq!(figures(&sync, ["conflicts"]), [1], "{sync}");
    assert_eq!(lab.sql("erp", "select mail, name from customer order by mail"), "ann@x|Ann\nbob@x|Bob");
    let (kind, state, _, body) = lab.conflict();
    assert_eq!((kind, state, &body["endpoint"]), ("duplicate", "open", &"crm".into()));
    lab.rests();
    assert_eq!(lab.conflict().1, "open", "nobody is asked twice");
    // The second one gets an address of its own.
    lab.sql("crm", "update contacts set email = 'ann2@x' where id = 2");
    lab.sync(0);
    lab.agree_on(&["ann2@x|Ann II|2", "ann@x|Ann|1", "bob@x|Bob|3"]);
}

#[test]
fn a_second_copy_that_becomes_the_only_one_brings_nothing_older_back() {
    let lab = Lab::customers(PRIORITY, &["1, 'ann@x', 'Ann', '1'", "2, 'ann@x', 'Ann', '1'"], &[]);
    lab.sync(1);
    lab.sql("erp", "update customer set name = 'Anna'");
    lab.sync(1);
    assert_eq!(lab.sql("crm", "select full_name from contacts order by id"), "Anna\nAnn");
    lab.sql("crm", "delete from contacts where id = 1");
    lab.sql("erp", "update customer set tel = '11'");
    lab.sync(1);
    lab.sync(0);
    lab.agree_on(&["ann@x|Anna|11"]);
    lab.rests();
    let told: String = lab.conflicts().into_iter().filter_map(|conflict| conflict.conflict.resolution).collect();
    assert!(told.contains(r#""by":"second copy""#), "{told}");
}

#[test]
fn one_of_two_copies_can_be_removed_and_the_other_is_the_record() {
    let lab = Lab::customers(PRIORITY, &["1, 'ann@x', 'Ann', '1'", "2, 'ann@x', 'Ann', '1'"], &[]);
    lab.sync(1);
    lab.sql("erp", "update customer set name = 'Anna'");
    lab.sync(1);
    lab.sql("crm", "delete from contacts where id = 1");
    lab.sync(1);
    assert_eq!(lab.sql("erp", "select name from customer"), "Anna", "nothing is deleted without a word");
    lab.sync(0);
    lab.agree_on(&["ann@x|Anna|1"]);
    assert_eq!(lab.sql("crm", "select id from contacts"), "2");
    lab.rests();
    // The only copy that is left can be deleted like any other.
    lab.sql("crm", "delete from contacts");
    lab.sync(0);
    lab.agree_on(&[]);
}
