//! Endpoints of all kinds: read incrementally, only read, only written, made by the hub.

use super::systems::{Customer, Lab, figures};

/// `person` in PostgreSQL, with a time of the last change that knows only seconds and is set by the database.
pub const PERSON: &str = "create table person (id bigint generated always as identity primary key, email text, name text, \
    phone text, changed timestamptz(0) not null default date_trunc('second', clock_timestamp())); \
    create function stamp() returns trigger language plpgsql as \
    $$ begin new.changed := date_trunc('second', clock_timestamp()); return new; end $$; \
    create trigger stamp before update on person for each row execute function stamp();";
/// The same in SQLite.
const PERSON_FILE: &str = "create table person (id integer primary key, email text, name text, phone text, changed timestamptz); \
    create trigger made after insert on person begin \
    update person set changed = strftime('%Y-%m-%dT%H:%M:%SZ', 'now') where id = new.id; end; \
    create trigger changed after update of email, name, phone on person begin \
    update person set changed = strftime('%Y-%m-%dT%H:%M:%SZ', 'now') where id = new.id; end;";

const THREE: &str = "[sync.person]\nmode = \"hub\"\nmatch = [\"email\"]\nconflict = [\"west\", \"east\", \"field\"]\n\
    endpoints.east = { stream = \"public.person\", modified = \"changed\" }\n\
    endpoints.west = { stream = \"public.person\", modified = \"changed\" }\n\
    endpoints.field = { stream = \"person\", modified = \"changed\" }\n[sync.person.fields]\n\
    email = { east = \"email\", west = \"email\", field = \"email\" }\n\
    name = { east = \"name\", west = \"name\", field = \"name\" }\n\
    phone = { east = \"phone\", west = \"phone\", field = \"phone\" }\n";

const SYSTEMS: [&str; 3] = ["east", "west", "field"];

fn three() -> Lab {
    let lab = Lab::databases(&["east", "west"], &["field"], THREE);
    lab.sql("east", PERSON);
    lab.sql("west", PERSON);
    lab.sql("field", PERSON_FILE);
    lab
}

#[track_caller]
fn all_have(lab: &Lab, rows: &[&str]) {
    for system in SYSTEMS {
        let found =
            lab.sql(system, "select email, coalesce(name, '-'), coalesce(phone, '-') from person order by email");
        assert_eq!(found, rows.join("\n"), "{system}");
    }
    lab.rests();
}

#[test]
fn three_systems_that_are_read_by_the_time_of_change() {
    let lab = three();
    lab.sql("east", "insert into person (email, name) values ('ann@x', 'Ann'), ('bob@x', 'Bob')");
    lab.sql("west", "insert into person (email, name) values ('bob@x', 'Robert'), ('cy@x', 'Cy')");
    lab.sql("field", "insert into person (email, name, phone) values ('cy@x', 'Cyril', '3'), ('dee@x', 'Dee', '4')");
    lab.sync(0);
    all_have(&lab, &["ann@x|Ann|-", "bob@x|Robert|-", "cy@x|Cy|3", "dee@x|Dee|4"]);

    // Within the second in which the hub has written.
    lab.sql("east", "update person set phone = '1' where email = 'ann@x'");
    lab.sql("west", "update person set phone = '2' where email = 'bob@x'");
    lab.sql("field", "update person set phone = '30' where email = 'cy@x'");
    lab.sync(0);
    lab.sql(
        "east",
        "update person set phone = '11' where email = 'ann@x'; insert into person (email) values ('eve@x')",
    );
    lab.sql("field", "update person set phone = '33' where email = 'cy@x'; delete from person where email = 'dee@x'");
    lab.sync(0);
    all_have(&lab, &["ann@x|Ann|11", "bob@x|Robert|2", "cy@x|Cy|33", "eve@x|-|-"]);
}

