//! An initialised server to copy: setting one up takes seconds, a copy a tenth of that.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::program;
use crate::account::Account;
use crate::process::run;

/// To be raised when what [`make`] does changes.
const REVISION: u32 = 1;

/// Makes `data` the data of a fresh server.
pub fn copy(account: &Account, data: &Path) {
    let template = find_or_make(account);
    run(account.command(Path::new("cp")).arg("-r").arg(&template).arg(data));
}

fn find_or_make(account: &Account) -> PathBuf {
    let name = format!("lockstep-mariadb-{}-{}-{REVISION}", version(), account.user_id());
    let template = std::env::temp_dir().join(name);
    if !belongs_to(&template, account) {
        let fresh = account.create_folder("mariadb-template");
        // On a machine that is busy the first attempt may run out of its own patience.
        if let Err(first) = make(account, &fresh.join("data")) {
            let _ = std::fs::remove_dir_all(fresh.join("data"));
            make(account, &fresh.join("data")).unwrap_or_else(|second| panic!("{first}\n{second}"));
        }
        // Whoever comes first wins; the others' copies are as good and are thrown away.
        let _ = std::fs::rename(fresh.join("data"), &template);
        let _ = std::fs::remove_dir_all(&fresh);
    }
    template
}

/// A folder that somebody else put there is not trusted.
fn belongs_to(template: &Path, account: &Account) -> bool {
    std::fs::metadata(template.join("ibdata1")).is_ok_and(|metadata| metadata.uid() == account.user_id())
}

/// `10.11.19-MariaDB`.
fn version() -> String {
    let output = Command::new(program("mariadbd")).args(["--no-defaults", "--version"]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let version = text.split_whitespace().skip_while(|word| *word != "Ver").nth(1).unwrap_or("unknown");
    version.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).collect()
}

fn make(account: &Account, data: &Path) -> Result<(), String> {
    let output = account
        .command(&program("mariadb-install-db"))
        .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"])
        .args(["--innodb-log-file-size=16M", "--innodb-flush-log-at-trx-commit=0"])
        .arg(format!("--datadir={}", data.display()))
        .output()
        .map_err(|error| format!("`mariadb-install-db` cannot be run: {error}"))?;
    let said = [output.stdout, output.stderr].concat();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said).into_owned()) }
}
