//! One run of a mirror, from settling to the last commit.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::compare;
use super::deletes;
use super::deliver::{Delivery, Grouping, Position, Progress, Route};
use super::error::SyncError;
use super::letters;
use super::observe::Observer;
use super::prepare::{Prepared, Preparer};
use super::read::{Interrupt, Reading};
use super::report::{HeldDeletes, RunReport};
use super::retry::Caution;
use super::setup::{Drift, Mirror, Setup, settle};
use crate::connector::{Cursor, Effect, Page, PageStatus, ReadMode, ReadRequest, WriteMode};
use crate::error::Explain as _;
use crate::project::Deletes;
use crate::record::{Properties, RowDigester};
use crate::store::{
    Closing, Counters, CursorUpdate, DeadLetter, DeadLetterFilter, DeadLetterState, Hold, HoldFilter, HoldState,
    NewDeadLetter, NewRun, Outcome, PageCommit, Phase, PinUpdate, RunEnd, RunError, RunId, RunKind, Stage, Store,
    SyncState,
};
use crate::world::World;

/// Pages waiting between two stages: one being worked on, one ready.
const STAGE_QUEUE: usize = 1;

/// What a run needs besides the mirror itself.
#[derive(Clone)]
pub struct MirrorRun {
    pub store: Arc<dyn Store>,
    pub world: World,
    pub observer: Arc<dyn Observer>,
    pub interrupt: Interrupt,
    pub options: RunOptions,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// Read everything again, whatever the cursor says.
    pub full: bool,
    /// The schema is right as it is now.
    pub accept_schema: bool,
}

/// Runs a mirror once. What goes wrong stands in the report; only a state that cannot be reached is an error.
pub async fn run_mirror(mirror: &Mirror, run: &MirrorRun) -> Result<RunReport, SyncError> {
    run_mirror_grouped(mirror, run, Grouping::default()).await
}

pub(super) async fn run_mirror_grouped(
    mirror: &Mirror,
    run: &MirrorRun,
    grouping: Grouping,
) -> Result<RunReport, SyncError> {
    let started = run.world.clock.elapsed();
    let state = run.store.sync_state(mirror.name())?;
    let kind = if mirror.def.source.modified.is_some() && state.phase == Phase::Steady && !run.options.full {
        RunKind::Incremental
    } else {
        RunKind::Full
    };
    let id = begin(mirror, run, kind)?;
    let mut work = Work::new(mirror, run, id, state, grouping);
    let outcome = work.run().await;
    work.finish(outcome, kind, started)
}

/// Tries dead letters again: the whole way, as if their records had just been read.
pub async fn retry_letters(mirror: &Mirror, run: &MirrorRun, letters: &[DeadLetter]) -> Result<RunReport, SyncError> {
    retry_letters_grouped(mirror, run, letters, Grouping::default()).await
}

pub(super) async fn retry_letters_grouped(
    mirror: &Mirror,
    run: &MirrorRun,
    letters: &[DeadLetter],
    grouping: Grouping,
) -> Result<RunReport, SyncError> {
    let started = run.world.clock.elapsed();
    let state = run.store.sync_state(mirror.name())?;
    let id = begin(mirror, run, RunKind::Retry)?;
    let mut work = Work::new(mirror, run, id, state, grouping);
    let outcome = work.retry(letters).await;
    work.finish(outcome, RunKind::Retry, started)
}

fn begin(mirror: &Mirror, run: &MirrorRun, kind: RunKind) -> Result<RunId, SyncError> {
    let started_at = run.world.clock.now();
    let new = NewRun { sync: mirror.name().to_owned(), kind, started_at, plugins: mirror.plugins() };
    let id = run.store.begin_run(&new)?;
    run.observer.began(id, started_at);
    Ok(id)
}

/// A run in progress.
pub(super) struct Work<'a> {
    pub mirror: &'a Mirror,
    pub run: &'a MirrorRun,
    pub id: RunId,
    grouping: Grouping,
    pub state: SyncState,
    pub digester: RowDigester,
    /// Of everything that was delivered so far.
    pub counters: Counters,
    pub held: Option<HeldDeletes>,
    pub compared: bool,
}

