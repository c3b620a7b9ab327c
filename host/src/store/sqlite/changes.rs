//! What is written. Each function is one transaction of its caller.

use chrono::{DateTime, Utc};

use super::queries;
use super::stored::{RawRow, Stored, insert, next_id, time, update};
use super::tables::{SyncRow, counts};
use super::transaction::Transaction;
use crate::store::{
    Closing, Counters, CursorUpdate, DeadLetter, DeadLetterId, DeadLetterState, Decision, Hold, HoldFilter, HoldId,
    HoldState, KeyDigest, NewDeadLetter, NewHold, NewRun, Outcome, PageCommit, PinUpdate, Run, RunEnd, RunId,
    RunStatus, StoreErrorKind,
};

/// Runs of one sync that are remembered; ten days of one every 90 seconds.
const RUNS_MAX: i64 = 10_000;
/// Old runs are looked for once in so many.
const RUNS_PER_CLEANING: i64 = 256;

pub fn begin_run(transaction: &Transaction<'_>, new: &NewRun) -> Stored<RunId> {
    let mut sync = known_sync(transaction, &new.sync)?;
    let run = Run {
        id: RunId(next_id::<Run>(transaction)?),
        sync: new.sync.clone(),
        kind: new.kind,
        status: RunStatus::Running,
        started_at: new.started_at,
        ended_at: None,
        counters: Default::default(),
        error: None,
        plugins: new.plugins.clone(),
        seen_at: new.started_at,
    };
    insert(transaction, &run)?;
    if run.id.0 % RUNS_PER_CLEANING == 0 {
        forget_old_runs(transaction, &new.sync)?;
    }
    save(transaction, &mut sync)?;
    Ok(run.id)
}

/// The row of a sync, which is made if this is the first time it is heard of.
pub fn known_sync(transaction: &Transaction<'_>, name: &str) -> Stored<SyncRow> {
    if let Some(row) = queries::sync_row(transaction, name)? {
        return Ok(row);
    }
    let row = SyncRow::new(next_id::<SyncRow>(transaction)?, name);
    insert(transaction, &row)?;
    Ok(row)
}

pub fn save(transaction: &Transaction<'_>, sync: &mut SyncRow) -> Stored<()> {
    sync.generation += 1;
    update(transaction, sync)
}

/// Runs that dead letters, holds, conflicts or the lineage speak of are kept.
fn forget_old_runs(transaction: &Transaction<'_>, sync: &str) -> Stored<()> {
    transaction.execute(
        "DELETE FROM run WHERE sync = ?1
         AND id <= (SELECT id FROM run WHERE sync = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)
         AND id NOT IN (SELECT run FROM dead_letter) AND id NOT IN (SELECT run FROM hold)
         AND id NOT IN (SELECT run FROM conflict) AND id NOT IN (SELECT run FROM lineage_span)",
        (sync, RUNS_MAX),
    )?;
    Ok(())
}

/// A run that has not ended. Every commit notes how far it has come, and needs to understand no more of it than that.
pub struct GoingRun {
    id: RunId,
    row: RawRow<Run>,
}

impl GoingRun {
    pub fn get(transaction: &Transaction<'_>, id: RunId) -> Stored<Self> {
        let row = RawRow::<Run>::get(transaction, id.0)?.ok_or_else(|| queries::no_run(id))?;
        match row.text("status") {
            Some(status) if status == RunStatus::Running.name() => Ok(Self { id, row }),
            Some(_) => Err(StoreErrorKind::RunEnded { run: id }),
            None => Err(StoreErrorKind::corrupt(format!("run {id} has no status"))),
        }
    }

    /// The name of its sync.
    pub fn sync(&self) -> Stored<&str> {
        self.row.text("sync").ok_or_else(|| StoreErrorKind::corrupt(format!("run {} is of no sync", self.id)))
    }

    pub fn progress(mut self, transaction: &Transaction<'_>, counters: &Counters, at: DateTime<Utc>) -> Stored<()> {
        self.row.set("seen_at", time(at));
        for (column, value) in counts(counters) {
            self.row.set(column, value);
        }
        self.row.update(transaction)
    }
}

fn live_run(transaction: &Transaction<'_>, id: RunId) -> Stored<Run> {
    let run = queries::run(transaction, id)?;
    if run.status == RunStatus::Running { Ok(run) } else { Err(StoreErrorKind::RunEnded { run: id }) }
}

