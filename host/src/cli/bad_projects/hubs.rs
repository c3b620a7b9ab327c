//! Mistakes in `[sync.NAME]` with `mode = "hub"`, beside its endpoints and its fields.

use std::path::Path;

use super::super::output::{Screen, report};
use crate::Error;
use crate::project::{PROJECT_FILE, Project};

mod between;
mod endpoints;
mod fields;

/// A project without a mistake.
const GOOD: &str = r#"[project]
name = "acme"

[connection.crm]
plugin = "csv"

[connection.erp]
plugin = "sqlite"

[sync.company]
mode = "hub"
match = ["name"]
endpoints.crm = { stream = "Accounts" }
endpoints.erp = { stream = "company" }
fields = { name = { crm = "Name", erp = "name" } }

[sync.customer]
mode = "hub"
match = ["email"]
endpoints.crm = { stream = "Contacts" }
endpoints.erp = { stream = "customer" }

[sync.customer.fields]
email = { crm = "EmailAddress", erp = "email" }
name = { crm = "FullName", erp = "name" }
zip = { crm = "Zip", erp = "zip" }
"#;

/// Lines of it.
const MATCH: &str = r#"match = ["email"]"#;
const CRM: &str = r#"endpoints.crm = { stream = "Contacts" }"#;
const ERP: &str = r#"endpoints.erp = { stream = "customer" }"#;
const NAME: &str = r#"name = { crm = "FullName", erp = "name" }"#;
const ZIP: &str = r#"zip = { crm = "Zip", erp = "zip" }"#;

/// The report on the good project with one part replaced.
fn check(part: &str, replacement: &str, expected: &str) {
    let at = GOOD.find(part).unwrap_or_else(|| panic!("{part}"));
    let text = [&GOOD[..at], replacement, &GOOD[at + part.len()..]].concat();
    match Project::parse(&text, Path::new("."), PROJECT_FILE) {
        Ok(_) => panic!("no mistake: {text}"),
        Err(errors) => {
            let report = report::to_text(&[Error::from(errors)], Screen::plain());
            assert_eq!(report.trim_end(), expected, "{replacement}");
        }
    }
}

#[test]
fn the_good_project_is_good() {
    assert!(Project::parse(GOOD, Path::new("."), PROJECT_FILE).is_ok());
}

#[test]
fn a_misspelt_key() {
    check(
        MATCH,
        r#"match = ["email"]
confict = "newest""#,
        r#"error[LS0203]: lockstep.toml:20: there is no key `confict` in `sync.customer`
hint: did you mean `conflict`?"#,
    );
    check(
        MATCH,
        r#"match = ["email"]
tombstone = "9d""#,
        r#"error[LS0203]: lockstep.toml:20: there is no key `tombstone` in `sync.customer`
hint: did you mean `tombstones`?"#,
    );
}

#[test]
fn keys_of_mirrors() {
    check(
        MATCH,
        r#"match = ["email"]
source = { connection = "crm", stream = "Contacts" }"#,
        r#"error[LS0204]: lockstep.toml:20: `sync.customer.source` belongs to mirrors: a hub keeps its `endpoints` in agreement
hint: for example `endpoints.crm = { stream = "Contacts", direction = "both" }`"#,
    );
    check(
        MATCH,
        r#"match = ["email"]
schema = "evolve""#,
        r#"error[LS0204]: lockstep.toml:20: `sync.customer.schema` belongs to mirrors: a hub keeps its `endpoints` in agreement
hint: for example `endpoints.crm = { stream = "Contacts", direction = "both" }`"#,
    );
    check(
        MATCH,
        r#"match = ["email"]
filter = "active""#,
        r#"error[LS0204]: lockstep.toml:20: `sync.customer.filter` belongs to an endpoint: each has its own
hint: for example `endpoints.erp = { stream = "public.customer", filter = "active" }`"#,
    );
}

