//! A project in a folder of its own, and the command run in it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use lockstep_test_servers::Postgres;
use serde_json::Value;

/// A project folder with `data` for files and `copy.db` for SQLite; removed with its value.
pub struct Project {
    folder: tempfile::TempDir,
}

/// What a command left behind when it ended.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// The connection `files` to the project's data, and `copy` to its SQLite file.
pub const FILES: &str = "[connection.files]\nplugin = \"csv\"\nfiles.data = { path = \"data\" }\n\
    [connection.copy]\nplugin = \"sqlite\"\nsql.main = { path = \"copy.db\" }\n";

/// The connection `db` to the server whose address the project keeps in a file.
pub const DATABASE: &str = "[connection.db]\nplugin = \"postgres\"\nsql.main = { url = \"file:url\" }\n";

impl Project {
    /// `text` follows the table `[project]`.
    pub fn new(text: &str) -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(project.path("data")).unwrap();
        project.define(text);
        project
    }

    /// With the connections of [`FILES`] and [`DATABASE`] in front of `text`.
    pub fn with_database(server: &Postgres, text: &str) -> Self {
        let project = Self::new(&format!("{FILES}{DATABASE}{text}"));
        project.write("url", server.url());
        project
    }

    /// Another text for the project file.
    pub fn define(&self, text: &str) {
        self.write("lockstep.toml", format!("[project]\nname = \"test\"\n{text}"));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        command(self.folder.path(), args)
    }

    /// Runs to the end.
    pub fn run(&self, args: &[&str]) -> Outcome {
        Outcome::of(self.spawn(args))
    }

    /// Runs beside the test.
    pub fn spawn(&self, args: &[&str]) -> Child {
        self.command(args).spawn().unwrap()
    }

    /// `run --json`, which must end with `code`; answers with what it says about its only sync.
    #[track_caller]
    pub fn sync(&self, code: i32) -> Value {
        self.run(&["run", "--json"]).ends(code).json()["result"]["syncs"][0].clone()
    }

    /// Every row of a query on `copy.db`, its columns with `|` between them, as SQLite writes them as text.
    pub fn sqlite(&self, query: &str) -> String {
        let database = rusqlite::Connection::open(self.path("copy.db")).unwrap();
        let mut statement = database.prepare(query).unwrap();
        let columns = statement.column_count();
        let text = |row: &rusqlite::Row<'_>| {
            let values: Vec<String> = (0..columns).map(|column| shown(row, column)).collect();
            Ok(values.join("|"))
        };
        let rows: Vec<String> = statement.query_map([], text).unwrap().map(Result::unwrap).collect();
        rows.join("\n")
    }
}

pub fn shown(row: &rusqlite::Row<'_>, column: usize) -> String {
    use rusqlite::types::ValueRef;
    match row.get_ref(column).unwrap() {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => format!("{bytes:02x?}"),
    }
}

/// The command in this folder; compiled plugins are shared by all tests.
pub fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep-under-test"));
    command
        .args(args)
        .current_dir(folder)
        .env("LOCKSTEP_CACHE_DIR", std::env::temp_dir().join("lockstep-test-cache"))
        .env_remove("LOCKSTEP_PROJECT")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Outcome {
    /// Waits for the end.
    pub fn of(child: Child) -> Self {
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the command prints UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The exit code must be this one.
    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// All of these must have been said, on whichever stream.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.stdout.contains(text) || self.stderr.contains(text), "nothing says `{text}`:\n{self}");
        }
        self
    }

    /// None of these may have been said.
    #[track_caller]
    pub fn keeps_quiet_about(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(!self.stdout.contains(text) && !self.stderr.contains(text), "something says `{text}`:\n{self}");
        }
        self
    }

    /// The document, which is the last line of what streams.
    #[track_caller]
    pub fn json(&self) -> Value {
        let line = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}\n{self}"))
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit code {:?}\nstdout:\n{}\nstderr:\n{}", self.code, self.stdout, self.stderr)
    }
}

/// The counts of a run: `[read, written, unchanged, deleted, duplicates, held, dead letters]`.
pub fn counts(sync: &Value) -> [u64; 7] {
    ["read", "written", "unchanged", "deleted", "duplicates", "held", "dead_letters"]
        .map(|name| sync[name].as_u64().unwrap_or_else(|| panic!("no `{name}` in {sync}")))
}
