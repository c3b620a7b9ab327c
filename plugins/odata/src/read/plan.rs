//! What a reading is about: the set, the fields, how it goes on and what tells changes.

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::lookback::Lookback;
use lockstep_plugin_sdk::types::{Field, ReadRequest};

use super::boundary;
use super::goal::Goal;
use crate::config::Paging;
use crate::connection::Connection;
use crate::cursor::{Position, Way, decode};
use crate::discover;
use crate::entity::{Entity, Property};
use crate::query;

/// Times are shown rounded, by some services up and by others down: everything is looked at that far back at least.
const ROUNDING_MS: i64 = 1000;

pub struct Plan {
    pub connection: Connection,
    pub entity: Entity,
    pub wanted: Vec<Field>,
    /// What tells changes; none in a full reading and where delta links do.
    pub modified: Option<Property>,
    lookback: Lookback,
    paging: Paging,
    /// What a position belongs to.
    pub scope: String,
}

impl Plan {
    pub fn new(connection: Connection, request: &ReadRequest) -> Result<Self> {
        let entity = discover::entity(&connection, &request.stream, &request.fields)?;
        let wanted = match request.fields.as_slice() {
            [] => entity.properties.iter().map(|found| Field::new(&found.name, found.edm.logical())).collect(),
            fields => fields.to_vec(),
        };
        let modified = match request.option("modified") {
            // Delta links know of deletes as well.
            _ if entity.has_delta => None,
            Some(name) if request.is_incremental() => Some(modified_property(&connection, &entity, name)?),
            None if request.is_incremental() => return Err(no_modified(&entity.set)),
            _ => None,
        };
        let logical = modified.as_ref().map(|found| found.edm.logical());
        let lookback = Lookback::new(logical, request.lookback_ms()?.map(|wanted| wanted.max(ROUNDING_MS)));
        let paging = match connection.config.paging {
            Paging::Auto if !entity.key.is_empty() && entity.key.iter().all(|part| part.edm.is_ordered()) => {
                Paging::Keys
            }
            Paging::Auto => Paging::Links,
            chosen => chosen,
        };
        let scope = scope(&entity, &wanted, modified.as_ref());
        Ok(Self { connection, entity, wanted, modified, lookback, paging, scope })
    }

    /// What is to be read, and from where on.
    pub fn begin(&self, request: &ReadRequest) -> Result<(Goal, Way)> {
        let position = match request.cursor.as_deref() {
            None | Some([]) => Position::Done,
            Some(cursor) => decode(&self.scope, cursor)?,
        };
        let at_link = |link: String, skip| Way::Links { link: Some(link), skip };
        Ok(match (request.is_incremental(), position) {
            (false, Position::Full { way }) => (Goal::Full { is_whole: false }, way),
            (false, _) => (Goal::Full { is_whole: true }, self.beginning()),
            (true, Position::First { way, boundary }) => (Goal::First { is_whole: false, boundary }, way),
            (true, Position::Since { boundary, part: Some((way, next)) }) => (Goal::Since { boundary, next }, way),
            (true, Position::Since { boundary, part: None }) => {
                (Goal::Since { boundary, next: boundary::read(self)?.max(boundary) }, self.beginning())
            }
            (true, Position::Baseline { link, skip }) => {
                (Goal::Baseline { is_whole: false, delta: None }, at_link(link, skip))
            }
            (true, Position::Delta { link, skip }) => (Goal::Delta { delta: None }, at_link(link, skip)),
            (true, _) if self.modified.is_none() => {
                (Goal::Baseline { is_whole: true, delta: None }, Way::Links { link: None, skip: 0 })
            }
            // Taken before the first record is read: what changes from here on is left to the readings that follow.
            (true, _) => (Goal::First { is_whole: true, boundary: boundary::read(self)? }, self.beginning()),
        })
    }

    fn beginning(&self) -> Way {
        match self.paging {
            Paging::Links => Way::Links { link: None, skip: 0 },
            _ => Way::Keys { after: None, skip: 0 },
        }
    }

    /// Which records belong to the reading.
    pub fn filter(&self, goal: &Goal) -> Result<Option<String>> {
        let (Goal::Since { boundary, .. }, Some(modified)) = (goal, &self.modified) else { return Ok(None) };
        let Some(since) = self.lookback.since(*boundary) else { return Ok(None) };
        query::changed_since(self.entity.version, &modified.name, &modified.edm, since).map(Some)
    }
}

/// Links carry the selection within them, and keys their types.
fn scope(entity: &Entity, wanted: &[Field], modified: Option<&Property>) -> String {
    let key = entity.key.iter().map(|part| format!("{}:{}", part.name, part.edm));
    let fields = wanted.iter().map(|field| field.name.clone());
    let modified = modified.map(|found| format!("{}:{}", found.name, found.edm));
    let all: Vec<String> = key.chain(modified).chain(std::iter::once("|".to_owned())).chain(fields).collect();
    format!("{}:{:016x}", entity.set, digest(&all.join(",")))
}

/// FNV-1a: stable between versions of everything.
pub fn digest(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn modified_property(connection: &Connection, entity: &Entity, name: &str) -> Result<Property> {
    let known = entity.properties.iter().find(|property| property.name == name).cloned();
    let property = match known {
        Some(property) => property,
        None => discover::described(connection, &entity.set)?.property(name)?.clone(),
    };
    if property.edm.tells_changes() {
        return Ok(property);
    }
    let text = format!("`{name}` is `{}`, which is no time and no number to count by", property.edm);
    Err(Error::config(text)
        .with_code("odata.modified-type")
        .with_field(name)
        .with_hint("`modified` names a property of times, dates or whole numbers that grow with every change"))
}

fn no_modified(set: &str) -> Error {
    Error::config(format!(
        "incremental reading of `{set}` needs to know the property that tells when a record was changed"
    ))
    .with_code("odata.no-modified")
    .with_hint("write `modified = \"modifiedAt\"` beside the stream")
}
