//! The whole product: no secret gets to where a person, a log or another system could read it.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::server::{Answer, Server};
use crate::mirror::project::Project;

const SECRET: &str = "canary-5f2b9c/+ 71e4";

/// Sends it back in every form, as an answer and as trouble.
fn echo(server_says: u16) -> Server {
    Server::start(move |_, request| {
        let given = request.headers.get("authorization").cloned().unwrap_or_default();
        let percent: String = SECRET.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let body = format!("{given} {} {percent} {SECRET}", STANDARD.encode(SECRET));
        Answer::Reply { status: server_says, headers: vec![("x-echo", given)], body: body.into_bytes() }
    })
}

fn define(server: &Server, config: &str) -> String {
    format!(
        "[connection.crm]\nplugin = \"{}\"\nconfig = {{ {config} }}\n\
         http.api = {{ origin = \"{}\", allow_private = true, auth = {{ bearer = \"env:CANARY\" }} }}\n\
         [connection.copy]\nplugin = \"sqlite\"\nsql.main = {{ path = \"copy.db\" }}\n\
         [sync.answers]\nmode = \"mirror\"\nsource = {{ connection = \"crm\", stream = \"/x\", key = [\"id\"] }}\n\
         target = {{ connection = \"copy\", stream = \"answers\" }}\n\
         [lineage]\nopenlineage = {{ file = \"lineage.ndjson\" }}\n",
        lockstep_tests::guest("requests").display(),
        server.url()
    )
}

fn run(project: &Project, args: &[&str]) -> crate::mirror::project::Outcome {
    crate::mirror::project::Outcome::of(project.command(args).env("CANARY", SECRET).spawn().unwrap())
}

/// The forms that would give it away, each without what encodings change at its ends.
fn needles() -> Vec<String> {
    let percent: String = SECRET.bytes().map(|byte| format!("%{byte:02X}")).collect();
    vec!["canary-5f2b9c".to_owned(), STANDARD.encode(SECRET)[..20].to_owned(), percent[..30].to_owned()]
}

fn assert_clean(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            assert_clean(&path);
            continue;
        }
        let content = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        for needle in needles() {
            assert!(!content.contains(&needle), "{} holds `{needle}`", path.display());
        }
    }
}

#[test]
fn a_canary_is_nowhere_but_at_its_origin() {
    for (status, config, code) in
        [(200, "reject = true", 1), (200, "fail = true", 1), (404, "", 0), (503, "fail = true", 1)]
    {
        let server = echo(status);
        let project = Project::new(&define(&server, config));
        let outcome = run(&project, &["run", "--json", "-vv"]).ends(code);
        assert_eq!(server.requests()[0].headers["authorization"], format!("Bearer {SECRET}"));
        // That something was found is no secret.
        let all = format!("{}{}", outcome.stdout, outcome.stderr);
        for needle in needles() {
            assert!(!all.contains(&needle), "{outcome}");
        }
        for args in [&["dead-letters", "list"][..], &["dead-letters", "show", "1"], &["history"], &["status"]] {
            let shown = run(&project, args);
            for needle in needles() {
                assert!(!shown.stdout.contains(&needle) && !shown.stderr.contains(&needle), "{args:?}: {shown}");
            }
        }
        assert_clean(project.path(".").as_path());
    }
}

#[test]
fn check_names_what_is_used_and_what_is_missing() {
    let server = echo(200);
    let project = Project::new(&define(&server, ""));
    run(&project, &["check", "--json"])
        .ends(0)
        .says(&["(private addresses too), bearer"])
        .keeps_quiet_about(&["canary-5"]);
    let missing = project.run(&["check"]).ends(3);
    missing.says(&[
        "error[LS0207]: lockstep.toml:6: the secret of `connection.crm.http.api.auth.bearer` is not there",
        "read -rs CANARY && export CANARY",
    ]);
    assert!(server.requests().is_empty());
}
