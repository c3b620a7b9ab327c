//! What one connection may reach. The effective power of a plugin is what it imports, cut to this.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::capability::http::HttpOrigin;
use super::capability::sql::{Database, DatabasePlace};
use super::tape::{Recording, Tape, Way};
use super::trouble::Trouble;

/// The grants of one connection, by alias.
#[derive(Clone, Default)]
pub struct Grants {
    /// The connection's name, for errors.
    pub connection: String,
    pub files: BTreeMap<String, FilesRoot>,
    pub sql: BTreeMap<String, Database>,
    pub http: BTreeMap<String, HttpOrigin>,
    /// Failures on order.
    pub trouble: Trouble,
    /// What time and chance come from, where something is recorded or replayed.
    pub(super) tape: Option<Tape>,
}

/// A folder whose files may be read, and written if that is granted.
#[derive(Clone)]
pub struct FilesRoot(pub(super) Way<Folder>);

/// Where a granted folder is.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub path: PathBuf,
    pub access: Access,
}

impl FilesRoot {
    pub fn new(path: PathBuf, access: Access) -> Self {
        Self(Way::Live(Folder { path, access }))
    }

    /// Where it is; none of a recording.
    pub fn folder(&self) -> Option<&Path> {
        self.0.live().map(|folder| folder.path.as_path())
    }
}

/// What may be done with granted files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    ReadWrite,
    /// For commands that only look: whatever a plugin tries, no file is made or changed.
    ReadOnly,
}

impl Grants {
    /// The grants of a plugin that needs none: a transform.
    pub fn none(connection: &str) -> Self {
        Self { connection: connection.to_owned(), ..Self::default() }
    }

    /// The same, with a recorder beside each capability.
    pub fn recorded(mut self, tape: &Tape) -> Self {
        self.files = self
            .files
            .into_iter()
            .map(|(alias, root)| (alias.clone(), FilesRoot(root.0.recorded(tape.track("files", &alias)))))
            .collect();
        self.sql = self
            .sql
            .into_iter()
            .map(|(alias, database)| (alias.clone(), database.recorded(tape.track("sql", &alias))))
            .collect();
        self.http = self
            .http
            .into_iter()
            .map(|(alias, origin)| (alias.clone(), origin.recorded(tape.track("http", &alias))))
            .collect();
        self.tape = Some(tape.clone());
        self
    }

    /// What a recording grants in place of everything that was granted then.
    pub fn replayed(recording: &Recording, tape: &Tape) -> Self {
        let aliases = |capability: &'static str| {
            let granted = recording.head.grants.get(capability).into_iter().flat_map(|aliases| aliases.keys());
            granted.map(move |alias| (alias.clone(), tape.track(capability, alias)))
        };
        Self {
            files: aliases("files").map(|(alias, track)| (alias, FilesRoot(Way::Replayed(track)))).collect(),
            sql: aliases("sql").map(|(alias, track)| (alias, Database::replayed(track))).collect(),
            http: aliases("http").map(|(alias, track)| (alias, HttpOrigin::replayed(track))).collect(),
            tape: Some(tape.clone()),
            ..Self::none(&recording.head.connection)
        }
    }

    /// Whether a recording stands in the place of everything.
    pub fn is_replayed(&self) -> bool {
        self.tape.as_ref().is_some_and(Tape::is_played)
    }

    /// How often something was asked that a recording does not hold, and what it was the last time.
    pub fn missed(&self) -> (u64, String) {
        self.tape.as_ref().map(Tape::missed).unwrap_or_default()
    }

    /// The credentials behind it, for finding them where they do not belong.
    pub fn secrets(&self) -> Vec<String> {
        let http = self.http.values().flat_map(HttpOrigin::secrets);
        http.chain(self.sql.values().flat_map(Database::secrets)).collect()
    }

    /// What lies behind each alias, without a word about who we are there.
    pub fn places(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let http = self.http.iter().filter_map(|(alias, origin)| Some((alias.clone(), origin.address()?)));
        let sql = self.sql.iter().map(|(alias, database)| (alias.clone(), told(&database.place())));
        let files = self.files.keys().map(|alias| (alias.clone(), "a folder".to_owned()));
        [("files", files.collect::<BTreeMap<_, _>>()), ("sql", sql.collect()), ("http", http.collect())]
            .into_iter()
            .filter(|(_, aliases)| !aliases.is_empty())
            .map(|(capability, aliases)| (capability.to_owned(), aliases))
            .collect()
    }
}

/// A recording goes to other machines: a path of this one says nothing there.
fn told(place: &DatabasePlace) -> String {
    match place {
        DatabasePlace::Server { .. } => place.to_string(),
        DatabasePlace::File(_) => "a file".to_owned(),
    }
}
