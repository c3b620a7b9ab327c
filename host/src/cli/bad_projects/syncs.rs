//! Mistakes in `[sync.NAME]`.

use super::check;

#[test]
fn an_unknown_key_is_refused_with_a_suggestion() {
    let report = check(r#"stream = "customers.csv", key"#, r#"stream = "customers.csv", kye"#);
    insta::assert_snapshot!(report, @r#"
    error[LS0203]: lockstep.toml:14: there is no key `kye` in `sync.customers.source`
    hint: did you mean `key`?
    "#);
}

#[test]
fn a_string_where_a_list_belongs() {
    let report = check(r#"key = ["id"]"#, r#"key = "id""#);
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:14: `sync.customers.source.key` must be a list, found a string
    hint: for example `key = ["id"]`
    "#);
}

#[test]
fn a_list_with_the_wrong_elements() {
    let report = check(r#"key = ["id"]"#, r#"key = ["id", 7]"#);
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:14: `sync.customers.source.key[1]` must be a string, found the number `7`
    hint: for example `key = ["id"]`
    "#);
}

#[test]
fn a_key_named_twice() {
    let report = check(r#"key = ["id"]"#, r#"key = ["id", "id"]"#);
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:14: `sync.customers.source.key[1]` names `id` a second time
    hint: for example `key = ["id"]`
    "#);
}

#[test]
fn an_empty_key() {
    let report = check(r#"key = ["id"]"#, "key = []");
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:14: `sync.customers.source.key` must name at least one field
    hint: for example `key = ["id"]`
    "#);
}

#[test]
fn a_table_where_a_string_belongs() {
    let report = check(r#"mode = "mirror""#, r#"mode = { kind = "mirror" }"#);
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:13: `sync.customers.mode` must be a string, found a table
    hint: for example `mode = "mirror"`
    "#);
}

#[test]
fn a_word_that_is_no_mode() {
    let report = check(r#"mode = "mirror""#, r#"mode = "miror""#);
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:13: `sync.customers.mode` must be `mirror` or `hub`, found `miror`
    hint: for example `mode = "mirror"`
    "#);
}

#[test]
fn keys_of_later_versions_are_not_unknown() {
    let report = check(
        r#"mode = "mirror""#,
        "mode = \"mirror\"\nfilter = \"active\"\ntrigger = { every = \"30s\", on_push = true }",
    );
    insta::assert_snapshot!(report, @r#"
    error[LS0209]: lockstep.toml:14: `sync.customers.filter` narrows a stream, which this version does not do yet
    hint: `lockstep explain LS0209` says what can be done instead

    error[LS0209]: lockstep.toml:15: `sync.customers.trigger.on_push` reacts to pushes, which this version does not do yet
    hint: `lockstep explain LS0209` says what can be done instead
    "#);
}

#[test]
fn an_undefined_connection_with_a_neighbour() {
    let report = check(r#"target = { connection = "db""#, r#"target = { connection = "dbs""#);
    insta::assert_snapshot!(report, @r#"
    error[LS0206]: lockstep.toml:15: `sync.customers.target.connection` names the connection `dbs`, which does not exist
    hint: did you mean `db`?
    "#);
}

#[test]
fn an_undefined_connection_without_one() {
    let report = check(r#"target = { connection = "db""#, r#"target = { connection = "warehouse""#);
    insta::assert_snapshot!(report, @r#"
    error[LS0206]: lockstep.toml:15: `sync.customers.target.connection` names the connection `warehouse`, which does not exist
    hint: the project defines `files` and `db`
    "#);
}

#[test]
fn a_mirror_onto_itself() {
    let report = check(
        r#"target = { connection = "db", stream = "customers" }"#,
        r#"target = { connection = "files", stream = "customers.csv" }"#,
    );
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:12: `sync.customers` mirrors the stream `customers.csv` of `files` onto itself
    hint: for example `target = { connection = "db", stream = "public.customers" }`
    "#);
}

#[test]
fn a_duration_that_is_none() {
    let report = check(r#"mode = "mirror""#, "mode = \"mirror\"\ntrigger = { every = \"half an hour\" }");
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:14: `sync.customers.trigger.every` is `half an hour`: a duration is a whole number with `d`, `h`, `m`, `s` or `ms`, or several of them, greatest unit first
    hint: for example `every = "1h"`
    "#);
}

#[test]
fn an_interval_that_is_too_short() {
    let report = check(r#"mode = "mirror""#, "mode = \"mirror\"\ntrigger = { every = \"5ms\" }");
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:14: `sync.customers.trigger.every` must be at least `100ms`
    hint: for example `every = "1h"`
    "#);
}

#[test]
fn a_share_out_of_range() {
    let report = check(r#"mode = "mirror""#, "mode = \"mirror\"\nguard = { rows = -1, share = 5 }");
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:14: `sync.customers.guard.rows` must be between 0 and 9223372036854775807, found `-1`
    hint: for example `rows = 20`

    error[LS0204]: lockstep.toml:14: `sync.customers.guard.share` must be between 0 and 1, found the number `5`
    hint: for example `share = 0.05`
    "#);
}

#[test]
fn a_type_that_does_not_exist() {
    let report = check(r#"key = ["id"]"#, r#"key = ["id"], types = { amount = "money" }"#);
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:14: `sync.customers.source.types.amount` is `money`: there is no type `money`; the types are bool, int64, float64, decimal, decimal(p,s), timestamp, datetime, date, time, uuid, text, binary, json
    hint: for example `types = { amount = "decimal(18,2)" }`
    "#);
}

#[test]
fn a_lookback_without_a_position() {
    let report = check(r#"key = ["id"]"#, r#"key = ["id"], lookback = "10m""#);
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:14: `sync.customers.source.lookback` has no effect without `modified`
    hint: for example `lookback = "10m"`
    "#);
}

#[test]
fn an_incremental_target() {
    let report = check(r#"stream = "customers" }"#, r#"stream = "customers", modified = "updated_at" }"#);
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:15: `sync.customers.target.modified` has no effect in a mirror's target: it belongs into `source`
    hint: for example `modified = "updated_at"`
    "#);
}

#[test]
fn a_comparison_that_would_not_happen() {
    let report = check(r#"mode = "mirror""#, "mode = \"mirror\"\ncompare = { every = \"1h\" }");
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:14: `sync.customers.compare` has no effect without `deletes = "compare"`
    hint: for example `compare = { every = "1h" }`
    "#);
}

#[test]
fn a_constant_that_does_not_fit_its_type() {
    let report = check(
        "[sync.customers]\n",
        "[sync.customers]\nfields = { id = \"id\", since = { constant = \"2026-02-30\", type = \"date\" }, rate = { constant = 0.1, type = \"decimal(4,2)\" } }\n",
    );
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:13: `sync.customers.fields.since` has the type `date`, which its fixed value `"2026-02-30"` does not fit
    hint: for example `name = { source = "FullName", type = "text" }`

    error[LS0204]: lockstep.toml:13: `sync.customers.fields.rate` must have its decimal in quotes: a number with a point is not exact
    hint: for example `name = { source = "FullName", type = "text" }`
    "#);
}

#[test]
fn a_constant_with_a_source() {
    let report = check(
        "[sync.customers]\n",
        "[sync.customers]\nfields = { id = \"id\", origin = { source = \"a\", constant = \"crm\" } }\n",
    );
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:13: `sync.customers.fields.origin` has a `constant`, which leaves nothing to `source` or `default`
    hint: for example `name = { source = "FullName", type = "text" }`
    "#);
}

#[test]
fn a_column_per_endpoint() {
    let report = check(
        "[sync.customers]\n",
        "[sync.customers]\nfields = { id = \"id\", email = { files = \"EmailAddress\", db = \"email\", owner = \"db\" } }\n",
    );
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:13: `sync.customers.fields.email.files` belongs to hubs: a mirror only makes its target what its source is
    hint: for example `mode = "hub"`

    error[LS0204]: lockstep.toml:13: `sync.customers.fields.email.db` belongs to hubs: a mirror only makes its target what its source is
    hint: for example `mode = "hub"`

    error[LS0204]: lockstep.toml:13: `sync.customers.fields.email.owner` belongs to hubs: a mirror only makes its target what its source is
    hint: for example `mode = "hub"`
    "#);
}

#[test]
fn a_target_key_that_nothing_fills() {
    let report =
        check(r#"stream = "customers" }"#, "stream = \"customers\", key = [\"id\"] }\nfields = { name = \"name\" }");
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:12: `sync.customers` does not set the target's key field `id` in `fields`
    hint: for example `name = { source = "FullName", type = "text" }`
    "#);
}

#[test]
fn two_mirrors_that_would_delete_each_other() {
    let report = check(
        "mode = \"mirror\"\n",
        "mode = \"mirror\"\ndeletes = \"compare\"\nsource = { connection = \"files\", stream = \"old.csv\" }\ntarget = { connection = \"db\", stream = \"customers\" }\n\n[sync.more]\nmode = \"mirror\"\n",
    );
    insta::assert_snapshot!(report, @r#"
    error[LS0204]: lockstep.toml:12: `sync.customers` has `deletes = "compare"`, but `sync.more` writes to the same stream and would lose its records
    hint: for example `deletes = "tombstones"`
    "#);
}
