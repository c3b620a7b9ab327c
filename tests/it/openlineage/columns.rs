//! Which column comes from which.

use serde_json::json;

use super::events::{dataset, kinds, of_file, origins};
use crate::hub::systems::{CRM, ERP, Lab};
use crate::mirror::project::{FILES, Project};

const TO_FILE: &str = "[lineage]\nopenlineage = { file = \"lineage.ndjson\" }\n";

#[test]
fn of_a_mirror() {
    let project = Project::new(&format!(
        "{FILES}{TO_FILE}[sync.items]\nmode = \"mirror\"\n\
         source = {{ connection = \"files\", stream = \"items.csv\", key = [\"id\"] }}\n\
         target = {{ connection = \"copy\", stream = \"items\" }}\n\
         [sync.items.fields]\nid = \"id\"\ntitle = \"name\"\namount = {{ source = \"price\", type = \"text\" }}\n\
         colour = {{ source = \"colour\", default = \"red\" }}\norigin = {{ constant = \"csv\" }}\n"
    ));
    project.write("data/items.csv", "id,name,price,colour,unused\n1,a,2,blue,x\n2,b,3,,y\n");
    assert_eq!(project.sync(0)["written"], 2);
    let events = of_file(&project);
    assert_eq!(kinds(&events), ["START items", "COMPLETE items"]);
    let [start, end] = events.as_slice() else { panic!("{events:#?}") };
    assert_eq!(start["run"]["runId"], end["run"]["runId"]);
    assert_eq!(
        (end["job"]["namespace"].as_str(), end["job"]["facets"]["jobType"]["jobType"].as_str()),
        (Some("test"), Some("MIRROR"))
    );
    let source = dataset(end, "inputs", "/data/items.csv");
    assert_eq!(source["namespace"], "file");
    assert_eq!(source["inputFacets"]["inputStatistics"]["rowCount"], 2);
    let names = |set: &serde_json::Value| {
        let fields = set["facets"]["schema"]["fields"].as_array().unwrap();
        fields.iter().map(|field| field["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(source), ["id", "name", "price", "colour", "unused"]);
    let target = dataset(end, "outputs", "/copy.db/items");
    assert_eq!(target["outputFacets"]["outputStatistics"]["rowCount"], 2);
    assert_eq!(names(target), ["id", "title", "amount", "colour", "origin"]);
    let lineage = &target["facets"]["columnLineage"]["fields"];
    let of = |field: &str| origins(&lineage[field]["inputFields"]);
    assert_eq!(of("id"), ["data/items.csv.id DIRECT/IDENTITY"]);
    assert_eq!(of("title"), ["data/items.csv.name DIRECT/IDENTITY"]);
    assert_eq!(of("amount"), ["data/items.csv.price DIRECT/TRANSFORMATION int64 to text"]);
    assert_eq!(of("colour"), ["data/items.csv.colour DIRECT/TRANSFORMATION \"red\" where it is empty"]);
    assert_eq!(lineage.get("origin"), None, "a constant comes from nowhere");
}

#[test]
fn of_a_mirror_with_a_plugin_in_between() {
    let project = Project::new(&format!(
        "{FILES}{TO_FILE}[sync.items]\nmode = \"mirror\"\n\
         source = {{ connection = \"files\", stream = \"items.csv\", key = [\"id\"] }}\n\
         target = {{ connection = \"copy\", stream = \"items\" }}\n\
         [[sync.items.transforms]]\nplugin = \"clean\"\nconfig = {{ all_text = [\"trim\"] }}\n"
    ));
    project.write("data/items.csv", "id,name\n1, a \n");
    project.sync(0);
    let events = of_file(&project);
    let lineage = &dataset(&events[1], "outputs", "/items")["facets"]["columnLineage"]["fields"];
    let name = origins(&lineage["name"]["inputFields"]);
    assert!(
        name.len() == 1 && name[0].starts_with("data/items.csv.name DIRECT/TRANSFORMATION plugin clean@"),
        "{name:?}"
    );
}

/// The CRM has names for the ERP's levels; the ERP alone knows the telephone; the shop has only some customers.
const HUB: &str = "[sync.customer]\nmode = \"hub\"\nmatch = [\"email\"]\n\
    endpoints.crm = { stream = \"contacts\" }\nendpoints.erp = { stream = \"customer\" }\n\
    endpoints.shop = { stream = \"users\", direction = \"write\", key = [\"mail\"], filter = \"name != 'Bob'\" }\n\
    [sync.customer.fields]\nemail = { crm = \"email\", erp = \"mail\", shop = \"mail\" }\n\
    name = { crm = { field = \"full_name\", read = \"trim(value)\", write = \"value\" }, erp = \"name\", shop = \"name\" }\n\
    phone = { crm = \"phone\", erp = \"tel\", owner = \"erp\" }\n\
    level = { crm = \"level\", erp = { field = \"class\", values = { A = \"gold\", B = \"silver\" } } }\n";

#[test]
fn of_a_hub() {
    let lab = Lab::files(&["crm", "erp", "shop"], &format!("{TO_FILE}{HUB}"));
    lab.sql("crm", &format!("{CRM} alter table contacts add column level text"));
    lab.sql("erp", &format!("{ERP} alter table customer add column class text"));
    lab.sql("crm", "insert into contacts (id, email, full_name) values (1, 'ann@x', 'Ann'), (2, 'bob@x', 'Bob')");
    lab.sql("erp", "insert into customer (no, mail, name, tel) values (7, 'cid@x', 'Cid', '3')");
    lab.run(&["run"]).ends(0);
    let events = of_file(&lab);
    assert_eq!(kinds(&events), ["START customer", "COMPLETE customer"]);
    let end = &events[1];
    assert_eq!(end["job"]["facets"]["jobType"]["jobType"], "HUB");
    let rows = |side: &str, name: &str, facets: &str, facet: &str| {
        dataset(end, side, name)[facets][facet]["rowCount"].as_u64().unwrap()
    };
    assert_eq!(rows("inputs", "/crm.db/contacts", "inputFacets", "inputStatistics"), 2);
    assert_eq!(rows("inputs", "/erp.db/customer", "inputFacets", "inputStatistics"), 1);
    assert_eq!(end["inputs"].as_array().unwrap().len(), 2, "the shop is only written");
    assert_eq!(rows("outputs", "/crm.db/contacts", "outputFacets", "outputStatistics"), 1);
    assert_eq!(rows("outputs", "/erp.db/customer", "outputFacets", "outputStatistics"), 2);
    assert_eq!(rows("outputs", "/shop.db/users", "outputFacets", "outputStatistics"), 2);
    let of = |name: &str, field: &str| {
        origins(&dataset(end, "outputs", name)["facets"]["columnLineage"]["fields"][field]["inputFields"])
    };
    assert_eq!(of("/contacts", "email"), ["erp.db/customer.mail DIRECT/IDENTITY"]);
    assert_eq!(of("/contacts", "full_name"), ["erp.db/customer.name DIRECT/TRANSFORMATION value"]);
    assert_eq!(of("/contacts", "phone"), ["erp.db/customer.tel DIRECT/IDENTITY"]);
    assert_eq!(of("/customer", "class"), ["crm.db/contacts.level DIRECT/TRANSFORMATION 2 values by a list"]);
    assert_eq!(of("/customer", "name"), ["crm.db/contacts.full_name DIRECT/TRANSFORMATION trim(value)"]);
    let lineage = |name: &str| dataset(end, "outputs", name)["facets"]["columnLineage"].clone();
    assert_eq!(lineage("/customer")["fields"].get("tel"), None, "nobody else has a say in what the ERP owns");
    assert_eq!(
        of("/users", "name"),
        ["crm.db/contacts.full_name DIRECT/TRANSFORMATION trim(value)", "erp.db/customer.name DIRECT/IDENTITY"]
    );
    assert_eq!(
        origins(&lineage("/users")["dataset"]),
        [
            "crm.db/contacts.full_name INDIRECT/FILTER name != 'Bob'",
            "erp.db/customer.name INDIRECT/FILTER name != 'Bob'",
            "crm.db/contacts.email INDIRECT/JOIN records are matched by it",
            "erp.db/customer.mail INDIRECT/JOIN records are matched by it",
        ]
    );
    let schema = &dataset(end, "inputs", "/contacts")["facets"]["schema"]["fields"];
    assert_eq!(schema[4], json!({"name": "changed", "type": "timestamptz", "ordinal_position": 5}));
    lab.rests();
    let last = of_file(&lab).pop().unwrap();
    assert_eq!(dataset(&last, "outputs", "/users")["outputFacets"]["outputStatistics"]["rowCount"], 0);
}
