//! A mirror on fakes, and what is asked of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::world::world;
use super::{
    FakeSink, FakeSource, FakeStore, FakeTransform, Power, Record, SeededRandom, SimClock, invariants, record,
};
use crate::connector::{PageLimits, Source};
use crate::lineage::Flow;
use crate::project::{Deletes, Endpoint, Guard, MirrorDef, Place, SchemaPolicy};
use crate::store::{DeadLetter, DeadLetterFilter, DeadLetterState, Decision, HoldId, PluginUse, Store, SyncState};
use crate::sync::deliver::Grouping;
use crate::sync::mirror::{retry_letters_grouped, run_mirror_grouped};
use crate::sync::{
    Interrupt, Mirror, MirrorRun, Observer, RunOptions, RunReport, SourceEnd, SyncError, TargetEnd, TransformEnd,
};

/// What a run told.
#[derive(Default)]
pub struct Notes {
    texts: Mutex<Vec<String>>,
    flow: Mutex<Option<Flow>>,
}

impl Notes {
    pub fn all(&self) -> Vec<String> {
        self.texts.lock().unwrap().clone()
    }

    /// What the last run said it moves.
    pub fn flow(&self) -> Option<Flow> {
        self.flow.lock().unwrap().clone()
    }

    pub fn mention(&self, text: &str) -> bool {
        self.all().iter().any(|note| note.contains(text))
    }
}

impl Observer for Notes {
    fn settled(&self, flow: &Flow) {
        *self.flow.lock().unwrap() = Some(flow.clone());
    }

    fn phase(&self, _: &'static str) {}
    fn read(&self, _: u64, _: u64) {}
    fn written(&self, _: u64) {}

    fn note(&self, text: &str) {
        self.texts.lock().unwrap().push(text.to_owned());
    }
}

pub struct Lab {
    pub source: FakeSource,
    pub sink: FakeSink,
    pub store: Arc<FakeStore>,
    pub power: Power,
    pub clock: SimClock,
    pub random: SeededRandom,
    pub notes: Arc<Notes>,
    pub def: MirrorDef,
    pub transforms: Vec<FakeTransform>,
    pub page_rows: u32,
    pub grouping: Grouping,
    pub options: RunOptions,
    pub interrupt: Interrupt,
    /// Whether the target can be read as a source.
    pub target_is_readable: bool,
    stop: Mutex<Option<(Duration, Interrupt)>>,
}

/// The first field is the key.
const FIELDS: [(&str, &str); 4] = [("id", "int64"), ("name", "text"), ("amount", "int64"), ("note", "text")];

/// A record of the laboratory's stream.
pub fn person(id: i64, name: &str) -> Record {
    record(json!({"id": id, "name": name, "amount": id * 10, "note": null}))
}

fn endpoint(connection: &str, stream: &str) -> Endpoint {
    Endpoint {
        connection: connection.parse().unwrap(),
        stream: stream.into(),
        key: Vec::new(),
        modified: None,
        lookback: None,
        types: BTreeMap::new(),
        place: Place::new(&"lockstep.toml".into(), 1),
    }
}

fn plugin(role: &str) -> PluginUse {
    PluginUse { role: role.into(), label: format!("{role}@1"), digest: "00".into() }
}

impl Lab {
    /// Full readings of an empty file, every page durable by itself.
    pub fn new() -> Self {
        Self::seeded(1)
    }