#[test]
fn keys_of_hubs_in_a_mirror() {
    check(
        ZIP,
        r#"zip = { crm = "Zip", erp = "zip" }

[sync.copy]
mode = "mirror"
source = { connection = "crm", stream = "Contacts" }
target = { connection = "erp", stream = "copy" }
match = ["email"]
clock_doubt = "1s"
"#,
        r#"error[LS0204]: lockstep.toml:32: `sync.copy.match` belongs to hubs: a mirror only makes its target what its source is
hint: for example `mode = "hub"`

error[LS0204]: lockstep.toml:33: `sync.copy.clock_doubt` belongs to hubs: a mirror only makes its target what its source is
hint: for example `mode = "hub"`"#,
    );
    check(
        ZIP,
        r#"zip = { crm = "Zip", erp = "zip" }

[sync.copy]
mode = "mirror"
source = { connection = "crm", stream = "Contacts" }
target = { connection = "erp", stream = "copy" }
deletes = "propagate"
"#,
        r#"error[LS0204]: lockstep.toml:32: `sync.copy.deletes` belongs to hubs: a mirror only makes its target what its source is
hint: for example `deletes = "compare"`"#,
    );
    check(
        ZIP,
        r#"zip = { crm = "Zip", erp = "zip" }

[sync.copy]
mode = "mirror"
source = { connection = "crm", stream = "Contacts", direction = "read" }
target = { connection = "erp", stream = "copy" }
"#,
        r#"error[LS0204]: lockstep.toml:30: `sync.copy.source.direction` belongs to hubs: a mirror only makes its target what its source is
hint: for example `mode = "hub"`"#,
    );
}

#[test]
fn missing_parts() {
    check(
        MATCH,
        "",
        r#"error[LS0205]: lockstep.toml:17: `match` is missing in `sync.customer`
hint: for example `match = ["email"]`"#,
    );
    check(
        r#"endpoints.crm = { stream = "Contacts" }
endpoints.erp = { stream = "customer" }"#,
        "",
        r#"error[LS0205]: lockstep.toml:17: `endpoints` is missing in `sync.customer`
hint: for example `endpoints.crm = { stream = "Contacts", direction = "both" }`"#,
    );
    check(
        r#"[sync.customer.fields]
email = { crm = "EmailAddress", erp = "email" }
name = { crm = "FullName", erp = "name" }
zip = { crm = "Zip", erp = "zip" }"#,
        "",
        r#"error[LS0205]: lockstep.toml:17: `fields` is missing in `sync.customer`
hint: for example `email = { crm = "EmailAddress", erp = "email" }`"#,
    );
    check(
        CRM,
        r#"endpoint.crm = { stream = "Contacts" }"#,
        r#"error[LS0203]: lockstep.toml:20: there is no key `endpoint` in `sync.customer`
hint: did you mean `endpoints`?

error[LS0204]: lockstep.toml:21: `sync.customer.endpoints` must have at least two endpoints, found 1
hint: for example `endpoints.crm = { stream = "Contacts", direction = "both" }`"#,
    );
}

#[test]
fn words_that_are_none() {
    check(
        MATCH,
        r#"match = ["email"]
deletes = "compare""#,
        r#"error[LS0204]: lockstep.toml:20: `sync.customer.deletes` must be `propagate` or `ignore` or `archive`, found `compare`
hint: for example `deletes = "propagate"`"#,
    );
    check(
        MATCH,
        r#"match = ["email"]
delete_conflict = "newest""#,
        r#"error[LS0204]: lockstep.toml:20: `sync.customer.delete_conflict` must be `manual` or `edit-wins` or `delete-wins`, found `newest`
hint: for example `delete_conflict = "manual"`"#,
    );
    check(
        MATCH,
        r#"match = ["email"]
conflict = "latest""#,
        r#"error[LS0204]: lockstep.toml:20: `sync.customer.conflict` must be `manual` or `newest` or `counter` or `set`, found `latest`
hint: for example `conflict = "newest"`"#,
    );
    check(
        MATCH,
        r#"match = ["email"]
clock_doubt = "two seconds""#,
        r#"error[LS0204]: lockstep.toml:20: `sync.customer.clock_doubt` is `two seconds`: a duration is a whole number with `d`, `h`, `m`, `s` or `ms`, or several of them, greatest unit first
hint: for example `clock_doubt = "2s"`"#,
    );
    check(
        MATCH,
        r#"match = ["email"]
tombstones = 90"#,
        r#"error[LS0204]: lockstep.toml:20: `sync.customer.tombstones` must be a string, found the number `90`
hint: for example `tombstones = "90d"`"#,
    );
}

