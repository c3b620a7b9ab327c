//! Whole project files. What the errors look like is shown where they are printed; here is what is read, and that nothing an
//! editor can produce makes reading panic.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::testing::TempDir;
use super::*;
use crate::record::LogicalType;

mod hubs;

const EVERYTHING: &str = r##"
[project]
name = "acme"

[connection.files]
plugin = "csv"
config = { delimiter = ";", nested = { since = 2026-11-21, list = [1, 2.5, true] } }
files.data = { path = "data" }
limits = { memory = "64MiB", cpu = "5s", wall = "30s", page_rows = 5000, page_bytes = "4MiB" }

[connection.db]
plugin = "plugins/mine.wasm"
sql.main = { url = "env:DATABASE_URL" }
sql.copy = { path = "/var/copy.db" }
http.api = { origin = "http://localhost:8080/", allow_private = true }
http.crm = { origin = "https://crm.example.com", ca = "ca.pem", auth = { oauth2 = { token_url = "https://login.example.com/token?tenant=1", client_id = "env:CRM_ID", secret = "file:crm", refresh_token = "command:pass show 'crm token'", client_auth = "body", scope = "a b", audience = "x" }, header = { X-Tenant = "env:TENANT" }, query = { "api key" = "env:KEY" } } }
http.erp = { origin = "https://erp.example.com", auth = { jwt_bearer = { token_url = "https://erp.example.com/token", issuer = "lockstep", subject = "sync", audience = "erp", key = "file:/run/erp.pem", key_id = "1", algorithm = "ES256", scope = "s" } } }
http.shop = { origin = "https://shop.example.com", auth = { basic = { user = "env:SHOP_KEY" }, body = { api_key = "env:SHOP_BODY" }, wss = { username = "erp", password = "env:SHOP_WSS", type = "digest" } } }
budget = { requests_per_second = 0.5, concurrency = 4, daily = 50_000, reserve = 0.25, headers = { daily_used = "Sforce-Limit-Info", remaining = "X-Left", reset = "X-Reset" } }

[sync.orders]
mode = "mirror"
source = { connection = "files", stream = "orders.csv", key = ["id", "line"], modified = "updated_at", lookback = "10m", types = { amount = "decimal(18,2)" } }
target = { connection = "db", stream = "public.orders", key = ["id", "line"] }
transforms = [{ plugin = "clean", config = { trim = ["name"] } }, { plugin = "./own.wasm" }]
deletes = "compare"
compare = { every = "1h" }
guard = { rows = 7, share = 0.5 }
schema = "evolve"
trigger = { every = "30s" }
dead_letters = { max = 1000 }

[sync.orders.fields]
line = {}
id = "Id"
zip = { source = "Zip", type = "text" }
country = { default = "DE" }
origin = { constant = "shop", type = "text" }
rate = { constant = "0.10", type = "decimal(4,2)" }

[sync.all]
mode = "mirror"
source = { connection = "files", stream = "customers.csv" }
target = { connection = "db", stream = "customers" }
"##;

fn parse(text: &str) -> Result<Project, ProjectErrors> {
    Project::parse(text, Path::new("shop"), PROJECT_FILE)
}

fn mirror<'a>(project: &'a Project, name: &str) -> &'a MirrorDef {
    project.syncs[name].as_mirror().unwrap()
}

fn everything() -> Project {
    parse(EVERYTHING)
        .unwrap_or_else(|errors| panic!("{:#?}", errors.iter().map(ToString::to_string).collect::<Vec<_>>()))
}

#[test]
fn connections_are_read() {
    let project = everything();
    let [files, db] = ["files", "db"].map(|name| project.connections[name].clone());
    assert_eq!(files.plugin, PluginRef::Bundled("csv".parse().unwrap()));
    assert_eq!(files.config, json!({"delimiter": ";", "nested": {"since": "2026-11-21", "list": [1, 2.5, true]}}));
    assert_eq!(files.files["data"].path, Path::new("shop/data"));
    let limits = LimitOverrides {
        memory_bytes: Some(64 << 20),
        cpu: Some(Duration::from_secs(5)),
        wall: Some(Duration::from_secs(30)),
        page_rows: Some(5000),
        page_bytes: Some(4 << 20),
    };
    assert_eq!(files.limits, limits);
    assert_eq!(db.plugin, PluginRef::Path("plugins/mine.wasm".into()));
    assert_eq!(db.plugin.file(&project.dir), Some("shop/plugins/mine.wasm".into()));
    assert_eq!(db.config, json!({}));
    assert_eq!(db.sql["main"].database, Database::Url(SecretRef::Env("DATABASE_URL".into())));
    assert_eq!(db.sql["copy"].database, Database::Path("/var/copy.db".into()));
    assert_eq!(db.http["api"].origin.to_string(), "http://localhost:8080");
    assert!(db.http["api"].allow_private);
}

