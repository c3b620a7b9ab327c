//! Which key of an object belongs where: those of the next object are nearly always the same, in the same order.

use std::collections::BTreeMap;

use crate::scan::{Fault, Member, Value, find_duplicate};

/// Puts the values of objects into the order of the wanted keys.
#[derive(Debug)]
pub struct Shape {
    wanted: BTreeMap<String, usize>,
    /// What the keys of the last object meant.
    slots: Vec<Slot>,
    values: Vec<Option<Value>>,
    /// Places that want the value of an earlier one.
    copies: Vec<(usize, usize)>,
}

/// A key as it is written, and its place among those that are wanted.
#[derive(Debug)]
struct Slot {
    key: Vec<u8>,
    place: Option<usize>,
}

impl Shape {
    /// A name may occur several times.
    pub fn new<N: Into<String>>(wanted: impl IntoIterator<Item = N>) -> Self {
        let mut shape = Self { wanted: BTreeMap::new(), slots: Vec::new(), values: Vec::new(), copies: Vec::new() };
        for (place, name) in wanted.into_iter().enumerate() {
            let first = *shape.wanted.entry(name.into()).or_insert(place);
            if first != place {
                shape.copies.push((first, place));
            }
            shape.values.push(None);
        }
        shape
    }

    /// For each wanted key its value; none where the object says nothing. Fails if a key occurs twice.
    pub fn arrange(&mut self, text: &[u8], members: &[Member]) -> Result<&[Option<Value>], Fault> {
        if !self.is_known(text, members) {
            self.learn(text, members)?;
        }
        self.values.fill(None);
        for (slot, member) in self.slots.iter().zip(members) {
            if let Some(value) = slot.place.and_then(|place| self.values.get_mut(place)) {
                *value = Some(member.value);
            }
        }
        for (first, place) in &self.copies {
            let value = self.value(*first);
            self.values.get_mut(*place).into_iter().for_each(|place| *place = value);
        }
        Ok(&self.values)
    }

    /// What the object that was arranged last says at a place.
    #[inline]
    pub fn value(&self, place: usize) -> Option<Value> {
        self.values.get(place).copied().flatten()
    }

    /// Whether the keys are those of the last object, of which is known that none occurs twice.
    fn is_known(&self, text: &[u8], members: &[Member]) -> bool {
        self.slots.len() == members.len()
            && self.slots.iter().zip(members).all(|(slot, member)| slot.key == member.key.raw(text))
    }

    fn learn(&mut self, text: &[u8], members: &[Member]) -> Result<(), Fault> {
        self.slots.clear();
        if let Some(key) = find_duplicate(text, members.iter().map(|member| member.key)) {
            return Err(Fault::DuplicateKey { key });
        }
        self.slots.extend(members.iter().map(|member| {
            let name = member.key.of(text);
            let place = std::str::from_utf8(&name).ok().and_then(|name| self.wanted.get(name));
            Slot { key: member.key.raw(text).to_vec(), place: place.copied() }
        }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::read_object;

    fn arrange(shape: &mut Shape, text: &str) -> Result<Vec<Option<String>>, Fault> {
        let mut members = Vec::new();
        read_object(text.as_bytes(), &mut members)?;
        let values = shape.arrange(text.as_bytes(), &members)?;
        Ok(values.iter().map(|value| value.and_then(|value| value.said(text.as_bytes()))).collect())
    }

    #[test]
    fn values_come_in_the_wanted_order_whatever_the_objects_is() {
        let mut shape = Shape::new(["b", "a"]);
        let said = |text: &str| Some(text.to_owned());
        assert_eq!(arrange(&mut shape, r#"{"a":1,"x":2,"b":3}"#), Ok(vec![said("3"), said("1")]));
        assert_eq!(arrange(&mut shape, r#"{"a":4,"x":2,"b":5}"#), Ok(vec![said("5"), said("4")]));
        assert_eq!(arrange(&mut shape, r#"{"\u0062":"c"}"#), Ok(vec![said("c"), None]));
        assert!(matches!(arrange(&mut shape, r#"{"a":1,"a":2}"#), Err(Fault::DuplicateKey { .. })));
        assert_eq!(arrange(&mut shape, "{}"), Ok(vec![None, None]));
        let twice = arrange(&mut Shape::new(["a", "b", "a"]), r#"{"a":1}"#);
        assert_eq!(twice, Ok(vec![said("1"), None, said("1")]));
    }
}
