//! `plugin diff`: what an update asks for.

use serde_json::{Value, json};

use crate::mirror::project::Project;

const MANIFEST: &str = "name = \"mine\"\nversion = \"VERSION\"\nlicense = \"MIT\"\n";

/// A project with `old.wasm` and `new.wasm`: the components of these guests, with these manifests.
fn packed(old: (&str, &str), new: (&str, &str)) -> Project {
    let project = Project::new("");
    for ((guest, manifest), version) in [(old, "1.0.0"), (new, "1.1.0")] {
        let name = if version == "1.0.0" { "old" } else { "new" };
        project.write("plugin.toml", format!("{}{manifest}", MANIFEST.replace("VERSION", version)));
        let component = lockstep_tests::guest(guest).display().to_string();
        project.run(&["plugin", "pack", &component, "-o", &format!("{name}.wasm")]).ends(0);
    }
    project
}

fn changes(project: &Project, code: i32) -> Vec<[String; 2]> {
    let result = project.run(&["plugin", "diff", "old.wasm", "new.wasm", "--json"]).ends(code).json()["result"].clone();
    let text = |change: &Value, name: &str| change[name].as_str().unwrap().to_owned();
    let changes = result["changes"].as_array().unwrap();
    changes.iter().map(|change| [text(change, "weight"), text(change, "what")]).collect()
}

const FILES: &str = "capabilities = [\"files\", \"log\"]\naliases = { files = [\"data\"] }\n";
const HTTP: &str =
    "capabilities = [\"files\", \"http\", \"log\"]\naliases = { files = [\"data\"], http = [\"api\"] }\n";

#[test]
fn what_an_update_may_do_besides_is_told() {
    let project = packed(("twins", FILES), ("requests", HTTP));
    let found = changes(&project, 1);
    let has = |weight: &str, what: &str| found.contains(&[weight.to_owned(), what.to_owned()]);
    assert!(has("asks-for-more", "capability `http`") && has("asks-for-more", "alias `http.api`"), "{found:?}");
    assert!(has("breaks", "export `sink`") && has("fine", "capability `files`"), "{found:?}");
    let shown = project.run(&["plugin", "diff", "old.wasm", "new.wasm"]).ends(1).says(&[
        "capability `http`",
        "asks for more",
        "mine@1.1.0 in place of mine@1.0.0 asks besides for: capability `http`, capability `log`, alias `http.api`; it breaks: export",
    ]);
    let table = shown.stdout.split("\n\n").next().unwrap();
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{shown}");
}

#[test]
fn settings_that_are_needed_now_break_what_was_fine() {
    let config = |required: &str, kind: &str| {
        format!(
            "{FILES}[config]\ntype = \"object\"\nrequired = [{required}]\n\
             [config.properties]\nsize = {{ type = \"{kind}\" }}\nnow = {{ type = \"string\", default = \"a\" }}\n"
        )
    };
    let (before, after) = (config("", "integer"), config("\"now\"", "string"));
    let project = packed(("twins", &before), ("twins", &after));
    let found = changes(&project, 1);
    let breaks: Vec<&str> =
        found.iter().filter(|[weight, _]| weight == "breaks").map(|[_, what]| what.as_str()).collect();
    assert_eq!(breaks, ["config `now`", "config `size`"]);
    assert!(!found.iter().any(|[weight, _]| weight == "asks-for-more"), "{found:?}");
}

#[test]
fn an_update_that_asks_for_nothing_more_ends_with_0() {
    let optional = format!("{FILES}[config.properties]\nmore = {{ type = \"string\" }}\n");
    let project = packed(("twins", FILES), ("twins", &optional));
    let found = changes(&project, 0);
    assert!(found.contains(&["fine".to_owned(), "config `more`".to_owned()]), "{found:?}");
    project.run(&["plugin", "diff", "csv", "csv"]).ends(0).says(&["asks besides for nothing; it breaks nothing"]);
    let same = project.run(&["plugin", "diff", "csv", "csv", "--json"]).ends(0).json();
    assert_eq!((&same["result"]["changes"], &same["result"]["asks_for_more"]), (&json!([]), &json!(false)));
    project.run(&["plugin", "diff", "csv", "csb"]).ends(2).says(&["there is no plugin `csb`"]);
}
