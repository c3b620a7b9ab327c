//! The preparing stage: transforms, mapping, keys. What cannot go on becomes a dead letter; the rest of the page goes on.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::UInt32Array;

use super::bisect::{Bisection, Halved, Suspects, is_about_rows};
use super::error::SyncError;
use super::last::last_of_each;
use super::letters::{self, Failed};
use crate::connector::{Cursor, Failure, FailureKind, Page, PageStatus, Transform, Transformer};
use crate::error::codes;
use crate::project::Deletes;
use crate::record::{BatchError, ChangeKind, Changes, Digest, Keys, Mapping, RowDigester, Stream};
use crate::store::{Counters, DeadLetterId, KeyDigest, NewDeadLetter, PluginUse, Stage};

/// A page that is ready to be written.
pub(super) struct Prepared {
    /// As it was read, whatever became of it.
    pub read: Changes,
    /// Of what was read, the records that count: of each key the last.
    pub source: Changes,
    /// As it will be written: each key once, each key complete.
    pub mapped: Changes,
    /// For each row of `mapped` the row of `source` it came from; none = row by row.
    pub origins: Option<Vec<u32>>,
    /// The key of each row of `mapped`.
    pub keys: Vec<Digest>,
    pub letters: Vec<NewDeadLetter>,
    /// What this page adds to the run.
    pub counters: Counters,
    pub cursor: Cursor,
    pub status: PageStatus,
    /// The dead letter this page is another attempt of, and the key it has.
    pub resolves: Option<(DeadLetterId, KeyDigest)>,
}

impl Prepared {
    pub fn source_row(&self, row: usize) -> usize {
        self.origins.as_ref().and_then(|origins| origins.get(row)).map_or(row, |row| *row as usize)
    }
}

/// One transform of a sync.
struct Step {
    connector: Arc<dyn Transform>,
    plugin: PluginUse,
    input: Stream,
    /// Opened with the first page, and again after a fault.
    transformer: Option<Box<dyn Transformer>>,
    /// A record this transform could take: shows whether it still works at all.
    known_good: Option<Changes>,
}

/// Prepares page after page.
pub(super) struct Preparer {
    sync: String,
    source_plugin: PluginUse,
    steps: Vec<Step>,
    mapping: Mapping,
    source_key: Vec<String>,
    target_key: Vec<String>,
    digester: RowDigester,
    /// Whether deletes are none of this sync's.
    ignores_deletes: bool,
}

/// Rows on their way through a page's stages.
struct Flow {
    changes: Changes,
    origins: Option<Vec<u32>>,
}

impl Flow {
    /// The rows `origins` says, of what flowed so far.
    fn follow(self, changes: Changes, origins: Option<Vec<u32>>) -> Self {
        let composed = match (self.origins, origins) {
            (before, None) => before,
            (None, now) => now,
            (Some(before), Some(now)) => {
                Some(now.iter().map(|row| before.get(*row as usize).copied().unwrap_or(0)).collect())
            }
        };
        Self { changes, origins: composed }
    }

    fn source_row(&self, row: u32) -> usize {
        self.origins.as_ref().and_then(|origins| origins.get(row as usize)).map_or(row as usize, |row| *row as usize)
    }
}

/// Dead letters with the rows of the source they are about.
type Letters = Vec<(usize, NewDeadLetter)>;

/// A page behind all stages.
struct Flowed {
    flow: Flow,
    keys: Vec<Digest>,
    duplicates: u64,
    letters: Letters,
}

impl Flowed {
    /// One letter per record, and one for records that are equal in everything. Answers how many of the latter were left out.
    fn drop_equal_letters(&mut self) -> u64 {
        let mut rows = HashSet::new();
        self.letters.retain(|(row, _)| rows.insert(*row));
        let (before, mut keys) = (self.letters.len(), HashSet::new());
        self.letters.retain(|(_, letter)| keys.insert(letter.key));
        (before - self.letters.len()) as u64
    }
}

