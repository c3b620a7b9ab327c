//! Files below a granted folder. The folder is opened once per call through `cap-std`, which follows neither `..` nor links out
//! of it, whatever the path says.

use std::fs::File as StdFile;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Component, Path};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use serde_json::json;

mod held;

use self::held::{HeldFile, HeldNewFile};
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::grants::{Access, FilesRoot, Folder};
use crate::plugin::tape::Way;

/// Folders inside folders that are searched.
const DEPTH_MAX: usize = 16;
const ORIGIN: &str = "files";

/// A file and what the store says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the root, with `/`.
    pub path: String,
    pub size: u64,
    /// Since 1970 in UTC.
    pub modified_at_micros: i64,
}

/// All files below the root, sorted by path. More than `limit` are an error: a list that was cut would look complete.
pub async fn list(root: &FilesRoot, limit: usize) -> Result<Vec<Entry>, Failure> {
    root.0.ask(|| json!({ "list": true }), async |folder| list_in(folder, limit)).await
}

fn list_in(root: &Folder, limit: usize) -> Result<Vec<Entry>, Failure> {
    let dir = open_root(root)?;
    let mut entries = Vec::new();
    collect(root, &dir, String::new(), DEPTH_MAX, limit, &mut entries)?;
    entries.sort_by(|a: &Entry, b: &Entry| a.path.cmp(&b.path));
    Ok(entries)
}

fn collect(
    root: &Folder,
    dir: &Dir,
    prefix: String,
    depth: usize,
    limit: usize,
    entries: &mut Vec<Entry>,
) -> Result<(), Failure> {
    let failed = |error| io_failure(root, &prefix, &error);
    for item in dir.entries().map_err(failed)? {
        let item = item.map_err(failed)?;
        // A name that is not text cannot be said to a plugin.
        let Ok(name) = item.file_name().into_string() else { continue };
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        let kind = item.file_type().map_err(failed)?;
        if kind.is_dir() && depth > 0 {
            collect(root, &item.open_dir().map_err(failed)?, path, depth - 1, limit, entries)?;
        } else if kind.is_file() {
            let metadata = item.metadata().map_err(failed)?;
            entries.push(entry_of(
                path,
                metadata.len(),
                metadata.modified().ok().map(cap_std::time::SystemTime::into_std),
            ));
        }
        if entries.len() > limit {
            let message = format!("there are more than {limit} files below `{}`", root.path.display());
            return Err(Failure::new(FailureKind::Config, &codes::PLUGIN_LIMIT, ORIGIN, message)
                .with("hint", "grant a folder that holds only what the connection needs"));
        }
    }
    Ok(())
}

fn entry_of(path: String, size: u64, modified: Option<std::time::SystemTime>) -> Entry {
    let modified_at_micros = modified
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .and_then(|time| i64::try_from(time.as_micros()).ok())
        .unwrap_or(0);
    Entry { path, size, modified_at_micros }
}

/// Opens a file to read. A file that is replaced meanwhile is read to its end in the old version.
pub async fn open(root: &FilesRoot, path: &str) -> Result<OpenFile, Failure> {
    if let Way::Live(folder) = &root.0 {
        return open_in(folder, path).map(OpenFile::Live);
    }
    let held = root.0.ask(|| json!({ "open": path }), async |folder| HeldFile::read(open_in(folder, path)?)).await?;
    Ok(OpenFile::Held(held))
}

fn open_in(root: &Folder, path: &str) -> Result<LiveFile, Failure> {
    check_path(path)?;
    let file = open_root(root)?.open(path).map_err(|error| io_failure(root, path, &error))?.into_std();
    let metadata = file.metadata().map_err(|error| io_failure(root, path, &error))?;
    if !metadata.is_file() {
        return Err(Failure::new(
            FailureKind::NotFound,
            &codes::FILE_MISSING,
            ORIGIN,
            format!("`{path}` is not a file"),
        ));
    }
    let entry = entry_of(path.to_owned(), metadata.len(), metadata.modified().ok());
    Ok(LiveFile { root: root.clone(), entry, file, digest: None })
}