    pub fn seeded(seed: u64) -> Self {
        let power = Power::default();
        let lab = Self {
            source: FakeSource::new(&FIELDS, &power),
            sink: FakeSink::new(&power),
            store: Arc::new(FakeStore::new(&power)),
            power,
            clock: SimClock::default(),
            random: SeededRandom::new(seed),
            notes: Arc::new(Notes::default()),
            def: MirrorDef {
                name: "people".parse().unwrap(),
                source: endpoint("files", "people"),
                target: endpoint("db", "people_copy"),
                fields: Vec::new(),
                transforms: Vec::new(),
                deletes: Deletes::Tombstones,
                compare_every: None,
                guard: Guard::default(),
                schema: SchemaPolicy::Pause,
                trigger_every: None,
                dead_letters_max: 10_000,
                place: Place::new(&"lockstep.toml".into(), 1),
            },
            transforms: Vec::new(),
            page_rows: 10,
            grouping: Grouping { bytes: 1, time: Duration::from_secs(5) },
            options: RunOptions::default(),
            interrupt: Interrupt::default(),
            target_is_readable: true,
            stop: Mutex::default(),
        };
        let (source, sink) = (lab.source.clone(), lab.sink.clone());
        lab.store.check_commits(move |page, store| invariants::check_commit(&source, &sink, page, store));
        lab
    }

    /// Nobody wants to stop any more.
    pub fn resumed(self) -> Self {
        Self { interrupt: Interrupt::default(), ..self }
    }

    /// The state is gone; what it said about the target is too.
    pub fn forgotten(self) -> Self {
        Self { store: Self::new().store, ..self }
    }

    /// People with these ids, in the places of their ids.
    pub fn with_people(self, ids: std::ops::RangeInclusive<i64>) -> Self {
        let mut state = self.source.state();
        ids.for_each(|id| state.put(id, person(id, "first")));
        drop(state);
        self
    }

    /// Pages become durable together as long as nothing forces them to.
    pub fn in_one_group(mut self) -> Self {
        self.grouping.bytes = usize::MAX;
        self
    }

    pub fn incremental(mut self) -> Self {
        self.def.source.modified = Some("amount".into());
        self
    }

    /// A source and a target that compute digests of their records.
    pub fn comparable(mut self) -> Self {
        self.source.state().is_comparable = true;
        self.sink.is_comparable = true;
        self.source.state().flavour = super::Flavour::Table;
        self
    }

    /// Commits that a mapping or a transform makes look different are not checked.
    pub fn unchecked(self) -> Self {
        self.store.check_commits(|_, _| {});
        self
    }

    /// Another laboratory with the same settings and nothing in it.
    pub fn new_like(other: &Self) -> Self {
        Self { def: other.def.clone(), page_rows: other.page_rows, grouping: other.grouping, ..Self::new() }
    }

    fn mirror(&self) -> Mirror {
        let transform = |transform: &FakeTransform| TransformEnd {
            connector: Arc::new(transform.clone()),
            plugin: plugin("transform"),
        };
        let target = self.target_is_readable.then(|| Arc::new(self.sink.clone()) as Arc<dyn Source>);
        Mirror {
            def: self.def.clone(),
            source: SourceEnd { connector: Arc::new(self.source.clone()), plugin: plugin("source") },
            transforms: self.transforms.iter().map(transform).collect(),
            target: TargetEnd { sink: Arc::new(self.sink.clone()), source: target, plugin: plugin("sink") },
            page: PageLimits { rows: self.page_rows, bytes: 1 << 20 },
        }
    }

    fn mirror_run(&self) -> MirrorRun {
        MirrorRun {
            store: self.store.clone(),
            world: world(&self.clock, &self.random),
            observer: self.notes.clone(),
            interrupt: self.interrupt.clone(),
            options: self.options,
        }
    }

    fn begin(&self) {
        self.source.state().shown.clear();
        self.notes.texts.lock().unwrap().clear();
    }

    /// Everything a run holds in memory is gone when this returns.
    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    pub fn try_run(&self) -> Result<RunReport, SyncError> {
        self.begin();
        let (clock, stop) = (self.clock.clone(), self.stop.lock().unwrap().take());
        let report = Self::block_on(async {
            let stopper = tokio::spawn(async move {
                if let Some((time, interrupt)) = stop {
                    crate::world::Clock::sleep(&clock, time).await;
                    interrupt.set();
                }
            });
            let report = run_mirror_grouped(&self.mirror(), &self.mirror_run(), self.grouping).await;
            stopper.abort();
            report
        });
        if let Ok(RunReport { error: Some(SyncError::Internal(what, _)), .. }) = &report {
            panic!("a fault of our own: {what}");
        }
        report
    }

