//! Plugins that send requests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::lines;
use crate::http::server::{Answer, Server};
use crate::mirror::project::Project;

const SECRET: &str = "hunter2/+ \"correct horse\" battery";
const TOKEN: &str = "tok-3n-handed-out-0123456789";

const MANIFEST: &str = r#"
[streams.things]
key = "id"
fields = { id = "int64", name = "text" }
read = { path = "/things", query = { after = "${after}" }, records = "list", page_size = 3, paging = { by = "last", last = "id" } }
"#;

/// Eight things, three a page.
pub fn things() -> Server {
    Server::start(|_, request| {
        let after: u32 = request.target.rsplit("after=").next().and_then(|after| after.parse().ok()).unwrap_or(0);
        let rows: Vec<Value> = (after + 1..=8).take(3).map(|id| json!({"id": id, "name": format!("n{id}")})).collect();
        Answer::body(json!({ "list": rows }).to_string())
    })
}

/// A project whose connection `crm` reads things.
pub fn project(url: &str) -> Project {
    let project = Project::new(&format!(
        "[connection.crm]\nplugin = \"http-json\"\nconfig = {{ manifest = \"manifest.toml\" }}\n\
         http.api = {{ origin = \"{url}\", allow_private = true, auth = {{ bearer = \"file:secret\" }} }}\n"
    ));
    project.write("manifest.toml", MANIFEST);
    project.write("secret", SECRET);
    project
}

/// A project whose connection `crm` sends what the names of its streams say.
fn requests(server: &Server) -> Project {
    let project = Project::new(&format!(
        "[connection.crm]\nplugin = \"./requests.wasm\"\n\
         http.api = {{ origin = \"{}\", allow_private = true, auth = {{ bearer = \"file:secret\" }} }}\n",
        server.url()
    ));
    std::fs::copy(lockstep_tests::guest("requests"), project.path("requests.wasm")).unwrap();
    project.write("secret", SECRET);
    project
}

#[test]
fn what_was_recorded_is_replayed_without_the_system() {
    let server = things();
    let project = project(&server.url());
    project
        .run(&["plugin", "record", "--connection", "crm", "--out", "things.jsonl"])
        .ends(0)
        .says(&["1 stream, 8 records in 4 pages, 4 exchanges in things.jsonl", "read it before you pass it on"]);
    let missing = project.run(&["plugin", "record", "--connection", "crm", "--stream", "thngs", "--out", "x.jsonl"]);
    missing.ends(1).says(&["recorded as an error: thngs: there is no stream `thngs`"]);
    let asked = server.requests().len();
    let recorded = lines(&project, "things.jsonl");
    assert_eq!((&recorded[0]["lockstep-recording"], &recorded[0]["connection"]), (&json!(1), &json!("crm")));
    assert_eq!(recorded[0]["grants"], json!({"http": {"api": server.url()}}));
    assert_eq!(recorded[2]["asked"]["target"], "/things?after=3");
    assert_eq!(recorded[5]["gave"]["discovered"][0]["name"], "things");

    let document = project.run(&["plugin", "replay", "http-json", "things.jsonl", "--json"]).ends(0).json();
    assert_eq!((&document["result"]["records"], &document["result"]["differences"]), (&json!(8), &json!([])));
    assert_eq!(server.requests().len(), asked, "nothing is reached");
}

