//! Mistakes in `endpoints.NAME`.

use super::{CRM, ERP, MATCH, check};

#[test]
fn too_few() {
    check(
        ERP,
        "",
        r#"error[LS0204]: lockstep.toml:20: `sync.customer.endpoints` must have at least two endpoints, found 1
hint: for example `endpoints.crm = { stream = "Contacts", direction = "both" }`"#,
    );
    check(
        r#"endpoints.crm = { stream = "Contacts" }
endpoints.erp = { stream = "customer" }"#,
        "endpoints = {}",
        r#"error[LS0204]: lockstep.toml:20: `sync.customer.endpoints` must have at least two endpoints, found 0
hint: for example `endpoints.crm = { stream = "Contacts", direction = "both" }`"#,
    );
}

#[test]
fn nobody_reads_or_nobody_writes() {
    check(
        r#"endpoints.crm = { stream = "Contacts" }
endpoints.erp = { stream = "customer" }"#,
        r#"endpoints.crm = { stream = "Contacts", direction = "read" }
endpoints.erp = { stream = "customer", direction = "read" }"#,
        r#"error[LS0204]: lockstep.toml:20: `sync.customer.endpoints` has no endpoint that is written
hint: for example `endpoints.crm = { stream = "Contacts", direction = "both" }`"#,
    );
    check(
        r#"endpoints.crm = { stream = "Contacts" }
endpoints.erp = { stream = "customer" }"#,
        r#"endpoints.crm = { stream = "Contacts", direction = "write" }
endpoints.erp = { stream = "customer", direction = "write" }"#,
        r#"error[LS0204]: lockstep.toml:20: `sync.customer.endpoints` has no endpoint that is read
hint: for example `endpoints.crm = { stream = "Contacts", direction = "both" }`"#,
    );
}

#[test]
fn names() {
    check(
        CRM,
        r#"endpoints.owner = { connection = "crm", stream = "Contacts" }"#,
        r#"error[LS0204]: lockstep.toml:20: `sync.customer.endpoints.owner` must have another name: `owner` means something else in `fields`; say the connection beside it
hint: for example `endpoints.crm = { stream = "Contacts", direction = "both" }`"#,
    );
    check(
        CRM,
        r#"endpoints.cmr = { stream = "Contacts" }"#,
        r#"error[LS0206]: lockstep.toml:20: `sync.customer.endpoints.cmr` names the connection `cmr`, which does not exist
hint: did you mean `crm`?"#,
    );
    check(
        CRM,
        r#"endpoints.CRM = { connection = "crm", stream = "Contacts" }"#,
        r#"error[LS0204]: lockstep.toml:20: `sync.customer.endpoints.CRM` has no valid name: a name consists of a-z, 0-9, `_` and `-`; `C` is none of these
hint: for example `endpoints.crm = { stream = "Contacts", direction = "both" }`"#,
    );
    check(
        CRM,
        r#"endpoints.crm = { connection = "crn", stream = "Contacts" }"#,
        r#"error[LS0206]: lockstep.toml:20: `sync.customer.endpoints.crm.connection` names the connection `crn`, which does not exist
hint: did you mean `crm`?"#,
    );
}

#[test]
fn one_stream_twice() {
    check(
        ERP,
        r#"endpoints.erp = { stream = "customer" }
endpoints.shop = { connection = "crm", stream = "Contacts" }"#,
        r#"error[LS0204]: lockstep.toml:22: `sync.customer.endpoints.shop` is the stream `Contacts` of `crm`, which `crm` is already
hint: for example `endpoints.crm = { stream = "Contacts", direction = "both" }`"#,
    );
    check(
        ERP,
        r#"endpoints.erp = { stream = "customer" }
endpoints.shop = { connection = "crm", stream = "Shops" }"#,
        r#"error[LS0204]: lockstep.toml:22: `sync.customer.endpoints.shop` has no column in `fields`
hint: for example `email = { crm = "EmailAddress", erp = "email" }`"#,
    );
}

