//! `plugin audit`: what it says is what the host enforces.

use serde_json::{Value, json};

use super::lines;
use crate::http::server::{Answer, Server};
use crate::mirror::project::Project;

/// Two connections to one server, one to files, one to a database nobody has told the address of.
fn project(url: &str) -> Project {
    let project = Project::new(&format!(
        "[connection.crm]\nplugin = \"./requests.wasm\"\nlimits = {{ memory = \"64MiB\" }}\nbudget = {{ requests_per_second = 100, daily = 5000 }}\n\
         http.api = {{ origin = \"{url}\", allow_private = true, auth = {{ bearer = \"env:AUDITED_TOKEN\" }} }}\n\
         files.data = {{ path = \"data\" }}\n\
         [connection.shop]\nplugin = \"./requests.wasm\"\nhttp.api = {{ origin = \"{url}\", allow_private = true }}\n\
         [connection.files]\nplugin = \"csv\"\nfiles.data = {{ path = \"data\" }}\n\
         [connection.erp]\nplugin = \"postgres\"\nsql.main = {{ url = \"env:AUDITED_URL\" }}\n\
         [sync.customers]\nmode = \"mirror\"\nsource = {{ connection = \"files\", stream = \"c.csv\" }}\n\
         target = {{ connection = \"erp\", stream = \"public.c\" }}\n"
    ));
    std::fs::copy(lockstep_tests::guest("requests"), project.path("requests.wasm")).unwrap();
    project
}

fn audit(project: &Project, variables: &[(&str, &str)]) -> Value {
    let mut command = project.command(&["plugin", "audit", "--json"]);
    command.env_remove("AUDITED_URL").env_remove("AUDITED_TOKEN").envs(variables.iter().copied());
    crate::mirror::project::Outcome::of(command.spawn().unwrap()).ends(0).json()["result"].clone()
}

#[test]
fn what_is_said_to_be_reached_is_reached_and_nothing_else() {
    let server = Server::start(|_, _| Answer::status(200));
    let elsewhere = Server::start(|_, _| Answer::status(200));
    let project = project(&server.url());
    let crm = audit(&project, &[])["connections"][0].clone();
    let place = crm["reaches"][0]["place"].as_str().unwrap().to_owned();
    assert_eq!((crm["reaches"].as_array().unwrap().len(), &place), (1, &server.url()));

    // The same connection, at work: what stands there is answered, any other origin refused.
    let other = elsewhere.url();
    let stream = json!([[{"target": format!("{place}/a")}, {"target": format!("{other}/a")}]]).to_string();
    let mut command =
        project.command(&["plugin", "record", "--connection", "crm", "--stream", &stream, "--out", "a.jsonl"]);
    command.env("AUDITED_TOKEN", "a-token-that-is-long");
    crate::mirror::project::Outcome::of(command.spawn().unwrap()).ends(0);
    let recorded = lines(&project, "a.jsonl");
    assert_eq!(
        recorded[1]["got"]["error"]["code"].as_str().or(recorded[2]["got"]["error"]["code"].as_str()),
        Some("LS0505")
    );
    assert_eq!((server.requests().len(), elsewhere.requests().len()), (1, 0));
}

#[test]
fn everything_a_security_engineer_asks_is_said() {
    let server = Server::start(|_, _| Answer::status(200));
    let project = project(&server.url());
    let audited = audit(&project, &[]);
    let of = |name: &str| audited["connections"].as_array().unwrap().iter().find(|c| c["connection"] == name).unwrap();
    let crm = of("crm");
    assert_eq!(crm["reaches"][0]["credential"], "bearer env:AUDITED_TOKEN");
    assert_eq!(crm["reaches"][0]["private_addresses"], true);
    assert_eq!(crm["granted_in_vain"], json!(["files.data"]), "it imports no files");
    assert_eq!(crm["shares"], json!([format!("{} with `shop`", server.url())]));
    assert_eq!((&crm["limits"]["memory_bytes"], &crm["limits"]["requests_daily"]), (&json!(64 << 20), &json!(5000)));
    let approval = crm["approval"].as_str().unwrap();
    for part in [
        "`crm` runs the plugin requests@",
        "(sha256:",
        "with the credential bearer env:AUDITED_TOKEN, which it never sees",
        "It cannot read and write files",
        "No sync uses it.",
    ] {
        assert!(approval.contains(part), "`{part}` is not in: {approval}");
    }
    assert_eq!(of("files")["syncs"], json!([{"sync": "customers", "does": "reads"}]));
    assert_eq!(of("files")["shares"], json!([]), "whoever is granted files in vain shares none");
    assert_eq!(of("files")["reaches"][0]["place"], "data");
    let erp = of("erp");
    assert_eq!(erp["reaches"][0]["credential"], "URL env:AUDITED_URL");
    assert!(erp["reaches"][0]["place"].as_str().unwrap().contains("which is not set here"));
    let url =
        [("AUDITED_URL", "postgres://me:hunter2-hunter2@db.example:5433/erp"), ("AUDITED_TOKEN", "hunter2-hunter2")];
    let audited = audit(&project, &url);
    assert_eq!(audited["connections"][3]["reaches"][0]["place"], "postgres://db.example:5433/erp");
    assert!(!audited.to_string().contains("hunter2"), "{audited}");
}

#[test]
fn the_table_fits() {
    let server = Server::start(|_, _| Answer::status(200));
    let project = project(&server.url());
    let shown = project.run(&["plugin", "audit"]).ends(0).says(&["connection", "may reach", "csv@", "customers"]);
    let table = shown.stdout.split("\n\n").next().unwrap();
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{shown}");
}