impl Preparer {
    pub fn new(mirror: &super::Mirror, setup: &super::setup::Setup, digester: RowDigester) -> Self {
        let steps = mirror
            .transforms
            .iter()
            .zip(&setup.inputs)
            .map(|(end, input)| Step {
                connector: end.connector.clone(),
                plugin: end.plugin.clone(),
                input: input.clone(),
                transformer: None,
                known_good: None,
            })
            .collect();
        Self {
            sync: mirror.name().to_owned(),
            source_plugin: mirror.source.plugin.clone(),
            steps,
            mapping: setup.mapping.clone(),
            source_key: setup.source_key.clone(),
            target_key: setup.target.key.clone(),
            digester,
            ignores_deletes: mirror.def.deletes == Deletes::Ignore,
        }
    }

    /// Prepares nothing but keys: what is wrong with other values is not looked at.
    pub fn of_keys(mirror: &super::Mirror, setup: &super::setup::Setup, digester: RowDigester) -> Self {
        Self { mapping: setup.mapping.only(&setup.target.key), ..Self::new(mirror, setup, digester) }
    }

    pub async fn prepare(&mut self, page: Page) -> Result<Prepared, SyncError> {
        let read = page.changes;
        let plugin = &self.source_plugin;
        let unreadable: Vec<NewDeadLetter> =
            page.rejected.into_iter().map(|rejection| letters::unreadable(rejection, plugin)).collect();
        let mut counters = Counters {
            read: (read.rows() + unreadable.len()) as u64,
            pages: 1,
            bytes: read.data.bytes() as u64,
            ..Counters::default()
        };
        let mut source = self.without_ignored(&read)?;
        counters.unchanged = (read.rows() - source.rows()) as u64;
        let told = source.rows();
        if source.data.columns().iter().any(|column| column.present.is_some()) {
            source = self.newest(source)?;
        }
        let mut flowed = self.flow(&source).await?;
        if !flowed.letters.is_empty() {
            // A record that fails needs nobody's attention if a later one of its key follows.
            let newest = self.newest(source.clone())?;
            if newest.rows() < source.rows() {
                flowed = self.flow(&newest).await?;
                source = newest;
            }
        }
        let equal = flowed.drop_equal_letters();
        counters.duplicates = (told - source.rows()) as u64 + flowed.duplicates + equal;
        let mut letters = unreadable;
        letters.extend(flowed.letters.into_iter().map(|(_, letter)| letter));
        counters.rejected = letters.len() as u64;
        Ok(Prepared {
            read,
            source,
            mapped: flowed.flow.changes,
            origins: flowed.flow.origins,
            keys: flowed.keys,
            letters,
            counters,
            cursor: page.next_cursor,
            status: page.status,
            resolves: None,
        })
    }

    fn without_ignored(&self, read: &Changes) -> Result<Changes, SyncError> {
        if !self.ignores_deletes || read.kinds.is_none() {
            return Ok(read.clone());
        }
        let kept = read.filter(|row| read.kind(row) != ChangeKind::Delete);
        kept.map_err(|error| SyncError::batch(&self.sync, error))
    }

    /// Of each key of the source the last record.
    fn newest(&self, source: Changes) -> Result<Changes, SyncError> {
        let keys = Keys::of(&self.digester, &source.data, &self.source_key);
        let keys = keys.map_err(|error| SyncError::key(&self.sync, error))?;
        let newest = last_of_each(&source, &keys).map_err(|error| SyncError::batch(&self.sync, error))?;
        Ok(newest.map_or(source, |(newest, _)| newest))
    }

    async fn flow(&mut self, source: &Changes) -> Result<Flowed, SyncError> {
        let mut letters = Vec::new();
        let mut flow = Flow { changes: source.clone(), origins: None };
        for index in 0..self.steps.len() {
            flow = self.transform(index, flow, source, &mut letters).await?;
        }
        flow = self.map(flow, source, &mut letters)?;
        let (flow, keys, duplicates) = self.check_keys(flow, source, &mut letters)?;
        Ok(Flowed { flow, keys, duplicates, letters })
    }

    async fn transform(
        &mut self,
        index: usize,
        flow: Flow,
        source: &Changes,
        letters: &mut Letters,
    ) -> Result<Flow, SyncError> {
        let Some(step) = self.steps.get_mut(index) else { return Ok(flow) };
        let applied =
            step.apply(&flow.changes).await.map_err(|failure| SyncError::after_retries(&self.sync, failure))?;
        for (row, failure) in &applied.rejected {
            let failed = Failed {
                stage: Stage::Transform,
                source,
                row: flow.source_row(*row),
                key: &self.source_key,
                plugin: Some(&step.plugin),
            };
            letters.push((failed.row, failed.letter(letters::cause(failure))));
        }
        Ok(flow.follow(applied.changes, applied.origins))
    }

