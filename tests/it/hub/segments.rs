//! Endpoints that are to have only some of the records, or have them in words of their own.

use super::systems::{Lab, figures};

const COUNTRIES: &str = "[sync.customer]\nmode = \"hub\"\nmatch = [\"email\"]\nconflict = [\"crm\", \"erp\"]\n\
    endpoints.crm = { stream = \"contacts\" }\n\
    endpoints.erp = { stream = \"customer\", filter = \"country == 'DE'\" ERP }\n[sync.customer.fields]\n\
    email = { crm = \"email\", erp = \"mail\" }\nname = { crm = \"name\", erp = \"name\" }\n\
    country = { crm = \"country\", erp = \"country\" }\n";

/// Ann lives in Germany, Bob in France; the ERP is only for Germany.
fn countries(on_exit: &str) -> Lab {
    let lab = Lab::files(&["crm", "erp"], &COUNTRIES.replace("ERP", on_exit));
    lab.sql("crm", "create table contacts (id integer primary key, email text, name text, country text)");
    lab.sql("erp", "create table customer (no integer primary key, mail text, name text, country text, state text)");
    lab.sql("crm", "insert into contacts values (1, 'ann@x', 'Ann', 'DE'), (2, 'bob@x', 'Bob', 'FR')");
    lab.sync(0);
    assert_eq!(erp(&lab), "ann@x|Ann|DE|NULL");
    lab.rests();
    lab
}

fn erp(lab: &Lab) -> String {
    lab.sql("erp", "select mail, name, country, state from customer order by mail")
}

/// Ann moves to France and gets another name.
fn leave(lab: &Lab) {
    lab.sql("crm", "update contacts set country = 'FR' where id = 1");
    lab.sync(0);
    lab.rests();
    lab.sql("crm", "update contacts set name = 'Anne' where id = 1");
    lab.sync(0);
    lab.rests();
}

fn come_back(lab: &Lab) {
    lab.sql("crm", "update contacts set country = 'DE' where id = 1");
    lab.sync(0);
    lab.rests();
}

#[test]
fn who_leaves_is_left_alone() {
    let lab = countries("");
    leave(&lab);
    assert_eq!(erp(&lab), "ann@x|Ann|DE|NULL");
    // What the ERP does with its copy is its own business.
    lab.sql("erp", "update customer set state = 'x', name = 'Nobody'");
    lab.rests();
    assert_eq!(lab.sql("crm", "select name from contacts where id = 1"), "Anne");
    come_back(&lab);
    assert_eq!(erp(&lab), "ann@x|Anne|DE|x");
    assert_eq!(lab.sql("erp", "select count(*) from customer"), "1");
}

#[test]
fn what_is_changed_while_it_is_out_counts_when_it_comes_back() {
    let lab = countries("");
    lab.sql("crm", "update contacts set country = 'FR' where id = 1");
    lab.sync(0);
    lab.sql("erp", "update customer set name = 'Annette'");
    lab.sync(0);
    assert_eq!(lab.sql("crm", "select name from contacts where id = 1"), "Ann");
    come_back(&lab);
    assert_eq!(erp(&lab), "ann@x|Annette|DE|NULL");
    assert_eq!(lab.sql("crm", "select name from contacts where id = 1"), "Annette");
    // Both have changed it: that is a conflict like any other, and the loser can be read.
    lab.sql("crm", "update contacts set country = 'FR', name = 'Anne' where id = 1");
    lab.sync(0);
    lab.sql("erp", "update customer set name = 'Nobody'");
    lab.sync(0);
    let conflicts = lab.conflicts().len();
    come_back(&lab);
    assert_eq!(erp(&lab), "ann@x|Anne|DE|NULL");
    assert_eq!(lab.conflicts().len(), conflicts + 1);
}

#[test]
fn who_sends_its_own_record_away_can_bring_it_back() {
    let lab = countries("");
    lab.sql("erp", "update customer set country = 'FR'");
    lab.sync(0);
    lab.rests();
    lab.sql("erp", "update customer set country = 'DE', name = 'Anne'");
    lab.sync(0);
    assert_eq!(lab.sql("crm", "select name, country from contacts where id = 1"), "Anne|DE");
    lab.rests();
}

#[test]
fn what_was_deleted_while_it_was_out_comes_back_all_the_same() {
    let lab = countries("");
    lab.sql("crm", "update contacts set country = 'FR' where id = 1");
    lab.sync(0);
    lab.sql("erp", "delete from customer");
    lab.sync(0);
    lab.rests();
    assert_eq!(lab.sql("crm", "select count(*) from contacts"), "2");
    lab.sql("crm", "update contacts set country = 'DE' where id = 1");
    lab.run(&["run"]);
    assert_eq!(lab.sql("crm", "select count(*) from contacts"), "2");
}

#[test]
fn who_leaves_is_deleted() {
    let lab = countries(", on_exit = \"delete\"");
    leave(&lab);
    assert_eq!(erp(&lab), "");
    assert_eq!(lab.sql("crm", "select count(*) from contacts"), "2");
    come_back(&lab);
    assert_eq!(erp(&lab), "ann@x|Anne|DE|NULL");
    assert_eq!(lab.conflicts().len(), 0);
}

#[test]
fn who_leaves_is_archived() {
    let lab = countries(", on_exit = { field = \"state\", value = \"left\" }");
    leave(&lab);
    assert_eq!(lab.sql("erp", "select mail, state from customer"), "ann@x|left");
    assert_eq!(lab.sql("crm", "select count(*) from contacts"), "2");
}

