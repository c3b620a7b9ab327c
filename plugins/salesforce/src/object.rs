//! One object, as far as reading and writing its records needs to know it.
//!
//! What is known of it travels with the fields of its stream, so that it is not described again for every reading, every look-up and
//! every few records written.

use lockstep_json::{read_strings, write_strings};
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::{Field, Stream, option};

use crate::config::{ChangesFrom, Config, Deletes};
use crate::kind::Kind;

/// The property of a field, and of a stream, in which the plugin keeps what it needs to know.
const MEMORY: &str = "salesforce";
pub const ID: &str = "Id";
pub const IS_DELETED: &str = "IsDeleted";
/// Names of the time of a record's last change, best first: the second one is moved by people only.
pub const MODIFIED_NAMES: [&str; 2] = ["SystemModstamp", "LastModifiedDate"];

/// What a platform event is called by.
pub const EVENT_UUID: &str = "EventUuid";

/// Whether an object is a platform event: it is told, and not kept.
pub fn is_event(name: &str) -> bool {
    name.ends_with("__e")
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    pub name: String,
    pub properties: Vec<Property>,
    /// Whether deleted records are kept for a while and shown as such.
    pub keeps_deleted: bool,
    /// Whether there is a log of what was deleted.
    pub has_log: bool,
    /// The field that the system itself moves with every change.
    pub modified: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    pub name: String,
    pub kind: Kind,
    /// Records can be addressed by it.
    pub is_external_id: bool,
    /// No two records have the same value.
    pub is_unique: bool,
}

/// What only a person needs to know of a field, or the host.
#[derive(Clone, Debug, Default)]
pub struct About {
    pub label: String,
    pub length: Option<u32>,
    pub precision: Option<u32>,
    pub scale: Option<u32>,
    pub is_nillable: bool,
    pub is_writable: bool,
    pub references: Vec<String>,
}

impl Object {
    pub fn property(&self, name: &str) -> Result<&Property> {
        self.find(name).ok_or_else(|| {
            Error::config(format!("`{}` has no field `{name}`, or the user does not see it", self.name))
                .with_code("salesforce.no-field")
                .with_field(name)
                .with_hint("names are the API's: `Name`, `AccountNumber`, `Credit__c`; the user needs read access to the field")
        })
    }

    pub fn find(&self, name: &str) -> Option<&Property> {
        self.properties.iter().find(|property| property.name == name)
    }

    /// The object as a stream.
    pub fn stream(&self, about: &[About], modes: &str, label: &str, config: &Config) -> Stream {
        let fields = self.properties.iter().zip(about).map(|(property, about)| self.field(property, about, config));
        let key = if is_event(&self.name) { EVENT_UUID } else { ID };
        let mut stream = Stream::new(&self.name).key([key]);
        stream.fields = fields.collect();
        let mut say = |name: &str, value: &str| stream.properties.push((name.to_owned(), value.to_owned()));
        if !label.is_empty() {
            say("comment", label);
        }
        say("write", modes);
        if let Some(modified) = self.modified {
            say("modified", modified);
            say("tracks-changes", "true");
        }
        if is_event(&self.name) {
            say("tracks-changes", "true");
        }
        if self.tells_deletes(config) {
            say("reports-deletes", "true");
        }
        say(MEMORY, &self.memory(&self.properties, config));
        stream
    }

    /// Whether everything that is deleted is told as long as it is asked for in time.
    pub fn tells_deletes(&self, config: &Config) -> bool {
        (self.is_logged(config) || config.changes == ChangesFrom::Events) && self.modified.is_some()
    }

    /// Whether the log of deletes is asked for.
    pub fn is_logged(&self, config: &Config) -> bool {
        config.deletes == Deletes::Log && self.has_log
    }

    fn field(&self, property: &Property, about: &About, config: &Config) -> Field {
        let mut field = Field::new(&property.name, property.kind.logical());
        field.nullable = about.is_nillable && property.name != ID && property.name != EVENT_UUID;
        let native = match (&property.kind, about.precision, about.scale) {
            (Kind::Decimal(name), Some(precision), Some(scale)) => format!("{name}({precision},{scale})"),
            (Kind::Id, ..) if property.name != ID => "reference".to_owned(),
            (kind, ..) => kind.to_string(),
        };
        let mut set = |name: &str, value: Option<String>| {
            field.properties.extend(value.map(|value| (name.to_owned(), value)));
        };
        set("native-type", Some(native));
        set("comment", (!about.label.is_empty()).then(|| about.label.clone()));
        set("max-length", about.length.filter(|length| *length > 0).map(|length| length.to_string()));
        set("computed", (!about.is_writable && property.name != ID).then(|| "true".to_owned()));
        set("external-id", property.is_external_id.then(|| "true".to_owned()));
        set("references", (!about.references.is_empty()).then(|| about.references.join(",")));
        set(MEMORY, Some(self.memory(std::slice::from_ref(property), config)));
        field
    }

