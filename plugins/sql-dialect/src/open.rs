//! The first thing any of it begins with: a session on a database of the right kind.

use lockstep_plugin_sdk::capabilities::sql::{self, Session};
use lockstep_plugin_sdk::error::{Error, Result};

/// Opens a session on the database granted under this alias, which has to be one of these, as the host's drivers name them.
pub fn open(alias: &str, servers: &[&str]) -> Result<Session> {
    let session = sql::open(alias)?;
    check(&session.server(), servers)?;
    Ok(session)
}

fn check(server: &str, wanted: &[&str]) -> Result<()> {
    let name = server.split_whitespace().next().unwrap_or_default();
    if wanted.contains(&name) {
        return Ok(());
    }
    let text = format!(
        "the connection leads to a database of another kind, {server}: the plugin is made for {}",
        wanted.join(" and ")
    );
    Err(Error::config(text)
        .with_code("sql.other-server")
        .with_hint("name the plugin for it in the connection, or give the connection the address of another database"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_go_by_the_first_word() {
        assert!(check("mariadb 10.11.19", &["mariadb", "mysql"]).is_ok());
        let error = check("postgres 15.18", &["mariadb", "mysql"]).unwrap_err();
        assert_eq!(error.code, "sql.other-server");
        assert!(error.message.contains("postgres 15.18") && error.message.ends_with("mariadb and mysql"));
        assert!(check("", &["sqlite"]).is_err());
    }
}
