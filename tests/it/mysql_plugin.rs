//! The `mysql` plugin against a real MariaDB server.

mod catching_up;
mod changing;
mod discovery;
mod looking_up;
mod preparing;
mod reading;
mod readme;
mod refusing;
mod types;
mod writing;

use lockstep::plugin::PluginConnector;
use lockstep_test_servers::Mariadb;

use crate::plugins::mysql;

/// A fresh server with these tables, and the plugin on it.
fn start(statements: &str) -> (Mariadb, PluginConnector) {
    let server = Mariadb::start();
    if !statements.is_empty() {
        server.sql(statements);
    }
    let connector = mysql(&server.url());
    (server, connector)
}
