//! The `sqlite` plugin on real files.

mod catching_up;
mod changing;
mod discovery;
mod looking_up;
mod reading;
mod types;
mod writing;

use lockstep::plugin::{Access, Database, PluginConnector};
use lockstep_test_servers::Folder;

use crate::plugins::sqlite;

/// A file of its own, and whoever else uses it.
struct File(Folder);

impl File {
    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("t.db")
    }

    /// Runs statements in a session of their own.
    async fn run(&self, statements: &str) {
        let session = Database::sqlite(&self.path(), "other", Access::ReadWrite).unwrap().open().await.unwrap();
        session.script(statements).await.unwrap();
    }

    /// The first column of a result as text, a line for each row.
    async fn ask(&self, statement: &str) -> String {
        let session = Database::sqlite(&self.path(), "other", Access::ReadWrite).unwrap().open().await.unwrap();
        let mut rows = session.query(statement, None, &["text".parse().unwrap()]).await.unwrap();
        let mut lines = Vec::new();
        while let Some(page) = rows.next(1000, 1 << 20).await.unwrap() {
            assert!(page.problems.is_empty(), "{:?}", page.problems);
            let name = page.data.fields()[0].name.clone();
            let records = crate::plugins::records(&page.data);
            lines.extend(records.iter().map(|record| record[&name].as_str().unwrap_or("null").to_owned()));
        }
        lines.join("\n")
    }
}

/// A fresh file with these tables, and the plugin on it.
async fn start(statements: &str) -> (File, PluginConnector) {
    let file = File(Folder::new("sqlite-plugin"));
    file.run(statements).await;
    let connector = sqlite(&file.path());
    (file, connector)
}

/// `(1), (2), ...` as a query of one column `i`.
fn numbers(from: i64, to: i64) -> String {
    format!("WITH RECURSIVE n (i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {to})")
}
