//! Writing to a system: at once or when flushed, with an answer for every row, and with everything that can go wrong on the way.

use async_trait::async_trait;
use lockstep::connector::{
    EXPECTED_PREFIX, FailureKind, Flushed, Result, RowError, WriteMode, WriteRequest, WriteResults, WriteStatus, Writer,
};
use lockstep::record::{ChangeKind, Changes, Value, values_of};

use super::reader::Column;
use super::{BATCH_REFUSED, Conn, failure};
use crate::cover::{Mark, Op};
use crate::field::Kind;
use crate::ledger::Author;
use crate::plan::{Key, ORIGIN_VALUE};
use crate::quirks::Quirk;
use crate::system::{Patch, Refusal};
use crate::users::{react, words};
use crate::world::Core;

/// One row on its way.
#[derive(Clone, Debug)]
pub struct Row {
    op: Op,
    /// None = the system makes one.
    key: Option<Value>,
    patch: Patch,
    expected: Patch,
    /// It is answered as unknown; whether it is done.
    unknown: Option<bool>,
    /// The key it is going to have.
    promised: Option<i64>,
}

pub struct RowWriter {
    conn: Conn,
    request: WriteRequest,
    /// Since the last flush.
    pending: Vec<Row>,
    flushed: Flushed,
    /// What was done and is not answered for yet, by its number in the ledger.
    done: Vec<usize>,
    is_broken: bool,
}

/// What became of a row, and its key.
type Done = (WriteStatus, Option<Refusal>, Option<i64>);

impl RowWriter {
    pub fn new(conn: &Conn, request: WriteRequest) -> Self {
        Self {
            conn: conn.clone(),
            request,
            pending: Vec::new(),
            flushed: Flushed::default(),
            done: Vec::new(),
            is_broken: false,
        }
    }

    fn op(&self, changes: &Changes) -> Op {
        let deletes = changes.rows() > 0 && changes.kind(0) == ChangeKind::Delete;
        match self.request.mode {
            _ if deletes => Op::Delete,
            WriteMode::Insert | WriteMode::Load => Op::Insert,
            WriteMode::Update => Op::Update,
            WriteMode::Upsert => Op::Upsert,
        }
    }

    fn rows(&self, changes: &Changes, core: &mut Core) -> Result<Vec<Row>> {
        let (plan, system) = (core.plan.clone(), self.conn.system);
        let key = plan.systems[system].key_column(plan.serial());
        let mut rows: Vec<Row> = (0..changes.rows())
            .map(|row| Row {
                op: match (changes.kind(row), self.request.mode) {
                    (ChangeKind::Delete, _) => Op::Delete,
                    (_, WriteMode::Insert | WriteMode::Load) => Op::Insert,
                    (_, WriteMode::Update) => Op::Update,
                    (_, WriteMode::Upsert) => Op::Upsert,
                },
                key: None,
                patch: Patch::new(),
                expected: Patch::new(),
                unknown: None,
                promised: None,
            })
            .collect();
        for (field, column) in changes.data.iter() {
            let (name, is_expected) = match field.name.strip_prefix(EXPECTED_PREFIX) {
                Some(name) => (name, true),
                None => (field.name.as_str(), false),
            };
            let Some(place) = Column::of(&plan, system, name) else {
                core.fail("contract", format!("the column `{}` was never announced", field.name));
                return Err(failure(FailureKind::Config, "there is no such column"));
            };
            for (row, value) in rows.iter_mut().zip(values_of(field, column)) {
                let Some(value) = value.clone().and_then(|value| Self::understood(core, system, place, value)) else {
                    core.fail(
                        "contract",
                        format!(
                            "the column `{}` has a value that is none in {}: {value:?}",
                            field.name, plan.systems[system].name
                        ),
                    );
                    continue;
                };
                match place {
                    Column::Field(field) if is_expected => row.expected.push((field, value)),
                    _ if is_expected => core.fail("contract", format!("`{}` cannot be expected", field.name)),
                    _ if *name == *key => row.key = Some(value).filter(|value| !value.is_null()),
                    Column::Field(field) => row.patch.push((field, value)),
                    Column::Origin if row.op != Op::Update && value == Value::text(ORIGIN_VALUE) => {}
                    Column::Id | Column::Updated | Column::Origin => {
                        core.fail("contract", format!("the column `{}` was written", field.name));
                    }
                }
            }
        }
        Ok(rows)
    }

