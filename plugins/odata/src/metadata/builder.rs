//! Metadata from the elements of its document, in the order in which they come.

use std::collections::BTreeMap;

use super::annotation::{Annotation, Meaning};
use super::{EntitySet, EntityType, Kind, Metadata, Navigation, Property};
use crate::edm::Version;

/// An element that is open, without the prefixes of its names.
pub struct Element {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Element {
    pub fn new(name: String, attributes: Vec<(String, String)>) -> Self {
        Self { name, attributes }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.get(name) == Some(value)
    }
}

#[derive(Default)]
pub struct Builder {
    open: Vec<Element>,
    version: Option<Version>,
    /// Of the schema at hand.
    namespace: String,
    aliases: BTreeMap<String, String>,
    types: BTreeMap<String, EntityType>,
    kinds: BTreeMap<String, Kind>,
    sets: Vec<EntitySet>,
    /// The entity type or complex type that is open, by its qualified name.
    type_name: String,
    annotation: Option<Annotation>,
    annotations: Vec<Annotation>,
}

impl Builder {
    pub fn start(&mut self, element: Element) {
        match element.name.as_str() {
            "Edmx" if element.get("Version").is_some_and(|version| version.starts_with('4')) => {
                self.version = Some(Version::V4);
            }
            "Edmx" => self.version = Some(Version::V2),
            "Schema" => {
                self.namespace = element.text("Namespace");
                if let Some(alias) = element.get("Alias") {
                    self.aliases.insert(alias.to_owned(), self.namespace.clone());
                }
            }
            "EntityType" => self.begin_entity_type(&element),
            "ComplexType" => self.name_kind(&element, Kind::Complex),
            "EnumType" => self.name_kind(&element, Kind::Enum),
            "TypeDefinition" => self.name_kind(&element, Kind::Definition(element.text("UnderlyingType"))),
            "PropertyRef" if self.is_inside("Key") => {
                let name = element.text("Name");
                self.with_type(|found| found.key.push(name));
            }
            "Property" if self.is_inside("EntityType") => {
                let property = property(&element);
                self.with_type(|found| found.properties.push(property));
            }
            "NavigationProperty" if self.is_inside("EntityType") => {
                let navigation = Navigation { name: element.text("Name"), dependent: None };
                self.with_type(|found| found.navigations.push(navigation));
            }
            "ReferentialConstraint" if self.is_inside("NavigationProperty") => {
                let dependent = element.get("Property").map(str::to_owned);
                self.with_type(|found| {
                    found.navigations.last_mut().into_iter().for_each(|found| found.dependent.clone_from(&dependent));
                });
            }
            "EntitySet" if self.is_inside("EntityContainer") => self.sets.push(entity_set(&element)),
            "NavigationPropertyBinding" if self.is_inside("EntitySet") => {
                if let Some(set) = self.sets.last_mut() {
                    set.bindings.insert(element.text("Path"), element.text("Target"));
                }
            }
            "Annotation" if self.annotation.is_none() => self.annotation = Some(self.begin_annotation(&element)),
            "PropertyValue" => self.add_value(&element),
            _ => {}
        }
        self.open.push(element);
    }

    pub fn end(&mut self) {
        let is_annotation = self.open.pop().is_some_and(|element| element.name == "Annotation");
        if is_annotation && !self.open.iter().any(|element| element.name == "Annotation") {
            self.annotations.extend(self.annotation.take());
        }
    }

    /// None if there is nothing to be read or written.
    pub fn finish(mut self) -> Option<Metadata> {
        let version = self.version.filter(|_| !self.sets.is_empty())?;
        for annotation in std::mem::take(&mut self.annotations) {
            let target = self.qualified(&annotation.target);
            if let Some(meaning) = annotation.meaning() {
                self.apply(&target, meaning);
            }
        }
        let aliases = std::mem::take(&mut self.aliases);
        let full = |name: &str| qualified(&aliases, name);
        for found in self.types.values_mut() {
            found.base = found.base.as_deref().map(&full);
            found.properties.iter_mut().for_each(|property| property.type_name = full(&property.type_name));
        }
        self.sets.iter_mut().for_each(|set| set.type_name = full(&set.type_name));
        Some(Metadata { version, types: self.types, kinds: self.kinds, sets: self.sets })
    }

    fn is_inside(&self, name: &str) -> bool {
        self.open.last().is_some_and(|element| element.name == name)
    }