/// A file that is being read.
pub enum OpenFile {
    Live(LiveFile),
    Held(HeldFile),
}

impl OpenFile {
    pub fn entry(&self) -> &Entry {
        match self {
            Self::Live(file) => &file.entry,
            Self::Held(file) => file.entry(),
        }
    }

    /// At most `length` bytes from `offset`; empty at the end.
    pub fn read(&mut self, offset: u64, length: u64) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Live(file) => file.read(offset, length),
            Self::Held(file) => Ok(file.part(offset, length)),
        }
    }

    /// BLAKE3 of the whole content. Computed again only if size or time of change have moved since.
    pub async fn digest(&mut self) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Live(file) => file.digest().await,
            Self::Held(file) => Ok(file.digest()),
        }
    }
}

/// A file in a folder.
pub struct LiveFile {
    root: Folder,
    entry: Entry,
    file: StdFile,
    /// The digest and what the file looked like when it was computed.
    digest: Option<(Stamp, Vec<u8>)>,
}

/// What changes when a file's content does.
#[derive(Clone, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: Option<std::time::SystemTime>,
}

impl LiveFile {
    fn read(&mut self, offset: u64, length: u64) -> Result<Vec<u8>, Failure> {
        let failed = |root: &Folder, path: &str, error| io_failure(root, path, &error);
        let (root, path) = (&self.root, &self.entry.path);
        self.file.seek(SeekFrom::Start(offset)).map_err(|error| failed(root, path, error))?;
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        (&self.file).take(length).read_to_end(&mut bytes).map_err(|error| failed(root, path, error))?;
        Ok(bytes)
    }

    async fn digest(&mut self) -> Result<Vec<u8>, Failure> {
        let stamp = self.stamp()?;
        if let Some((at, digest)) = &self.digest
            && *at == stamp
        {
            return Ok(digest.clone());
        }
        let mut file = self.file.try_clone().map_err(|error| io_failure(&self.root, &self.entry.path, &error))?;
        let hashed = tokio::task::spawn_blocking(move || hash_whole(&mut file)).await;
        let digest = hashed
            .map_err(std::io::Error::other)
            .and_then(|outcome| outcome)
            .map_err(|error| io_failure(&self.root, &self.entry.path, &error))?;
        self.digest = Some((stamp, digest.clone()));
        Ok(digest)
    }

    fn stamp(&self) -> Result<Stamp, Failure> {
        let metadata = self.file.metadata().map_err(|error| io_failure(&self.root, &self.entry.path, &error))?;
        Ok(Stamp { size: metadata.len(), modified: metadata.modified().ok() })
    }
}

fn hash_whole(file: &mut StdFile) -> std::io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(0))?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hasher.finalize().as_bytes().to_vec());
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
    }
}

/// Begins a file that appears under its name, whole, with [`NewFile::finish`]; dropped before, it never existed.
pub async fn create(root: &FilesRoot, path: &str) -> Result<NewFile, Failure> {
    check_path(path)?;
    if let Way::Live(folder) = &root.0 {
        return create_in(folder, path).map(NewFile::Live);
    }
    let mut begun = None;
    let asked = || json!({ "create": path });
    let created = root.0.ask(asked, async |folder| {
        begun = Some(create_in(folder, path)?);
        Ok(())
    });
    created.await?;
    Ok(NewFile::Held(HeldNewFile::new(root.0.with(begun)?, path)))
}