#[test]
fn syncs_are_read() {
    let project = everything();
    let sync = mirror(&project, "orders");
    assert_eq!(sync.source.key, ["id", "line"]);
    assert_eq!(
        (sync.source.modified.as_deref(), sync.source.lookback),
        (Some("updated_at"), Some(Duration::from_secs(600)))
    );
    assert_eq!(sync.source.types["amount"], "decimal(18,2)".parse::<LogicalType>().unwrap());
    assert_eq!(sync.target.stream, "public.orders");
    assert_eq!(
        sync.transforms.iter().map(|transform| transform.plugin.to_string()).collect::<Vec<_>>(),
        ["clean", "./own.wasm"]
    );
    assert_eq!(sync.transforms[0].config, json!({"trim": ["name"]}));
    assert_eq!((sync.deletes, sync.compare_every), (Deletes::Compare, Some(Duration::from_secs(3600))));
    assert_eq!(sync.guard, Guard { rows: 7, share: 0.5 });
    assert_eq!((sync.schema, sync.trigger_every), (SchemaPolicy::Evolve, Some(Duration::from_secs(30))));
    assert_eq!(sync.dead_letters_max, 1000);
}

#[test]
fn fields_are_read_in_the_order_of_the_file() {
    let project = everything();
    let source = |field: &str, default: Option<&str>| FieldValue::Source {
        field: field.into(),
        default: default.map(Into::into),
    };
    let lines: Vec<_> = mirror(&project, "orders")
        .fields
        .iter()
        .map(|line| (line.target.as_str(), line.value.clone(), line.logical))
        .collect();
    assert_eq!(
        lines,
        [
            ("line", source("line", None), None),
            ("id", source("Id", None), None),
            ("zip", source("Zip", None), Some(LogicalType::Text)),
            ("country", source("country", Some("DE")), None),
            ("origin", FieldValue::Constant(json!("shop")), Some(LogicalType::Text)),
            ("rate", FieldValue::Constant(json!("0.10")), Some("decimal(4,2)".parse().unwrap())),
        ]
    );
}

#[test]
fn what_is_left_out_has_its_default() {
    let project = everything();
    let sync = mirror(&project, "all");
    assert!(sync.fields.is_empty() && sync.transforms.is_empty() && sync.source.key.is_empty());
    assert_eq!((sync.deletes, sync.compare_every), (Deletes::Tombstones, None));
    assert_eq!((sync.guard, sync.schema), (Guard { rows: 20, share: 0.05 }, SchemaPolicy::Pause));
    assert_eq!((sync.trigger_every, sync.dead_letters_max), (None, 10_000));
}

#[test]
fn order_and_places_are_those_of_the_file() {
    let project = everything();
    assert_eq!(project.syncs_in_order().map(|sync| sync.name().as_str()).collect::<Vec<_>>(), ["orders", "all"]);
    assert_eq!(
        project.connections_in_order().map(|connection| connection.name.as_str()).collect::<Vec<_>>(),
        ["files", "db"]
    );
    let files = &project.connections["files"];
    assert_eq!(files.place.to_string(), "lockstep.toml:5");
    assert_eq!(files.plugin_place.line(), 6);
    assert_eq!(files.config_place("/nested/list/1").line(), 7);
    assert_eq!(files.config_place("/nowhere").line(), 7);
    assert_eq!(project.connections["db"].config_place("/x").line(), 11);
    assert_eq!(mirror(&project, "orders").fields[2].place.line(), 36);
}

#[test]
fn plugins_and_secrets_are_listed_once() {
    let project = everything();
    let plugins: Vec<String> =
        project.plugins().iter().map(|(plugin, place)| format!("{plugin} {}", place.line())).collect();
    assert_eq!(plugins, ["csv 6", "plugins/mine.wasm 12", "clean 25", "./own.wasm 25"]);
    let secrets: Vec<String> =
        project.secrets().map(|secret| format!("{} {}", secret.path, secret.reference)).collect();
    assert_eq!(
        secrets,
        [
            "connection.db.sql.main.url env:DATABASE_URL",
            "connection.db.http.crm.auth.oauth2.client_id env:CRM_ID",
            "connection.db.http.crm.auth.oauth2.secret file:shop/crm",
            "connection.db.http.crm.auth.oauth2.refresh_token command:pass",
            "connection.db.http.crm.auth.header.X-Tenant env:TENANT",
            "connection.db.http.crm.auth.query.\"api key\" env:KEY",
            "connection.db.http.erp.auth.jwt_bearer.key file:/run/erp.pem",
            "connection.db.http.shop.auth.basic.user env:SHOP_KEY",
            "connection.db.http.shop.auth.body.api_key env:SHOP_BODY",
            "connection.db.http.shop.auth.wss.password env:SHOP_WSS",
        ]
    );
}