#[test]
fn what_differs_is_told() {
    let server = things();
    let project = project(&server.url());
    project.run(&["plugin", "record", "--connection", "crm", "--out", "then.jsonl"]).ends(0);
    let then = project.read("then.jsonl");
    project.write("now.jsonl", then.replacen(r#"\"name\":\"n2\""#, r#"\"name\":\"N2\""#, 1));
    let changed = project.run(&["plugin", "replay", "http-json", "now.jsonl"]).ends(1);
    let changed = changed.says(&["things  record [2] `name`  n2    N2", "1 difference from what http-json@"]);
    assert!(changed.stdout.lines().all(|line| line.chars().count() <= 100), "{changed}");

    project.write("now.jsonl", then.replacen("/things?after=3", "/things?after=99", 1));
    project.run(&["plugin", "replay", "http-json", "now.jsonl"]).ends(1).says(&[
        "asks for what was not recorded (if it is meant to, record again):\n  http.api: GET /things?after=3",
        "no longer asks for:\n  http.api: GET /things?after=99",
        "record [8]",
        "LS0518",
    ]);
}

/// Every form in which a server may send a secret back; tokens that it hands out, and what carries them on.
#[test]
fn no_secret_is_in_a_recording() {
    let percent: String = SECRET.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let forms = [SECRET.to_owned(), STANDARD.encode(format!("Bearer {SECRET}")), percent, json!(SECRET).to_string()];
    let echoes = forms.clone();
    let server = Server::start(move |number, _| {
        let echo = echoes[number % echoes.len()].clone();
        let body = json!({"echo": echo, "access_token": TOKEN}).to_string();
        Answer::body(body).header("x-echo", echo).header("set-cookie", "session=cookie-0123456789")
    });
    let project = requests(&server);
    let rounds = json!([[{"target": "/0"}], [{"target": "/1"}], [{"target": "/2"}], [{"target": "/3"}],
        [{"target": "/next", "headers": [["x-carried", TOKEN]], "body": format!("token={TOKEN}")}]]);
    let stream = rounds.to_string();
    let record = ["plugin", "record", "--connection", "crm", "--stream", &stream, "--out", "echoes.jsonl"];
    project.run(&record).ends(0);
    assert!(server.requests().iter().all(|request| request.headers["authorization"].ends_with(SECRET)));
    let text = project.read("echoes.jsonl");
    let parts = forms.iter().map(|form| &form[4..form.len() - 4]).chain(["hunter2", "handed-out", "cookie-0123"]);
    for part in parts {
        assert!(!text.contains(part), "`{part}` is in:\n{text}");
    }
    let recorded = lines(&project, "echoes.jsonl");
    assert_eq!(recorded[5]["asked"]["headers"][0], json!(["x-carried", "*".repeat(TOKEN.len())]));
    assert_eq!(recorded[5]["asked"]["body"], json!(format!("token={}", "*".repeat(TOKEN.len()))));
}

#[test]
fn a_credential_that_could_not_be_found_again_is_not_recorded_with() {
    let server = things();
    let project = project(&server.url());
    project.write("secret", "short12");
    let record = ["plugin", "record", "--connection", "crm", "--out", "things.jsonl"];
    project.run(&record).ends(2).says(&["a credential of `crm` is shorter than 8 characters", "a longer password"]);
    assert_eq!(server.requests().len(), 0);
    assert!(!project.path("things.jsonl").exists());
    project.write("secret", "short123");
    project.run(&record).ends(0);
}

#[test]
fn errors_are_recorded_with_what_is_known_of_them() {
    let server = Server::start(|_, request| match request.target.as_str() {
        "/unknown" => Answer::Cut,
        _ => Answer::status(404),
    });
    let project = requests(&server);
    let stream = json!([[{"target": "/unknown", "method": "POST", "body": "a"}, {"target": "http://127.0.0.1:9/x"}, {"target": "/missing"}]]).to_string();
    project.run(&["plugin", "record", "--connection", "crm", "--stream", &stream, "--out", "e.jsonl"]).ends(0);
    let recorded = lines(&project, "e.jsonl");
    let of = |target: &str| recorded.iter().find(|line| line["asked"]["target"] == target).unwrap()["got"].clone();
    let unknown = of("/unknown")["error"].clone();
    assert_eq!((&unknown["kind"], &unknown["code"]), (&json!("transient"), &json!("LS0516")));
    assert!(unknown["properties"].as_array().unwrap().contains(&json!(["outcome", "unknown"])), "{unknown}");
    assert_eq!(of("http://127.0.0.1:9/x")["error"]["code"], "LS0505");
    assert_eq!(of("/missing")["status"], 404);
    project.run(&["plugin", "replay", "./requests.wasm", "e.jsonl"]).ends(0);
}

#[test]
fn what_is_no_recording_is_one_error() {
    let project = Project::new("");
    project.write("not.jsonl", "{\"a\": 1}\n");
    project
        .run(&["plugin", "replay", "csv", "not.jsonl"])
        .ends(2)
        .says(&["LS0519", "`not.jsonl` is not a recording: line 1"]);
    project.run(&["plugin", "replay", "csv", "gone.jsonl"]).ends(3).says(&["gone.jsonl"]);
    project.write(
        "lockstep.toml",
        "[project]\nname = \"a\"\n[connection.f]\nplugin = \"csv\"\nfiles.data = { path = \"data\" }\n",
    );
    let unknown = project.run(&["plugin", "record", "--connection", "g", "--out", "x.jsonl"]).ends(2);
    unknown.says(&["there is no connection `g`"]);
}
