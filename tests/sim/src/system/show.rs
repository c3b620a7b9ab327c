//! What a system shows to whoever asks: perhaps a state from a while ago, perhaps in pages, perhaps only what changed.

use super::{System, Values, Version};
use crate::chance::Chance;
use crate::plan::{Position, SECOND};

/// A position as the connector writes it down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub epoch: u32,
    pub is_full: bool,
    /// Of a full reading: the last key.
    pub position: i64,
    pub key: i64,
}

impl Cursor {
    pub fn write(&self) -> Vec<u8> {
        format!("{}:{}:{}:{}", self.epoch, u8::from(self.is_full), self.position, self.key).into_bytes()
    }

    pub fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut parts = text.split(':').map(str::parse::<i64>);
        let mut next = || parts.next()?.ok();
        Some(Self { epoch: u32::try_from(next()?).ok()?, is_full: next()? == 1, position: next()?, key: next()? })
    }
}

/// A record as it is shown.
#[derive(Clone, Debug)]
pub struct Shown {
    pub key: i64,
    pub version: Version,
    /// Where it stands among what changed.
    pub place: i64,
    /// What it is, or was before it was deleted.
    pub values: Values,
    /// The place of the version among those of its record.
    pub at: usize,
    /// It was deleted in the version before.
    pub is_undelete: bool,
}

impl System {
    /// The version of a record somebody gets to see.
    fn visible<'a>(&self, versions: &'a [Version], now: i64, chance: &mut Chance) -> Option<(usize, &'a Version)> {
        let lag = self.profile().lag;
        let ago = if lag > 0 && chance.coin() { chance.between(0, lag) } else { 0 };
        versions.iter().enumerate().rev().find(|(_, version)| version.since <= now - ago)
    }

    /// Whether a field of what is shown has changed behind a place.
    pub fn has_changed(&self, shown: &Shown, field: usize, behind: i64) -> bool {
        let versions = &self.records[&shown.key][..=shown.at];
        let young = (1..versions.len()).filter(|at| versions[*at].position > behind);
        let value = |at: usize| versions[at].values.as_ref().map(|values| &values[field]);
        versions[0].position > behind || young.into_iter().any(|at| value(at) != value(at - 1))
    }

    /// Whether a record has changed since it was as it is shown.
    pub fn is_old(&self, shown: &Shown) -> bool {
        self.records.get(&shown.key).is_some_and(|versions| shown.at + 1 < versions.len())
    }

    fn shown(&self, key: i64, versions: &[Version], now: i64, chance: &mut Chance) -> Option<Shown> {
        let (at, version) = self.visible(versions, now, chance)?;
        let before = at.checked_sub(1).map(|at| &versions[at]);
        let values = version.values.as_ref().or_else(|| before?.values.as_ref())?;
        Some(Shown {
            key,
            version: version.clone(),
            place: version.position,
            values: values.clone(),
            at,
            is_undelete: before.is_some_and(|before| before.values.is_none()),
        })
    }

    /// Whether a record is being put into the index again, after its first change: more often, and it would be missed twice.
    pub fn is_reindexed(&self, key: i64, now: i64) -> bool {
        let Some([made, changed]) = self.records.get(&key).map(Vec::as_slice) else { return false };
        let lag = self.profile().lag;
        made.since < now - 2 * lag && changed.since > now - lag && changed.values.is_some()
    }

    /// All records behind a key, in the order of their keys.
    pub fn full_page(&self, behind: i64, rows: usize, now: i64, chance: &mut Chance) -> Vec<Shown> {
        let rest = self.records.range(behind.saturating_add(1)..);
        let shown = rest.filter_map(|(key, versions)| self.shown(*key, versions, now, chance));
        shown.filter(|shown| shown.version.values.is_some()).take(rows).collect()
    }

    /// What changed behind a place, in the order of positions.
    pub fn changed_page(&self, behind: (i64, i64), rows: usize, now: i64, chance: &mut Chance) -> Vec<Shown> {
        let tombstones = self.profile().tombstones;
        let mut rest: Vec<Shown> = self
            .records
            .iter()
            .filter_map(|(key, versions)| self.placed(self.shown(*key, versions, now, chance)?, versions, behind))
            .filter(|shown| shown.version.values.is_some() || tombstones)
            .collect();
        rest.sort_by_key(|shown| (shown.place, shown.key));
        rest.truncate(rows);
        rest
    }

    /// A record stands where it changed last; whoever tells only what changed keeps every change, so there it stands where it has
    /// changed first behind the place.
    fn placed(&self, shown: Shown, versions: &[Version], behind: (i64, i64)) -> Option<Shown> {
        let is_behind = |place: &i64| (*place, shown.key) > behind;
        let place = match self.profile().partial {
            true => versions[..=shown.at].iter().map(|version| version.position).find(is_behind)?,
            false => Some(shown.place).filter(is_behind)?,
        };
        Some(Shown { place, ..shown })
    }

    /// What a log that keeps every change, and hides none, tells of a record before what is shown; none if that was told already.
    pub fn earlier(&self, shown: &Shown, behind: i64) -> Option<Shown> {
        let profile = self.profile();
        let is_told_in_order = profile.position == Position::Log && profile.lag == 0 && !profile.shuffled;
        let at = shown.at.checked_sub(1).filter(|_| is_told_in_order)?;
        let version = self.records.get(&shown.key)?.get(at).filter(|version| version.position > behind)?;
        let values = version.values.clone()?;
        Some(Shown { version: version.clone(), place: shown.place, values, at, is_undelete: false, ..*shown })
    }

    /// Where an incremental reading begins.
    pub fn begin(&self, cursor: Option<Cursor>, lookback: i64) -> (i64, i64) {
        let Some(cursor) = cursor else { return (i64::MIN, i64::MIN) };
        match self.profile().position {
            // More may have come in the same second, below the key.
            Position::Seconds => (cursor.position.saturating_sub(lookback + SECOND), i64::MAX),
            Position::Times if lookback > 0 => (cursor.position.saturating_sub(lookback), i64::MAX),
            _ => (cursor.position, cursor.key),
        }
    }

    /// Everything as somebody who searches sees it.
    pub fn look_at_all(&self, now: i64, chance: &mut Chance) -> Vec<Shown> {
        self.full_page(i64::MIN, usize::MAX, now, chance)
    }
}
