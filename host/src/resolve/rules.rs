//! What the project says about an entity, in numbers.

use super::policy::is_cut_at_the_end;
use super::{Policy, Safety, is_like};
use crate::record::Value;

/// Everything that decides about records of one hub.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Every field is in exactly one.
    pub groups: Vec<Group>,
    /// The group of each field.
    pub group_of: Vec<usize>,
    /// Whether each is shown as it was written, or as something else: a date is not rounded, a reference is not shortened.
    pub exact: Vec<bool>,
    /// In the order of the project, which is their rank.
    pub endpoints: Vec<EndpointRule>,
    pub deletes: Deletes,
    pub delete_conflict: DeleteConflict,
    /// Microseconds.
    pub clock_doubt: i64,
    pub safety: Safety,
}

/// Fields that are decided about together; mostly one.
#[derive(Clone, Debug)]
pub struct Group {
    /// The field's or the group's name.
    pub name: String,
    pub fields: Vec<usize>,
    pub policy: Policy,
    pub owner: Option<(usize, Others)>,
}

/// What becomes of a change to a field by somebody who does not own it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// The owner's value is written back.
    Restore,
    /// It stays until the owner's value changes.
    Ignore,
}

#[derive(Clone, Debug)]
pub struct EndpointRule {
    pub name: String,
    /// Which fields its records say something about, if it is read.
    pub reads: Vec<bool>,
    /// Which fields it can be written, if it is written.
    pub writes: Vec<bool>,
    pub is_read: bool,
    pub is_written: bool,
    /// How long a write may stay invisible, in microseconds.
    pub lag: i64,
    /// It knows no updates but only upserts: one that comes too late makes a deleted record anew, with nothing but what was written.
    pub remakes: bool,
    pub on_exit: ExitRule,
}

/// What becomes of a record that leaves an endpoint's segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitRule {
    Unlink,
    Delete,
    Archive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletes {
    Propagate,
    Ignore,
    Archive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteConflict {
    Manual,
    EditWins,
    DeleteWins,
}

impl Rules {
    pub fn fields(&self) -> usize {
        self.group_of.len()
    }

    /// Whether a field is one of these, or in a group with one of them.
    pub fn moves_with(&self, field: usize, fields: &[usize]) -> bool {
        let group = self.group_of.get(field);
        fields.contains(&field) || fields.iter().any(|other| group.is_some() && self.group_of.get(*other) == group)
    }

    /// Whether an endpoint may be showing a value of a field in a form of its own.
    pub fn is_form(&self, field: usize, shown: &Value, given: &Value) -> bool {
        let is_exact = || self.exact.get(field).copied().unwrap_or(false);
        let policy = || self.groups.get(*self.group_of.get(field)?).map(|group| &group.policy);
        let is_set_form = || match policy() {
            Some(Policy::Set { separator: Some(separator) }) => is_cut_at_the_end(shown, given, separator),
            _ => true,
        };
        shown == given || (!is_exact() && is_like(shown, given) && is_set_form())
    }

    /// Whose field it is.
    pub fn owner(&self, field: usize) -> Option<usize> {
        let group = self.groups.get(*self.group_of.get(field)?)?;
        group.owner.map(|(owner, _)| owner)
    }

    pub fn reads(&self, endpoint: usize, field: usize) -> bool {
        self.endpoints.get(endpoint).and_then(|rule| rule.reads.get(field)).copied().unwrap_or(false)
    }

    pub fn writes(&self, endpoint: usize, field: usize) -> bool {
        self.endpoints.get(endpoint).and_then(|rule| rule.writes.get(field)).copied().unwrap_or(false)
    }

    pub fn lag(&self, endpoint: usize) -> i64 {
        self.endpoints.get(endpoint).map_or(0, |rule| rule.lag)
    }
}
