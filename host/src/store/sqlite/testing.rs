//! What tests of the store share.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{DateTime, Utc};

use super::SqliteStore;
use crate::store::{
    Cause, Counters, KeyDigest, NewDeadLetter, NewRun, PageCommit, Phase, PluginUse, RunId, RunKind, Stage, Store,
};

/// A project folder that goes away with the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("lockstep-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn state(&self) -> PathBuf {
        self.0.join(".lockstep/state.db")
    }

    pub fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.0, "lockstep run", at(0)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// So many seconds after some point in time.
pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_700_000_000_000_000 + seconds * 1_000_000).unwrap()
}

pub fn new_run(sync: &str) -> NewRun {
    let plugin = PluginUse { role: "source".into(), label: "csv@0.1.0".into(), digest: "00ff".into() };
    NewRun { sync: sync.into(), kind: RunKind::Incremental, started_at: at(0), plugins: vec![plugin] }
}

pub fn begin(store: &SqliteStore, sync: &str) -> RunId {
    store.begin_run(&new_run(sync)).unwrap()
}

pub fn key(number: u64) -> KeyDigest {
    KeyDigest::of_key(&format!("[{number}]"))
}

pub fn letter(number: u64, message: &str) -> NewDeadLetter {
    NewDeadLetter {
        stage: Stage::Write,
        key: key(number),
        key_text: format!("[{number}]"),
        position: Some(format!("line {number}")),
        record: Some(format!("{{\"id\":{number}}}")),
        raw: Some(vec![0, 1, 255]),
        cause: Cause {
            code: "LS0605".into(),
            kind: "invalid-data".into(),
            message: message.into(),
            detail_code: "23505".into(),
            field: Some("email".into()),
            hint: None,
        },
        plugin: Some(PluginUse { role: "sink".into(), label: "postgres@0.1.0".into(), digest: "ff".into() }),
    }
}

pub fn page(run: RunId) -> PageCommit {
    PageCommit::new(run, at(1), Phase::Steady, Counters::default())
}
