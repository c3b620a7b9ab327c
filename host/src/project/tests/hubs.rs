//! Whole projects with hubs.

use super::*;
use crate::project::{
    Archive, ConflictPolicy, DeleteConflict, Direction, HubDef, HubDeletes, MatchField, Normaliser, OnExit, Others,
    Owner, Purpose,
};

const EVERYTHING: &str = r##"
[project]
name = "acme"

[connection.crm]
plugin = "csv"

[connection.erp]
plugin = "sqlite"

[sync.customer]
mode = "hub"
match = ["email", ["first", { field = "name", normalise = "name" }], { field = "phone", normalise = "digits" }]
score = { block = ["zip"], fields = { name = { weight = 0.7, normalise = "name" }, first = 0.3 }, link = 0.9, review = 0.6 }
trigger = { every = "30s" }
deletes = "archive"
delete_conflict = "edit-wins"
conflict = ["shop", "crm"]
clock_doubt = "5s"
tombstones = "30d"
guard = { rows = 7, share = 0.5 }
dead_letters = { max = 1000 }
endpoints.crm = { stream = "Contacts", archive = { field = "Status", value = "archived" } }
endpoints.erp = { stream = "public.customer", direction = "both", key = ["id"], modified = "updated_at", lookback = "10m", types = { amount = "decimal(18,2)" }, filter = "active && country == 'DE'", on_exit = { field = "state", value = 9 }, archive = { field = "state", value = 9 }, visibility_lag = "30s", enumerate = { every = "10m" } }
endpoints.shop = { connection = "crm", stream = "Shop", direction = "read" }

[sync.customer.fields]
email = { crm = "EmailAddress", erp = "email", shop = {}, transform = "lower(trim(value))" }
first = { crm = "FirstName", erp = "first", shop = "first" }
name = { crm = "FullName", erp = { field = "name", read = "trim(value)" }, conflict = "newest", transform = "value" }
limit = { crm = "CreditLimit", erp = "credit_limit", owner = "erp", others = "ignore", type = "decimal(18,2)" }
phone = { crm = "Phone", erp = "phone", conflict = ["crm", "erp"], tags = ["pii", "sales"] }
zip = { crm = "Zip", erp = "zip", conflict = "manual", group = "address" }
city = { crm = "City", erp = "city", conflict = "manual", group = "address" }
status = { crm = { field = "Status", values = { "A" = "active", "I" = "inactive" } }, erp = { field = "status", read = "value == 1 ? 'active' : 'inactive'", write = "value == 'active' ? 1 : 0", default = "inactive" }, transform = "value" }
visits = { crm = "Visits", erp = "visits", conflict = "counter", type = "int64" }
labels = { crm = "Labels", erp = "labels", conflict = { set = ";" } }
roles = { crm = "Roles", erp = "roles", conflict = "set", type = "json" }
note = { crm = "Note", erp = "note", conflict = { resolver = "./decide.wasm", config = { prefer = "longer" } } }
company = { crm = "AccountId", erp = "company_id", reference = "company" }
boss = { crm = "BossId", erp = "boss_id", reference = "customer" }
origin = { crm = { field = "Source", constant = "lockstep" } }

[sync.company]
mode = "hub"
match = []
endpoints.erp = { stream = "company", direction = "write" }
endpoints.accounts = { connection = "crm", stream = "Accounts" }
fields.name = { erp = "name", accounts = "Name" }
"##;

fn everything() -> Project {
    parse(EVERYTHING)
        .unwrap_or_else(|errors| panic!("{:#?}", errors.iter().map(ToString::to_string).collect::<Vec<_>>()))
}

fn hub<'a>(project: &'a Project, name: &str) -> &'a HubDef {
    project.syncs[name].as_hub().unwrap()
}

fn field(name: &str, normalise: Normaliser) -> MatchField {
    MatchField { field: name.into(), normalise }
}

