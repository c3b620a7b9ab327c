//! The `postgres` plugin against a real server.

mod catching_up;
mod changing;
mod comparing;
mod discovery;
mod late_commits;
mod looking_up;
mod preparing;
mod reading;
mod readme;
mod refusing;
mod types;
mod writing;

use lockstep::plugin::PluginConnector;
use lockstep_test_servers::Postgres;

use crate::plugins::postgres;

/// A fresh server with these tables, and the plugin on it.
fn start(statements: &str) -> (Postgres, PluginConnector) {
    let server = Postgres::start();
    server.psql(statements);
    let connector = postgres(&server.url());
    (server, connector)
}

/// Leaves nothing of what was there before, for tests that try many tables.
const AFRESH: &str =
    "SET client_min_messages = error; DROP SCHEMA public CASCADE; CREATE SCHEMA public; RESET client_min_messages";
