//! One entity set, as far as reading and writing its records needs to know it.
//!
//! What is known of it travels with the fields of its stream, so that no metadata is asked for again for every reading, every
//! look-up and every few records written.

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::{Field, Stream};
use serde::{Deserialize, Serialize};

use crate::config::{ChangesFrom, Config};
use crate::edm::{Edm, Version};
use crate::metadata::{EntitySet, Metadata};

/// The property of a field in which the plugin keeps what it needs to know.
const MEMORY: &str = "odata";
/// Names that services give to the time of a record's last change, in lower case.
const MODIFIED_NAMES: &[&str] = &[
    "modifiedon",
    "modifiedat",
    "modifieddatetime",
    "lastmodifieddatetime",
    "lastmodifiedat",
    "systemmodifiedat",
    "lastchangedatetime",
    "lastchangedat",
    "sysmodifieddatetime",
    "updatedat",
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    pub set: String,
    pub version: Version,
    pub key: Vec<KeyPart>,
    pub properties: Vec<Property>,
    pub alternate_keys: Vec<Vec<String>>,
    /// Whether delta links tell its changes.
    pub has_delta: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPart {
    pub name: String,
    pub edm: Edm,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    pub name: String,
    pub edm: Edm,
    /// The navigation that has to be bound instead of writing the property, and the set it leads to.
    pub bind: Option<(String, String)>,
}

/// A property's name, its type, and what has to be bound.
type Described = (String, String, Option<(String, String)>);

/// What a field remembers. Short names, for every field of every stream carries it.
#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    /// The set with the path of its service: two services may have sets of the same name.
    at: String,
    v: u8,
    k: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    a: Vec<Vec<String>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    d: bool,
    /// Of a field: its type, and what has to be bound.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    t: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    b: Option<(String, String)>,
    /// Of a stream: the same for every field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    p: Vec<Described>,
}

impl Entity {
    pub fn new(metadata: &Metadata, set: &EntitySet, config: &Config) -> Self {
        let navigations = metadata.navigations(set);
        let bind = |name: &str| {
            let is_shadow = name.starts_with('_') && name.ends_with("_value");
            let leads = navigations.iter().find(|(found, _)| is_shadow && found.dependent.as_deref() == Some(name));
            leads.and_then(|(found, target)| Some((found.name.clone(), (*target)?.to_owned())))
        };
        let properties = metadata.properties(set);
        let properties: Vec<Property> = properties
            .into_iter()
            .map(|(found, edm)| Property { name: found.name.clone(), edm, bind: bind(&found.name) })
            .collect();
        let key = metadata.key(set).into_iter().filter_map(|name| {
            let edm = properties.iter().find(|property| property.name == name)?.edm.clone();
            Some(KeyPart { name, edm })
        });
        Self {
            set: set.name.clone(),
            version: metadata.version,
            key: key.collect(),
            alternate_keys: metadata.alternate_keys(set),
            has_delta: metadata.version == Version::V4
                && match config.changes {
                    ChangesFrom::Auto => set.tracks_changes,
                    ChangesFrom::Delta => true,
                    ChangesFrom::Modified => false,
                },
            properties,
        }
    }

    /// What the fields of this stream remember; none if they come from somewhere else.
    pub fn remembered(config: &Config, set: &str, fields: &[Field]) -> Option<Self> {
        let memories: Option<Vec<Memory>> = fields.iter().map(memory).collect();
        let memories = memories?;
        let first = memories.first()?;
        let at = place(config, set);
        if memories.iter().any(|memory| memory.at != at || memory.v != first.v) {
            return None;
        }
        let version = if first.v == 2 { Version::V2 } else { Version::V4 };
        let mut properties: Vec<Property> = fields
            .iter()
            .zip(&memories)
            .map(|(field, memory)| Property {
                name: field.name.clone(),
                edm: Edm::parse(&memory.t),
                bind: memory.b.clone(),
            })
            .collect();
        let key: Vec<KeyPart> =
            first.k.iter().map(|(name, edm)| KeyPart { name: name.clone(), edm: Edm::parse(edm) }).collect();
        for part in &key {
            if !properties.iter().any(|property| property.name == part.name) {
                properties.push(Property { name: part.name.clone(), edm: part.edm.clone(), bind: None });
            }
        }
        let (has_delta, alternate_keys) = (first.d, first.a.clone());
        Some(Self { set: set.to_owned(), version, key, properties, alternate_keys, has_delta })
    }

