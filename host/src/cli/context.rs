//! What every verb works with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::CliError;
use super::output::Output;
use crate::assembly::Assembly;
use crate::error::{Result, nearest};
use crate::plugin::{Access, Limits, Runtime};
use crate::project::{HubDef, PROJECT_FILE, Project, SyncDef, shell_word};
use crate::store::{STATE_FOLDER, SqliteStore};
use crate::world::World;

/// The surroundings of one command.
#[derive(Clone)]
pub struct Context {
    /// As given; nothing has looked whether there is a project.
    pub project_dir: PathBuf,
    pub output: Output,
    pub world: World,
}

impl Context {
    /// Reads the project file.
    pub fn project(&self) -> Result<Project> {
        Ok(Project::load(self.folder())?)
    }

    /// Who names the file instead of its folder means the folder.
    pub fn folder(&self) -> &Path {
        let names_file =
            self.project_dir.file_name().is_some_and(|name| name == PROJECT_FILE) && self.project_dir.is_file();
        match self.project_dir.parent() {
            Some(parent) if names_file => parent,
            _ => &self.project_dir,
        }
    }

    /// The project with its plugins, for a command that writes.
    pub fn assembly(&self) -> Result<Assembly> {
        self.assemble(self.project()?, Access::ReadWrite)
    }

    /// The project with its plugins, for a command that only looks.
    pub fn assembly_to_read(&self) -> Result<Assembly> {
        self.assemble(self.project()?, Access::ReadOnly)
    }

    pub fn assemble(&self, project: Project, access: Access) -> Result<Assembly> {
        let cache = cache_dir(&project.dir);
        Assembly::new(Arc::new(project), lockstep_bundle::PLUGINS, cache, self.world.clone(), access)
    }

    /// An engine for plugins without a project.
    pub fn plugin_runtime(&self) -> Result<Runtime> {
        Ok(Runtime::new(cache_dir(self.folder()), Limits::default())?)
    }

    /// The project's state, for a command that changes it; only one process at a time can.
    pub fn store(&self, command: &str) -> Result<SqliteStore> {
        Ok(SqliteStore::open(self.folder(), command, self.world.clock.now())?)
    }

    /// The project's state, for a command that only looks. The project must be there, its state need not.
    pub fn store_to_read(&self) -> Result<SqliteStore> {
        self.project()?;
        Ok(SqliteStore::open_read_only(self.folder())?)
    }

    /// A command on this project as a person would type it: `lockstep --project shop run`.
    pub fn command(&self, rest: &str) -> String {
        match self.folder() {
            dir if dir == Path::new(".") || dir.as_os_str().is_empty() => format!("lockstep {rest}"),
            dir => format!("lockstep --project {} {rest}", shell_word(dir)),
        }
    }
}

/// Compiled plugins are the same for all projects of a user; without a home they are kept with the state.
fn cache_dir(project: &Path) -> PathBuf {
    let home = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    home("LOCKSTEP_CACHE_DIR")
        .or_else(|| home("XDG_CACHE_HOME").map(|dir| dir.join("lockstep")))
        .or_else(|| home("HOME").map(|dir| dir.join(".cache/lockstep")))
        .unwrap_or_else(|| project.join(STATE_FOLDER).join("cache"))
}

/// The syncs of these names in the order asked for, each once; all in the order of the file if none is named.
pub fn select_syncs<'a>(project: &'a Project, names: &[String]) -> Result<Vec<&'a SyncDef>> {
    if names.is_empty() {
        return Ok(project.syncs_in_order().collect());
    }
    let mut selected: Vec<&SyncDef> = Vec::new();
    for name in names {
        let sync = project.syncs.get(name.as_str()).ok_or_else(|| unknown_sync(project, name))?;
        if !selected.iter().any(|known| known.name() == sync.name()) {
            selected.push(sync);
        }
    }
    Ok(selected)
}

/// The sync of this name, for a verb that works with hubs only.
pub fn select_hub<'a>(project: &'a Project, name: &str, verb: &'static str) -> Result<&'a HubDef> {
    let sync = project.syncs.get(name).ok_or_else(|| unknown_sync(project, name))?;
    sync.as_hub()
        .ok_or_else(|| CliError::NotAHub { place: sync.place().clone(), sync: sync.name().to_string(), verb }.into())
}

fn unknown_sync(project: &Project, name: &str) -> CliError {
    let defined: Vec<String> = project.syncs_in_order().map(|sync| sync.name().to_string()).collect();
    let nearest = nearest(name, defined.iter().map(String::as_str)).map(str::to_owned);
    CliError::UnknownName { kind: "sync", name: name.to_owned(), nearest, known: defined }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> Project {
        let sync = |name: &str, stream: &str| {
            format!(
                "[sync.{name}]\nmode = \"mirror\"\nsource = {{ connection = \"a\", stream = \"{stream}\" }}\n\
                 target = {{ connection = \"a\", stream = \"{stream}2\" }}\n"
            )
        };
        let text = format!(
            "[project]\nname = \"a\"\n[connection.a]\nplugin = \"csv\"\n{}{}",
            sync("orders", "o"),
            sync("customers", "c")
        );
        Project::parse(&text, Path::new("."), PROJECT_FILE).unwrap()
    }

    fn check(names: &[&str], expected: &[&str]) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let project = project();
        let selected = select_syncs(&project, &names).unwrap();
        assert_eq!(selected.iter().map(|sync| sync.name().as_str()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn syncs_are_selected_by_name() {
        check(&[], &["orders", "customers"]);
        check(&["customers"], &["customers"]);
        check(&["customers", "orders", "customers"], &["customers", "orders"]);
    }

    #[test]
    fn an_unknown_sync_is_an_error_with_a_suggestion() {
        let error = select_syncs(&project(), &["custmers".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "there is no sync `custmers`");
        assert_eq!(error.hints(), ["did you mean `customers`?"]);
    }
}
