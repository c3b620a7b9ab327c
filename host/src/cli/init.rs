//! `init`: begins a project that runs as it stands.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::{CliError, Context, Reply};
use crate::error::Result;
use crate::project::{NAME_BYTES_MAX, PROJECT_FILE, shell_word};

const PROJECT: &str = include_str!("init/lockstep.toml");
const CUSTOMERS: &str = include_str!("init/customers.csv");
const IGNORED: &str = "# Lockstep's state, and the sample's copy\n.lockstep/\ncopy.db*\n";
const NAME: &str = "my-project";

/// Begin a project that runs as it stands
///
/// Writes a commented `lockstep.toml`, sample data and a `.gitignore`. Nothing that exists is overwritten.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep init\n  lockstep init shop")]
pub struct InitArgs {
    /// The folder; made if it is not there [default: that of --project]
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

pub fn run(args: &InitArgs, context: &Context) -> Result<Reply> {
    let dir = args.dir.as_deref().unwrap_or(&context.project_dir);
    let files = begin(dir)?;
    let option = if dir == Path::new(".") { String::new() } else { format!(" --project {}", shell_word(dir)) };
    let next = [format!("lockstep{option} check"), format!("lockstep{option} run")];
    let text = format!("wrote {}\nnext: `{}`, then `{}`", files.join(", "), next[0], next[1]);
    Ok(Reply::done(vec![text.into()], json!({"dir": dir.display().to_string(), "files": files, "next": next})))
}

/// Writes the files and names them. Looks for all of them first: half a project helps nobody.
fn begin(dir: &Path) -> Result<Vec<String>, CliError> {
    let project = PROJECT.replacen(NAME, &project_name(dir), 1);
    let files = [(PROJECT_FILE, project.as_str()), ("data/customers.csv", CUSTOMERS)];
    if let Some(path) = files.iter().map(|(name, _)| dir.join(name)).find(|path| path.symlink_metadata().is_ok()) {
        return Err(CliError::AlreadyExists { path });
    }
    let data = dir.join("data");
    std::fs::create_dir_all(&data).map_err(|source| CliError::Write { path: data, source })?;
    for (name, content) in files {
        create(&dir.join(name), content)?;
    }
    let mut written: Vec<String> = files.iter().map(|(name, _)| (*name).to_owned()).collect();
    written.extend(ignore(dir)?);
    Ok(written)
}

/// Another process may have been quicker: the file system decides who made it.
fn create(path: &Path, content: &str) -> Result<(), CliError> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(content.as_bytes()));
    written.map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists => CliError::AlreadyExists { path: path.to_owned() },
        _ => CliError::Write { path: path.to_owned(), source },
    })
}

/// A `.gitignore` that is there belongs to somebody else: lines are added to it, and only if it does not have them.
fn ignore(dir: &Path) -> Result<Option<String>, CliError> {
    let path = dir.join(".gitignore");
    let fail = |source| CliError::Write { path: path.clone(), source };
    let found = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        other => other.map_err(fail)?,
    };
    if found.lines().any(|line| matches!(line.trim().trim_start_matches('/'), ".lockstep" | ".lockstep/")) {
        return Ok(None);
    }
    let gap = if found.is_empty() || found.ends_with('\n') { "" } else { "\n" };
    let mut file = OpenOptions::new().append(true).create(true).open(&path).map_err(fail)?;
    file.write_all(format!("{gap}{IGNORED}").as_bytes()).map_err(fail)?;
    Ok(Some(".gitignore".to_owned()))
}

/// The folder's name as far as a project can have it.
fn project_name(dir: &Path) -> String {
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let folder = absolute.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name: String = folder
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' })
        .take(NAME_BYTES_MAX)
        .collect();
    match name.trim_matches('-') {
        "" => NAME.to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Project;
    use crate::project::testing::TempDir;

    #[test]
    fn what_is_written_is_a_project_with_its_data() {
        let dir = TempDir::new("Init Shop");
        assert_eq!(begin(dir.path()).unwrap(), [PROJECT_FILE, "data/customers.csv", ".gitignore"]);
        let project = Project::load(dir.path()).unwrap();
        assert!(project.name.starts_with("lockstep-init-shop-"), "{}", project.name);
        let sync = project.syncs_in_order().next().unwrap().as_mirror().unwrap();
        let folder = &project.connections[&sync.source.connection].files["data"].path;
        let header = std::fs::read_to_string(folder.join(&sync.source.stream)).unwrap();
        assert!(sync.source.key.iter().all(|key| header.lines().next().unwrap().split(',').any(|field| field == key)));
        assert_eq!(project.secrets().count(), 0, "it runs without any setup");
    }

    #[test]
    fn nothing_is_overwritten() {
        for name in [PROJECT_FILE, "data/customers.csv"] {
            let dir = TempDir::new("init-again");
            std::fs::create_dir(dir.path().join("data")).unwrap();
            std::fs::write(dir.path().join(name), "mine").unwrap();
            assert!(matches!(begin(dir.path()), Err(CliError::AlreadyExists { path }) if path.ends_with(name)));
            assert_eq!(std::fs::read_to_string(dir.path().join(name)).unwrap(), "mine");
            assert_eq!(walk(dir.path()), [name], "and nothing is begun");
        }
    }

    fn walk(dir: &Path) -> Vec<String> {
        let all = [PROJECT_FILE, "data/customers.csv", ".gitignore"];
        all.into_iter().filter(|name| dir.join(name).exists()).map(str::to_owned).collect()
    }

    #[test]
    fn a_gitignore_is_kept_and_added_to_once() {
        let dir = TempDir::new("init-ignore");
        let path = dir.path().join(".gitignore");
        std::fs::write(&path, "target/").unwrap();
        assert_eq!(ignore(dir.path()).unwrap().as_deref(), Some(".gitignore"));
        assert_eq!(ignore(dir.path()).unwrap(), None);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("target/\n{IGNORED}"));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error() {
        let dir = TempDir::new("init-file");
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert!(matches!(begin(&dir.path().join("file")), Err(CliError::Write { .. })));
    }

    #[test]
    fn folders_make_names() {
        let check = |dir: &str, expected: &str| assert_eq!(project_name(Path::new(dir)), expected);
        check("/srv/My Shop", "my-shop");
        check("/srv/ümlaut", "mlaut");
        check("/", NAME);
        check("/---", NAME);
        check(&format!("/{}", "x".repeat(200)), &"x".repeat(NAME_BYTES_MAX));
    }
}
