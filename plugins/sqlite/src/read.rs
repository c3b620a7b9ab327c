//! Reading a table, in full or what changed.
//!
//! A page is a statement of its own that goes on behind the row the last one ended with, so that nobody who writes has to wait for
//! longer than a page takes; where the file has a write-ahead log, nobody waits anyway, and all pages see one moment. Rows without
//! anything that tells them apart come from one statement.

mod boundary;
mod plan;
mod progress;

use lockstep_plugin_sdk::capabilities::sql::{RowPage, Rows, Session};
use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::source::{ReadMode, Reader};
use lockstep_plugin_sdk::types::{Batch, Limits, Page, ReadRequest, Status};
use lockstep_sql_dialect::{Arguments, Selection, read_all};

use crate::cursor::{Part, Position};
use crate::moment::Moment;
use crate::open_session;
use crate::position::Place;
use crate::statement::{self, Range, Reading};
use plan::Plan;
use progress::Progress;

pub use plan::wanted_fields;

/// A reading under way.
pub struct TableReader {
    /// Rows of the statement that runs. Declared before the session, which has to outlive it.
    rows: Option<Rows>,
    /// A page that was read to see whether there is one.
    ahead: Option<RowPage>,
    stage: Stage,
    paging: Paging,
    selection: Selection,
    /// The columns that order rows.
    order: Vec<Place>,
    /// Rows with a `modified` from here on; of an incremental reading that is not the first.
    since: Option<Option<Moment>>,
    progress: Progress,
    plan: Plan,
    moment: OneMoment,
    session: Session,
}

/// Whether all statements of the reading see the same rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OneMoment {
    InTransaction,
    No,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A statement may answer so many rows more; none = it answers all there are.
    Reading {
        left: Option<u32>,
    },
    Over,
}

/// Whether rows come from one statement or from one for each page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paging {
    Pages,
    Whole,
}

/// Begins to read.
pub fn open(request: &ReadRequest) -> Result<TableReader> {
    let session = open_session()?;
    let moment = begin_moment(&session)?;
    let plan = Plan::new(&session, request)?;
    let reader = match request.read_mode() {
        ReadMode::Full => open_full(session, plan, request)?,
        ReadMode::Incremental => open_incremental(session, plan, request)?,
    };
    Ok(TableReader { moment, ..reader })
}

fn begin_moment(session: &Session) -> Result<OneMoment> {
    if read_all(session, statement::JOURNAL, Arguments::new(), 1)?.get(0, 0) != Some("wal") {
        return Ok(OneMoment::No);
    }
    session.script("BEGIN")?;
    Ok(OneMoment::InTransaction)
}

fn open_full(session: Session, plan: Plan, request: &ReadRequest) -> Result<TableReader> {
    let after = match position(&plan, request)? {
        Position::Full { after } if plan.is_positioned() => Some(after),
        _ => None,
    };
    let progress = Progress::Full { is_whole: after.is_none(), after };
    TableReader::enumerating(session, plan, progress)
}

fn open_incremental(session: Session, plan: Plan, request: &ReadRequest) -> Result<TableReader> {
    let clock = boundary::read_clock(&session)?;
    match position(&plan, request)? {
        Position::Following { boundary, part } => {
            let since = boundary.as_ref().map(|boundary| boundary.since(clock, plan.lookback_ms));
            let (after, next) = match part.filter(|_| plan.is_positioned()) {
                Some(Part { after, next }) => (Some(after), next),
                None => (None, boundary::read(&session, &plan, clock)?),
            };
            TableReader::following(session, plan, since, Progress::Following { boundary, after, next })
        }
        Position::Enumerating { after, boundary } if plan.is_positioned() => {
            let progress = Progress::Enumerating { after: Some(after), is_whole: false, boundary };
            TableReader::enumerating(session, plan, progress)
        }
        _ => {
            // Taken before the first row is read: what changes from here on is left to the readings that follow.
            let boundary = boundary::read(&session, &plan, clock)?;
            let progress = Progress::Enumerating { after: None, is_whole: true, boundary };
            TableReader::enumerating(session, plan, progress)
        }
    }
}

/// Where the host's cursor stands; a cursor without bytes stands at the beginning.
fn position(plan: &Plan, request: &ReadRequest) -> Result<Position> {
    match request.cursor.as_deref() {
        None | Some([]) => Ok(Position::Beginning),
        Some(cursor) => plan.scope.decode(cursor),
    }
}