#[test]
fn a_run_without_changes_reads_next_to_nothing_but_keys() {
    let lab = three();
    lab.sql("east", "insert into person (email) select 'p' || i || '@x' from generate_series(1, 500) i");
    lab.sync(0);
    lab.sync(0);
    lab.sql("west", "delete from person where email = 'p7@x'");
    let sync = lab.sync(0);
    assert_eq!(figures(&sync, ["deleted", "written"]), [2, 0], "{sync}");
    for system in SYSTEMS {
        assert_eq!(lab.sql(system, "select count(*) from person"), "499", "{system}");
    }
}

#[test]
fn an_endpoint_that_is_only_read_is_never_written() {
    let only_read =
        Customer { crm: ", direction = \"read\"", hub: "conflict = [\"erp\", \"crm\"]", ..Customer::default() };
    let lab =
        Lab::customers(only_read, &["1, 'ann@x', 'Ann', '1'", "2, 'bob@x', 'Bob', '2'"], &["7, 'cy@x', 'Cy', '3'"]);
    lab.sql("crm", "create trigger watched before update on contacts begin select raise(abort, 'written'); end");
    lab.sync(0);
    lab.sql("erp", "update customer set name = 'Anna' where mail = 'ann@x'; delete from customer where mail = 'bob@x'");
    // Bob is still in the CRM and cannot be taken away there: a person is asked, and nothing comes back by itself.
    let sync = lab.sync(1);
    assert_eq!(figures(&sync, ["conflicts"]), [1], "{sync}");
    assert_eq!(lab.both(), ("ann@x|Ann|1\nbob@x|Bob|2".to_owned(), "ann@x|Anna|1\ncy@x|Cy|3".to_owned()));
    lab.rests();
    lab.sql("crm", "drop trigger watched; update contacts set phone = '11' where id = 1");
    lab.sync(1);
    assert_eq!(lab.both().1, "ann@x|Anna|11\ncy@x|Cy|3");
    lab.rests();
}

#[test]
fn an_endpoint_that_is_only_written_is_made() {
    let text = "[sync.customer]\nmode = \"hub\"\nmatch = [\"email\"]\n\
        endpoints.crm = { stream = \"contacts\" }\nendpoints.erp = { stream = \"customer\" }\n\
        endpoints.copy = { stream = \"public.people\", direction = \"write\", key = [\"address\"] }\n[sync.customer.fields]\n\
        email = { crm = \"email\", erp = \"mail\", copy = \"address\" }\n\
        name = { crm = \"full_name\", erp = \"name\", copy = \"name\" }\nphone = { crm = \"phone\", erp = \"tel\" }\n";
    let lab = Lab::databases(&["copy"], &["crm", "erp"], text);
    lab.sql("crm", super::systems::CRM);
    lab.sql("erp", super::systems::ERP);
    lab.sql("crm", "insert into contacts (email, full_name) values ('ann@x', 'Ann'), ('bob@x', null)");
    lab.sync(0);
    let copy = || lab.sql("copy", "select * from people order by address");
    assert_eq!(copy(), "ann@x|Ann\nbob@x|");
    lab.rests();
    lab.sql("erp", "update customer set name = 'Bob' where mail = 'bob@x'; delete from customer where mail = 'ann@x'");
    lab.sql("crm", "insert into contacts (email, full_name) values ('cy@x', 'Cy')");
    lab.sync(0);
    assert_eq!(copy(), "bob@x|Bob\ncy@x|Cy");
    lab.rests();
    // What somebody does there is nobody's business until somebody else changes it.
    lab.sql("copy", "update people set name = 'nobody' where address = 'cy@x'");
    lab.rests();
    lab.sql("crm", "update contacts set full_name = 'Cyril' where email = 'cy@x'");
    lab.sync(0);
    assert_eq!(copy(), "bob@x|Bob\ncy@x|Cyril");
    // And who deletes there has no say.
    lab.sql("copy", "delete from people");
    lab.sql(
        "crm",
        "update contacts set full_name = 'Cyrus' where email = 'cy@x'; delete from contacts where email = 'bob@x'",
    );
    lab.sync(0);
    assert_eq!(copy(), "cy@x|Cyrus");
    assert_eq!(lab.sql("erp", "select mail from customer"), "cy@x");
    lab.rests();
}
