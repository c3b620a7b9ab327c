//! Reading a table, in full or what changed.
//!
//! One statement streams the whole reading inside one transaction, which sees one moment. Rows come in the order of the key
//! where the table has one, so that a reading that breaks off goes on behind the last record the host has stored.

mod boundary;
mod plan;
mod progress;

use lockstep_plugin_sdk::capabilities::sql::{RowPage, Rows, Session};
use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::source::{ReadMode, Reader};
use lockstep_plugin_sdk::types::{Batch, Limits, Page, ReadRequest, Status};
use lockstep_sql_dialect::Selection;

use crate::cursor::{Boundary, Part, Position, Scope};
use crate::open_session;
use crate::statement::{self, Following, Statement};
use plan::Plan;
use progress::Progress;

pub use plan::wanted_fields;

/// A reading under way.
pub struct TableReader {
    /// None once the end has been reached. Declared before the session, which has to outlive it.
    rows: Option<Rows>,
    /// A page that was read to see whether there is one.
    ahead: Option<RowPage>,
    selection: Selection,
    scope: Scope,
    progress: Progress,
    session: Session,
}

/// Begins to read.
pub fn open(request: &ReadRequest) -> Result<TableReader> {
    let session = open_session()?;
    match request.read_mode() {
        ReadMode::Full => open_full(session, request),
        ReadMode::Incremental => open_incremental(session, request),
    }
}

fn open_full(session: Session, request: &ReadRequest) -> Result<TableReader> {
    session.script(statement::BEGIN_READING)?;
    let plan = Plan::new(&session, request)?;
    let after = match position(&plan.scope, request)? {
        Position::Full { after } if plan.is_positioned => Some(after),
        _ => None,
    };
    let (selection, statement) = enumeration(&plan, after.as_deref())?;
    let progress = Progress::Full { is_whole: after.is_none(), after };
    TableReader::start(session, plan, selection, statement, progress)
}

fn open_incremental(session: Session, request: &ReadRequest) -> Result<TableReader> {
    // Outside of the transaction, for a server that refuses to tell would end it.
    let server = boundary::read_server(&session);
    session.script(statement::BEGIN_READING)?;
    let plan = Plan::new(&session, request)?;
    let moment = boundary::read_moment(&session, &plan, &server)?;
    match position(&plan.scope, request)? {
        Position::Following { boundary, parts } => {
            let is_still = parts.is_empty()
                && matches!((&boundary.snapshot, &moment.snapshot), (Some(then), Some(now)) if then.is_same_moment(now));
            if is_still {
                return TableReader::nothing(session, plan, Progress::Still { boundary });
            }
            open_following(session, plan, moment, boundary, parts)
        }
        Position::Enumerating { after: Some(after), boundary } if plan.is_positioned => {
            let (selection, statement) = enumeration(&plan, Some(&after))?;
            let progress = Progress::Enumerating { after: Some(after), is_whole: false, boundary };
            TableReader::start(session, plan, selection, statement, progress)
        }
        _ => {
            // Taken before the first row is read: what changes from here on is left to the readings that follow.
            let boundary = boundary::read(&session, &plan, moment, None)?;
            let (selection, statement) = enumeration(&plan, None)?;
            let progress = Progress::Enumerating { after: None, is_whole: true, boundary };
            TableReader::start(session, plan, selection, statement, progress)
        }
    }
}

fn open_following(
    session: Session,
    plan: Plan,
    moment: boundary::Moment,
    boundary: Boundary,
    parts: Vec<Part>,
) -> Result<TableReader> {
    let since = plan.lookback.since(boundary.lookback_from);
    let next = boundary::read(&session, &plan, moment, Some(since))?;
    let following = Following {
        scope: &plan.scope,
        is_positioned: plan.is_positioned,
        boundary: &boundary,
        parts: &parts,
        now: next.snapshot.as_ref(),
        since,
    };
    let selection = Selection::new(&plan.wanted, &plan.position_of_changes(), &plan.key)?;
    let statement = statement::follow(selection.fields(), &plan.table.quoted(), &following);
    let progress = Progress::Following { boundary, parts, here: None, next };
    TableReader::start(session, plan, selection, statement, progress)
}

/// Where the host's cursor stands; a cursor without bytes stands at the beginning.
fn position(scope: &Scope, request: &ReadRequest) -> Result<Position> {
    match request.cursor.as_deref() {
        None | Some([]) => Ok(Position::Beginning),
        Some(cursor) => scope.decode(cursor),
    }
}

fn enumeration(plan: &Plan, after: Option<&[lockstep_sql_dialect::Value]>) -> Result<(Selection, Statement)> {
    let position = if plan.is_positioned { plan.key.as_slice() } else { &[] };
    let order = if plan.is_positioned { plan.scope.key.as_slice() } else { &[] };
    let selection = Selection::new(&plan.wanted, position, &plan.key)?;
    let statement = statement::enumerate(selection.fields(), &plan.table.quoted(), order, after);
    Ok((selection, statement))
}

impl TableReader {
    fn start(
        session: Session,
        plan: Plan,
        selection: Selection,
        statement: Statement,
        progress: Progress,
    ) -> Result<Self> {
        let parameters = statement.arguments.finish()?;
        let rows = session.query(&statement.text, parameters.as_ref(), &selection.type_names())?;
        Ok(Self { rows: Some(rows), ahead: None, selection, scope: plan.scope, progress, session })
    }

    /// A reading that is over before it begins.
    fn nothing(session: Session, plan: Plan, progress: Progress) -> Result<Self> {
        let selection = Selection::new(&plan.wanted, &[], &[])?;
        Ok(Self { rows: None, ahead: None, selection, scope: plan.scope, progress, session })
    }

    fn fetch(&mut self, limits: Limits) -> Result<Option<RowPage>> {
        if let Some(page) = self.ahead.take() {
            return Ok(Some(page));
        }
        let Some(rows) = &self.rows else { return Ok(None) };
        let page = rows.next(limits.rows, limits.bytes)?;
        if page.is_none() {
            self.rows = None;
            // The server may forget what we saw.
            self.session.script("COMMIT")?;
        }
        Ok(page)
    }

    fn last_page(&self, data: Batch) -> Result<Page> {
        let (position, status) = self.progress.end();
        Ok(Page::new(data, self.scope.encode(&position)?, status))
    }
}

impl Reader for TableReader {
    fn next(&mut self, limits: Limits) -> Result<Page> {
        let Some(page) = self.fetch(limits)? else { return self.last_page(Batch::none()) };
        let is_full = page.data.rows >= limits.rows;
        let taken = self.selection.take(page)?;
        if let Some(last) = taken.last {
            self.progress.advance(last);
        }
        // A page with room left is the last one, or was cut at its bytes.
        if !is_full {
            self.ahead = self.fetch(limits)?;
        }
        let mut page = if self.rows.is_none() && self.ahead.is_none() {
            self.last_page(taken.data)?
        } else {
            Page::new(taken.data, self.scope.encode(&self.progress.position())?, Status::More)
        };
        page.rejected = taken.rejected;
        Ok(page)
    }
}