#[test]
fn endpoints_and_budgets_are_read() {
    let project = everything();
    let db = &project.connections["db"];
    let crm = &db.http["crm"];
    assert_eq!(crm.authorities.as_deref(), Some(Path::new("shop/ca.pem")));
    let auth = crm.auth.as_ref().unwrap();
    assert_eq!(auth.kinds(), ["oauth2", "header", "query"]);
    assert_eq!((auth.headers[0].0.as_str(), auth.query[0].0.as_str()), ("x-tenant", "api key"));
    assert_eq!(db.http["shop"].auth.as_ref().unwrap().kinds(), ["basic", "body", "wss"]);
    let Some(AuthScheme::OAuth2(oauth2)) = &auth.scheme else { panic!("{auth:?}") };
    assert_eq!(oauth2.token_url.as_str(), "https://login.example.com/token?tenant=1");
    assert_eq!((oauth2.client_auth, oauth2.scope.as_deref()), (ClientAuth::Body, Some("a b")));
    let Some(AuthScheme::JwtBearer(jwt)) = &db.http["erp"].auth.as_ref().unwrap().scheme else { panic!() };
    assert_eq!((jwt.algorithm, jwt.key_id.as_deref()), (JwtAlgorithm::Es256, Some("1")));
    assert_eq!((&jwt.issuer, &jwt.subject), (&Given::Text("lockstep".into()), &Some(Given::Text("sync".into()))));
    let budget = &db.budget;
    assert_eq!((budget.requests_per_second, budget.concurrency), (Some(0.5), Some(4)));
    assert_eq!((budget.daily, budget.reserve), (Some(50_000), 0.25));
    assert_eq!(budget.headers.daily_used.as_deref(), Some("sforce-limit-info"));
    assert_eq!(project.connections["files"].budget, RequestBudget::default());
}

#[test]
fn tables_may_be_written_either_way() {
    let project = parse(
        "[project]\nname = \"a\"\n[connection.a]\nplugin = \"csv\"\n[connection.a.files.data]\npath = \"x\"\n[sync.s]\nmode = \"mirror\"\n\
         [sync.s.source]\nconnection = \"a\"\nstream = \"1\"\n[sync.s.target]\nconnection = \"a\"\nstream = \"2\"\n\
         [[sync.s.transforms]]\nplugin = \"clean\"\n[[sync.s.transforms]]\nplugin = \"b\"\n",
    )
    .unwrap();
    assert_eq!(project.connections["a"].files["data"].place.line(), 5);
    assert_eq!(mirror(&project, "s").transforms.len(), 2);
    assert_eq!(mirror(&project, "s").transforms[1].place.line(), 17);
}

#[test]
fn a_byte_order_mark_and_carriage_returns_are_no_content() {
    let text = format!("\u{feff}{}", EVERYTHING.replace('\n', "\r\n"));
    assert_eq!(parse(&text).unwrap().connections["files"].place.line(), 5);
}

#[test]
fn a_folder_is_loaded() {
    let dir = TempDir::new("load");
    let load = |path: &Path| Project::load(path);
    assert!(matches!(load(dir.path()).unwrap_err().iter().next(), Some(ProjectError::Missing { nearby: None, .. })));
    std::fs::write(dir.path().join(PROJECT_FILE), EVERYTHING).unwrap();
    assert_eq!(load(dir.path()).unwrap().name, "acme");
    std::fs::create_dir(dir.path().join("data")).unwrap();
    match load(&dir.path().join("data")).unwrap_err().iter().next() {
        Some(ProjectError::Missing { nearby: Some(nearby), .. }) => assert_eq!(nearby, dir.path()),
        other => panic!("{other:?}"),
    }
    std::fs::write(dir.path().join(PROJECT_FILE), b"[project]\nname = \"\xff\"").unwrap();
    let error = load(dir.path()).unwrap_err().to_string();
    assert!(error.ends_with("lockstep.toml:2: not valid UTF-8: save the file with that encoding"), "{error}");
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    let depth = 100_000;
    assert!(parse(&format!("a = {}", "[".repeat(depth))).is_err());
    assert!(parse(&format!("a = {}", "{a=".repeat(depth))).is_err());
    assert!(parse(&format!("{} = 1", vec!["a"; depth].join("."))).is_err());
    assert!(parse(&format!("[{}]", vec!["a"; depth].join("."))).is_err());
}