#[test]
fn a_system_may_send_its_own_records_away() {
    let lab = countries(", on_exit = \"delete\"");
    lab.sql("erp", "update customer set country = 'FR'");
    lab.sync(0);
    assert_eq!(erp(&lab), "");
    assert_eq!(lab.sql("crm", "select email, country from contacts order by id"), "ann@x|FR\nbob@x|FR");
    lab.rests();
    // What is outside from the beginning is not the hub's business.
    lab.sql("erp", "insert into customer (mail, country) values ('cy@x', 'IT')");
    lab.sync(0);
    assert_eq!(lab.sql("crm", "select count(*) from contacts"), "2");
    lab.rests();
}

const WORDS: &str = "[sync.customer]\nmode = \"hub\"\nmatch = [\"email\"]\nconflict = [\"crm\", \"erp\"]\n\
    endpoints.crm = { stream = \"contacts\" }\nendpoints.erp = { stream = \"customer\" }\n[sync.customer.fields]\n\
    email = { crm = \"email\", erp = \"mail\", transform = \"lower(trim(value))\" }\n\
    status = { crm = { field = \"status\", values = { A = \"active\", I = \"inactive\" } }, erp = \"status\" }\n\
    code = { crm = \"code\", erp = { field = \"code\", read = \"lower(value)\", write = \"upper(value)\" } }\n\
    phone = { crm = { field = \"phone\", default = \"unknown\" }, erp = \"tel\" }\n\
    origin = { crm = \"origin\", erp = { field = \"origin\", constant = \"hub\" } }\n";

fn words() -> Lab {
    let lab = Lab::files(&["crm", "erp"], WORDS);
    lab.sql(
        "crm",
        "create table contacts (id integer primary key, email text, status text, code text, phone text, origin text)",
    );
    lab.sql(
        "erp",
        "create table customer (no integer primary key, mail text, status text, code text, tel text, origin text)",
    );
    lab
}

#[test]
fn values_have_their_own_words_in_each_system() {
    let lab = words();
    lab.sql(
        "crm",
        "insert into contacts values (1, ' Ann@X ', 'A', 'k1', null, 'shop'), (2, 'bob@x', 'I', 'k2', '2', null)",
    );
    lab.sql("erp", "insert into customer values (7, 'BOB@x', 'inactive', 'K2', '2', 'old')");
    let sync = lab.sync(0);
    assert_eq!(figures(&sync, ["dead_letters", "conflicts"]), [0, 0], "{sync}");
    let erp = || lab.sql("erp", "select mail, status, code, tel from customer order by lower(mail)");
    let crm = || lab.sql("crm", "select email, status, code, phone, origin from contacts order by id");
    assert_eq!(erp().to_lowercase(), "ann@x|active|k1|unknown\nbob@x|inactive|k2|2");
    assert_eq!(crm(), " Ann@X |A|k1|NULL|shop\nbob@x|I|k2|2|NULL");
    lab.rests();
    lab.sql("erp", "update customer set status = 'inactive', code = 'K9', origin = 'me' where lower(mail) = 'ann@x'");
    lab.sql("crm", "update contacts set code = 'k8', status = 'A' where id = 2");
    lab.sync(0);
    assert_eq!(erp().to_lowercase(), "ann@x|inactive|k9|unknown\nbob@x|active|k8|2");
    assert!(erp().contains("K8"), "{}", erp());
    assert_eq!(crm(), " Ann@X |I|k9|NULL|shop\nbob@x|A|k8|2|NULL");
    lab.rests();
}

#[test]
fn new_records_get_what_is_constant() {
    let lab = words();
    lab.sql("crm", "insert into contacts values (1, 'ann@x', 'A', 'k1', '1', 'shop')");
    lab.sync(0);
    assert_eq!(lab.sql("erp", "select mail, status, code, tel, origin from customer"), "ann@x|active|K1|1|hub");
    lab.rests();
}

#[test]
fn a_word_nobody_knows_holds_up_only_its_record() {
    let lab = words();
    lab.sql(
        "crm",
        "insert into contacts values (1, 'ann@x', 'X', 'k1', '1', null), (2, 'bob@x', 'A', 'k2', '2', null)",
    );
    let sync = lab.sync(1);
    assert_eq!(figures(&sync, ["dead_letters", "written"]), [1, 1], "{sync}");
    assert_eq!(lab.sql("erp", "select mail from customer"), "bob@x");
    let letter = lab.letters().remove(0).to_string();
    assert!(letter.contains("status") && letter.contains("ann@x"), "{letter}");
    lab.sql("crm", "update contacts set status = 'I' where id = 1");
    lab.sync(0);
    assert_eq!(lab.sql("erp", "select mail, status from customer order by mail"), "ann@x|inactive\nbob@x|active");
    assert_eq!(lab.letters().len(), 0);
    // The same the other way round: a word that has none on the other side.
    lab.sql("erp", "update customer set status = 'dormant', tel = '7' where mail = 'bob@x'");
    let sync = lab.sync(1);
    assert_eq!(figures(&sync, ["dead_letters"]), [1], "{sync}");
    assert_eq!(lab.sql("crm", "select status from contacts where id = 2"), "A");
    lab.sql("erp", "update customer set status = 'inactive' where mail = 'bob@x'");
    lab.sync(0);
    assert_eq!(lab.sql("crm", "select status, phone from contacts where id = 2"), "I|7");
    assert_eq!(lab.letters().len(), 0);
    lab.rests();
}