    /// What a stream remembers, all of it; none if it comes from somewhere else.
    pub fn recalled(config: &Config, stream: &Stream) -> Option<Self> {
        let text = lockstep_plugin_sdk::types::option(&stream.properties, MEMORY)?;
        let memory: Memory = serde_json::from_str(text).ok()?;
        if memory.at != place(config, &stream.name) {
            return None;
        }
        let property = |(name, edm, bind): Described| Property { name, edm: Edm::parse(&edm), bind };
        Some(Self {
            set: stream.name.clone(),
            version: if memory.v == 2 { Version::V2 } else { Version::V4 },
            key: memory.k.into_iter().map(|(name, edm)| KeyPart { name, edm: Edm::parse(&edm) }).collect(),
            properties: memory.p.into_iter().map(property).collect(),
            alternate_keys: memory.a,
            has_delta: memory.d,
        })
    }

    pub fn property(&self, name: &str) -> Result<&Property> {
        self.properties.iter().find(|property| property.name == name).ok_or_else(|| {
            Error::config(format!("`{}` has no property `{name}`", self.set))
                .with_code("odata.no-property")
                .with_field(name)
        })
    }

    /// The set as a stream.
    pub fn stream(&self, metadata: &Metadata, set: &EntitySet, config: &Config) -> Stream {
        let declared = metadata.properties(set);
        let fields = self.properties.iter().zip(&declared).map(|(property, (declared, _))| {
            let mut field = Field::new(&property.name, property.edm.logical());
            field.nullable = declared.is_nullable && !self.key.iter().any(|part| part.name == property.name);
            let mut set = |name: &str, value: Option<String>| {
                field.properties.extend(value.map(|value| (name.to_owned(), value)));
            };
            set("native-type", Some(property.edm.to_string()));
            set("comment", declared.comment.clone());
            set("max-length", declared.max_length.map(|length| length.to_string()));
            set("computed", declared.is_computed.then(|| "true".to_owned()));
            set(MEMORY, serde_json::to_string(&self.memory(property, config)).ok());
            field
        });
        let mut stream = Stream::new(&self.set).key(self.key.iter().map(|part| part.name.as_str()));
        stream.fields = fields.collect();
        let mut say = |name: &str, value: Option<String>| {
            stream.properties.extend(value.map(|value| (name.to_owned(), value)));
        };
        say("comment", metadata.comment(set).map(str::to_owned));
        say("modified", self.likely_modified().map(str::to_owned));
        say("write", Some(writes(set)));
        for property in ["tracks-changes", "reports-deletes"] {
            say(property, self.has_delta.then(|| "true".to_owned()));
        }
        say(MEMORY, serde_json::to_string(&self.whole_memory(config)).ok());
        let leads = metadata.navigations(set);
        let leads: Vec<String> =
            leads.iter().map(|(found, target)| format!("{} -> {}", found.name, target.unwrap_or("?"))).collect();
        say("navigation", (!leads.is_empty()).then(|| leads.join(", ")));
        stream
    }

    fn memory(&self, property: &Property, config: &Config) -> Memory {
        Memory { t: property.edm.to_string(), b: property.bind.clone(), ..self.common_memory(config) }
    }

    fn whole_memory(&self, config: &Config) -> Memory {
        let part = |found: &Property| (found.name.clone(), found.edm.to_string(), found.bind.clone());
        Memory { p: self.properties.iter().map(part).collect(), ..self.common_memory(config) }
    }