#[test]
fn hubs_are_read() {
    let project = everything();
    let hub = hub(&project, "customer");
    assert_eq!((hub.deletes, hub.delete_conflict), (HubDeletes::Archive, DeleteConflict::EditWins));
    assert_eq!((hub.clock_doubt, hub.tombstones), (Duration::from_secs(5), Duration::from_secs(30 * 24 * 3600)));
    assert_eq!(hub.guard, Guard { rows: 7, share: 0.5 });
    assert_eq!((hub.trigger_every, hub.dead_letters_max), (Some(Duration::from_secs(30)), 1000));
    assert_eq!((hub.name.as_str(), hub.place.line()), ("customer", 11));
}

#[test]
fn matching_is_read() {
    let project = everything();
    let matching = &hub(&project, "customer").matching;
    let rules: Vec<&[MatchField]> = matching.exact.iter().map(|rule| rule.fields.as_slice()).collect();
    let expected: [&[MatchField]; 3] = [
        &[field("email", Normaliser::Text)],
        &[field("first", Normaliser::Text), field("name", Normaliser::Name)],
        &[field("phone", Normaliser::Digits)],
    ];
    assert_eq!(rules, expected);
    let score = matching.scored.as_ref().unwrap();
    assert_eq!(score.block, [field("zip", Normaliser::Text)]);
    assert_eq!(score.fields, [(field("name", Normaliser::Name), 0.7), (field("first", Normaliser::Text), 0.3)]);
    assert_eq!((score.link, score.review), (0.9, 0.6));
}

#[test]
fn endpoints_are_read_in_the_order_of_the_file() {
    let project = everything();
    let [crm, erp, shop] = hub(&project, "customer").endpoints.as_slice() else { panic!("not three") };
    let names = |end: &crate::project::HubEndpoint| format!("{} {} {}", end.name, end.connection, end.stream);
    assert_eq!([crm, erp, shop].map(names), ["crm crm Contacts", "erp erp public.customer", "shop crm Shop"]);
    assert_eq!([crm, erp, shop].map(|end| end.direction), [Direction::Both, Direction::Both, Direction::Read]);
    assert_eq!((erp.key.as_slice(), erp.modified.as_deref()), (["id".to_owned()].as_slice(), Some("updated_at")));
    assert_eq!((erp.lookback, erp.visibility_lag), (Some(Duration::from_secs(600)), Some(Duration::from_secs(30))));
    assert_eq!(erp.types["amount"], "decimal(18,2)".parse::<LogicalType>().unwrap());
    assert_eq!(erp.enumerate_every, Some(Duration::from_secs(600)));
    let filter = erp.filter.as_ref().unwrap();
    assert_eq!((filter.text.as_str(), filter.place.line()), ("active && country == 'DE'", 24));
    let archive = Archive { field: "state".into(), value: json!(9) };
    assert_eq!((&erp.on_exit, &erp.archive), (&OnExit::Archive(archive.clone()), &Some(archive)));
    assert_eq!((&crm.on_exit, crm.place.line(), shop.place.line()), (&OnExit::Unlink, 23, 25));
}

#[test]
fn columns_are_read() {
    let project = everything();
    let hub = hub(&project, "customer");
    let column = |name: &str, endpoint: &str| hub.field(name).unwrap().columns[endpoint].clone();
    let text = |expression: Option<crate::project::Expression>| expression.map(|expression| expression.text);
    assert_eq!(["crm", "erp", "shop"].map(|end| column("email", end).field), ["EmailAddress", "email", "email"]);
    assert_eq!(text(column("email", "shop").read).as_deref(), Some("lower(trim(value))"));
    assert_eq!(text(column("name", "erp").read).as_deref(), Some("trim(value)"), "its own, not the field's");
    assert_eq!(text(column("name", "crm").read).as_deref(), Some("value"));
    let status = column("status", "crm");
    assert_eq!(status.values, [("A".into(), "active".into()), ("I".into(), "inactive".into())]);
    assert_eq!(text(status.read), None, "what has values needs no transform");
    let status = column("status", "erp");
    assert_eq!(text(status.write).as_deref(), Some("value == 'active' ? 1 : 0"));
    assert_eq!(status.default, Some(json!("inactive")));
    assert_eq!(column("origin", "crm").constant, Some(json!("lockstep")));
}

