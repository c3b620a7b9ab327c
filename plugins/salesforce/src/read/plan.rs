//! What a reading is about: the object, the fields and what tells changes.

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::lookback::Lookback;
use lockstep_plugin_sdk::types::{Field, ReadRequest};
use lockstep_plugin_sdk::values::MICROS_PER_DAY;

use super::goal::{Goal, Then};
use crate::collect::Collector;
use crate::config::{ChangesFrom, Read};
use crate::connection::Connection;
use crate::cursor::{Boundary, Last, Position, decode};
use crate::describe;
use crate::kind::Kind;
use crate::object::{ID, IS_DELETED, Object, Property};
use crate::soql;

/// Times are kept to the second, and clocks of different machines differ: everything is looked at that far back at least.
const ROUNDING_MS: i64 = 5000;
/// What was deleted is known for fifteen days.
const LOG_DAYS: i64 = 14;

pub struct Plan {
    pub connection: Connection,
    pub object: Object,
    pub wanted: Vec<Field>,
    /// What tells changes; none in a full reading.
    modified: Option<Property>,
    lookback: Lookback,
    /// Whether events tell changes.
    pub has_events: bool,
    /// What a position belongs to.
    pub scope: String,
}

impl Plan {
    pub fn new(connection: Connection, request: &ReadRequest) -> Result<Self> {
        let mut object = describe::object(&connection, &request.stream, &request.fields)?;
        let wanted = match request.fields.as_slice() {
            [] => object.properties.iter().map(|found| Field::new(&found.name, found.kind.logical())).collect(),
            fields => fields.to_vec(),
        };
        let modified = match request.is_incremental() {
            true => Some(modified_property(&connection, &object, request.option("modified"))?),
            false => None,
        };
        if let Some(modified) = &modified
            && object.find(&modified.name).is_none()
        {
            object.properties.push(modified.clone());
        }
        let logical = modified.as_ref().map(|found| found.kind.logical());
        let lookback = Lookback::new(logical, request.lookback_ms()?.map(|wanted| wanted.max(ROUNDING_MS)));
        let has_events = request.is_incremental() && connection.config.changes == ChangesFrom::Events;
        let by = if has_events { "events" } else { modified.as_ref().map_or("", |found| found.name.as_str()) };
        let scope = format!("{}:{by}", object.name);
        Ok(Self { connection, object, wanted, modified, lookback, has_events, scope })
    }

    /// What is read beside the wanted fields.
    pub fn beside(&self) -> Vec<&Property> {
        let deleted = self.object.find(IS_DELETED).filter(|_| self.object.keeps_deleted);
        self.modified.iter().chain(deleted).chain(self.object.find(ID)).collect()
    }

    /// Where the reading stands.
    pub fn position(&self, request: &ReadRequest) -> Result<Position> {
        match request.cursor.as_deref() {
            None | Some([]) => Ok(Position::Done),
            Some(cursor) => decode(&self.scope, cursor),
        }
    }

    /// What is to be read, and behind which record.
    pub fn begin(&self, request: &ReadRequest, position: Position) -> (Goal, Option<Last>) {
        // A page of nothing but bad records has no last one.
        let known = |last: Last| Some(last).filter(|(_, id)| !id.is_empty());
        match (request.is_incremental(), position) {
            (false, Position::Full { last }) => (Goal::Full { is_whole: false }, known(last)),
            (false, _) => (Goal::Full { is_whole: true }, None),
            (true, Position::First { boundary, last }) => (self.first(false, boundary), known(last)),
            (true, Position::Since { boundary, part: Some((next, last)) }) => {
                (Goal::Since { boundary, next }, known(last))
            }
            (true, Position::Since { boundary, part: None }) => (Goal::Since { boundary, next: None }, None),
            (true, _) => (self.first(true, None), None),
        }
    }

    /// Everything, for the first time.
    pub fn first(&self, is_whole: bool, boundary: Boundary) -> Goal {
        Goal::First { is_whole, boundary, then: if self.has_events { Then::Events } else { Then::Since } }
    }