impl TableReader {
    fn enumerating(session: Session, plan: Plan, progress: Progress) -> Result<Self> {
        let order = plan.scope.key.clone();
        let paging = if plan.is_positioned() { Paging::Pages } else { Paging::Whole };
        Self::new(session, plan, order, paging, None, progress)
    }

    fn following(session: Session, plan: Plan, since: Option<Moment>, progress: Progress) -> Result<Self> {
        let is_indexed = plan.scope.modified.as_ref().is_some_and(|place| plan.table.leads_index(&place.name));
        // Without an index each page would look at the whole table.
        let paging = if plan.is_positioned() && is_indexed { Paging::Pages } else { Paging::Whole };
        let order = if plan.is_positioned() { plan.scope.changes() } else { Vec::new() };
        Self::new(session, plan, order, paging, Some(since), progress)
    }

    fn new(
        session: Session,
        plan: Plan,
        order: Vec<Place>,
        paging: Paging,
        since: Option<Option<Moment>>,
        progress: Progress,
    ) -> Result<Self> {
        let selection = plan.selection(&order)?;
        let stage = Stage::Reading { left: None };
        let moment = OneMoment::No;
        Ok(Self { rows: None, ahead: None, stage, paging, selection, order, since, progress, plan, moment, session })
    }

    /// The next rows, from the statement that runs or from the one that follows it.
    fn fetch(&mut self, limits: Limits) -> Result<Option<RowPage>> {
        if let Some(page) = self.ahead.take() {
            return Ok(Some(page));
        }
        while let Stage::Reading { left } = self.stage {
            let Some(rows) = &self.rows else {
                self.begin(limits)?;
                continue;
            };
            if let Some(page) = rows.next(limits.rows, limits.bytes)? {
                let left = left.map(|left| left.saturating_sub(page.data.rows));
                self.stage = Stage::Reading { left };
                return Ok(Some(page));
            }
            self.rows = None;
            // A statement that was not cut has answered everything.
            if left != Some(0) {
                self.stage = Stage::Over;
                self.release()?;
            }
        }
        Ok(None)
    }

    fn begin(&mut self, limits: Limits) -> Result<()> {
        let rows_max = (self.paging == Paging::Pages).then_some(limits.rows.max(1));
        let range = match (&self.since, &self.plan.scope.modified) {
            (Some(since), Some(modified)) => Range::Since(modified, since.as_ref()),
            _ => Range::All,
        };
        let table = self.plan.table.quoted();
        let (fields, order, after) = (self.selection.fields(), self.order.as_slice(), self.progress.after());
        let statement = statement::read(&Reading { fields, table: &table, range, order, after, rows_max })?;
        let parameters = statement.arguments.finish()?;
        self.rows = Some(self.session.query(&statement.text, parameters.as_ref(), &self.selection.type_names())?);
        self.stage = Stage::Reading { left: rows_max };
        Ok(())
    }

    /// The file may forget what we saw; without a write-ahead log there is nothing to end.
    fn release(&mut self) -> Result<()> {
        if self.moment == OneMoment::InTransaction { self.session.script("COMMIT") } else { Ok(()) }
    }

    fn last_page(&self, data: Batch) -> Result<Page> {
        let (position, status) = self.progress.end();
        Ok(Page::new(data, self.plan.scope.encode(&position)?, status))
    }

    fn is_over(&self) -> bool {
        self.stage == Stage::Over && self.ahead.is_none()
    }
}

impl Reader for TableReader {
    fn next(&mut self, limits: Limits) -> Result<Page> {
        let Some(page) = self.fetch(limits)? else { return self.last_page(Batch::none()) };
        let is_full = page.data.rows >= limits.rows;
        let taken = self.selection.take(page)?;
        if taken.behind_last > 0 {
            // Behind rows that do not tell where they stand no page can begin: the rest comes from one statement.
            self.paging = Paging::Whole;
        }
        if let Some(last) = taken.last {
            self.progress.advance(last);
        }
        // A page with room left is the last one, or was cut at its bytes.
        if !is_full {
            self.ahead = self.fetch(limits)?;
        }
        let mut page = if self.is_over() {
            self.last_page(taken.data)?
        } else {
            Page::new(taken.data, self.plan.scope.encode(&self.progress.position())?, Status::More)
        };
        page.rejected = taken.rejected;
        Ok(page)
    }
}
