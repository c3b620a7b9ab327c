//! The battery on a guest, with a folder to itself.

use std::path::PathBuf;
use std::sync::LazyLock;

use lockstep::conformance::{CheckResult, Lab, Outcome, Pinned, Setup, Subject, Wishes, run};
use lockstep::plugin::{Access, Catalog, FilesRoot, Grants, Limits, Runtime};
use lockstep::world::World;
use serde_json::{Value, json};

pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let cache = std::env::temp_dir().join("lockstep-test-cache");
    Runtime::new(cache, Limits::default()).unwrap()
});

/// Records of `items`: several of one time, some without values.
const RECORDS: i64 = 60;
/// So many that a thousand pages can be seen to cost nothing.
pub const MANY_RECORDS: i64 = 450;

/// One run of the battery, being prepared.
pub struct Bench {
    pub folder: tempfile::TempDir,
    file: PathBuf,
    config: Value,
    pub grants: Grants,
    pub pinned: Option<Pinned>,
    pub wishes: Wishes,
}

impl Bench {
    /// `breach`: the check the guest fails; empty for the one that passes.
    pub fn new(guest: &str, breach: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = lockstep_tests::guest(guest);
        let mut grants = Grants::none("check");
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        grants.files.insert("data".into(), FilesRoot::new(data, Access::ReadWrite));
        let wishes = Wishes { write_stream: Some("scratch".into()), ..Wishes::default() };
        let config = json!({ "breach": breach });
        let bench = Self { folder, file, config, grants, pinned: None, wishes };
        bench.store(RECORDS);
        bench
    }

    /// What the twins' system holds.
    pub fn store(&self, records: i64) {
        let start = 1_700_000_000_000_000i64;
        let item = |id: i64| {
            // Four share a time; every ninth has none.
            let changed = (id % 9 != 0).then_some(start + id / 4 * 1_000_000);
            json!({"id": id, "name": format!("Name {id}"), "amount": id * 7, "changed": changed, "note": (id % 3 == 0).then_some("note")})
        };
        let items: Vec<Value> = (1..=records).map(item).collect();
        let store = json!({"streams": {"items": items, "others": [item(1), item(2)]}});
        std::fs::write(self.folder.path().join("data/store.json"), store.to_string()).unwrap();
    }

    pub fn config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// Another file than the guest's own: its bytes as this makes them, under this name.
    pub fn file(mut self, name: &str, edit: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Self {
        let bytes = edit(std::fs::read(&self.file).unwrap());
        self.file = self.folder.path().join(name);
        std::fs::write(&self.file, bytes).unwrap();
        self
    }

    /// The whole battery.
    pub fn run(self) -> Vec<CheckResult> {
        crate::plugins::run(self.run_all())
    }

    async fn run_all(self) -> Vec<CheckResult> {
        let binary = Catalog::new(&[]).from_path(&self.file, RUNTIME.limits());
        let subject = Subject { name: self.file.display().to_string(), binary, pinned: self.pinned };
        let (runtime, limits, clock) = (RUNTIME.clone(), RUNTIME.limits().clone(), World::real().clock);
        let setup = Setup { runtime, config: self.config, grants: self.grants, limits, clock };
        let lab = Lab::new(subject, setup, self.wishes);
        run(&lab, &[], |_| {}).await
    }
}

/// The checks that failed, with their reasons.
pub fn failures(results: &[CheckResult]) -> Vec<(&'static str, String)> {
    results
        .iter()
        .filter_map(|result| match &result.outcome {
            Outcome::Failed(reason) => Some((result.check.id, reason.clone())),
            _ => None,
        })
        .collect()
}

/// The checks that were not asked, with what was said about it.
pub fn skipped(results: &[CheckResult]) -> Vec<(&'static str, String)> {
    results
        .iter()
        .filter_map(|result| match &result.outcome {
            Outcome::Skipped(reason) => Some((result.check.id, reason.clone())),
            _ => None,
        })
        .collect()
}