pub fn commit_page(transaction: &Transaction<'_>, page: &PageCommit) -> Stored<()> {
    let run = GoingRun::get(transaction, page.run)?;
    let mut sync = known_sync(transaction, run.sync()?)?;
    let aftermath = Aftermath {
        run: page.run,
        at: page.at,
        resolved: &page.resolved,
        written_keys: &page.written_keys,
        dead_letters: &page.dead_letters,
        hold_applied: page.hold_applied,
    };
    aftermath.store(transaction, &mut sync)?;
    run.progress(transaction, &page.counters, page.at)?;
    sync.phase = page.phase;
    take_cursor(&mut sync.cursor, &page.cursor);
    if let Some(pin) = &page.pin {
        sync.pin = Some(pin.clone());
    }
    save(transaction, &mut sync)
}

pub fn take_cursor(cursor: &mut Option<Vec<u8>>, change: &CursorUpdate) {
    match change {
        CursorUpdate::Keep => {}
        CursorUpdate::Set(new) => *cursor = Some(new.clone()),
        CursorUpdate::Clear => *cursor = None,
    }
}

/// What every commit, of a page or of a hub, says about letters and holds.
pub struct Aftermath<'a> {
    pub run: RunId,
    pub at: DateTime<Utc>,
    pub resolved: &'a [DeadLetterId],
    pub written_keys: &'a [KeyDigest],
    pub dead_letters: &'a [NewDeadLetter],
    pub hold_applied: Option<HoldId>,
}

impl Aftermath<'_> {
    pub fn store(&self, transaction: &Transaction<'_>, sync: &mut SyncRow) -> Stored<()> {
        for id in self.resolved {
            close(transaction, sync, queries::dead_letter(transaction, *id)?, Closing::Resolved, self.at)?;
        }
        self.supersede(transaction, sync)?;
        for letter in self.dead_letters {
            self.put_letter(transaction, sync, letter)?;
        }
        self.hold_applied.map_or(Ok(()), |id| apply_hold(transaction, id))
    }

    /// An old record that was rejected must never overwrite newer data that went through.
    fn supersede(&self, transaction: &Transaction<'_>, sync: &mut SyncRow) -> Stored<()> {
        for key in self.written_keys {
            if sync.open_letters == 0 {
                return Ok(());
            }
            if let Some(letter) = queries::open_letter(transaction, &sync.name, *key)? {
                close(transaction, sync, letter, Closing::Superseded, self.at)?;
            }
        }
        Ok(())
    }

    fn put_letter(&self, transaction: &Transaction<'_>, sync: &mut SyncRow, letter: &NewDeadLetter) -> Stored<()> {
        let (run, at, letter) = (self.run, self.at, letter.clone());
        if let Some(known) = queries::open_letter(transaction, &sync.name, letter.key)? {
            let attempts = known.attempts + 1;
            return update(transaction, &DeadLetter { run, attempts, last_at: at, letter, ..known });
        }
        sync.open_letters += 1;
        sync.open_keys = sync.open_keys.toggled(letter.key);
        let row = DeadLetter {
            id: DeadLetterId(next_id::<DeadLetter>(transaction)?),
            sync: sync.name.clone(),
            run,
            state: DeadLetterState::Open,
            attempts: 1,
            first_at: at,
            last_at: at,
            letter,
        };
        insert(transaction, &row)
    }
}

/// Closes a letter of this sync; says whether it was open.
fn close(
    transaction: &Transaction<'_>,
    sync: &mut SyncRow,
    letter: DeadLetter,
    closing: Closing,
    at: DateTime<Utc>,
) -> Stored<u64> {
    if letter.state != DeadLetterState::Open {
        return Ok(0);
    }
    let state = match closing {
        Closing::Resolved => DeadLetterState::Resolved,
        Closing::Superseded => DeadLetterState::Superseded,
        Closing::Discarded => DeadLetterState::Discarded,
    };
    let left = sync.open_letters.checked_sub(1);
    sync.open_letters = left.ok_or_else(|| StoreErrorKind::corrupt("more dead letters are open than were stored"))?;
    sync.open_keys = sync.open_keys.toggled(letter.letter.key);
    // A resolved letter counts the attempt that went through.
    let attempts = letter.attempts + u64::from(closing == Closing::Resolved);
    update(transaction, &DeadLetter { state, attempts, last_at: at, ..letter })?;
    Ok(1)
}

pub fn close_dead_letters(
    transaction: &Transaction<'_>,
    ids: &[DeadLetterId],
    closing: Closing,
    at: DateTime<Utc>,
) -> Stored<u64> {
    let mut syncs = queries::sync_rows(transaction)?;
    let mut closed = 0;
    for id in ids {
        let letter = queries::dead_letter(transaction, *id)?;
        let sync = syncs.iter_mut().find(|sync| sync.name == letter.sync);
        let sync = sync.ok_or_else(|| StoreErrorKind::corrupt(format!("dead letter {id} belongs to no sync")))?;
        closed += close(transaction, sync, letter, closing, at)?;
    }
    for sync in &mut syncs {
        save(transaction, sync)?;
    }
    Ok(closed)
}

