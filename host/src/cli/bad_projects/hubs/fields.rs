//! Mistakes in `[sync.NAME.fields]` of a hub.

use super::{MATCH, NAME, ZIP, check};

#[test]
fn keys() {
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", ownr = "erp" }"#,
        r#"error[LS0203]: lockstep.toml:25: there is no key `ownr` in `sync.customer.fields.name`
hint: did you mean `owner`?"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", epr = "name" }"#,
        r#"error[LS0203]: lockstep.toml:25: there is no key `epr` in `sync.customer.fields.name`
hint: did you mean `erp`?"#,
    );
    check(
        NAME,
        r#"name = "name""#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name` must be a table, found a string
hint: for example `email = { crm = "EmailAddress", erp = "email" }`"#,
    );
    check(
        NAME,
        r#"name = { type = "text" }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name` has no endpoint
hint: for example `email = { crm = "EmailAddress", erp = "email" }`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "" }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.erp` must not be empty
hint: for example `email = { crm = "EmailAddress", erp = "email" }`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = 7 }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.erp` must be a table, found the number `7`
hint: for example `email = { crm = "EmailAddress", erp = "email" }`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", type = "string" }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.type` is `string`: there is no type `string`; the types are bool, int64, float64, decimal, decimal(p,s), timestamp, datetime, date, time, uuid, text, binary, json
hint: for example `type = "decimal(18,2)"`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", tags = "pii" }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.tags` must be a list, found a string
hint: for example `tags = ["pii"]`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", group = "" }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.group` must not be empty
hint: for example `group = "address"`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", transform = 1 }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.transform` must be a string, found the number `1`
hint: for example `transform = "lower(trim(value))"`"#,
    );
}

#[test]
fn owners() {
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", owner = ["crm", "erp"] }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.owner` must be one endpoint: no field has several owners
hint: for example `credit_limit = { crm = "CreditLimit", erp = "credit_limit", owner = "erp" }`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", owner = "shop" }"#,
        r#"error[LS0206]: lockstep.toml:25: `sync.customer.fields.name.owner` names the endpoint `shop`, which does not exist
hint: the project defines `crm` and `erp`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", owner = [] }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.owner` must be one endpoint: no field has several owners
hint: for example `credit_limit = { crm = "CreditLimit", erp = "credit_limit", owner = "erp" }`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", owner = "erp" }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.owner` is `erp`, which does not have the field
hint: for example `credit_limit = { crm = "CreditLimit", erp = "credit_limit", owner = "erp" }`"#,
    );
    check(
        r#"endpoints.erp = { stream = "customer" }

[sync.customer.fields]
email = { crm = "EmailAddress", erp = "email" }
name = { crm = "FullName", erp = "name" }"#,
        r#"endpoints.erp = { stream = "customer", direction = "write" }

[sync.customer.fields]
email = { crm = "EmailAddress", erp = "email" }
name = { crm = "FullName", erp = "name", owner = "erp" }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.owner` is `erp`, which is not read and so cannot set the field
hint: for example `credit_limit = { crm = "CreditLimit", erp = "credit_limit", owner = "erp" }`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", others = "ignore" }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.others` has no effect without `owner`
hint: for example `credit_limit = { crm = "CreditLimit", erp = "credit_limit", owner = "erp" }`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", owner = "erp", others = "keep" }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.others` must be `restore` or `ignore`, found `keep`
hint: for example `others = "restore"`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", owner = "erp", conflict = "newest" }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.conflict` has no effect beside `owner`: only the owner sets the field
hint: for example `conflict = ["crm", "erp"]`"#,
    );
}

#[test]
fn priorities() {
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", conflict = ["crm", "shop"] }"#,
        r#"error[LS0206]: lockstep.toml:25: `sync.customer.fields.name.conflict[1]` names the endpoint `shop`, which does not exist
hint: the project defines `crm` and `erp`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", conflict = ["crm", "crm"] }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.conflict[1]` names `crm` a second time
hint: for example `conflict = "newest"`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", conflict = [] }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.conflict` must name at least one endpoint
hint: for example `conflict = ["crm", "erp"]`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", conflict = ["crm", "erp"] }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.conflict` names `erp`, which does not have the field
hint: for example `conflict = ["crm", "erp"]`"#,
    );
    check(
        MATCH,
        r#"match = ["email"]
conflict = ["crm", "epr"]"#,
        r#"error[LS0206]: lockstep.toml:20: `sync.customer.conflict[1]` names the endpoint `epr`, which does not exist
hint: did you mean `erp`?"#,
    );
}