    /// What a job is asked for: it has an order of its own.
    pub fn job_query(&self, collector: &Collector) -> String {
        let live = self.object.keeps_deleted.then(|| format!("{IS_DELETED} = false"));
        soql::select(&collector.selected(), &self.object.name, live.as_deref(), "")
    }

    /// Whether a job can read what is wanted: fields made of others it refuses.
    pub fn suits_jobs(&self) -> bool {
        let is_compound = |field: &Field| {
            self.object.find(&field.name).is_some_and(|property| matches!(property.kind, Kind::Compound(_)))
        };
        self.connection.config.read == Read::Jobs && !self.wanted.iter().any(is_compound)
    }

    /// Where the records are that belong to the reading, behind the last one.
    pub fn query(&self, collector: &Collector, goal: &Goal, last: Option<&Last>) -> Result<String> {
        let live = self.object.keeps_deleted.then(|| format!("{IS_DELETED} = false"));
        let (conditions, by, order) = match (goal, &self.modified) {
            (Goal::Since { boundary, .. }, Some(modified)) => {
                let since = self.lookback.since(*boundary).map(|from| soql::since(modified, from));
                let since = since.unwrap_or_else(|| format!("{} != null", modified.name));
                (Some(since), Some(modified), format!("{},{ID}", modified.name))
            }
            _ => (live, None, ID.to_owned()),
        };
        let behind = match last {
            Some((time, id)) => Some(soql::behind(by, (time, id))?),
            None => None,
        };
        let filter = soql::all([conditions, behind]);
        let soql = soql::select(&collector.selected(), &self.object.name, filter.as_deref(), &order);
        Ok(self.connection.query_target(&soql))
    }

    /// Since when the log of deletes is to be asked for; none if it is not.
    pub fn log_from(&self, goal: &Goal) -> Option<i64> {
        let Goal::Since { boundary: Some(boundary), .. } = goal else { return None };
        let is_time = self.modified.as_ref().is_some_and(|modified| modified.kind == Kind::Datetime);
        let is_wanted = is_time && self.object.is_logged(&self.connection.config);
        self.lookback.since(Some(*boundary)).filter(|_| is_wanted)
    }

    /// A clock in microseconds, in the unit of what tells changes.
    pub fn count(&self, now: i64) -> i64 {
        match &self.modified {
            Some(modified) if modified.kind == Kind::Date => now.div_euclid(MICROS_PER_DAY),
            _ => now,
        }
    }

    /// Deletes that nobody has asked for in time are forgotten: then only reading everything tells them.
    pub fn check_age(&self, goal: &Goal, now: i64) -> Result<()> {
        let Goal::Since { boundary: Some(boundary), .. } = goal else { return Ok(()) };
        let is_too_old = self.count(now.saturating_sub(LOG_DAYS * MICROS_PER_DAY)) > *boundary;
        if is_too_old && self.object.is_logged(&self.connection.config) {
            let message =
                format!("`{}` was not read for {LOG_DAYS} days, and what was deleted is forgotten", self.object.name);
            return Err(Error::stale_cursor(message).with_code("salesforce.log"));
        }
        Ok(())
    }
}

/// Unless the project names one, the field that the system itself moves.
fn modified_property(connection: &Connection, object: &Object, wanted: Option<&str>) -> Result<Property> {
    let Some(name) = wanted.or(object.modified) else {
        let text = format!("nothing tells when a record of `{}` was changed", object.name);
        return Err(Error::config(text)
            .with_code("salesforce.no-modified")
            .with_hint("name a field beside the stream, `modified = \"CreatedDate\"`"));
    };
    let property = match object.find(name) {
        Some(property) => property.clone(),
        None => describe::described(connection, &object.name)?.property(name)?.clone(),
    };
    if property.kind.tells_changes() {
        return Ok(property);
    }
    Err(Error::config(format!("`{name}` is `{}` and no time", property.kind))
        .with_code("salesforce.modified-type")
        .with_field(name)
        .with_hint("leave `modified` out: `SystemModstamp` is taken, which every change moves"))
}