#[test]
fn keys_and_values() {
    check(
        ERP,
        r#"endpoints.erp = { stream = "customer", fliter = "active" }"#,
        r#"error[LS0203]: lockstep.toml:21: there is no key `fliter` in `sync.customer.endpoints.erp`
hint: did you mean `filter`?"#,
    );
    check(
        ERP,
        r#"endpoints.erp = { stream = "customer", direction = "in" }"#,
        r#"error[LS0204]: lockstep.toml:21: `sync.customer.endpoints.erp.direction` must be `read` or `write` or `both`, found `in`
hint: for example `direction = "both"`"#,
    );
    check(
        ERP,
        r#"endpoints.erp = { stream = "customer", key = [] }"#,
        r#"error[LS0204]: lockstep.toml:21: `sync.customer.endpoints.erp.key` must name at least one field
hint: for example `key = ["id"]`"#,
    );
    check(
        ERP,
        r#"endpoints.erp = { stream = "customer", filter = "" }"#,
        r#"error[LS0204]: lockstep.toml:21: `sync.customer.endpoints.erp.filter` must not be empty
hint: for example `filter = "active && country == 'DE'"`"#,
    );
    check(
        ERP,
        r#"endpoints.erp = { stream = "customer", filter = true }"#,
        r#"error[LS0204]: lockstep.toml:21: `sync.customer.endpoints.erp.filter` must be a string, found `true`
hint: for example `filter = "active && country == 'DE'"`"#,
    );
    check(
        ERP,
        r#"endpoints.erp = { stream = "customer", types = { amount = "money" } }"#,
        r#"error[LS0204]: lockstep.toml:21: `sync.customer.endpoints.erp.types.amount` is `money`: there is no type `money`; the types are bool, int64, float64, decimal, decimal(p,s), timestamp, datetime, date, time, uuid, text, binary, json
hint: for example `types = { amount = "decimal(18,2)" }`"#,
    );
    check(
        ERP,
        r#"endpoints.erp = { stream = "customer", visibility_lag = "soon" }"#,
        r#"error[LS0204]: lockstep.toml:21: `sync.customer.endpoints.erp.visibility_lag` is `soon`: a duration is a whole number with `d`, `h`, `m`, `s` or `ms`, or several of them, greatest unit first
hint: for example `visibility_lag = "30s"`"#,
    );
    check(
        ERP,
        r#"endpoints.erp = { stream = "customer", enumerate = "10m" }"#,
        r#"error[LS0204]: lockstep.toml:21: `sync.customer.endpoints.erp.enumerate` must be a table, found a string
hint: for example `enumerate = { every = "10m" }`"#,
    );
    check(
        ERP,
        r#"endpoints.erp = { stream = "customer", enumerate = { evry = "10m" } }"#,
        r#"error[LS0203]: lockstep.toml:21: there is no key `evry` in `sync.customer.endpoints.erp.enumerate`
hint: did you mean `every`?"#,
    );
    check(
        ERP,
        r#"endpoints.erp = "customer""#,
        r#"error[LS0204]: lockstep.toml:21: `sync.customer.endpoints.erp` must be a table, found a string
hint: for example `endpoints.crm = { stream = "Contacts", direction = "both" }`"#,
    );
    check(
        ERP,
        "endpoints.erp = {}",
        r#"error[LS0205]: lockstep.toml:21: `stream` is missing in `sync.customer.endpoints.erp`
hint: for example `stream = "Contacts"`"#,
    );
}