    /// A value as the system's users would have written it.
    fn understood(core: &Core, system: usize, place: Column, value: Value) -> Option<Value> {
        match place {
            Column::Field(field) if core.plan.fields[field].kind == Kind::Boss => core.systems[system].pointed(&value),
            Column::Field(field) => {
                core.plan.systems[system].dialects[field].decode(core.plan.fields[field].kind, &value)
            }
            _ => Some(value),
        }
    }

    /// The key of the record a row is about.
    fn find(core: &Core, system: usize, row: &Row) -> Option<i64> {
        let table = &core.systems[system];
        match (core.plan.systems[system].key, row.key.as_ref()?) {
            (Key::Generated, Value::Int(key)) => Some(*key),
            (Key::Client, serial) => table.by_serial(serial),
            _ => None,
        }
    }

    /// What the system would say to a row.
    fn check(core: &Core, system: usize, row: &Row) -> Result<(), Refusal> {
        let table = &core.systems[system];
        let found = Self::find(core, system, row);
        match (row.op, found) {
            (Op::Delete, None) => Ok(()),
            (Op::Delete, Some(key)) => match table.get(key) {
                None => Ok(()),
                Some(values) => match row.expected.iter().find(|(field, value)| values[*field] != *value) {
                    Some((field, _)) => Err(Refusal::Changed { field: *field }),
                    None => Ok(()),
                },
            },
            (Op::Update, None) => Err(Refusal::Missing),
            (Op::Update, Some(key)) => table.check_update(key, &row.patch, &row.expected),
            (Op::Upsert, Some(key)) => table.check_update(key, &row.patch, &[]),
            _ => table.check_insert(&Self::with_key(core, system, row)),
        }
    }

    /// The patch with the key, where the key is a field.
    fn with_key(core: &Core, system: usize, row: &Row) -> Patch {
        let mut patch = row.patch.clone();
        if let (Key::Client, Some(key)) = (core.plan.systems[system].key, &row.key) {
            patch.push((core.plan.serial(), key.clone()));
        }
        patch
    }

    fn apply(&mut self, core: &mut Core, row: &Row) -> Result<i64, Refusal> {
        let (system, now) = (self.conn.system, core.now);
        let process = self.conn.power.number();
        let found = Self::find(core, system, row);
        let name = core.plan.systems[system].name;
        let (key, before, after) = match (row.op, found) {
            (Op::Delete, None) => return Ok(0),
            (Op::Delete, Some(key)) => {
                let before = core.systems[system].delete(key, &row.expected, now)?;
                self.flushed.deleted += 1;
                (key, before, None)
            }
            (Op::Update | Op::Upsert, Some(key)) => {
                let (before, after) = core.systems[system].update(key, &row.patch, &row.expected, now)?;
                let is_same = before == after;
                self.flushed.unchanged += u64::from(is_same);
                self.flushed.written += u64::from(!is_same);
                (key, Some(before), Some(after))
            }
            (Op::Update, None) => return Err(Refusal::Missing),
            _ => {
                let patch = Self::with_key(core, system, row);
                let (key, after) = core.systems[system].insert(&patch, row.promised, now)?;
                self.flushed.written += 1;
                (key, None, Some(after))
            }
        };
        if after.as_ref().is_some_and(|after| row.patch.iter().any(|(field, sent)| after[*field] != *sent)) {
            core.hit(Mark::Form, row.op);
        }
        core.trace.event(now, "write", &[system as i64, key, row.op as i64, i64::from(process)], || {
            format!("{name} {:?} {key} by process {process}: {}", row.op, words(&row.patch))
        });
        crate::check::on_write(core, process, system, (key, &before, &after), &row.patch);
        if row.unknown.is_none() {
            self.done.push(core.ledger.changes.len());
        }
        core.ledger.hub_change(process, (system, key), before, after, now);
        react(core, system, key, Author::Hub(process));
        Ok(key)
    }

