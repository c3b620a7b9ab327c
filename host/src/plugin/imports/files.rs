use wasmtime::component::Resource;

use super::super::bindings::lockstep::plugin::files as wit;
use super::{HostResult, answer, not_granted, table_error};
use crate::connector::Failure;
use crate::plugin::capability::files::{self, Entry, NewFile, OpenFile};
use crate::plugin::grants::FilesRoot;
use crate::plugin::instance::State;

/// What one `read` returns at most; a longer read is answered in parts.
const READ_BYTES: u64 = 4 << 20;

impl State {
    fn files_root(&self, alias: &str) -> Result<FilesRoot, Failure> {
        if let Some(failure) = self.grants.trouble.strikes() {
            return Err(failure);
        }
        self.grants.files.get(alias).cloned().ok_or_else(|| not_granted(self, "files", alias, "{ path = \"data\" }"))
    }
}

fn entry(entry: Entry) -> wit::Entry {
    wit::Entry { path: entry.path, size: entry.size, modified_at: entry.modified_at_micros }
}

impl wit::Host for State {
    async fn list_files(&mut self, alias: String) -> HostResult<Vec<wit::Entry>> {
        let limit = self.limits.files_listed;
        let listed = match self.files_root(&alias) {
            Ok(root) => files::list(&root, limit).await,
            Err(failure) => Err(failure),
        };
        Ok(answer(listed.map(|entries| entries.into_iter().map(entry).collect())))
    }

    async fn open(&mut self, alias: String, path: String) -> HostResult<Resource<OpenFile>> {
        let opened = match self.files_root(&alias) {
            Ok(root) => files::open(&root, &path).await,
            Err(failure) => Err(failure),
        };
        match opened {
            Ok(file) => Ok(Ok(self.table.push(file).map_err(table_error)?)),
            Err(failure) => Ok(answer(Err(failure))),
        }
    }

    async fn create(&mut self, alias: String, path: String) -> HostResult<Resource<NewFile>> {
        let created = match self.files_root(&alias) {
            Ok(root) => files::create(&root, &path).await,
            Err(failure) => Err(failure),
        };
        match created {
            Ok(file) => Ok(Ok(self.table.push(file).map_err(table_error)?)),
            Err(failure) => Ok(answer(Err(failure))),
        }
    }
}

impl wit::HostFile for State {
    async fn entry(&mut self, file: Resource<OpenFile>) -> wasmtime::Result<wit::Entry> {
        Ok(entry(self.table.get(&file).map_err(table_error)?.entry().clone()))
    }

    async fn read(&mut self, file: Resource<OpenFile>, offset: u64, length: u64) -> HostResult<Vec<u8>> {
        let trouble = self.grants.trouble.strikes();
        let file = self.table.get_mut(&file).map_err(table_error)?;
        Ok(answer(trouble.map_or_else(|| file.read(offset, length.min(READ_BYTES)), Err)))
    }

    async fn digest(&mut self, file: Resource<OpenFile>) -> HostResult<Vec<u8>> {
        let file = self.table.get_mut(&file).map_err(table_error)?;
        Ok(answer(file.digest().await))
    }

    async fn drop(&mut self, file: Resource<OpenFile>) -> wasmtime::Result<()> {
        self.table.delete(file).map(drop).map_err(table_error)
    }
}

impl wit::HostNewFile for State {
    async fn append(&mut self, file: Resource<NewFile>, data: Vec<u8>) -> HostResult<()> {
        let file = self.table.get_mut(&file).map_err(table_error)?;
        Ok(answer(file.append(&data)))
    }

    async fn finish(&mut self, file: Resource<NewFile>) -> HostResult<wit::Entry> {
        let change = match self.grants.trouble.change() {
            Ok(change) => change,
            Err(failure) => return Ok(answer(Err(failure))),
        };
        let file = self.table.get_mut(&file).map_err(table_error)?;
        Ok(answer(change.answer(file.finish().await.map(entry))))
    }

    async fn drop(&mut self, file: Resource<NewFile>) -> wasmtime::Result<()> {
        self.table.delete(file).map(drop).map_err(table_error)
    }
}
