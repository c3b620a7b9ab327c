//! How the transactions of a writer begin.

use lockstep_plugin_sdk::capabilities::sql::Session;
use lockstep_sql_dialect::{Arguments, read_all};

/// Rows that are looked up and not there are not locked, nor are the gaps between them: whoever else writes need not wait.
const READ_COMMITTED: &str = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION";
/// A server that logs statements cannot replay what others have seen in between, and refuses.
const AS_USUAL: &str = "START TRANSACTION";
const LOG: &str = "SELECT @@log_bin, @@binlog_format";

/// The statement that begins a transaction on this server.
pub fn begin_statement(session: &Session) -> &'static str {
    let logs_statements = read_all(session, LOG, Arguments::new(), 2)
        .is_ok_and(|answer| answer.is_true(0, 0) && answer.get(0, 1) == Some("STATEMENT"));
    if logs_statements { AS_USUAL } else { READ_COMMITTED }
}
