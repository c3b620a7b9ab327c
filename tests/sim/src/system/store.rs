//! Changing a system's records.

use lockstep::record::Value;

use super::{System, Values, Version};
use crate::field::{Kind, email_key, is_poison};
use crate::plan::Key;

/// Fields and what they are to be.
pub type Patch = Vec<(usize, Value)>;

/// Why a system does not take a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The key is there already.
    Exists,
    /// There is no such record.
    Missing,
    /// A field is not what it was expected to be.
    Changed { field: usize },
    /// A value is not allowed.
    Invalid { field: usize },
    /// Another record has this e-mail address.
    EmailTaken { by: i64 },
}

impl System {
    /// What would be kept if these values were written.
    pub fn formed(&self, patch: &[(usize, Value)]) -> Patch {
        patch.iter().map(|(field, value)| (*field, self.profile().form(*field, value))).collect()
    }

    fn check(&self, key: Option<i64>, patch: &[(usize, Value)]) -> Result<(), Refusal> {
        if self.profile().validates
            && let Some((field, _)) = patch.iter().find(|(_, value)| is_poison(value))
        {
            return Err(Refusal::Invalid { field: *field });
        }
        let email = self.plan.field(Kind::Email);
        if self.profile().unique_email
            && let Some((field, value)) = patch.iter().find(|(field, _)| Some(*field) == email)
            && let Some(wanted) = email_key(value)
        {
            let has_it = |(other, values): &(i64, &Values)| {
                Some(*other) != key && email_key(&values[*field]).as_ref() == Some(&wanted)
            };
            if let Some((by, _)) = self.live().find(has_it) {
                return Err(Refusal::EmailTaken { by });
            }
        }
        Ok(())
    }

    /// The key of a new record with these values, if it can be there.
    pub fn check_insert(&self, patch: &[(usize, Value)]) -> Result<(), Refusal> {
        if self.profile().key == Key::Client {
            let serial = patch.iter().find(|(field, _)| *field == self.plan.serial());
            let Some((field, _)) = serial.filter(|(_, value)| !value.is_null()) else {
                return Err(Refusal::Invalid { field: self.plan.serial() });
            };
            if serial.is_some_and(|(_, value)| self.by_serial(value).is_some()) {
                return Err(Refusal::Exists);
            }
            debug_assert_eq!(*field, self.plan.serial());
        }
        self.check(None, &self.formed(patch))
    }

    pub fn by_serial(&self, serial: &Value) -> Option<i64> {
        let field = self.plan.serial();
        self.live().find(|(_, values)| values[field] == *serial).map(|(key, _)| key)
    }

    /// The record a deleted one with this serial was, in a system where the serial is the key.
    fn buried_by_serial(&self, serial: &Value) -> Option<i64> {
        let field = self.plan.serial();
        let was_it = |values: &Values| values[field] == *serial;
        let mut records = self.records.iter();
        let buried =
            records.find(|(_, versions)| versions.iter().filter_map(|version| version.values.as_ref()).any(was_it));
        let purged = || self.purged.iter().find(|(_, purged)| *purged == serial).map(|(key, _)| *key);
        buried.map(|(key, _)| *key).or_else(purged)
    }

    /// What the system calls a record that another points to.
    pub fn pointer(&self, value: &Value) -> Value {
        match (self.profile().key, value) {
            (Key::Client, Value::Int(key)) => {
                let serial = self.last_values(*key).map(|values| &values[self.plan.serial()]);
                serial.or_else(|| self.purged.get(key)).unwrap_or(value).clone()
            }
            _ => value.clone(),
        }
    }

    /// The other way; none if nothing here was ever called that.
    pub fn pointed(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Text(_) => self.by_serial(value).or_else(|| self.buried_by_serial(value)).map(Value::Int),
            _ => Some(value.clone()),
        }
    }

    /// What a record is, or was.
    pub fn last_values(&self, key: i64) -> Option<&Values> {
        self.records.get(&key)?.iter().rev().find_map(|version| version.values.as_ref())
    }

    /// The key a new record is going to have.
    pub fn next_key(&mut self) -> i64 {
        self.next_key += 1;
        self.next_key
    }

    /// Answers the key and what is kept. `promised` is a key that was told already.
    pub fn insert(
        &mut self,
        patch: &[(usize, Value)],
        promised: Option<i64>,
        now: i64,
    ) -> Result<(i64, Values), Refusal> {
        self.check_insert(patch)?;
        let mut values = vec![Value::Null; self.plan.fields.len()];
        for (field, value) in self.formed(patch) {
            values[field] = value;
        }
        let values: Values = values.into();
        let reused = match self.profile().key {
            Key::Client => self.buried_by_serial(&values[self.plan.serial()]),
            Key::Generated => promised,
        };
        let key = reused.unwrap_or_else(|| self.next_key());
        self.push(key, Some(values.clone()), now);
        Ok((key, values))
    }

    pub fn check_update(&self, key: i64, patch: &[(usize, Value)], expected: &[(usize, Value)]) -> Result<(), Refusal> {
        let Some(values) = self.get(key) else { return Err(Refusal::Missing) };
        if let Some((field, _)) = expected.iter().find(|(field, value)| values[*field] != *value) {
            return Err(Refusal::Changed { field: *field });
        }
        self.check(Some(key), &self.formed(patch))
    }

    /// Answers what was there and what is kept; equal if there was nothing to change.
    pub fn update(
        &mut self,
        key: i64,
        patch: &[(usize, Value)],
        expected: &[(usize, Value)],
        now: i64,
    ) -> Result<(Values, Values), Refusal> {
        self.check_update(key, patch, expected)?;
        let before = self.get(key).cloned().ok_or(Refusal::Missing)?;
        let mut values = before.to_vec();
        for (field, value) in self.formed(patch) {
            values[field] = value;
        }
        if *values != *before {
            self.push(key, Some(values.clone().into()), now);
        }
        Ok((before, values.into()))
    }

    /// Answers what was there.
    pub fn delete(&mut self, key: i64, expected: &[(usize, Value)], now: i64) -> Result<Option<Values>, Refusal> {
        let Some(before) = self.get(key).cloned() else { return Ok(None) };
        if let Some((field, _)) = expected.iter().find(|(field, value)| before[*field] != *value) {
            return Err(Refusal::Changed { field: *field });
        }
        self.push(key, None, now);
        Ok(Some(before))
    }

    /// Brings back what was deleted; nothing if something else has taken its place.
    pub fn undelete(&mut self, key: i64, now: i64) -> Option<Values> {
        let (_, values) = self.trash().find(|(buried, _)| *buried == key)?;
        let values = values.clone();
        let patch: Patch = values.iter().cloned().enumerate().collect();
        let is_back = self.by_serial(&values[self.plan.serial()]).is_some();
        if is_back || self.check(Some(key), &patch).is_err() {
            return None;
        }
        self.push(key, Some(values.clone()), now);
        Some(values)
    }

    fn push(&mut self, key: i64, values: Option<Values>, now: i64) {
        let (position, updated) = self.stamp(now);
        self.records.entry(key).or_default().push(Version { since: now, position, updated, values });
    }
}