impl<'a> Work<'a> {
    fn new(mirror: &'a Mirror, run: &'a MirrorRun, id: RunId, state: SyncState, grouping: Grouping) -> Self {
        let digester = RowDigester::new((run.world.random.next_u64(), run.world.random.next_u64()));
        Self { mirror, run, id, grouping, state, digester, counters: Counters::default(), held: None, compared: false }
    }

    async fn run(&mut self) -> Result<(), SyncError> {
        let setup = self.settle().await?;
        let by_digest = self.state.phase == Phase::Steady && setup.mode == ReadMode::Full && !self.run.options.full;
        if by_digest && compare::run(self, &setup).await? == compare::Outcome::Done {
            // What a source cannot read, its digests do not show.
            return self.close_outdated(|letter| letter.stage != Stage::Source);
        }
        let mode = self.write_mode(&setup);
        let complete = self.read_and_write(&setup, mode).await?;
        let compares = self.mirror.def.deletes == Deletes::Compare && self.compare_is_due()?;
        let can_compare = self.mirror.target.source.is_some();
        if compares && can_compare && complete && mode == WriteMode::Load && self.counters.rejected == 0 {
            // Everything the target has was read from the source just now.
            self.compared = true;
        } else if compares
            && !self.run.interrupt.is_set()
            && compare::run(self, &setup).await? == compare::Outcome::Impossible
        {
            deletes::by_enumeration(self, &setup).await?;
        }
        if complete {
            // Records that can be read today have lost their complaint, or have made it again.
            self.close_outdated(|_| true)?;
        }
        Ok(())
    }

    /// Settles schemas and makes them durable before the first record moves.
    async fn settle(&mut self) -> Result<Setup, SyncError> {
        let drift = if self.run.options.accept_schema { Drift::Accepted } else { Drift::ByPolicy };
        let setup = settle(self.mirror, &self.state, drift, Effect::Real, &self.caution()).await?;
        self.run.observer.settled(&setup.flow);
        setup.notes.iter().chain(&setup.actions).for_each(|note| self.run.observer.note(note));
        let is_first = self.state.pin.is_none();
        if is_first {
            let update = PinUpdate { pin: setup.pin.clone(), target_was_empty: Some(setup.target_is_empty) };
            self.run.store.pin_schema(self.mirror.name(), &update)?;
            self.state.target_was_empty = setup.target_is_empty;
        } else if setup.begins_anew {
            let mut commit = PageCommit::new(self.id, self.run.world.clock.now(), Phase::InitialLoad, self.counters);
            commit.cursor = CursorUpdate::Clear;
            commit.pin = Some(setup.pin.clone());
            self.run.store.commit_page(&commit)?;
            self.state.cursor = None;
            self.state.phase = Phase::InitialLoad;
        }
        self.state.pin = Some(setup.pin.clone());
        Ok(setup)
    }

    /// Where the reading begins; none is the beginning.
    fn start(&self) -> Option<&Vec<u8>> {
        self.state.cursor.as_ref().filter(|_| !self.run.options.full)
    }

    /// Into an empty target a reading from the beginning is loaded.
    fn write_mode(&self, setup: &Setup) -> WriteMode {
        if self.start().is_none() && setup.target_is_empty { WriteMode::Load } else { WriteMode::Upsert }
    }

    /// Moves everything the source has to say. Answers whether the reading was complete, from the beginning to the end.
    async fn read_and_write(&mut self, setup: &Setup, mode: WriteMode) -> Result<bool, SyncError> {
        let cursor = self.start().cloned();
        let (source, request) =
            (self.mirror.source.connector.clone(), read_request(self.mirror, setup, cursor.map(Cursor)));
        let reading = Reading::new(self.caution(), source, request, self.mirror.page);
        let delivery = self.delivery(setup, mode, Position::Moving(self.state.cursor.clone()));
        self.run.observer.phase("reading");
        self.pipeline(setup, reading, delivery).await
    }