#[test]
fn keys_without_effect() {
    check(
        ERP,
        r#"endpoints.erp = { stream = "customer", lookback = "10m" }"#,
        r#"error[LS0204]: lockstep.toml:21: `sync.customer.endpoints.erp.lookback` has no effect without `modified`
hint: for example `modified = "updated_at"`"#,
    );
    check(
        ERP,
        r#"endpoints.erp = { stream = "customer", direction = "write", modified = "updated_at" }"#,
        r#"error[LS0204]: lockstep.toml:21: `sync.customer.endpoints.erp.modified` has no effect where `direction = "write"`: nothing is read there
hint: for example `endpoints.crm = { stream = "Contacts", direction = "both" }`"#,
    );
    check(
        ERP,
        r#"endpoints.erp = { stream = "customer", direction = "write", enumerate = { every = "10m" } }"#,
        r#"error[LS0204]: lockstep.toml:21: `sync.customer.endpoints.erp.enumerate` has no effect where `direction = "write"`: nothing is read there
hint: for example `endpoints.crm = { stream = "Contacts", direction = "both" }`"#,
    );
    check(
        ERP,
        r#"endpoints.erp = { stream = "customer", direction = "read", visibility_lag = "30s" }"#,
        r#"error[LS0204]: lockstep.toml:21: `sync.customer.endpoints.erp.visibility_lag` has no effect where `direction = "read"`: nothing is written there
hint: for example `endpoints.crm = { stream = "Contacts", direction = "both" }`"#,
    );
    check(
        ERP,
        r#"endpoints.erp = { stream = "customer", on_exit = "delete" }"#,
        r#"error[LS0204]: lockstep.toml:21: `sync.customer.endpoints.erp.on_exit` has no effect without `filter`: no record ever leaves
hint: for example `filter = "active"`"#,
    );
    check(
        ERP,
        r#"endpoints.erp = { stream = "customer", direction = "read", filter = "active", on_exit = "delete" }"#,
        r#"error[LS0204]: lockstep.toml:21: `sync.customer.endpoints.erp.on_exit` would write where `direction = "read"`: records can only be unlinked there
hint: for example `on_exit = "unlink"`"#,
    );
}

#[test]
fn exits() {
    check(
        ERP,
        r#"endpoints.erp = { stream = "customer", filter = "active", on_exit = "archive" }"#,
        r#"error[LS0204]: lockstep.toml:21: `sync.customer.endpoints.erp.on_exit` must be `unlink` or `delete`, found `archive`
hint: for example `on_exit = "unlink"`"#,
    );
    check(
        ERP,
        r#"endpoints.erp = { stream = "customer", filter = "active", on_exit = { field = "Status" } }"#,
        r#"error[LS0205]: lockstep.toml:21: `value` is missing in `sync.customer.endpoints.erp.on_exit`
hint: for example `on_exit = { field = "Status", value = "archived" }`"#,
    );
    check(
        ERP,
        r#"endpoints.erp = { stream = "customer", filter = "active", on_exit = { field = "Status", value = [1] } }"#,
        r#"error[LS0204]: lockstep.toml:21: `sync.customer.endpoints.erp.on_exit.value` must be one value: a string, a number, a boolean or a time
hint: for example `on_exit = { field = "Status", value = "archived" }`"#,
    );
}

#[test]
fn archives() {
    check(
        MATCH,
        r#"match = ["email"]
deletes = "archive""#,
        r#"error[LS0204]: lockstep.toml:21: `sync.customer.endpoints.crm` has no `archive`, which `deletes = "archive"` needs
hint: for example `archive = { field = "Status", value = "archived" }`

error[LS0204]: lockstep.toml:22: `sync.customer.endpoints.erp` has no `archive`, which `deletes = "archive"` needs
hint: for example `archive = { field = "Status", value = "archived" }`"#,
    );
    check(
        ERP,
        r#"endpoints.erp = { stream = "customer", archive = { field = "Status", value = "archived" } }"#,
        r#"error[LS0204]: lockstep.toml:21: `sync.customer.endpoints.erp.archive` has no effect without `deletes = "archive"`
hint: for example `deletes = "archive"`"#,
    );
    check(
        ERP,
        r#"endpoints.erp = { stream = "customer", archive = "Status" }"#,
        r#"error[LS0204]: lockstep.toml:21: `sync.customer.endpoints.erp.archive` must be a table, found a string
hint: for example `archive = { field = "Status", value = "archived" }`"#,
    );
}