    pub fn run(&self) -> RunReport {
        self.try_run().unwrap()
    }

    /// Runs and expects that nothing went wrong with the run as a whole.
    pub fn run_well(&self) -> RunReport {
        let report = self.run();
        assert!(report.error.is_none(), "{}", report.error.unwrap());
        report
    }

    pub fn run_fully(&mut self) -> RunReport {
        self.options.full = true;
        let report = self.run_well();
        self.options.full = false;
        report
    }

    /// The code a run ends with.
    pub fn run_badly(&self) -> &'static str {
        use crate::error::Explain as _;
        self.run().error.expect("the run went well").code().id
    }

    pub fn try_retry(&self, letters: &[DeadLetter]) -> Result<RunReport, SyncError> {
        self.begin();
        Self::block_on(retry_letters_grouped(&self.mirror(), &self.mirror_run(), letters, self.grouping))
    }

    pub fn retry(&self, letters: &[DeadLetter]) -> RunReport {
        self.try_retry(letters).unwrap()
    }

    /// Somebody stops the next run after this time.
    pub fn stop_after(&self, time: Duration, interrupt: Interrupt) {
        *self.stop.lock().unwrap() = Some((time, interrupt));
    }

    pub fn run_and_target(&self, id: i64) -> (RunReport, Record) {
        let report = self.run_well();
        (report, self.target(id).unwrap())
    }

    pub fn run_and_ids(&self) -> (RunReport, Vec<i64>) {
        (self.run_well(), self.ids())
    }

    /// Every record that was read became exactly one thing.
    pub fn assert_counted(&self, report: &RunReport) {
        let counters = &report.counters;
        let sum = counters.written + counters.unchanged + counters.deleted + counters.rejected + counters.duplicates;
        assert_eq!(counters.read, sum, "{counters:?}");
    }

    pub fn state(&self) -> SyncState {
        self.store.inner.sync_state("people").unwrap()
    }

    pub fn letters(&self, state: DeadLetterState) -> Vec<DeadLetter> {
        let filter = DeadLetterFilter { state: Some(state), ..DeadLetterFilter::default() };
        self.store.inner.dead_letters(&filter).unwrap()
    }

    pub fn open_letters(&self) -> Vec<DeadLetter> {
        self.letters(DeadLetterState::Open)
    }

    pub fn approve(&self, hold: HoldId) {
        self.store.inner.decide_hold(hold, Decision::Approve, crate::world::Clock::now(&self.clock)).unwrap();
    }

    /// The ids in the target.
    pub fn ids(&self) -> Vec<i64> {
        let mut ids: Vec<i64> = self.sink.state().rows.values().map(|row| row["id"].as_i64().unwrap()).collect();
        ids.sort_unstable();
        ids
    }

    pub fn target(&self, id: i64) -> Option<Record> {
        self.sink.state().rows.get(&json!([id]).to_string()).cloned()
    }

    /// The target holds exactly what the source does.
    pub fn assert_equal(&self) {
        let (source, target) = (self.source.state().current(), self.sink.state().rows.clone());
        let differing = |(key, record): &(&String, &Record)| target.get(*key) != Some(record);
        let missing: Vec<_> = source.iter().filter(differing).collect();
        let extra: Vec<_> = target.keys().filter(|key| !source.contains_key(*key)).collect();
        assert!(missing.is_empty() && extra.is_empty(), "not in the target: {missing:?}; only there: {extra:?}");
    }
}

/// The record inside a dead letter.
pub fn record_of(letter: &DeadLetter) -> Record {
    let text: Value = serde_json::from_str(letter.letter.record.as_deref().unwrap()).unwrap();
    record(text["values"].clone())
}