    /// Reading, preparing and delivering side by side. What was delivered when a stage fails stays delivered.
    async fn pipeline(&mut self, setup: &Setup, reading: Reading, mut delivery: Delivery) -> Result<bool, SyncError> {
        let (page_sender, mut pages) = mpsc::channel::<Page>(STAGE_QUEUE);
        let (prepared_sender, prepared) = mpsc::channel(STAGE_QUEUE);
        let mut preparer = Preparer::new(self.mirror, setup, self.digester);
        let reader = tokio::spawn(reading.run(page_sender));
        let preparing = tokio::spawn(async move {
            while let Some(page) = pages.recv().await {
                if prepared_sender.send(preparer.prepare(page).await?).await.is_err() {
                    break;
                }
            }
            Ok::<(), SyncError>(())
        });
        let delivered = deliver_all(&mut delivery, prepared, &self.caution()).await;
        if delivered.is_err() {
            reader.abort();
        }
        let prepared = join(self.mirror.name(), preparing).await;
        if prepared.is_err() {
            // Nobody listens to the reader any more, which may be waiting for an hour.
            reader.abort();
        }
        let read =
            if delivered.is_err() || prepared.is_err() { Ok(()) } else { join(self.mirror.name(), reader).await };
        let enumerated = self.absorb(delivery);
        delivered.and(prepared).and(read).map(|()| enumerated)
    }

    pub fn caution(&self) -> Caution {
        Caution::new(self.mirror.name(), self.run)
    }

    /// Takes over what a delivery knows. Answers whether its reading was complete.
    pub fn absorb(&mut self, delivery: Delivery) -> bool {
        let progress = delivery.progress;
        self.counters = progress.counters;
        self.state.phase = progress.phase;
        self.state.open_dead_letter_keys = progress.open_keys;
        if let Position::Moving(cursor) = progress.cursor {
            self.state.cursor = cursor;
        }
        progress.enumerated
    }

    pub fn delivery(&self, setup: &Setup, mode: WriteMode, cursor: Position) -> Delivery {
        let route = Route {
            caution: self.caution(),
            sink: self.mirror.target.sink.clone(),
            plugin: self.mirror.target.plugin.clone(),
            target: setup.target.clone(),
            source_key: setup.source_key.clone(),
            store: self.run.store.clone(),
            run: self.id,
            dead_letters_max: self.mirror.def.dead_letters_max,
            grouping: self.grouping,
        };
        let progress = Progress {
            counters: self.counters,
            phase: self.state.phase,
            phase_stored: self.state.phase,
            open_keys: self.state.open_dead_letter_keys.clone(),
            cursor,
            enumerated: false,
        };
        Delivery::new(route, mode, progress)
    }

    fn compare_is_due(&self) -> Result<bool, SyncError> {
        let (Some(every), Some(last)) = (self.mirror.def.compare_every, self.state.last_compare_at) else {
            return Ok(true);
        };
        let since = self.run.world.clock.now().signed_duration_since(last);
        // Whoever approves deletes does not want to wait for the next comparison.
        Ok(since.to_std().map_or(true, |since| since >= every)
            || self.newest_hold()?.is_some_and(|hold| hold.state == HoldState::Approved))
    }

    /// The newest deletes that were held and are not outdated.
    pub fn newest_hold(&self) -> Result<Option<Hold>, SyncError> {
        let filter = HoldFilter { sync: Some(self.mirror.name().to_owned()), ..HoldFilter::default() };
        Ok(self.run.store.holds(&filter)?.into_iter().find(|hold| hold.state != HoldState::Outdated))
    }

    /// After this run has seen every record of the source: letters it did not write again are of records that are gone, or mended.
    /// A delete that failed is about a record of the target, and outdated only if both sides were compared.
    fn close_outdated(&self, may_close: impl Fn(&NewDeadLetter) -> bool) -> Result<(), SyncError> {
        if self.state.open_dead_letter_keys.is_empty() {
            return Ok(());
        }
        let filter = DeadLetterFilter {
            sync: Some(self.mirror.name().to_owned()),
            state: Some(DeadLetterState::Open),
            ..DeadLetterFilter::default()
        };
        let open = self.run.store.dead_letters(&filter)?;
        let compared = self.compared && self.held.is_none();
        let is_outdated = |row: &&DeadLetter| {
            row.run != self.id && may_close(&row.letter) && (compared || !letters::is_delete(&row.letter))
        };
        let ids: Vec<_> = open.iter().filter(is_outdated).map(|row| row.id).collect();
        if !ids.is_empty() {
            self.run.store.close_dead_letters(&ids, Closing::Superseded, self.run.world.clock.now())?;
        }
        Ok(())
    }