#[test]
fn a_conflict_that_cannot_come() {
    check(
        MATCH,
        r#"match = ["email"]
deletes = "ignore"
delete_conflict = "manual""#,
        r#"error[LS0204]: lockstep.toml:21: `sync.customer.delete_conflict` has no effect with `deletes = "ignore"`: no delete goes anywhere
hint: for example `deletes = "propagate"`"#,
    );
}

#[test]
fn triggers_of_later_versions() {
    check(
        MATCH,
        r#"match = ["email"]
trigger = { every = "30s", on_push = true }"#,
        r#"error[LS0209]: lockstep.toml:20: `sync.customer.trigger.on_push` reacts to pushes, which this version does not do yet
hint: `lockstep explain LS0209` says what can be done instead"#,
    );
}

#[test]
fn rules_that_match_nothing() {
    check(
        MATCH,
        r#"match = "email""#,
        r#"error[LS0204]: lockstep.toml:19: `sync.customer.match` must be a list, found a string
hint: for example `match = ["email"]`"#,
    );
    check(
        MATCH,
        r#"match = ["mail"]"#,
        r#"error[LS0206]: lockstep.toml:19: `sync.customer.match[0]` names the field `mail`, which does not exist
hint: did you mean `email`?"#,
    );
    check(
        MATCH,
        "match = [7]",
        r#"error[LS0204]: lockstep.toml:19: `sync.customer.match[0]` must be a field or a list of fields
hint: for example `match = [["first_name", "last_name"], "email"]`"#,
    );
    check(
        MATCH,
        "match = [[]]",
        r#"error[LS0204]: lockstep.toml:19: `sync.customer.match[0]` must name at least one field
hint: for example `match = [["first_name", "last_name"], "email"]`"#,
    );
    check(
        MATCH,
        r#"match = [["email", "email"]]"#,
        r#"error[LS0204]: lockstep.toml:19: `sync.customer.match[0][1]` names `email` a second time
hint: for example `match = ["email"]`"#,
    );
    check(
        MATCH,
        r#"match = [{ field = "email", normalise = "phone" }]"#,
        r#"error[LS0204]: lockstep.toml:19: `sync.customer.match[0].normalise` must be `text` or `exact` or `digits` or `name`, found `phone`
hint: for example `normalise = "digits"`"#,
    );
    check(
        MATCH,
        r#"match = [{ normalise = "digits" }]"#,
        r#"error[LS0205]: lockstep.toml:19: `field` is missing in `sync.customer.match[0]`
hint: for example `{ field = "phone", normalise = "digits" }`"#,
    );
    check(
        MATCH,
        r#"match = [{ field = "email", normalize = "text" }]"#,
        r#"error[LS0203]: lockstep.toml:19: there is no key `normalize` in `sync.customer.match[0]`
hint: did you mean `normalise`?"#,
    );
}

#[test]
fn rules_an_endpoint_has_no_field_for() {
    check(
        r#"email = { crm = "EmailAddress", erp = "email" }"#,
        r#"email = { crm = "EmailAddress" }"#,
        r#"error[LS0204]: lockstep.toml:19: `sync.customer.match` has no rule for `erp`: in each there is a field that it does not have
hint: for example `match = ["email"]`"#,
    );
    check(
        r#"match = ["email"]
endpoints.crm = { stream = "Contacts" }
endpoints.erp = { stream = "customer" }

[sync.customer.fields]
email = { crm = "EmailAddress", erp = "email" }"#,
        r#"score = { block = ["zip"], fields = { email = 1 }, link = 0.9, review = 0.6 }
endpoints.crm = { stream = "Contacts" }
endpoints.erp = { stream = "customer" }

[sync.customer.fields]
email = { erp = "email" }"#,
        r#"error[LS0204]: lockstep.toml:19: `sync.customer.score` has no rule for `crm`: in each there is a field that it does not have
hint: for example `match = ["email"]`"#,
    );
}