#[test]
fn fields_know_who_decides() {
    let project = everything();
    let hub = hub(&project, "customer");
    let field = |name: &str| hub.field(name).unwrap();
    assert_eq!(field("limit").owner, Some(Owner { endpoint: "erp".into(), others: Others::Ignore }));
    assert_eq!(field("limit").logical, Some("decimal(18,2)".parse().unwrap()));
    assert!(
        matches!(&field("email").conflict, ConflictPolicy::Priority(names) if names == &["shop", "crm"]),
        "the hub's"
    );
    assert!(matches!(&field("phone").conflict, ConflictPolicy::Priority(names) if names == &["crm", "erp"]));
    assert!(matches!(field("name").conflict, ConflictPolicy::Newest));
    assert!(matches!(field("zip").conflict, ConflictPolicy::Manual));
    assert!(matches!(field("visits").conflict, ConflictPolicy::Counter));
    assert!(matches!(&field("labels").conflict, ConflictPolicy::Set { separator: Some(text) } if text == ";"));
    assert!(matches!(field("roles").conflict, ConflictPolicy::Set { separator: None }));
    match &field("note").conflict {
        ConflictPolicy::Resolver(resolver) => assert_eq!(resolver.config, json!({"prefer": "longer"})),
        other => panic!("{other:?}"),
    }
    assert_eq!((field("zip").group.as_deref(), field("city").place.line()), (Some("address"), 34));
    assert_eq!(field("phone").tags, ["pii", "sales"]);
    assert_eq!(field("company").reference.as_ref().map(|name| name.as_str()), Some("company"));
    let order: Vec<&str> = hub.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(order[..4], ["email", "first", "name", "limit"]);
}

#[test]
fn what_a_hub_leaves_out_has_its_default() {
    let project = everything();
    let hub = hub(&project, "company");
    assert!(hub.matching.exact.is_empty() && hub.matching.scored.is_none());
    assert_eq!((hub.deletes, hub.delete_conflict), (HubDeletes::Propagate, DeleteConflict::Manual));
    assert_eq!((hub.clock_doubt, hub.tombstones), (CLOCK_DOUBT_DEFAULT, TOMBSTONES_DEFAULT));
    assert_eq!(
        (hub.guard, hub.trigger_every, hub.dead_letters_max),
        (Guard::default(), None, DEAD_LETTERS_MAX_DEFAULT)
    );
    assert!(matches!(hub.fields[0].conflict, ConflictPolicy::Manual));
    let accounts = hub.endpoint("accounts").unwrap();
    assert_eq!((accounts.direction, &accounts.on_exit, &accounts.archive), (Direction::Both, &OnExit::Unlink, &None));
}