    fn with_type(&mut self, change: impl FnOnce(&mut EntityType)) {
        if let Some(found) = self.types.get_mut(&self.type_name) {
            change(found);
        }
    }

    fn begin_entity_type(&mut self, element: &Element) {
        self.type_name = format!("{}.{}", self.namespace, element.text("Name"));
        let base = element.get("BaseType").map(str::to_owned);
        let comment = element.get("label").map(str::to_owned);
        self.types.insert(self.type_name.clone(), EntityType { base, comment, ..EntityType::default() });
    }

    fn name_kind(&mut self, element: &Element, kind: Kind) {
        self.kinds.insert(format!("{}.{}", self.namespace, element.text("Name")), kind);
    }

    /// What an annotation is about: `Schema.Type/Property`, `Schema.Container/Set`.
    fn begin_annotation(&self, element: &Element) -> Annotation {
        let mut target = String::new();
        for open in &self.open {
            match open.name.as_str() {
                "Annotations" => target = open.text("Target"),
                "EntityType" | "EntityContainer" => target = format!("{}.{}", self.namespace, open.text("Name")),
                "EntitySet" | "Property" | "NavigationProperty" => {
                    target.push('/');
                    target.push_str(open.get("Name").unwrap_or_default());
                }
                _ => {}
            }
        }
        let bool = element.get("Bool").map(|value| value == "true");
        Annotation::new(target, element.get("Term").unwrap_or_default(), bool, element.get("String").map(str::to_owned))
    }

    fn add_value(&mut self, element: &Element) {
        let value = ["Bool", "PropertyPath", "String", "Path"].iter().find_map(|kind| element.get(kind));
        if let Some(annotation) = &mut self.annotation {
            annotation.add(element.text("Property"), value.unwrap_or_default().to_owned());
        }
    }

    fn qualified(&self, name: &str) -> String {
        qualified(&self.aliases, name)
    }

    fn apply(&mut self, target: &str, meaning: Meaning) {
        let (owner, part) = target.split_once('/').unwrap_or((target, ""));
        if let Some(found) = self.types.get_mut(owner) {
            let property = found.properties.iter_mut().find(|property| property.name == part);
            match (meaning, property) {
                (Meaning::Computed, Some(property)) => property.is_computed = true,
                (Meaning::Comment(text), Some(property)) => property.comment = Some(text),
                (Meaning::Comment(text), None) if part.is_empty() => found.comment = Some(text),
                (Meaning::AlternateKeys(keys), None) if part.is_empty() => found.alternate_keys.extend(keys),
                _ => {}
            }
        } else if let Some(set) = self.sets.iter_mut().find(|set| set.name == part) {
            match meaning {
                Meaning::Comment(text) => set.comment = Some(text),
                Meaning::TracksChanges => set.tracks_changes = true,
                Meaning::NotInsertable => set.is_insertable = false,
                Meaning::NotUpdatable => set.is_updatable = false,
                Meaning::NotDeletable => set.is_deletable = false,
                Meaning::Computed | Meaning::AlternateKeys(_) => {}
            }
        }
    }
}

/// A name with its namespace instead of an alias.
fn qualified(aliases: &BTreeMap<String, String>, name: &str) -> String {
    let (prefix, rest) = name.split_once('.').unwrap_or((name, ""));
    match aliases.get(prefix) {
        // A namespace may begin with what is an alias elsewhere.
        Some(namespace) if !rest.split('/').next().unwrap_or_default().contains('.') => format!("{namespace}.{rest}"),
        _ => name.to_owned(),
    }
}

fn property(element: &Element) -> Property {
    Property {
        name: element.text("Name"),
        type_name: element.text("Type"),
        is_nullable: !element.is("Nullable", "false"),
        precision: element.get("Precision").and_then(|number| number.parse().ok()),
        scale: element.get("Scale").and_then(|number| number.parse().ok()),
        max_length: element.get("MaxLength").and_then(|number| number.parse().ok()),
        is_day: element.is("display-format", "Date"),
        is_computed: element.is("creatable", "false") && element.is("updatable", "false"),
        comment: element.get("label").map(str::to_owned),
    }
}

fn entity_set(element: &Element) -> EntitySet {
    EntitySet {
        name: element.text("Name"),
        type_name: element.text("EntityType"),
        comment: element.get("label").map(str::to_owned),
        is_insertable: !element.is("creatable", "false"),
        is_updatable: !element.is("updatable", "false"),
        is_deletable: !element.is("deletable", "false"),
        ..EntitySet::default()
    }
}