#[test]
fn no_more_errors_than_anybody_reads() {
    let keys: String = (0..100).map(|n| format!("key{n} = 1\n")).collect();
    let errors = parse(&keys).unwrap_err();
    assert_eq!((errors.iter().count(), errors.left_out()), (PROBLEMS_MAX, 100 + 1 - PROBLEMS_MAX));
}

/// Pieces of project files, right and wrong, in any order.
fn fragments() -> impl Strategy<Value = String> {
    let words: Vec<&'static str> = EVERYTHING.split_inclusive([' ', '\n', '.', '=', '"', '{', '[', ',']).collect();
    let piece = prop_oneof![
        8 => proptest::sample::select(words),
        1 => proptest::sample::select(vec!["\n[[sync]]\n", "nan", "\"\"\"", "'", "\0", "1e400", "\\u0000", "\n\"\" = \"\"\n", "]", "}"]),
    ];
    proptest::collection::vec(piece, 0..200).prop_map(|pieces| pieces.concat())
}

/// A right file with one part replaced by something else.
fn damaged() -> impl Strategy<Value = String> {
    (0..EVERYTHING.len(), 0..40usize, "\\PC{0,8}").prop_map(|(start, length, with)| {
        let end = (start + length).min(EVERYTHING.len());
        format!("{}{with}{}", &EVERYTHING[..start], &EVERYTHING[end..])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn nothing_panics_and_every_error_is_in_the_file(text in prop_oneof![fragments(), damaged(), any::<String>()]) {
        if let Err(errors) = parse(&text) {
            prop_assert!(errors.iter().count() > 0);
            for error in errors.iter() {
                let line = error.place().map_or(0, Place::line);
                let lines = text.matches('\n').count() + 1;
                prop_assert!(line >= 1 && line as usize <= lines, "{error}");
                prop_assert!(!error.to_string().contains('\n'), "{error}");
            }
        }
    }

    #[test]
    fn no_error_shows_a_secret(key in "[a-z_.]{1,20}", field in "url|path|origin|password|[a-z]{1,8}") {
        let secret = "postgres://shop:hunter2@db/shop";
        for line in [format!("{key} = \"{secret}\""), format!("{key} = {{ {field} = \"{secret}\" }}"), format!("sql.main = {{ {field} = \"{secret}\" ")] {
            let text = format!("[project]\nname = \"a\"\n[connection.db]\nplugin = \"postgres\"\n{line}\n");
            if let Err(errors) = parse(&text) {
                for error in errors.iter() {
                    let shown = format!("{error} {:?}", crate::error::Explain::hints(error));
                    prop_assert!(!shown.contains("hunter2"), "{shown}");
                }
            }
        }
    }
}

#[test]
fn whoever_is_told_of_runs_is_read() {
    let read = |settings: &str| {
        let text = format!("[project]\nname = \"acme\"\n[lineage]\nopenlineage = {{ {settings} }}\n");
        Project::parse(&text, Path::new("/shop"), PROJECT_FILE).unwrap().openlineage.unwrap()
    };
    assert_eq!(read("file = \"out/events.ndjson\"").transport, Transport::File("/shop/out/events.ndjson".into()));
    let http = |settings: &str| match read(settings).transport {
        Transport::Http(http) => http,
        Transport::File(path) => panic!("{path:?}"),
    };
    // As OpenLineage's own clients do.
    assert_eq!(http("url = \"http://marquez:5000\"").url.as_str(), "http://marquez:5000/api/v1/lineage");
    assert_eq!(http("url = \"https://a/custom/path\"").url.as_str(), "https://a/custom/path");
    assert_eq!(http("url = \"https://a\"").timeout, EXPORT_TIMEOUT_DEFAULT);
    assert_eq!(http("url = \"https://a\", timeout = \"250ms\"").timeout.as_millis(), 250);
    let settings = read("url = \"https://a\", api_key = \"env:KEY\", namespace = \"warehouse\"");
    assert_eq!(settings.namespace.as_deref(), Some("warehouse"));
    assert_eq!(settings.secret().unwrap().path, "lineage.openlineage.api_key");
}
