//! Small durable files beside the state that are for their owner only: each is replaced whole or not at all.
//!
//! They are what must survive a command that only looks and therefore cannot write the state: what a server has given in exchange
//! for something that is used up, and what was used of an allowance.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::STATE_FOLDER;

/// A folder of such files.
#[derive(Clone, Debug)]
pub struct PrivateFiles {
    state: PathBuf,
    folder: PathBuf,
}

/// Held until dropped; other processes wait.
#[derive(Debug)]
pub struct PrivateLock(#[allow(dead_code, reason = "the lock goes with the file")] File);

impl PrivateFiles {
    /// Below the state folder of a project. Nothing is made yet.
    pub fn of(project: &Path, name: &str) -> Self {
        let state = project.join(STATE_FOLDER);
        Self { folder: state.join(name), state }
    }

    /// None if there is no such file.
    pub fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.folder.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Durable when it returns; before that the old content is.
    pub fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        self.make()?;
        // Made with no rights for others.
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.folder)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(self.folder.join(name)).map_err(|error| error.error)?;
        sync_folder(&self.folder)
    }

    /// Waits for whoever holds it.
    pub fn lock(&self, name: &str) -> io::Result<PrivateLock> {
        self.make()?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(self.folder.join(format!("{name}.lock")))?;
        file.lock()?;
        Ok(PrivateLock(file))
    }

    fn make(&self) -> io::Result<()> {
        make_folder(&self.state)?;
        make_private(&self.folder)
    }
}

/// Makes the state folder of a project. Dead letters hold people's data: it is for its owner only, and not for version control.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    make_private(folder)?;
    fs::write(folder.join(".gitignore"), "*\n")
}

fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        outcome => outcome,
    }
}

/// A file's new name is durable only when its folder is.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let project = tempfile::tempdir().unwrap();
        let files = PrivateFiles::of(project.path(), "http");
        assert_eq!(files.read("token").unwrap(), None);
        files.replace("token", b"a long first content").unwrap();
        files.replace("token", b"second").unwrap();
        assert_eq!(files.read("token").unwrap().unwrap(), b"second");
        let folder = project.path().join(STATE_FOLDER).join("http");
        assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_look() {
        use std::os::unix::fs::PermissionsExt as _;
        let project = tempfile::tempdir().unwrap();
        let files = PrivateFiles::of(project.path(), "http");
        files.replace("token", b"secret").unwrap();
        let _lock = files.lock("token").unwrap();
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let state = project.path().join(STATE_FOLDER);
        assert_eq!(mode(state.clone()), 0o700);
        assert_eq!(mode(state.join("http")), 0o700);
        assert_eq!(mode(state.join("http/token")), 0o600);
        assert_eq!(mode(state.join("http/token.lock")), 0o600);
        assert_eq!(fs::read_to_string(state.join(".gitignore")).unwrap(), "*\n");
    }

    #[test]
    fn one_at_a_time_holds_the_lock() {
        let project = tempfile::tempdir().unwrap();
        let files = PrivateFiles::of(project.path(), "http");
        let count = || -> u32 { String::from_utf8(files.read("n").unwrap().unwrap()).unwrap().parse().unwrap() };
        files.replace("n", b"0").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        let _lock = files.lock("n").unwrap();
                        files.replace("n", (count() + 1).to_string().as_bytes()).unwrap();
                    }
                });
            }
        });
        assert_eq!(count(), 40);
    }
}