    async fn retry(&mut self, letters: &[DeadLetter]) -> Result<(), SyncError> {
        let setup = self.settle().await?;
        let fields = setup.read_fields.clone().into();
        let mut preparer = Preparer::new(self.mirror, &setup, self.digester);
        let mut delivery = self.delivery(&setup, WriteMode::Upsert, Position::Fixed);
        for letter in letters {
            if self.run.store.dead_letter(letter.id)?.state != DeadLetterState::Open {
                self.run.observer.note(&format!("dead letter {} is no longer open", letter.id));
                continue;
            }
            let changes = match letters::read_record(letter, &fields) {
                Ok(changes) => changes,
                Err(error) => {
                    self.run.observer.note(&format!("dead letter {} cannot be tried: {error}", letter.id));
                    continue;
                }
            };
            let page =
                Page { changes, rejected: Vec::new(), next_cursor: Cursor(Vec::new()), status: PageStatus::More };
            let mut prepared = preparer.prepare(page).await?;
            prepared.resolves = Some((letter.id, letter.letter.key));
            // A letter that fails again is open again with its newest cause; the store counts the attempt.
            delivery.take(prepared).await?;
        }
        delivery.flush().await?;
        self.absorb(delivery);
        Ok(())
    }

    fn finish(self, outcome: Result<(), SyncError>, kind: RunKind, started: Duration) -> Result<RunReport, SyncError> {
        let interrupted = match &outcome {
            Ok(()) => self.run.interrupt.is_set(),
            Err(error) => matches!(error, SyncError::Interrupted { .. }),
        };
        let error = outcome.err().filter(|_| !interrupted);
        let end = RunEnd {
            outcome: match (&error, interrupted) {
                (Some(_), _) => Outcome::Failed,
                (None, true) => Outcome::Interrupted,
                (None, false) => Outcome::Succeeded,
            },
            ended_at: self.run.world.clock.now(),
            counters: self.counters,
            error: error
                .as_ref()
                .map(|error| RunError { code: error.code().id.to_owned(), message: error.to_string() }),
            compared: self.compared && error.is_none(),
        };
        let finished = self.run.store.finish_run(self.id, &end);
        // An error of the run says more than the state's inability to note it down.
        if error.is_none() {
            finished?;
        }
        Ok(RunReport {
            sync: self.mirror.name().to_owned(),
            run: self.id,
            kind,
            counters: self.counters,
            elapsed: self.run.world.clock.elapsed().saturating_sub(started),
            held: self.held,
            interrupted,
            error,
        })
    }
}

/// Delivers page after page; those that are there are made durable in time though the next one keeps everybody waiting.
async fn deliver_all(
    delivery: &mut Delivery,
    mut pages: mpsc::Receiver<Prepared>,
    caution: &Caution,
) -> Result<(), SyncError> {
    loop {
        let next = match delivery.time_left() {
            None => pages.recv().await,
            Some(time) => tokio::select! {
                biased;
                page = pages.recv() => page,
                () = caution.world.clock.sleep(time) => {
                    delivery.flush().await?;
                    continue;
                }
            },
        };
        match next {
            Some(page) => delivery.take(page).await?,
            None => return delivery.flush().await,
        }
    }
}

/// What is asked of the source.
pub(super) fn read_request(mirror: &Mirror, setup: &Setup, cursor: Option<Cursor>) -> ReadRequest {
    let mut options = Properties::default();
    if let Some(modified) = &setup.source_modified {
        options.set("modified", modified);
    }
    if let Some(lookback) = mirror.def.source.lookback {
        options.set("lookback-ms", lookback.as_millis().to_string());
    }
    ReadRequest {
        stream: mirror.def.source.stream.clone(),
        key: setup.source_key.clone(),
        fields: setup.read_fields.clone(),
        mode: setup.mode,
        cursor,
        options,
    }
}

/// A stage that panicked is a fault of ours, not the end of the process.
async fn join(sync: &str, stage: tokio::task::JoinHandle<Result<(), SyncError>>) -> Result<(), SyncError> {
    match stage.await {
        Ok(outcome) => outcome,
        Err(error) => Err(SyncError::internal(sync, error)),
    }
}