    fn take(&mut self, core: &mut Core, row: &mut Row) -> Done {
        let system = self.conn.system;
        let faults = core.plan.systems[system].faults;
        let dice = core.weather[system].below(1000);
        let is_calm = core.is_calm;
        if dice < 20 && faults.has(Quirk::RowRetries) && !is_calm {
            core.hit(Mark::RowRetry, row.op);
            return (WriteStatus::Retry, None, None);
        }
        if let Err(refusal) = Self::check(core, system, row) {
            let status = status_of(&refusal);
            if let Some(key) = Self::find(core, system, row) {
                core.ledger.refuse((system, key));
            }
            core.hit(if status == WriteStatus::Conflict { Mark::RowConflict } else { Mark::RowRefused }, row.op);
            let (now, name) = (core.now, core.plan.systems[system].name);
            core.trace.event(now, "refused", &[system as i64, row.op as i64], || {
                format!("{name} {:?} {:?}: {refusal:?}: {}", row.op, row.key, words(&row.patch))
            });
            return (status, Some(refusal), None);
        }
        if (30..60).contains(&dice) && faults.has(Quirk::UnknownRows) && !is_calm {
            let is_done = dice < 45;
            core.hit(if is_done { Mark::RowUnknownDone } else { Mark::RowUnknownLost }, row.op);
            row.unknown = Some(is_done);
        }
        if core.plan.systems[system].eager && row.unknown != Some(false) {
            let key = self.apply(core, row).ok();
            let status = if row.unknown.is_some() { WriteStatus::Unknown } else { WriteStatus::Ok };
            return (status, None, key.filter(|_| row.unknown.is_none()));
        }
        if row.op == Op::Insert && core.plan.systems[system].key == Key::Generated {
            // Databases number rows before they commit.
            row.promised = Some(core.systems[system].next_key());
        }
        let status = if row.unknown.is_some() { WriteStatus::Unknown } else { WriteStatus::Ok };
        (status, None, row.promised)
    }

    fn send(&self, rows: &[Row], core: &mut Core) {
        let system = self.conn.system;
        for row in rows.iter().filter(|row| row.op != Op::Delete) {
            let Some(key) = Self::find(core, system, row) else { continue };
            if let Some(now) = core.systems[system].get(key).cloned() {
                core.ledger.send((system, key), &row.patch, &now);
            }
        }
    }

    fn take_page(&mut self, mut rows: Vec<Row>, core: &mut Core) -> Result<WriteResults> {
        let system = self.conn.system;
        let profile = core.plan.clone().systems[system].clone();
        if profile.all_or_nothing {
            self.refuse_all(core, &rows)?;
        }
        let breaks_at = self.breaking_point(core, rows.len());
        let mut results = WriteResults::default();
        let (mut statuses, mut ids) = (Vec::new(), Vec::new());
        for (at, row) in rows.iter_mut().enumerate() {
            if breaks_at == Some(at) {
                core.hit(Mark::PartialBulk, row.op);
                return Err(failure(FailureKind::Transient, "the connection broke in the middle"));
            }
            let (status, refusal, key) = self.take(core, row);
            if let Some(refusal) = refusal {
                let error = failure(kind_of(&refusal), "refused").with("field", format!("{refusal:?}"));
                results.errors.push(RowError { row: at as u32, error });
            }
            let key = key.filter(|_| status == WriteStatus::Ok);
            let is_insert = row.op == Op::Insert && status == WriteStatus::Ok;
            ids.push(if is_insert { self.id(core, row, key) } else { Vec::new() });
            statuses.push(status);
            if !profile.eager && matches!(status, WriteStatus::Ok | WriteStatus::Unknown) {
                self.pending.push(row.clone());
            }
        }
        results.ids = (self.request.mode == WriteMode::Insert).then_some(ids);
        results.statuses = statuses.iter().any(|status| *status != WriteStatus::Ok).then_some(statuses);
        Ok(results)
    }

    /// One bad row is enough to refuse all of them.
    fn refuse_all(&self, core: &mut Core, rows: &[Row]) -> Result<()> {
        let bad = rows.iter().find(|row| {
            Self::check(core, self.conn.system, row)
                .is_err_and(|refusal| matches!(refusal, Refusal::Invalid { .. } | Refusal::EmailTaken { .. }))
        });
        match bad {
            None => Ok(()),
            Some(row) => {
                core.hit(Mark::BatchRefused, row.op);
                Err(failure(FailureKind::InvalidData, BATCH_REFUSED))
            }
        }
    }

