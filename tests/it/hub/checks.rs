//! What `check` refuses because it could not do what it says.

use super::systems::{Customer, Lab};

const TIMES: &str = ", modified = \"changed\"";

fn newest(crm: &'static str, erp: &'static str) -> Lab {
    Lab::customers(Customer { crm, erp, name: ", conflict = \"newest\"", hub: "" }, &[], &[])
}

#[test]
fn newest_needs_times_of_everybody_who_may_change_the_field() {
    newest(TIMES, TIMES).run(&["check", "--online"]).ends(0);
    newest(TIMES, ", direction = \"write\"").run(&["check"]).ends(0);
    let lab = newest(TIMES, "");
    lab.run(&["check"]).ends(2).says(&[
        "LS0204",
        "lockstep.toml:17: sync `customer`: `name` is decided by `newest`, but `erp` does not say when its records were changed",
        "hint: name the field that holds the time of the last change: `modified = \"updated_at\"` in `endpoints.erp`",
    ]);
    for verb in ["plan", "run"] {
        lab.run(&[verb]).ends(2).says(&["LS0204", "`erp` does not say when its records were changed"]);
    }
    let both = newest("", "");
    both.run(&["check"]).ends(2).says(&["`crm` does not say when", "`erp` does not say when"]);
}

#[test]
fn newest_needs_times_that_are_times() {
    let lab = newest(TIMES, ", modified = \"rev\"");
    lab.sql("erp", "alter table customer add column rev integer");
    lab.run(&["check"]).ends(0);
    lab.run(&["check", "--online"]).says(&[
        "LS0204",
        "lockstep.toml:17: sync `customer`: `name` is decided by `newest`, but `rev`, the `modified` of `erp`, is int64 and no time",
    ]);
    lab.run(&["run"]).ends(2).says(&["is int64 and no time"]);

    // The hint works: the field holds times as text.
    let lab = newest(TIMES, ", modified = \"at\"");
    lab.sql("erp", "alter table customer add column at text");
    lab.run(&["run"]).ends(2).says(&["is text and no time", "`types = { at = \"timestamp\" }` in `endpoints.erp`"]);
    let typed = newest(TIMES, ", modified = \"at\", types = { at = \"timestamp\" }");
    typed.sql("erp", "alter table customer add column at text");
    typed.sync(0);
}

#[test]
fn a_stream_that_would_be_made_if_its_key_were_known() {
    let lab = Lab::customers(Customer { crm: "", erp: "", hub: "", name: "" }, &["1, 'ann@x', 'Ann', '1'"], &[]);
    lab.sql("erp", "drop table customer");
    let hint = "hint: a stream whose key is known is made: `key = [\"mail\"]` beside the stream";
    lab.run(&["run"]).ends(2).says(&["LS0701", "has no stream `customer`", hint]);
    let keyed = Customer { erp: ", key = [\"mail\"]", ..Customer::default() };
    let lab = Lab::customers(keyed, &["1, 'ann@x', 'Ann', '1'"], &[]);
    lab.sql("erp", "drop table customer");
    lab.sync(0);
    assert_eq!(lab.sql("erp", "select mail, name, tel from customer"), "ann@x|Ann|1");
}