fn create_in(root: &Folder, path: &str) -> Result<LiveNewFile, Failure> {
    if root.access != Access::ReadWrite {
        let text = format!("`{path}` cannot be written by a command that only looks");
        return Err(Failure::new(FailureKind::Permanent, &codes::FILE_IO, ORIGIN, text));
    }
    let dir = open_root(root)?;
    if let Some(parent) = Path::new(path).parent().filter(|parent| !parent.as_os_str().is_empty()) {
        dir.create_dir_all(parent).map_err(|error| io_failure(root, path, &error))?;
    }
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let temporary = format!("{path}.{}-{}.partial", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
    let file = dir
        .open_with(&temporary, OpenOptions::new().write(true).create_new(true))
        .map_err(|error| io_failure(root, path, &error))?;
    Ok(LiveNewFile { root: root.clone(), dir, path: path.to_owned(), temporary, file: Some(file) })
}

/// A file that is being written.
pub enum NewFile {
    Live(LiveNewFile),
    Held(HeldNewFile),
}

impl NewFile {
    pub fn append(&mut self, data: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Live(file) => file.append(data),
            Self::Held(file) => file.append(data),
        }
    }

    /// Makes the content durable and gives the file its name.
    pub async fn finish(&mut self) -> Result<Entry, Failure> {
        match self {
            Self::Live(file) => file.finish(),
            Self::Held(file) => file.finish().await,
        }
    }
}

/// A file that is being written into a folder.
pub struct LiveNewFile {
    root: Folder,
    dir: Dir,
    path: String,
    temporary: String,
    file: Option<cap_std::fs::File>,
}

impl LiveNewFile {
    fn append(&mut self, data: &[u8]) -> Result<(), Failure> {
        let Some(file) = &mut self.file else { return Err(already_finished(&self.path)) };
        file.write_all(data).map_err(|error| io_failure(&self.root, &self.path, &error))
    }

    fn finish(&mut self) -> Result<Entry, Failure> {
        let file = self.file.take().ok_or_else(|| already_finished(&self.path))?;
        let named = file.sync_all().and_then(|()| self.dir.rename(&self.temporary, &self.dir, &self.path));
        let metadata = named.and_then(|()| file.metadata());
        match metadata {
            Ok(metadata) => {
                let modified = metadata.modified().ok().map(cap_std::time::SystemTime::into_std);
                Ok(entry_of(self.path.clone(), metadata.len(), modified))
            }
            Err(error) => {
                self.discard();
                Err(io_failure(&self.root, &self.path, &error))
            }
        }
    }

    fn discard(&self) {
        if let Err(error) = self.dir.remove_file(&self.temporary) {
            tracing::debug!(file = self.temporary, %error, "an unfinished file could not be removed");
        }
    }
}

impl Drop for LiveNewFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            self.discard();
        }
    }
}

fn already_finished(path: &str) -> Failure {
    Failure::new(FailureKind::Permanent, &codes::FILE_IO, ORIGIN, format!("`{path}` is finished already"))
}

fn open_root(root: &Folder) -> Result<Dir, Failure> {
    Dir::open_ambient_dir(&root.path, ambient_authority()).map_err(|error| io_failure(root, "", &error))
}

/// `cap-std` refuses to leave the root by itself; this gives the refusal a name before the file system is asked.
fn check_path(path: &str) -> Result<(), Failure> {
    let plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    if plain && !path.is_empty() && !path.contains(['\0', '\\']) {
        return Ok(());
    }
    let message = format!("`{}` is not a path below the granted folder", path.escape_default());
    Err(Failure::new(FailureKind::Permanent, &codes::FILE_PATH, ORIGIN, message))
}

fn io_failure(root: &Folder, path: &str, error: &std::io::Error) -> Failure {
    use std::io::ErrorKind as Io;
    let place =
        if path.is_empty() { root.path.display().to_string() } else { root.path.join(path).display().to_string() };
    let (kind, code) = match error.kind() {
        Io::NotFound => (FailureKind::NotFound, &codes::FILE_MISSING),
        Io::StorageFull | Io::QuotaExceeded => (FailureKind::Transient, &codes::DISK_FULL),
        Io::PermissionDenied if error.raw_os_error().is_none() => (FailureKind::Permanent, &codes::FILE_PATH),
        Io::PermissionDenied => (FailureKind::Config, &codes::FILE_IO),
        _ => (FailureKind::Transient, &codes::FILE_IO),
    };
    Failure::new(kind, code, ORIGIN, format!("`{place}`: {error}"))
}

#[cfg(test)]
mod tests;