    fn breaking_point(&self, core: &mut Core, rows: usize) -> Option<usize> {
        let is_on = core.plan.systems[self.conn.system].faults.has(Quirk::PartialBulk) && !core.is_calm;
        let chance = &mut core.weather[self.conn.system];
        let (breaks, at) = (chance.permille(25), chance.index(rows.max(1)));
        (breaks && is_on).then_some(at)
    }

    fn id(&self, core: &Core, row: &Row, key: Option<i64>) -> Vec<u8> {
        let text = match (core.plan.systems[self.conn.system].key, key) {
            (Key::Generated, Some(key)) => key.to_string(),
            (Key::Client, _) => match &row.key {
                Some(Value::Text(serial)) => serial.to_string(),
                _ => return Vec::new(),
            },
            (Key::Generated, None) => return Vec::new(),
        };
        serde_json::json!([text]).to_string().into_bytes()
    }

    fn commit(&mut self, core: &mut Core) -> Result<()> {
        let rows = std::mem::take(&mut self.pending);
        let breaks_at = self.breaking_point(core, rows.len()).filter(|_| !rows.is_empty());
        let is_torn = breaks_at.is_some() && core.weather[self.conn.system].coin();
        // What was fine when it was written may be no longer: a database would have held a lock.
        if rows.iter().any(|row| row.unknown != Some(false) && Self::check(core, self.conn.system, row).is_err()) {
            core.hit(Mark::RowConflict, Op::Flush);
            return Err(failure(FailureKind::Transient, "the transaction could not be serialised"));
        }
        for (at, row) in rows.iter().enumerate() {
            if breaks_at == Some(at) {
                core.hit(Mark::PartialBulk, Op::Flush);
                return Err(failure(FailureKind::Transient, "the flush broke in the middle"));
            }
            let is_done = row.unknown != Some(false) && (breaks_at.is_none() || is_torn);
            if is_done && self.apply(core, row).is_err() {
                core.hit(Mark::RowConflict, Op::Flush);
                return Err(failure(FailureKind::Transient, "the transaction could not be serialised"));
            }
        }
        let has_timeouts = core.plan.systems[self.conn.system].faults.has(Quirk::CommitTimeouts) && !core.is_calm;
        if core.weather[self.conn.system].permille(25) && has_timeouts {
            core.hit(Mark::CommitTimeout, Op::Flush);
            return Err(failure(FailureKind::Transient, "no answer in time"));
        }
        Ok(())
    }
}

fn status_of(refusal: &Refusal) -> WriteStatus {
    match refusal {
        Refusal::Exists | Refusal::Missing | Refusal::Changed { .. } => WriteStatus::Conflict,
        Refusal::Invalid { .. } | Refusal::EmailTaken { .. } => WriteStatus::Rejected,
    }
}

fn kind_of(refusal: &Refusal) -> FailureKind {
    match status_of(refusal) {
        WriteStatus::Conflict => FailureKind::Conflict,
        _ => FailureKind::InvalidData,
    }
}

#[async_trait]
impl Writer for RowWriter {
    async fn write(&mut self, changes: &Changes) -> Result<WriteResults> {
        if self.is_broken {
            self.conn.sim.core().fail("contract", "a writer was used after an error");
        }
        self.is_broken = true;
        let op = self.op(changes);
        let sim = self.conn.sim.clone();
        let rows = self.rows(changes, &mut sim.core())?;
        self.send(&rows, &mut sim.core());
        self.conn.arrive(op).await?;
        let results = self.take_page(rows, &mut sim.core());
        self.conn.answer(op).await?;
        self.is_broken = results.is_err();
        results
    }

    async fn flush(&mut self) -> Result<Flushed> {
        if self.is_broken {
            self.conn.sim.core().fail("contract", "a writer was used after an error");
        }
        self.is_broken = true;
        self.conn.arrive(Op::Flush).await?;
        let sim = self.conn.sim.clone();
        let done = self.commit(&mut sim.core());
        self.conn.answer(Op::Flush).await?;
        self.is_broken = done.is_err();
        done?;
        sim.core().ledger.heard.append(&mut self.done);
        Ok(std::mem::take(&mut self.flushed))
    }
}
