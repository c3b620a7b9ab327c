//! What a service says of itself in `$metadata`: entity sets, their types, keys, navigation and annotations.

mod annotation;
mod builder;
mod parse;

use std::collections::BTreeMap;

use crate::edm::{Edm, Version};

pub use parse::parse;

/// A service's metadata, as far as it matters here.
#[derive(Debug)]
pub struct Metadata {
    pub version: Version,
    /// By their qualified names.
    types: BTreeMap<String, EntityType>,
    kinds: BTreeMap<String, Kind>,
    pub sets: Vec<EntitySet>,
}

/// A named type that is no entity.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Enum,
    Complex,
    /// Another name of a primitive type.
    Definition(String),
}

#[derive(Debug, Default)]
pub struct EntityType {
    base: Option<String>,
    key: Vec<String>,
    properties: Vec<Property>,
    navigations: Vec<Navigation>,
    alternate_keys: Vec<Vec<String>>,
    pub comment: Option<String>,
}

/// A property as it is declared.
#[derive(Clone, Debug, Default)]
pub struct Property {
    pub name: String,
    type_name: String,
    pub is_nullable: bool,
    precision: Option<u16>,
    scale: Option<u16>,
    pub max_length: Option<u64>,
    /// Version 2: only the day of a `DateTime` counts.
    is_day: bool,
    /// The service fills it in.
    pub is_computed: bool,
    pub comment: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct Navigation {
    pub name: String,
    /// The property that holds the key of what it leads to, where one does.
    pub dependent: Option<String>,
}

#[derive(Debug, Default)]
pub struct EntitySet {
    pub name: String,
    type_name: String,
    /// The sets navigations lead to.
    bindings: BTreeMap<String, String>,
    pub tracks_changes: bool,
    pub comment: Option<String>,
    /// What it does not let itself be done to, where it says so.
    pub is_insertable: bool,
    pub is_updatable: bool,
    pub is_deletable: bool,
}

impl Metadata {
    pub fn set(&self, name: &str) -> Option<&EntitySet> {
        self.sets.iter().find(|set| set.name == name)
    }

    /// The type of a set and those it is based on, the deepest first.
    fn lineage(&self, set: &EntitySet) -> Vec<&EntityType> {
        let (mut lineage, mut name) = (Vec::new(), Some(&set.type_name));
        // A type that is its own ancestor ends somewhere.
        while let Some(found) = name.and_then(|name| self.types.get(name)).filter(|_| lineage.len() < 32) {
            lineage.push(found);
            name = found.base.as_ref();
        }
        lineage.reverse();
        lineage
    }

    pub fn key(&self, set: &EntitySet) -> Vec<String> {
        self.lineage(set).iter().flat_map(|found| found.key.iter().cloned()).collect()
    }

    pub fn properties(&self, set: &EntitySet) -> Vec<(&Property, Edm)> {
        let all = self.lineage(set).into_iter().flat_map(|found| &found.properties);
        all.filter(|property| property.type_name != "Edm.Stream").map(|found| (found, self.edm(found))).collect()
    }

    /// Navigations with the sets they lead to.
    pub fn navigations<'a>(&'a self, set: &'a EntitySet) -> Vec<(&'a Navigation, Option<&'a str>)> {
        let all = self.lineage(set).into_iter().flat_map(|found| &found.navigations);
        all.map(|found| (found, set.bindings.get(&found.name).map(String::as_str))).collect()
    }

    pub fn alternate_keys(&self, set: &EntitySet) -> Vec<Vec<String>> {
        self.lineage(set).iter().flat_map(|found| found.alternate_keys.iter().cloned()).collect()
    }

    pub fn comment<'a>(&'a self, set: &'a EntitySet) -> Option<&'a str> {
        let of_type = || self.types.get(&set.type_name)?.comment.as_deref();
        set.comment.as_deref().or_else(of_type)
    }

    fn edm(&self, property: &Property) -> Edm {
        let name = match self.kinds.get(&property.type_name) {
            Some(Kind::Enum) => return Edm::Enum(property.type_name.clone()),
            Some(Kind::Definition(primitive)) => primitive,
            _ => &property.type_name,
        };
        match Edm::primitive(name) {
            Edm::Decimal(_) => Edm::Decimal(property.shape()),
            Edm::DateTime if property.is_day => Edm::DateTimeDay,
            edm => edm,
        }
    }
}

impl Property {
    /// Only where both are said: many services leave out a scale that is not zero.
    fn shape(&self) -> Option<lockstep_plugin_sdk::values::DecimalShape> {
        let (precision, scale) = (self.precision?, self.scale?);
        (precision >= scale && precision > 0).then_some(lockstep_plugin_sdk::values::DecimalShape { precision, scale })
    }
}

#[cfg(test)]
mod tests;
