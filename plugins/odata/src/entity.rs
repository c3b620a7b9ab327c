//! One entity set, as far as reading and writing its records needs to know it.
//!
//! What is known of it travels with the fields of its stream, so that no metadata is asked for again for every reading, every
//! look-up and every few records written.

use lockstep_json::{read_strings, write_strings};
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::{Field, Stream};

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

/// What a field or a stream remembers: the set, and the field's own property or all of them.
struct Memory {
    /// The set with the path of its service: two services may have sets of the same name.
    at: String,
    entity: Entity,
}

impl Memory {
    /// A list of texts; every list in it begins with its length.
    fn write(&self) -> String {
        let entity = &self.entity;
        let version = if entity.version == Version::V2 { "2" } else { "4" };
        let delta = if entity.has_delta { "delta" } else { "" };
        let mut words = vec![self.at.clone(), version.to_owned(), delta.to_owned(), entity.key.len().to_string()];
        words.extend(entity.key.iter().flat_map(|part| [part.name.clone(), part.edm.to_string()]));
        words.push(entity.alternate_keys.len().to_string());
        for key in &entity.alternate_keys {
            words.push(key.len().to_string());
            words.extend(key.iter().cloned());
        }
        for property in &entity.properties {
            let (navigation, set) = property.bind.clone().unwrap_or_default();
            words.extend([property.name.clone(), property.edm.to_string(), navigation, set]);
        }
        write_strings(words)
    }

    /// None if it is from another time.
    fn read(set: &str, text: &str) -> Option<Self> {
        let mut words = read_strings(text.as_bytes())?.into_iter();
        let at = words.next()?;
        let version = if words.next()? == "2" { Version::V2 } else { Version::V4 };
        let has_delta = words.next()? == "delta";
        let mut key = Vec::new();
        for _ in 0..words.next()?.parse::<u8>().ok()? {
            key.push(KeyPart { name: words.next()?, edm: Edm::parse(&words.next()?) });
        }
        let mut alternate_keys = Vec::new();
        for _ in 0..words.next()?.parse::<u8>().ok()? {
            let length: u8 = words.next()?.parse().ok()?;
            let names: Vec<String> = words.by_ref().take(usize::from(length)).collect();
            alternate_keys.push(names);
        }
        let mut properties = Vec::new();
        while let Some(name) = words.next() {
            let (edm, navigation, set) = (Edm::parse(&words.next()?), words.next()?, words.next()?);
            let bind = (!navigation.is_empty()).then_some((navigation, set));
            properties.push(Property { name, edm, bind });
        }
        let entity = Entity { set: set.to_owned(), version, key, properties, alternate_keys, has_delta };
        Some(Self { at, entity })
    }
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
        let recall = |field: &Field| Memory::read(set, field.property(MEMORY)?);
        let mut memories = fields.iter().map(recall).collect::<Option<Vec<Memory>>>()?.into_iter();
        let at = place(config, set);
        let mut entity = memories.next().filter(|memory| memory.at == at)?.entity;
        for memory in memories {
            if memory.at != at || memory.entity.version != entity.version {
                return None;
            }
            entity.properties.extend(memory.entity.properties);
        }
        for part in &entity.key {
            if !entity.properties.iter().any(|property| property.name == part.name) {
                entity.properties.push(Property { name: part.name.clone(), edm: part.edm.clone(), bind: None });
            }
        }
        Some(entity)
    }

    /// What a stream remembers, all of it; none if it comes from somewhere else.
    pub fn recalled(config: &Config, stream: &Stream) -> Option<Self> {
        let text = lockstep_plugin_sdk::types::option(&stream.properties, MEMORY)?;
        let memory = Memory::read(&stream.name, text)?;
        (memory.at == place(config, &stream.name)).then_some(memory.entity)
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
            set(MEMORY, Some(self.memory(vec![property.clone()], config)));
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
        say(MEMORY, Some(self.memory(self.properties.clone(), config)));
        let leads = metadata.navigations(set);
        let leads: Vec<String> =
            leads.iter().map(|(found, target)| format!("{} -> {}", found.name, target.unwrap_or("?"))).collect();
        say("navigation", (!leads.is_empty()).then(|| leads.join(", ")));
        stream
    }

    /// What is remembered together with these properties.
    fn memory(&self, properties: Vec<Property>, config: &Config) -> String {
        Memory { at: place(config, &self.set), entity: Self { properties, ..self.clone() } }.write()
    }

    fn likely_modified(&self) -> Option<&str> {
        let is_likely = |property: &&Property| {
            property.edm.tells_changes() && MODIFIED_NAMES.contains(&property.name.to_ascii_lowercase().as_str())
        };
        self.properties.iter().find(is_likely).map(|property| property.name.as_str())
    }
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
        Config::read(&serde_json::json!({ "service": service }).to_string()).unwrap()
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