pub fn finish_run(transaction: &Transaction<'_>, id: RunId, end: &RunEnd) -> Stored<()> {
    let mut run = live_run(transaction, id)?;
    let mut sync = known_sync(transaction, &run.sync)?;
    run.status = match end.outcome {
        Outcome::Succeeded => RunStatus::Succeeded,
        Outcome::Failed => RunStatus::Failed,
        Outcome::Interrupted => RunStatus::Interrupted,
    };
    run.ended_at = Some(end.ended_at);
    run.seen_at = end.ended_at;
    run.counters = end.counters;
    run.error = end.error.clone();
    update(transaction, &run)?;
    if end.outcome == Outcome::Succeeded {
        sync.last_success_at = Some(end.ended_at);
    }
    if end.compared {
        sync.last_compare_at = Some(end.ended_at);
        outdate_holds(transaction, &sync.name, id)?;
    }
    save(transaction, &mut sync)
}

pub fn mark_interrupted(transaction: &Transaction<'_>) -> Stored<()> {
    for mut run in queries::running(transaction)? {
        run.status = RunStatus::Interrupted;
        run.ended_at = Some(run.seen_at);
        update(transaction, &run)?;
        let mut sync = known_sync(transaction, &run.sync)?;
        save(transaction, &mut sync)?;
    }
    Ok(())
}

pub fn pin_schema(transaction: &Transaction<'_>, sync: &str, new: &PinUpdate) -> Stored<()> {
    let mut sync = known_sync(transaction, sync)?;
    sync.pin = Some(new.pin.clone());
    sync.target_was_empty = new.target_was_empty.or(sync.target_was_empty);
    save(transaction, &mut sync)
}

pub fn hold(transaction: &Transaction<'_>, new: &NewHold) -> Stored<HoldId> {
    let run = queries::run(transaction, new.run)?.id;
    let mut sync = known_sync(transaction, &new.sync)?;
    save(transaction, &mut sync)?;
    if let Some(known) = queries::hold_by_content(transaction, &new.sync, new.content)? {
        let id = known.id;
        update(transaction, &Hold { run, ..known })?;
        return Ok(id);
    }
    outdate_holds(transaction, &new.sync, run)?;
    let hold = Hold {
        id: HoldId(next_id::<Hold>(transaction)?),
        sync: new.sync.clone(),
        run,
        state: HoldState::Open,
        content: new.content,
        deletes: new.deletes,
        total: new.total,
        keys: new.keys.clone(),
        created_at: new.at,
        decided_at: None,
    };
    insert(transaction, &hold)?;
    Ok(hold.id)
}

/// What other runs held, or were allowed and have not done, speaks of deletes that would no longer be the ones done.
fn outdate_holds(transaction: &Transaction<'_>, sync: &str, run: RunId) -> Stored<()> {
    for state in [HoldState::Open, HoldState::Approved] {
        let filter = HoldFilter { sync: Some(sync.to_owned()), state: Some(state), limit: None };
        for hold in queries::holds(transaction, &filter)?.into_iter().filter(|hold| hold.run != run) {
            update(transaction, &Hold { state: HoldState::Outdated, ..hold })?;
        }
    }
    Ok(())
}

pub fn decide_hold(transaction: &Transaction<'_>, id: HoldId, decision: Decision, at: DateTime<Utc>) -> Stored<()> {
    let hold = queries::hold(transaction, id)?;
    if matches!(hold.state, HoldState::Applied | HoldState::Outdated) {
        return Err(StoreErrorKind::HoldState { hold: id, state: hold.state });
    }
    let state = match decision {
        Decision::Approve => HoldState::Approved,
        Decision::Refuse => HoldState::Refused,
    };
    let mut sync = known_sync(transaction, &hold.sync)?;
    update(transaction, &Hold { state, decided_at: Some(at), ..hold })?;
    save(transaction, &mut sync)
}

fn apply_hold(transaction: &Transaction<'_>, id: HoldId) -> Stored<()> {
    let hold = queries::hold(transaction, id)?;
    match hold.state {
        HoldState::Approved => update(transaction, &Hold { state: HoldState::Applied, ..hold }),
        state => Err(StoreErrorKind::HoldState { hold: id, state }),
    }
}
