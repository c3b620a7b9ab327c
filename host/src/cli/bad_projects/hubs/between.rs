//! Syncs that are right by themselves and cannot go together.

use super::{ZIP, check};

#[test]
fn two_hubs_that_write_the_same_field() {
    check(
        ZIP,
        r#"zip = { crm = "Zip", erp = "zip" }

[sync.people]
mode = "hub"
match = ["mail"]
endpoints.crm = { stream = "Contacts" }
endpoints.erp = { stream = "customer" }
fields = { mail = { crm = "EmailAddress", erp = "email" } }
"#,
        r#"error[LS0204]: lockstep.toml:28: `sync.people` writes the field `EmailAddress` of `Contacts` (`crm`), and so does `sync.customer`: it would have two policies
hint: for example `endpoints.shop = { stream = "customers" }`"#,
    );
}

#[test]
fn opposite_owners() {
    check(
        r#"name = { crm = "FullName", erp = "name" }
zip = { crm = "Zip", erp = "zip" }"#,
        r#"name = { crm = "FullName", erp = "name", owner = "crm" }

[sync.people]
mode = "hub"
match = ["title"]
endpoints.crm = { stream = "Contacts" }
endpoints.erp = { stream = "customer" }
fields = { title = { crm = "FullName", erp = "name", owner = "erp" } }
"#,
        r#"error[LS0204]: lockstep.toml:27: `sync.people` and `sync.customer` have opposite policies: each writes what the other reads, so values go round without an end
hint: for example `endpoints.shop = { stream = "customers" }`"#,
    );
}

#[test]
fn hub_and_mirror() {
    check(
        ZIP,
        r#"zip = { crm = "Zip", erp = "zip" }

[sync.copy]
mode = "mirror"
source = { connection = "crm", stream = "Other" }
target = { connection = "erp", stream = "customer" }
"#,
        r#"error[LS0204]: lockstep.toml:28: `sync.copy` writes the field `email` of `customer` (`erp`), and so does `sync.customer`: it would have two policies
hint: for example `endpoints.shop = { stream = "customers" }`"#,
    );
    check(
        ZIP,
        r#"zip = { crm = "Zip", erp = "zip" }

[sync.copy]
mode = "mirror"
source = { connection = "crm", stream = "Other" }
target = { connection = "erp", stream = "customer" }
fields = { id = "id", email = "mail" }
"#,
        r#"error[LS0204]: lockstep.toml:28: `sync.copy` writes the field `email` of `customer` (`erp`), and so does `sync.customer`: it would have two policies
hint: for example `endpoints.shop = { stream = "customers" }`"#,
    );
    check(
        "[sync.company]",
        r#"[sync.copy]
mode = "mirror"
source = { connection = "crm", stream = "Other" }
target = { connection = "erp", stream = "customer" }
fields = { id = "id", email = "mail" }

[sync.company]"#,
        r#"error[LS0204]: lockstep.toml:23: `sync.customer` writes the field `email` of `customer` (`erp`), and so does `sync.copy`: it would have two policies
hint: for example `endpoints.shop = { stream = "customers" }`"#,
    );
    check(
        ZIP,
        r#"zip = { crm = "Zip", erp = "zip" }

[sync.copy]
mode = "mirror"
source = { connection = "crm", stream = "Other" }
target = { connection = "erp", stream = "customer" }
fields = { id = "id" }
deletes = "compare"
"#,
        r#"error[LS0204]: lockstep.toml:28: `sync.copy` has `deletes = "compare"`, but `sync.customer` writes to the same stream and would lose its records
hint: for example `deletes = "tombstones"`"#,
    );
}

#[test]
fn mirrors_in_a_circle() {
    check(
        ZIP,
        r#"zip = { crm = "Zip", erp = "zip" }

[sync.forth]
mode = "mirror"
source = { connection = "crm", stream = "a" }
target = { connection = "erp", stream = "b" }

[sync.back]
mode = "mirror"
source = { connection = "erp", stream = "b" }
target = { connection = "crm", stream = "a" }
"#,
        r#"error[LS0204]: lockstep.toml:33: `sync.back` makes a policy cycle with `sync.forth`: what one writes comes back through the other
hint: for example `mode = "hub"`"#,
    );
    check(
        ZIP,
        r#"zip = { crm = "Zip", erp = "zip" }

[sync.one]
mode = "mirror"
source = { connection = "crm", stream = "a" }
target = { connection = "erp", stream = "b" }
fields = { x = "x" }

[sync.two]
mode = "mirror"
source = { connection = "erp", stream = "b" }
target = { connection = "erp", stream = "c" }

[sync.three]
mode = "mirror"
source = { connection = "erp", stream = "c" }
target = { connection = "crm", stream = "a" }
fields = { y = "y" }
"#,
        r#"error[LS0204]: lockstep.toml:39: `sync.three` makes a policy cycle with `sync.one` and `sync.two`: what one writes comes back through the other
hint: for example `mode = "hub"`"#,
    );
}

#[test]
fn a_mirror_that_closes_a_circle_through_a_hub() {
    check(
        r#"endpoints.crm = { stream = "Contacts" }
endpoints.erp = { stream = "customer" }

[sync.customer.fields]
email = { crm = "EmailAddress", erp = "email" }
name = { crm = "FullName", erp = "name" }
zip = { crm = "Zip", erp = "zip" }"#,
        r#"endpoints.crm = { stream = "Contacts", direction = "read" }
endpoints.erp = { stream = "customer", direction = "write" }

[sync.customer.fields]
email = { crm = "EmailAddress", erp = "email" }

[sync.back]
mode = "mirror"
source = { connection = "erp", stream = "customer" }
target = { connection = "crm", stream = "Contacts" }
fields = { EmailAddress = "email" }
"#,
        r#"error[LS0204]: lockstep.toml:26: `sync.back` makes a policy cycle with `sync.customer`: what one writes comes back through the other
hint: for example `mode = "hub"`"#,
    );
}