    /// What is remembered together with these properties.
    fn memory(&self, properties: &[Property], config: &Config) -> String {
        let mut flags = String::new();
        flags.extend(self.keeps_deleted.then_some('d'));
        flags.extend(self.has_log.then_some('l'));
        let mut words = vec![place(config, &self.name), flags, self.modified.unwrap_or_default().to_owned()];
        for property in properties {
            let mut flags = String::new();
            flags.extend(property.is_external_id.then_some('e'));
            flags.extend(property.is_unique.then_some('u'));
            words.extend([property.name.clone(), property.kind.to_string(), flags]);
        }
        write_strings(words)
    }

    /// What the fields of this stream remember; none if they come from somewhere else.
    pub fn remembered(config: &Config, name: &str, fields: &[Field]) -> Option<Self> {
        let recall = |field: &Field| Self::recall(config, name, field.property(MEMORY)?);
        let mut objects = fields.iter().map(recall).collect::<Option<Vec<Self>>>()?.into_iter();
        let mut object = objects.next()?;
        for other in objects {
            object.properties.extend(other.properties);
        }
        for own in object.own_properties() {
            if object.find(&own.name).is_none() {
                object.properties.push(own);
            }
        }
        Some(object)
    }

    /// What a stream remembers, all of it; none if it comes from somewhere else.
    pub fn recalled(config: &Config, stream: &Stream) -> Option<Self> {
        Self::recall(config, &stream.name, option(&stream.properties, MEMORY)?)
    }

    fn recall(config: &Config, name: &str, text: &str) -> Option<Self> {
        let mut words = read_strings(text.as_bytes())?.into_iter();
        if words.next()? != place(config, name) {
            return None;
        }
        let object_flags = words.next()?;
        let modified = words.next()?;
        let modified = MODIFIED_NAMES.into_iter().find(|known| *known == modified);
        let mut properties = Vec::new();
        while let Some(name) = words.next() {
            let (kind, flags) = (Kind::parse(&words.next()?)?, words.next()?);
            properties.push(Property {
                name,
                kind,
                is_external_id: flags.contains('e'),
                is_unique: flags.contains('u'),
            });
        }
        let (keeps_deleted, has_log) = (object_flags.contains('d'), object_flags.contains('l'));
        Some(Self { name: name.to_owned(), properties, keeps_deleted, has_log, modified })
    }

    /// The fields that a reading needs whatever is asked for.
    fn own_properties(&self) -> Vec<Property> {
        if is_event(&self.name) {
            return Vec::new();
        }
        let own = |name: &str, kind: Kind| Property {
            name: name.to_owned(),
            kind,
            is_external_id: false,
            is_unique: name == ID,
        };
        let mut all = vec![own(ID, Kind::Id)];
        all.extend(self.keeps_deleted.then(|| own(IS_DELETED, Kind::Bool)));
        all.extend(self.modified.map(|name| own(name, Kind::Datetime)));
        all
    }
}

/// Versions of the API differ in what they show.
fn place(config: &Config, name: &str) -> String {
    format!("{}/{name}", config.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> Object {
        let property = |name: &str, kind: &str, is_external_id| Property {
            name: name.to_owned(),
            kind: Kind::parse(kind).unwrap(),
            is_external_id,
            is_unique: is_external_id || name == ID,
        };
        Object {
            name: "Account".into(),
            properties: vec![
                property("Id", "id", false),
                property("No__c", "string", true),
                property("Credit__c", "currency", false),
                property("IsDeleted", "boolean", false),
                property("SystemModstamp", "datetime", false),
            ],
            keeps_deleted: true,
            has_log: true,
            modified: Some("SystemModstamp"),
        }
    }

    #[test]
    fn an_object_is_remembered_by_its_fields_and_no_other_versions_is() {
        let config = Config::read("{}").unwrap();
        let about = vec![About { is_nillable: true, precision: Some(18), scale: Some(2), ..About::default() }; 5];
        let stream = object().stream(&about, "upsert", "Accounts", &config);
        assert_eq!(stream.key, ["Id"]);
        assert!(!stream.fields[0].nullable && stream.fields[1].nullable);
        assert_eq!(stream.fields[2].property("native-type"), Some("currency(18,2)"));
        assert_eq!(option(&stream.properties, "modified"), Some("SystemModstamp"));
        assert_eq!(option(&stream.properties, "reports-deletes"), None);
        assert_eq!(Object::remembered(&config, "Account", &stream.fields), Some(object()));
        assert_eq!(Object::recalled(&config, &stream), Some(object()));
        // What a reading needs is known though it is not asked for.
        let part = Object::remembered(&config, "Account", &stream.fields[1..2]).unwrap();
        let names: Vec<&str> = part.properties.iter().map(|property| property.name.as_str()).collect();
        assert_eq!(names, ["No__c", "Id", "IsDeleted", "SystemModstamp"]);
        let other = Config::read(r#"{"version":"50.0","deletes":"log"}"#).unwrap();
        assert_eq!(Object::remembered(&other, "Account", &stream.fields), None);
        assert_eq!(Object::remembered(&config, "Contact", &stream.fields), None);
        assert_eq!(Object::remembered(&config, "Account", &[]), None);
        let log = object().stream(&about, "", "", &other);
        assert_eq!(option(&log.properties, "reports-deletes"), Some("true"));
    }
}
