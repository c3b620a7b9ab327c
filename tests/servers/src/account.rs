//! Which operating system user runs the server: servers refuse to run as root.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Folder;

/// The user of the server's processes and files.
#[derive(Clone, Debug)]
pub struct Account {
    /// None = we ourselves.
    ids: Option<(u32, u32)>,
}

impl Account {
    /// Ourselves; as root, the user `postgres`, else `nobody`.
    pub fn for_server() -> Self {
        if effective_user() != 0 {
            return Self { ids: None };
        }
        let ids = ["postgres", "nobody"].into_iter().find_map(find_user);
        Self { ids: Some(ids.unwrap_or_else(|| panic!("root needs a user `postgres` or `nobody` to run servers as"))) }
    }

    pub fn ourselves() -> Self {
        Self { ids: None }
    }

    /// A folder the server may use. The guardian removes it.
    pub fn create_folder(&self, name: &str) -> PathBuf {
        let folder = Folder::new(name);
        let path = folder.path().to_owned();
        std::mem::forget(folder);
        self.own(&path);
        path
    }

    pub fn own(&self, path: &Path) {
        if let Some((user, group)) = self.ids {
            chown(path, Some(user), Some(group))
                .unwrap_or_else(|error| panic!("`{}` cannot be given away: {error}", path.display()));
        }
    }

    /// A program to be run as this user, away from a working directory it may not enter.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").env("LC_ALL", "C");
        if let Some((user, group)) = self.ids {
            command.uid(user).gid(group);
        }
        command
    }

    pub fn user_id(&self) -> u32 {
        self.ids.map_or_else(effective_user, |(user, _)| user)
    }
}

/// The owner of what we make is who we are.
fn effective_user() -> u32 {
    let folder = Folder::new("owner");
    std::fs::metadata(folder.path()).map(|metadata| metadata.uid()).unwrap_or_default()
}

/// User and group id of a name in the system's list of users.
fn find_user(name: &str) -> Option<(u32, u32)> {
    let list = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = list.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut parts = line.split(':').skip(2);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