    fn common_memory(&self, config: &Config) -> Memory {
        Memory {
            at: place(config, &self.set),
            v: if self.version == Version::V2 { 2 } else { 4 },
            k: self.key.iter().map(|part| (part.name.clone(), part.edm.to_string())).collect(),
            a: self.alternate_keys.clone(),
            d: self.has_delta,
            t: String::new(),
            b: None,
            p: Vec::new(),
        }
    }

    fn likely_modified(&self) -> Option<&str> {
        let is_likely = |property: &&Property| {
            property.edm.tells_changes() && MODIFIED_NAMES.contains(&property.name.to_ascii_lowercase().as_str())
        };
        self.properties.iter().find(is_likely).map(|property| property.name.as_str())
    }
}

fn memory(field: &Field) -> Option<Memory> {
    serde_json::from_str(field.property(MEMORY)?).ok()
}

fn place(config: &Config, set: &str) -> String {
    format!("{}/{set}", config.service.trim_matches('/'))
}

fn writes(set: &EntitySet) -> String {
    let modes = [
        ("upsert", set.is_insertable && set.is_updatable),
        ("delete", set.is_deletable),
        ("insert", set.is_insertable),
        ("update", set.is_updatable),
    ];
    modes.iter().filter(|(_, can)| *can).map(|(mode, _)| *mode).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::parse;

    fn config(service: &str) -> Config {
        serde_json::from_value(serde_json::json!({ "service": service })).unwrap()
    }

    #[test]
    fn a_set_is_remembered_by_its_fields_and_no_other_services_is() {
        let metadata = parse(
            r#"<edmx:Edmx Version="4.0" xmlns:edmx="x"><edmx:DataServices><Schema Namespace="a" xmlns="y">
            <EntityType Name="T"><Key><PropertyRef Name="id"/></Key><Property Name="id" Type="Edm.Int64" Nullable="false"/>
            <Property Name="modifiedOn" Type="Edm.DateTimeOffset"/><Property Name="_p_value" Type="Edm.Guid"/>
            <NavigationProperty Name="p" Type="a.T"><ReferentialConstraint Property="_p_value" ReferencedProperty="id"/></NavigationProperty>
            </EntityType><EntityContainer Name="C"><EntitySet Name="Ts" EntityType="a.T"><NavigationPropertyBinding Path="p" Target="Ts"/></EntitySet></EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"#,
        )
        .unwrap();
        let set = metadata.set("Ts").unwrap();
        let entity = Entity::new(&metadata, set, &config("/x/y"));
        let stream = entity.stream(&metadata, set, &config("/x/y"));
        assert_eq!(stream.properties[0], ("modified".to_owned(), "modifiedOn".to_owned()));
        assert!(!stream.fields[0].nullable && stream.fields[1].nullable);
        assert_eq!(Entity::remembered(&config("x/y/"), "Ts", &stream.fields).as_ref(), Some(&entity));
        assert_eq!(entity.property("_p_value").unwrap().bind, Some(("p".to_owned(), "Ts".to_owned())));
        assert_eq!(Entity::recalled(&config("x/y"), &stream).as_ref(), Some(&entity));
        assert!(Entity::recalled(&config("x/z"), &stream).is_none());
        // The key is known though its field is not asked for.
        let part = Entity::remembered(&config("/x/y"), "Ts", &stream.fields[1..2]).unwrap();
        assert_eq!((part.key, part.properties.len()), (entity.key.clone(), 2));
        assert!(Entity::remembered(&config("/x/z"), "Ts", &stream.fields).is_none());
        assert!(Entity::remembered(&config("/x/y"), "Us", &stream.fields).is_none());
        assert!(
            Entity::remembered(&config("/x/y"), "Ts", &[Field::new("id", stream.fields[0].logical().unwrap())])
                .is_none()
        );
        assert!(Entity::remembered(&config("/x/y"), "Ts", &[]).is_none());
    }
}