#[test]
fn policies() {
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", conflict = 7 }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.conflict` must be a word, a list of endpoints, or a table with `set` or `resolver`
hint: for example `conflict = "newest"`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", conflict = { resolver = "decide", set = ";" } }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.conflict` has a `set`, which leaves nothing to a resolver
hint: for example `conflict = { set = ";" }`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", conflict = {} }"#,
        r#"error[LS0205]: lockstep.toml:25: `resolver` is missing in `sync.customer.fields.name.conflict`
hint: for example `conflict = { resolver = "plugins/decide.wasm" }`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", conflict = { set = "" } }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.conflict.set` must not be empty
hint: for example `conflict = { set = ";" }`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", conflict = { resolvr = "decide" } }"#,
        r#"error[LS0203]: lockstep.toml:25: there is no key `resolvr` in `sync.customer.fields.name.conflict`
hint: did you mean `resolver`?"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", conflict = { resolver = "decide", config = { password = "hunter2" } } }"#,
        r#"error[LS0208]: lockstep.toml:25: `sync.customer.fields.name.conflict.config.password` must not hold a secret, only a reference to one
hint: a plugin never sees a credential: give it to a grant, which the host uses for the plugin
hint: for example `sql.main = { url = "env:DATABASE_URL" }`"#,
    );
}

#[test]
fn policies_that_do_not_fit_the_type() {
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", type = "text", conflict = "counter" }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.conflict` cannot merge values of the type `text`: `counter` adds numbers
hint: for example `type = "int64"`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", type = "int64", conflict = "set" }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.conflict` cannot merge values of the type `int64`: a `set` is text or JSON
hint: for example `type = "text"`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", type = "text", conflict = "set" }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.conflict` cannot merge values of the type `text`: a `set` of text needs a separator
hint: for example `conflict = { set = ";" }`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", type = "json", conflict = { set = ";" } }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.conflict` cannot merge values of the type `json`: its lists need no separator
hint: for example `conflict = "set"`"#,
    );
}

#[test]
fn groups() {
    check(
        r#"name = { crm = "FullName", erp = "name" }
zip = { crm = "Zip", erp = "zip" }"#,
        r#"name = { crm = "FullName", erp = "name", group = "a", owner = "crm" }
zip = { crm = "Zip", erp = "zip", group = "a", owner = "erp" }"#,
        r#"error[LS0204]: lockstep.toml:26: `sync.customer.fields.zip` is in the group `a`, but has another owner than `name`
hint: for example `street = { crm = "Street", erp = "street", owner = "erp", group = "address" }`"#,
    );
    check(
        r#"name = { crm = "FullName", erp = "name" }
zip = { crm = "Zip", erp = "zip" }"#,
        r#"name = { crm = "FullName", erp = "name", group = "a", owner = "crm" }
zip = { crm = "Zip", erp = "zip", group = "a" }"#,
        r#"error[LS0204]: lockstep.toml:26: `sync.customer.fields.zip` is in the group `a`, but has another owner than `name`
hint: for example `street = { crm = "Street", erp = "street", owner = "erp", group = "address" }`"#,
    );
    check(
        r#"name = { crm = "FullName", erp = "name" }
zip = { crm = "Zip", erp = "zip" }"#,
        r#"name = { crm = "FullName", erp = "name", group = "a", conflict = ["crm"] }
zip = { crm = "Zip", erp = "zip", group = "a", conflict = ["erp"] }"#,
        r#"error[LS0204]: lockstep.toml:26: `sync.customer.fields.zip` is in the group `a`, but has another `conflict` than `name`
hint: for example `street = { crm = "Street", erp = "street", owner = "erp", group = "address" }`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", group = "a", conflict = "counter" }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name` is merged by itself, so it cannot be decided about with the group `a`
hint: for example `street = { crm = "Street", erp = "street", owner = "erp", group = "address" }`"#,
    );
}

#[test]
fn a_group_of_which_an_endpoint_has_a_part() {
    check(
        r#"name = { crm = "FullName", erp = "name" }
zip = { crm = "Zip", erp = "zip" }"#,
        r#"name = { crm = "FullName", erp = "name", group = "a" }
zip = { crm = "Zip", group = "a" }"#,
        r#"error[LS0204]: lockstep.toml:26: `sync.customer.fields.zip` is in the group `a`, of which `erp` has only a part: `name`, but not this field
hint: for example `street = { crm = "Street", erp = "street", owner = "erp", group = "address" }`"#,
    );
    check(
        r#"name = { crm = "FullName", erp = "name" }
zip = { crm = "Zip", erp = "zip" }"#,
        r#"name = { crm = { field = "FullName", constant = "x" }, erp = "name", group = "a" }
zip = { crm = "Zip", erp = "zip", group = "a" }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name` is in the group `a`, of which `crm` has only a part: `zip`, but not this field
hint: for example `street = { crm = "Street", erp = "street", owner = "erp", group = "address" }`"#,
    );
}

#[test]
fn references() {
    check(
        NAME,
        r#"name = { crm = "FullName", erp = "name", reference = "compny" }"#,
        r#"error[LS0206]: lockstep.toml:25: `sync.customer.fields.name.reference` names the hub `compny`, which does not exist
hint: did you mean `company`?"#,
    );
    check(
        ZIP,
        r#"zip = { crm = "Zip", erp = "zip", reference = "copy" }

[sync.copy]
mode = "mirror"
source = { connection = "crm", stream = "Contacts" }
target = { connection = "erp", stream = "copy" }
"#,
        r#"error[LS0204]: lockstep.toml:26: `sync.customer.fields.zip.reference` names the mirror `copy`: only the records of a hub can be referred to
hint: for example `reference = "company"`"#,
    );
    check(
        r#"endpoints.erp = { stream = "company" }
fields = { name = { crm = "Name", erp = "name" } }

[sync.customer]
mode = "hub"
match = ["email"]
endpoints.crm = { stream = "Contacts" }
endpoints.erp = { stream = "customer" }

[sync.customer.fields]
email = { crm = "EmailAddress", erp = "email" }
name = { crm = "FullName", erp = "name" }"#,
        r#"endpoints.shop = { connection = "crm", stream = "Shops" }
fields = { name = { crm = "Name", shop = "name" } }

[sync.customer]
mode = "hub"
match = ["email"]
endpoints.crm = { stream = "Contacts" }
endpoints.erp = { stream = "customer" }

[sync.customer.fields]
email = { crm = "EmailAddress", erp = "email" }
name = { crm = "FullName", erp = "name", reference = "company" }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.reference` names `company`, which has no endpoint for the references of `erp`: that of the same name, or the only one of `erp`
hint: for example `endpoints.crm = { stream = "Accounts" }`"#,
    );
}

