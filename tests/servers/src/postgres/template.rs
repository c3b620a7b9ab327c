//! An initialised cluster to copy: `initdb` takes more than a second, a copy a tenth of that.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::programs::Programs;
use crate::account::Account;
use crate::process::run;

/// To be raised when what [`make`] does changes.
const REVISION: u32 = 1;

/// Makes `data` a fresh cluster of its own.
pub fn copy(programs: &Programs, account: &Account, data: &Path) {
    let template = find_or_make(programs, account);
    run(account.command(Path::new("cp")).arg("-r").arg(&template).arg(data));
}

fn find_or_make(programs: &Programs, account: &Account) -> PathBuf {
    let name = format!("lockstep-postgres-{}-{}-{REVISION}", version(programs), account.user_id());
    let template = std::env::temp_dir().join(name);
    if !belongs_to(&template, account) {
        let fresh = account.create_folder("postgres-template");
        make(programs, account, &fresh.join("data"));
        // Whoever comes first wins; the others' copies are as good and are thrown away.
        let _ = std::fs::rename(fresh.join("data"), &template);
        let _ = std::fs::remove_dir_all(&fresh);
    }
    template
}

/// A folder that somebody else put there is not trusted.
fn belongs_to(template: &Path, account: &Account) -> bool {
    std::fs::metadata(template.join("PG_VERSION")).is_ok_and(|metadata| metadata.uid() == account.user_id())
}

fn version(programs: &Programs) -> String {
    let output = Command::new(programs.path("postgres")).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit())).unwrap_or("unknown").to_owned()
}

fn make(programs: &Programs, account: &Account, data: &Path) {
    run(account
        .command(&programs.path("initdb"))
        .args(["--username=postgres", "--encoding=UTF8", "--locale=C", "--auth=trust", "--no-sync", "--pgdata"])
        .arg(data));
    single_user(programs, account, data, "create role password_users");
    single_user(programs, account, data, "create role password_md5");
    single_user(programs, account, data, "create role password_clear");
}

/// Runs a statement without starting the server.
fn single_user(programs: &Programs, account: &Account, data: &Path, statement: &str) {
    use std::io::Write as _;
    let mut child = account
        .command(&programs.path("postgres"))
        .arg("--single")
        .arg("-D")
        .arg(data)
        .arg("postgres")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("`postgres --single` cannot be run: {error}"));
    if let Some(mut input) = child.stdin.take() {
        let _ = writeln!(input, "{statement}");
    }
    let status = child.wait().unwrap_or_else(|error| panic!("`postgres --single` is lost: {error}"));
    assert!(status.success(), "`postgres --single` failed on: {statement}");
}
