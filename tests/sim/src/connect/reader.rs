//! Pages of a system's records.

use std::sync::Arc;

use async_trait::async_trait;
use lockstep::connector::{
    Cursor as Opaque, FailureKind, Page, PageLimits, PageStatus, ReadMode, ReadRequest, Reader, Result,
};
use lockstep::record::{ChangeKind, Changes, Field, Value, batch_of_values};

use super::{Conn, failure};
use crate::cover::{Mark, Op};
use crate::field::Kind;
use crate::plan::{Key, ORIGIN, Plan};
use crate::system::{Cursor, Shown, System, Values};
use crate::world::{Core, written_time};

/// What stands in a column of a system's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    Id,
    Updated,
    Origin,
    Field(usize),
}

impl Column {
    pub fn of(plan: &Plan, system: usize, name: &str) -> Option<Self> {
        match name {
            "id" if plan.systems[system].key == Key::Generated => Some(Self::Id),
            "updated" => Some(Self::Updated),
            ORIGIN if plan.systems[system].has_origin => Some(Self::Origin),
            name => {
                let columns = &plan.systems[system].columns;
                columns.iter().position(|column| column.as_deref() == Some(name)).map(Self::Field)
            }
        }
    }

    /// As the system writes it down.
    pub fn value(self, table: &System, shown: &Shown) -> Value {
        match self {
            Self::Id => Value::Int(shown.key),
            Self::Updated => Value::Int(written_time(shown.version.updated)),
            Self::Origin => Value::Null,
            Self::Field(field) if table.plan.fields[field].kind == Kind::Boss => table.pointer(&shown.values[field]),
            Self::Field(field) => {
                table.profile().dialects[field].encode(table.plan.fields[field].kind, &shown.values[field])
            }
        }
    }
}

/// Records as a page of these fields; with `behind` only what changed behind that place.
pub fn changes(table: &System, shown: &[Shown], fields: &[Field], behind: Option<i64>) -> Changes {
    let (plan, system) = (&table.plan, table.number);
    let columns: Vec<Option<Column>> = fields.iter().map(|field| Column::of(plan, system, &field.name)).collect();
    let is_key = |column: Column| match plan.systems[system].key {
        Key::Generated => column == Column::Id,
        Key::Client => column == Column::Field(plan.serial()),
    };
    let cell = |shown: &Shown, column: Option<Column>| {
        let column = column?;
        let is_said = match (shown.version.values.is_some(), column, behind) {
            (false, ..) => false,
            (true, Column::Field(field), Some(behind)) => table.has_changed(shown, field, behind),
            (true, ..) => true,
        };
        (is_said || is_key(column)).then(|| column.value(table, shown))
    };
    let rows: Vec<Vec<Option<Value>>> =
        shown.iter().map(|shown| columns.iter().map(|column| cell(shown, *column)).collect()).collect();
    let rows: Vec<&[Option<Value>]> = rows.iter().map(Vec::as_slice).collect();
    let fields: Arc<[Field]> = fields.to_vec().into();
    let kind = |shown: &Shown| match shown.version.values {
        None => ChangeKind::Delete,
        Some(_) if shown.is_undelete && plan.systems[system].tombstones => ChangeKind::Undelete,
        Some(_) => ChangeKind::Upsert,
    };
    let kinds: Vec<u8> = shown.iter().map(|shown| kind(shown) as u8).collect();
    let times: Vec<i64> = shown.iter().map(|shown| written_time(shown.version.updated)).collect();
    let mut changes = Changes::upserts(batch_of_values(&fields, &rows).expect("values of their fields' types"));
    changes.kinds = kinds.iter().any(|kind| *kind != 0).then(|| kinds.into());
    changes.changed_at = Some(times.into());
    changes
}

pub struct PageReader {
    conn: Conn,
    request: ReadRequest,
    is_full: bool,
    from_the_beginning: bool,
    /// Where it began, and where it is.
    behind: i64,
    place: (i64, i64),
    /// How far everything was shown when it began: what appears later on a page before may have been passed by.
    horizon: i64,
    is_blank: bool,
    has_ended: bool,
}

impl PageReader {
    pub fn begin(conn: &Conn, request: ReadRequest, core: &mut Core) -> Result<Self> {
        let is_full = request.mode == ReadMode::Full;
        let system = conn.system;
        let cursor = request.cursor.as_ref().map(|cursor| Conn::cursor(&cursor.0, core, system)).transpose();
        if cursor.as_ref().is_err_and(|failure| failure.kind == FailureKind::StaleCursor) {
            core.hit(Mark::Expired, if is_full { Op::OpenFull } else { Op::OpenChanges });
        }
        let is_over = |cursor: &Cursor| cursor.is_full && cursor.key == i64::MAX;
        let cursor = cursor?.filter(|cursor| cursor.is_full == is_full && !is_over(cursor));
        let lookback = request.options.get("lookback-ms").and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
        let table = &mut core.systems[system];
        let place = match (is_full, cursor) {
            (true, None) => (0, i64::MIN),
            (true, Some(cursor)) => (0, cursor.key),
            (false, cursor) => table.begin(cursor, lookback * 1000),
        };
        // A single record may well be the last; those that the system is not to have do not count.
        let active = core.plan.field(Kind::Active).filter(|_| core.plan.segment == Some(system));
        let has_strayed = |values: &Values| core.ledger.has_strayed(core.ledger.class(values));
        let is_inside =
            |values: &Values| active.is_none_or(|field| values[field] != Value::Bool(false) && !has_strayed(values));
        let is_blank = is_full
            && cursor.is_none()
            && std::mem::take(&mut table.is_blank)
            && table.live().filter(|(_, values)| is_inside(values)).count() > 1;
        let from_the_beginning = cursor.is_none();
        let horizon = if is_full { i64::MAX } else { table.horizon(core.now) };
        let conn = conn.clone();
        Ok(Self {
            conn,
            request,
            is_full,
            from_the_beginning,
            behind: place.0,
            place,
            horizon,
            is_blank,
            has_ended: false,
        })
    }