    fn map(&self, flow: Flow, source: &Changes, letters: &mut Letters) -> Result<Flow, SyncError> {
        let mapped = self.mapping.apply(&flow.changes).map_err(|error| SyncError::mapping(&self.sync, error))?;
        let mut last = None;
        for rejected in &mapped.rejected {
            // One letter per record, with the first of its causes.
            if last.replace(rejected.row) == Some(rejected.row) {
                continue;
            }
            let failed = self.failed(Stage::Map, source, flow.source_row(rejected.row));
            letters.push((failed.row, failed.letter(letters::value_cause(&codes::DATA_LOSSY, rejected))));
        }
        Ok(flow.follow(mapped.changes, mapped.origins))
    }

    fn failed<'a>(&'a self, stage: Stage, source: &'a Changes, row: usize) -> Failed<'a> {
        Failed { stage, source, row, key: &self.source_key, plugin: None }
    }

    /// Takes out rows without a key, and all but the last of each key.
    fn check_keys(
        &self,
        flow: Flow,
        source: &Changes,
        letters: &mut Letters,
    ) -> Result<(Flow, Vec<Digest>, u64), SyncError> {
        let batch_error = |error: BatchError| SyncError::batch(&self.sync, error);
        let keys_of = |changes: &Changes| {
            Keys::of(&self.digester, &changes.data, &self.target_key).map_err(|error| SyncError::key(&self.sync, error))
        };
        let mut flow = flow;
        let mut keys = keys_of(&flow.changes)?;
        if !keys.unusable.is_empty() {
            for row in &keys.unusable {
                let message = format!("the key field {} is empty", quoted(&self.target_key));
                let failed = self.failed(Stage::Map, source, flow.source_row(*row));
                letters.push((failed.row, failed.letter(letters::own_cause(&codes::DATA_KEY, None, message))));
            }
            let usable = |row: &u32| keys.unusable.binary_search(row).is_err();
            let rows: Vec<u32> = (0..flow.changes.rows() as u32).filter(usable).collect();
            let changes = flow.changes.take(&UInt32Array::from(rows.clone())).map_err(batch_error)?;
            flow = flow.follow(changes, Some(rows));
            keys = keys_of(&flow.changes)?;
        }
        let Some((changes, last)) = last_of_each(&flow.changes, &keys).map_err(batch_error)? else {
            return Ok((flow, keys.digests, 0));
        };
        let duplicates = (flow.changes.rows() - last.len()) as u64;
        let digests = last.values().iter().filter_map(|row| keys.digests.get(*row as usize).copied()).collect();
        Ok((flow.follow(changes, Some(last.values().to_vec())), digests, duplicates))
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// What a transform made of a page, row faults taken out one by one where the plugin itself did not.
struct Applied {
    changes: Changes,
    origins: Option<Vec<u32>>,
    rejected: Vec<(u32, Failure)>,
}

impl Applied {
    /// In terms of the page of which `rows` were given.
    fn traced_to(self, rows: Vec<u32>, rejected: &mut Vec<(u32, Failure)>) -> (Changes, Vec<u32>) {
        let row_of = |row: &u32| rows.get(*row as usize).copied().unwrap_or(0);
        rejected.extend(self.rejected.into_iter().map(|(row, failure)| (row_of(&row), failure)));
        let origins = match self.origins {
            Some(origins) => origins.iter().map(row_of).collect(),
            None => rows,
        };
        (self.changes, origins)
    }
}

impl Step {
    async fn apply(&mut self, changes: &Changes) -> Result<Applied, Failure> {
        match self.apply_once(changes).await {
            Ok(applied) => {
                self.works_with(changes)?;
                Ok(applied)
            }
            Err(failure) if is_about_rows(&failure) && changes.rows() > 0 => self.isolate(changes).await,
            Err(failure) => Err(failure),
        }
    }

    async fn apply_once(&mut self, changes: &Changes) -> Result<Applied, Failure> {
        if self.transformer.is_none() {
            self.transformer = Some(self.connector.open(&self.input).await?);
        }
        let Some(transformer) = &mut self.transformer else { return Err(no_transformer(&self.plugin.label)) };
        match transformer.apply(changes).await {
            Ok(output) => Ok(Applied {
                changes: output.changes,
                origins: output.origins,
                rejected: output.rejected.into_iter().map(|error| (error.row, error.error)).collect(),
            }),
            Err(failure) => {
                self.transformer = None;
                Err(failure)
            }
        }
    }

    fn works_with(&mut self, changes: &Changes) -> Result<(), Failure> {
        if self.known_good.is_none() && changes.rows() > 0 {
            let first = changes.take(&UInt32Array::from(vec![0]));
            self.known_good = Some(first.map_err(|error| nonsense(&self.plugin.label, &error))?);
        }
        Ok(())
    }

    /// Whether the transform still does what it could do before; none if it never could do anything.
    async fn still_works(&mut self) -> Option<bool> {
        let known_good = self.known_good.clone()?;
        Some(self.apply_once(&known_good).await.is_ok())
    }

    async fn isolate(&mut self, changes: &Changes) -> Result<Applied, Failure> {
        let mut bisection = Bisection::new((0..changes.rows() as u32).collect());
        let mut parts: Vec<(Changes, Vec<u32>)> = Vec::new();
        let mut rejected: Vec<(u32, Failure)> = Vec::new();
        let mut suspects = Suspects::default();
        while let Some(rows) = bisection.next() {
            let part =
                changes.take(&UInt32Array::from(rows.clone())).map_err(|error| nonsense(&self.plugin.label, &error))?;
            match self.apply_once(&part).await {
                Ok(applied) => {
                    self.works_with(&part)?;
                    rejected.extend(suspects.convict());
                    parts.push(applied.traced_to(rows, &mut rejected));
                }
                Err(failure) if is_about_rows(&failure) => {
                    let is_fault = failure.kind == FailureKind::Fault;
                    match bisection.failed(rows, failure.clone()) {
                        Halved::Culprit(row, failure) if is_fault => suspects.suspect(row, failure),
                        Halved::Culprit(row, failure) => rejected.push((row, failure)),
                        Halved::Again => {}
                    }
                    if is_fault {
                        suspects.fault();
                        self.judge(&mut suspects, &mut rejected, &failure).await?;
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        if let Some(failure) = suspects.last_words().cloned() {
            match self.still_works().await {
                Some(true) => rejected.extend(suspects.convict()),
                _ => return Err(failure),
            }
        }
        rejected.sort_by_key(|(row, _)| *row);
        if parts.is_empty() {
            // Without rows, for the schema of the output.
            parts.push((self.apply_once(&changes.slice(0, 0)).await?.changes, Vec::new()));
        }
        self.join(parts, rejected)
    }

    /// After another fault: fails if the fault is the transform's own.
    async fn judge(
        &mut self,
        suspects: &mut Suspects<u32>,
        rejected: &mut Vec<(u32, Failure)>,
        failure: &Failure,
    ) -> Result<(), Failure> {
        if suspects.are_many() {
            match self.still_works().await {
                Some(true) => rejected.extend(suspects.convict()),
                Some(false) => return Err(failure.clone()),
                None => {}
            }
        }
        if suspects.are_too_many() { Err(failure.clone()) } else { Ok(()) }
    }

    fn join(&self, parts: Vec<(Changes, Vec<u32>)>, rejected: Vec<(u32, Failure)>) -> Result<Applied, Failure> {
        let pages: Vec<&Changes> = parts.iter().map(|(changes, _)| changes).collect();
        let changes = Changes::concat(&pages).map_err(|error| nonsense(&self.plugin.label, &error))?;
        let origins = parts.into_iter().flat_map(|(_, origins)| origins).collect();
        Ok(Applied { changes, origins: Some(origins), rejected })
    }
}

fn no_transformer(plugin: &str) -> Failure {
    Failure::new(FailureKind::Other, &codes::INTERNAL, plugin, "a transform was not opened")
}

fn nonsense(plugin: &str, error: &BatchError) -> Failure {
    Failure::new(FailureKind::Other, &codes::INTERNAL, plugin, error.to_string())
}