#[test]
fn scores() {
    check(
        MATCH,
        r#"match = ["email"]
score = { block = ["zip"], fields = { name = 0.5, email = 0.3 }, link = 0.9, review = 0.6 }"#,
        r#"error[LS0204]: lockstep.toml:20: `sync.customer.score.fields` must have weights with a sum of 1, found 0.800
hint: for example `score = { block = ["zip"], fields = { name = 0.7, street = 0.3 }, link = 0.9, review = 0.6 }`"#,
    );
    check(
        MATCH,
        r#"match = ["email"]
score = { block = ["zip"], fields = { name = 1 }, link = 0.6, review = 0.9 }"#,
        r#"error[LS0204]: lockstep.toml:20: `sync.customer.score` must have a `review` above 0 and at most `link`, found `review = 0.9` and `link = 0.6`
hint: for example `score = { block = ["zip"], fields = { name = 0.7, street = 0.3 }, link = 0.9, review = 0.6 }`"#,
    );
    check(
        MATCH,
        r#"match = ["email"]
score = { block = ["zip"], fields = { name = 1 }, link = 0.9, review = 0 }"#,
        r#"error[LS0204]: lockstep.toml:20: `sync.customer.score` must have a `review` above 0 and at most `link`, found `review = 0` and `link = 0.9`
hint: for example `score = { block = ["zip"], fields = { name = 0.7, street = 0.3 }, link = 0.9, review = 0.6 }`"#,
    );
    check(
        MATCH,
        r#"match = ["email"]
score = { block = ["zip"], fields = { name = 1 }, link = 1.5, review = 0.6 }"#,
        r#"error[LS0204]: lockstep.toml:20: `sync.customer.score.link` must be between 0 and 1, found the number `1.5`
hint: for example `score = { block = ["zip"], fields = { name = 0.7, street = 0.3 }, link = 0.9, review = 0.6 }`"#,
    );
    check(
        MATCH,
        r#"match = ["email"]
score = { block = [], fields = { name = 1 }, link = 0.9, review = 0.6 }"#,
        r#"error[LS0204]: lockstep.toml:20: `sync.customer.score.block` must name at least one field
hint: for example `score = { block = ["zip"], fields = { name = 0.7, street = 0.3 }, link = 0.9, review = 0.6 }`"#,
    );
}

#[test]
fn scores_of_fields_that_are_wrong() {
    check(
        MATCH,
        r#"match = ["email"]
score = { block = ["zip"], fields = { nmae = 1 }, link = 0.9, review = 0.6 }"#,
        r#"error[LS0206]: lockstep.toml:20: `sync.customer.score.fields.nmae` names the field `nmae`, which does not exist
hint: did you mean `name`?"#,
    );
    check(
        MATCH,
        r#"match = ["email"]
score = { block = ["plz"], fields = { name = 1 }, link = 0.9, review = 0.6 }"#,
        r#"error[LS0206]: lockstep.toml:20: `sync.customer.score.block[0]` names the field `plz`, which does not exist
hint: the project defines `email`, `name` and `zip`"#,
    );
    check(
        MATCH,
        r#"match = ["email"]
score = { block = ["zip"], fields = { name = 1, email = 0 }, link = 0.9, review = 0.6 }"#,
        r#"error[LS0204]: lockstep.toml:20: `sync.customer.score.fields.email` must be more than 0: a field without weight says nothing
hint: for example `score = { block = ["zip"], fields = { name = 0.7, street = 0.3 }, link = 0.9, review = 0.6 }`"#,
    );
    check(
        MATCH,
        r#"match = ["email"]
score = { block = ["zip"], fields = { name = { weigth = 1 } }, link = 0.9, review = 0.6 }"#,
        r#"error[LS0203]: lockstep.toml:20: there is no key `weigth` in `sync.customer.score.fields.name`
hint: did you mean `weight`?"#,
    );
    check(
        MATCH,
        r#"match = ["email"]
score = { fields = { name = 1 }, link = 0.9 }"#,
        r#"error[LS0205]: lockstep.toml:20: `block` is missing in `sync.customer.score`
hint: for example `score = { block = ["zip"], fields = { name = 0.7, street = 0.3 }, link = 0.9, review = 0.6 }`

error[LS0205]: lockstep.toml:20: `review` is missing in `sync.customer.score`
hint: for example `score = { block = ["zip"], fields = { name = 0.7, street = 0.3 }, link = 0.9, review = 0.6 }`"#,
    );
}