    fn op(&self) -> Op {
        if self.is_full { Op::PageFull } else { Op::PageChanges }
    }

    fn page(&mut self, limits: PageLimits, core: &mut Core) -> Page {
        let (now, system, op) = (core.now, self.conn.system, self.op());
        let profile = &core.plan.clone().systems[system];
        let Core { systems, weather, is_calm, .. } = &mut *core;
        let is_calm = *is_calm;
        let (table, chance) = (&systems[system], &mut weather[system]);
        let most = (limits.rows as usize).clamp(1, profile.page_rows);
        let mut shown = match self.is_full {
            true => table.full_page(self.place.1, most + 1, now, chance),
            false => table.changed_page(self.place, most + 1, now, chance),
        };
        let is_last = shown.len() <= most || self.is_blank;
        shown.truncate(most);
        if let Some(last) = shown.last() {
            self.place = (last.place, last.key);
        }
        if self.is_blank {
            shown.clear();
        }
        let is_partial_scan = self.is_full && !profile.complete && !is_calm;
        if is_partial_scan {
            shown.retain(|_| !chance.permille(250));
        }
        if self.is_full && profile.reindexes && !is_calm {
            shown.retain(|shown| !table.is_reindexed(shown.key, now) || chance.coin());
        }
        let mut marks = self.disturb(table, &mut shown, chance, is_calm);
        let behind = (profile.partial && !self.is_full && !self.from_the_beginning).then_some(self.behind);
        let changes = changes(table, &shown, &self.request.fields, behind);
        marks.extend(behind.filter(|_| changes.rows() > 0).map(|_| Mark::PartialRecord));
        marks.extend(self.is_blank.then_some(Mark::Blank));
        marks.extend(is_partial_scan.then_some(Mark::Incomplete));
        let status = self.status(is_last, profile.complete || is_calm);
        let next_cursor = Opaque(self.cursor(table, is_last).write());
        marks.into_iter().for_each(|mark| core.hit(mark, op));
        let keys: Vec<i64> = shown.iter().map(|shown| shown.key).collect();
        core.trace.event(now, "page", &[system as i64, op as i64, keys.len() as i64, keys.iter().sum()], || {
            format!("{} {op:?} shows {keys:?}, {status:?}", profile.name)
        });
        Page { changes, rejected: Vec::new(), next_cursor, status }
    }

    /// Records in another order, and some of them twice.
    fn disturb(
        &self,
        table: &System,
        shown: &mut Vec<Shown>,
        chance: &mut crate::chance::Chance,
        is_calm: bool,
    ) -> Vec<Mark> {
        let profile = table.profile();
        let mut marks = Vec::new();
        if profile.duplicates && !shown.is_empty() && chance.permille(200) && !is_calm {
            let again = shown[chance.index(shown.len())].clone();
            shown.push(again);
            marks.push(Mark::Duplicate);
        }
        if profile.duplicates
            && !self.is_full
            && !self.from_the_beginning
            && !profile.partial
            && chance.permille(200)
            && !is_calm
        {
            let at = chance.index(shown.len().max(1));
            if let Some(earlier) = shown.get(at).and_then(|shown| table.earlier(shown, self.behind)) {
                shown.insert(at, earlier);
                marks.push(Mark::Duplicate);
            }
        }
        if profile.shuffled && shown.len() > 1 && !is_calm {
            for at in (1..shown.len()).rev() {
                shown.swap(at, chance.index(at + 1));
            }
            marks.push(Mark::Shuffled);
        }
        marks.extend(shown.iter().filter(|shown| table.is_old(shown)).map(|_| Mark::Stale));
        marks.extend(shown.iter().filter(|shown| shown.version.values.is_none()).map(|_| Mark::Tombstone));
        marks
    }

    fn status(&self, is_last: bool, is_complete: bool) -> PageStatus {
        match is_last {
            false => PageStatus::More,
            true if self.is_full && self.from_the_beginning && is_complete => PageStatus::EnumerationComplete,
            true => PageStatus::CaughtUp,
        }
    }

    fn cursor(&self, table: &System, is_last: bool) -> Cursor {
        let epoch = table.epoch;
        if self.is_full {
            let key = if is_last { i64::MAX } else { self.place.1 };
            return Cursor { epoch, is_full: true, position: 0, key };
        }
        let (position, key) = self.place.min((self.horizon, i64::MAX));
        Cursor { epoch, is_full: false, position, key }
    }
}

#[async_trait]
impl Reader for PageReader {
    async fn next(&mut self, limits: PageLimits) -> Result<Page> {
        if self.has_ended {
            self.conn.sim.core().fail("contract", "a reader was used behind its end");
        }
        self.has_ended = true;
        self.conn.arrive(self.op()).await?;
        let epoch =
            self.request.cursor.as_ref().map(|cursor| Conn::cursor(&cursor.0, &self.conn.sim.core(), self.conn.system));
        if let Some(Err(expired)) = epoch {
            return Err(expired);
        }
        let sim = self.conn.sim.clone();
        let page = self.page(limits, &mut sim.core());
        self.conn.answer(self.op()).await?;
        if page.changes.rows() > limits.rows.max(1) as usize + 1 {
            return Err(failure(FailureKind::Other, "the page is too big"));
        }
        self.has_ended = page.status != PageStatus::More;
        Ok(page)
    }
}