#[test]
fn what_is_written_where() {
    let project = everything();
    let hub = hub(&project, "customer");
    let written = |name: &str| {
        let field = hub.field(name).unwrap();
        hub.endpoints.iter().filter(|end| hub.is_written(field, end)).map(|end| end.name.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(written("email"), ["crm", "erp"], "the shop is only read");
    assert_eq!(written("limit"), ["crm"], "nobody but the owner sets it");
    assert_eq!(written("origin"), ["crm"]);
    let company = everything();
    let company = self::hub(&company, "company");
    let written = company.endpoints.iter().filter(|end| company.is_written(&company.fields[0], end));
    assert_eq!(
        written.map(|end| end.name.as_str()).collect::<Vec<_>>(),
        ["erp"],
        "nobody else could change the accounts"
    );
}

#[test]
fn references_find_their_endpoint_by_name_or_by_connection() {
    let project = everything();
    let (customer, company) = (hub(&project, "customer"), hub(&project, "company"));
    let found = |hub: &HubDef, name: &str| {
        hub.referred_by(customer.endpoint(name).unwrap()).map(|endpoint| endpoint.name.clone())
    };
    assert_eq!(found(company, "erp").as_deref(), Some("erp"));
    assert_eq!(found(company, "crm").as_deref(), Some("accounts"), "the only one of its connection");
    assert_eq!(found(customer, "shop").as_deref(), Some("shop"));
    let accounts = company.endpoint("accounts").unwrap();
    assert!(customer.referred_by(accounts).is_none(), "two of its connection, none of its name");
}

#[test]
fn expressions_are_listed_with_their_purpose() {
    let project = everything();
    let uses = hub(&project, "customer").expressions();
    let shown: Vec<String> =
        uses.iter().map(|used| format!("{:?} {}", used.purpose, used.expression.place.line())).collect();
    assert_eq!(shown.len(), 1 + 3 + 2 + 2);
    assert_eq!(uses[0].purpose, Purpose::Filter { endpoint: "erp" });
    assert!(shown.contains(&"Read { field: \"email\", endpoint: \"shop\" } 28".to_owned()), "{shown:?}");
    assert!(shown.contains(&"Write { field: \"status\", endpoint: \"erp\" } 35".to_owned()), "{shown:?}");
}

#[test]
fn hubs_are_listed_with_the_rest() {
    let project = everything();
    let plugins: Vec<String> =
        project.plugins().iter().map(|(plugin, place)| format!("{plugin} {}", place.line())).collect();
    assert_eq!(plugins, ["csv 6", "sqlite 9", "./decide.wasm 39"]);
    let sync = &project.syncs["customer"];
    assert_eq!(sync.connections().iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["crm", "erp"]);
    let streams: Vec<&str> = sync.streams().into_iter().map(|(_, stream)| stream).collect();
    assert_eq!(streams, ["Contacts", "public.customer", "Shop"]);
    assert!(sync.as_mirror().is_none());
}

/// What looks like a clash between syncs and is none.
#[test]
fn syncs_may_share_streams() {
    let with = |more: &str| {
        let text = format!("{EVERYTHING}\n{more}");
        parse(&text).map(|_| ()).map_err(|errors| errors.to_string())
    };
    let mirror = |name: &str, from: &str, to: &str, more: &str| {
        let end = |text: &str| {
            let (connection, stream) = text.split_once(' ').unwrap();
            format!("{{ connection = \"{connection}\", stream = \"{stream}\" }}")
        };
        format!("[sync.{name}]\nmode = \"mirror\"\nsource = {}\ntarget = {}\n{more}\n", end(from), end(to))
    };
    for more in [
        mirror("copy", "erp public.customer", "erp copy", ""),
        mirror("feed", "erp hr", "crm Shop", ""),
        mirror("rest", "erp ratings", "erp public.customer", "fields = { rating = \"rating\" }"),
        mirror("forth", "crm a", "erp b", "") + &mirror("more", "crm c", "erp b", ""),
        mirror("one", "crm a", "erp b", "") + &mirror("two", "erp b", "crm c", "") + &mirror("three", "crm a", "crm c", ""),
        "[sync.other]\nmode = \"hub\"\nmatch = [\"mail\"]\nendpoints.crm = { stream = \"Contacts\", direction = \"read\" }\n\
         endpoints.erp = { stream = \"press\" }\nfields.mail = { crm = \"EmailAddress\", erp = \"mail\" }\n"
            .to_owned(),
    ] {
        assert_eq!(with(&more), Ok(()), "{more}");
    }
}

/// A right file with one part replaced by something else, or by another part of it.
fn damaged_hub() -> impl Strategy<Value = String> {
    let with = prop_oneof![
        "\\PC{0,8}".prop_map(|text| text),
        (0..EVERYTHING.len(), 0..60usize)
            .prop_map(|(start, length)| { EVERYTHING[start..(start + length).min(EVERYTHING.len())].to_owned() }),
    ];
    (0..EVERYTHING.len(), 0..60usize, with).prop_map(|(start, length, with)| {
        let end = (start + length).min(EVERYTHING.len());
        format!("{}{with}{}", &EVERYTHING[..start], &EVERYTHING[end..])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nothing_in_a_hub_panics_and_every_error_is_in_the_file(text in damaged_hub()) {
        if let Err(errors) = parse(&text) {
            prop_assert!(errors.iter().count() > 0);
            for error in errors.iter() {
                let line = error.place().map_or(0, Place::line);
                prop_assert!(line >= 1 && line as usize <= text.matches('\n').count() + 1, "{error}");
                prop_assert!(!error.to_string().contains('\n'), "{error}");
            }
        }
    }
}