#[test]
fn columns() {
    check(
        NAME,
        r#"name = { crm = "FullName", erp = { feild = "name" } }"#,
        r#"error[LS0203]: lockstep.toml:25: there is no key `feild` in `sync.customer.fields.name.erp`
hint: did you mean `field`?"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = { field = "name", read = "" } }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.erp.read` must not be empty
hint: for example `read = "value == 1"`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = { constant = "x", default = "y" } }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.erp` has a `constant`, which leaves nothing to `read`, `write`, `values` or `default`
hint: for example `crm = { field = "Source", constant = "lockstep" }`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = { constant = [1] } }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.erp.constant` must be one value: a string, a number, a boolean or a time
hint: for example `constant = "lockstep"`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = { constant = "x", read = "value" } }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.erp` has a `constant`, which leaves nothing to `read`, `write`, `values` or `default`
hint: for example `crm = { field = "Source", constant = "lockstep" }`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = { values = { "A" = "active" }, read = "value" } }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.erp` has `values`, which leave nothing to `read` or `write`
hint: for example `crm = { field = "Status", values = { "A" = "active", "I" = "inactive" } }`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = { values = { "A" = "active", "B" = "active" } } }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.erp.values.B` stands for `active`, as `A` does: it could not be written back
hint: for example `crm = { field = "Status", values = { "A" = "active", "I" = "inactive" } }`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = { values = { "A" = "active", "A" = "gone" } } }"#,
        r#"error[LS0202]: lockstep.toml:25: not valid TOML at column 63: duplicate key `"A"`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = { values = {} } }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.erp.values` must list at least one value
hint: for example `crm = { field = "Status", values = { "A" = "active", "I" = "inactive" } }`"#,
    );
    check(
        NAME,
        r#"name = { crm = "FullName", erp = { values = { "A" = 1 } } }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.erp.values.A` must be a string, found the number `1`
hint: for example `crm = { field = "Status", values = { "A" = "active", "I" = "inactive" } }`"#,
    );
}

#[test]
fn a_default_that_is_none_of_the_type() {
    check(
        NAME,
        r#"name = { crm = "FullName", erp = { default = "x" }, type = "int64" }"#,
        r#"error[LS0204]: lockstep.toml:25: `sync.customer.fields.name.erp.default` has the type `int64`, which its fixed value `"x"` does not fit
hint: for example `default = "active"`"#,
    );
}

#[test]
fn a_field_that_never_gets_a_value() {
    check(
        r#"endpoints.erp = { stream = "customer" }

[sync.customer.fields]"#,
        r#"endpoints.erp = { stream = "customer", direction = "write" }

[sync.customer.fields]
note = { erp = "note" }"#,
        r#"error[LS0204]: lockstep.toml:24: `sync.customer.fields.note` has no endpoint that is read, so it never gets a value
hint: for example `email = { crm = "EmailAddress", erp = "email" }`"#,
    );
}

#[test]
fn a_constant_that_is_never_written() {
    check(
        r#"endpoints.erp = { stream = "customer" }

[sync.customer.fields]"#,
        r#"endpoints.erp = { stream = "customer", direction = "read" }

[sync.customer.fields]
origin = { erp = { constant = "x" } }"#,
        r#"error[LS0204]: lockstep.toml:24: `sync.customer.fields.origin.erp` is a `constant` for an endpoint that is not written
hint: for example `endpoints.crm = { stream = "Contacts", direction = "both" }`"#,
    );
}

#[test]
fn one_place_written_twice() {
    check(
        ZIP,
        r#"zip = { crm = "Zip", erp = "name" }"#,
        r#"error[LS0204]: lockstep.toml:26: `sync.customer.fields.zip.erp` is written to `name`, and so is the field `name`
hint: for example `email = { crm = "EmailAddress", erp = "email" }`"#,
    );
}
