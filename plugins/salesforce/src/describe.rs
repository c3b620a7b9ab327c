//! The objects of an org, as it describes them.

use lockstep_json::{Document, Fault};
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::http::answer::json;
use lockstep_plugin_sdk::http::{Ask, Reply};
use lockstep_plugin_sdk::types::{Field, Stream};
use lockstep_web::answer::fault;

use crate::config::Config;
use crate::connection::{Connection, document};
use crate::kind::Kind;
use crate::object::{About, EVENT_UUID, ID, IS_DELETED, MODIFIED_NAMES, Object, Property, is_event};
use crate::trouble::refused;

/// An object with everything that is said of it.
#[derive(Debug)]
pub struct Described {
    pub object: Object,
    about: Vec<About>,
    label: String,
    can: Can,
}

/// What may be done with the records of an object.
#[derive(Clone, Copy, Debug, Default)]
struct Can {
    query: bool,
    create: bool,
    update: bool,
    delete: bool,
}

/// The objects of these names. Without names those the connection names; else the names of all that can be read, for there are
/// hundreds, and each is described by a request of its own.
pub fn discover(config: Config, names: &[String]) -> Result<Vec<Stream>> {
    let connection = Connection::new(config);
    let names = if names.is_empty() { connection.config.objects.clone() } else { names.to_vec() };
    if names.is_empty() {
        return list(&connection);
    }
    Ok(describe(&connection, &names)?.iter().map(|described| described.stream(&connection.config)).collect())
}

/// An object as its fields remember it, else as it is described now.
pub fn object(connection: &Connection, name: &str, fields: &[Field]) -> Result<Object> {
    match Object::remembered(&connection.config, name, fields) {
        Some(object) => Ok(object),
        None => described(connection, name),
    }
}

/// An object as it is described now.
pub fn described(connection: &Connection, name: &str) -> Result<Object> {
    let found = describe(connection, &[name.to_owned()])?.into_iter().next();
    found.map(|described| described.object).ok_or_else(|| {
        Error::not_found(format!("the org has no object `{name}`, or the user does not see it"))
            .with_code("salesforce.no-object")
            .with_hint("names are the API's: `Account`, `Invoice__c`; `lockstep check --online` lists them")
    })
}

/// Those of the objects that there are.
fn describe(connection: &Connection, names: &[String]) -> Result<Vec<Described>> {
    let known = names.iter().filter(|name| is_name(name));
    let asks = known.map(|name| Ask::get(connection.service.target(&format!("sobjects/{name}/describe"))));
    let mut found = Vec::new();
    for reply in connection.send_all(asks.collect()) {
        let reply = reply?;
        match reply.status {
            404 if crate::trouble::Words::of(&reply).is_some() => {}
            _ if reply.is_success() => found.extend(Some(read(&reply)?).filter(Described::is_stream)),
            _ => return Err(refused(&reply, "describe an object")),
        }
    }
    Ok(found)
}

/// Names stand in URLs and in queries as they are.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn list(connection: &Connection) -> Result<Vec<Stream>> {
    let reply = connection.get("sobjects", "list its objects")?;
    let text = json(&reply)?;
    let (mut document, mut streams) = (document(text), None);
    let read = document.object::<Fault>(|document, key| {
        if &*key.of(document.text()) != b"sobjects" || !document.is_next(b'[') {
            return document.value().map(|_| ());
        }
        let found = streams.get_or_insert_with(Vec::new);
        document.array::<Fault>(|document| {
            let described = object_of(document)?;
            if described.can.query {
                let stream = Stream::new(&described.object.name).key([ID]).required_field(ID, Kind::Id.logical());
                found.push(stream.property("comment", &described.label));
            }
            Ok(())
        })
    });
    read.and_then(|()| document.end()).map_err(|found| fault(text, found))?;
    streams.ok_or_else(|| nothing("list its objects"))
}

fn nothing(what: &str) -> Error {
    Error::permanent(format!("the answer makes no sense: Salesforce was asked to {what}"))
        .with_code("salesforce.describe")
}

fn read(reply: &Reply) -> Result<Described> {
    let text = json(reply)?;
    let mut document = document(text);
    let described = object_of(&mut document).and_then(|described| document.end().map(|()| described));
    let mut described = described.map_err(|found| fault(text, found))?;
    let object = &mut described.object;
    if object.name.is_empty() || object.properties.is_empty() {
        return Err(nothing("describe an object"));
    }
    object.keeps_deleted = object.find(IS_DELETED).is_some_and(|property| property.kind == Kind::Bool);
    let is_there = |name: &&str| object.find(name).is_some_and(|property| property.kind == Kind::Datetime);
    object.modified = MODIFIED_NAMES.into_iter().find(is_there);
    Ok(described)
}

/// The object that is next in a document, or its entry in the list of all.
fn object_of(document: &mut Document<'_>) -> Result<Described, Fault> {
    let mut found = Described {
        object: Object {
            name: String::new(),
            properties: Vec::new(),
            keeps_deleted: false,
            has_log: false,
            modified: None,
        },
        about: Vec::new(),
        label: String::new(),
        can: Can::default(),
    };
    let text = document.text();
    document.object::<Fault>(|document, key| {
        let key = key.of(text);
        if &*key == b"fields" && document.is_next(b'[') {
            return document.array(|document| {
                if let Some((property, about)) = field(document)? {
                    found.object.properties.push(property);
                    found.about.push(about);
                }
                Ok(())
            });
        }
        let said = document.value()?.said(text).unwrap_or_default();
        match &*key {
            b"name" => found.object.name = said,
            b"label" => found.label = said,
            b"queryable" => found.can.query = said == "true",
            b"createable" => found.can.create = said == "true",
            b"updateable" => found.can.update = said == "true",
            b"replicateable" => found.object.has_log = said == "true",
            b"deletable" => found.can.delete = said == "true",
            _ => {}
        }
        Ok(())
    })?;
    Ok(found)
}

/// None for a field whose values do not come with the records.
fn field(document: &mut Document<'_>) -> Result<Option<(Property, About)>, Fault> {
    let (mut about, text) = (About::default(), document.text());
    let (mut name, mut kind, mut is_external_id, mut is_unique, mut is_hidden) =
        (String::new(), String::new(), false, false, false);
    document.object::<Fault>(|document, key| {
        let key = key.of(text);
        if &*key == b"referenceTo" && document.is_next(b'[') {
            return document.array::<Fault>(|document| {
                about.references.extend(document.value()?.string(text));
                Ok(())
            });
        }
        let said = document.value()?.said(text).unwrap_or_default();
        let is = said == "true";
        match &*key {
            b"name" => name = said,
            b"type" => kind = said,
            b"label" => about.label = said,
            b"length" => about.length = said.parse().ok(),
            b"precision" => about.precision = said.parse().ok(),
            b"scale" => about.scale = said.parse().ok(),
            b"nillable" => about.is_nillable = is,
            b"createable" | b"updateable" => about.is_writable |= is,
            b"externalId" => is_external_id = is,
            b"unique" => is_unique = is,
            b"deprecatedAndHidden" => is_hidden = is,
            _ => {}
        }
        Ok(())
    })?;
    let kind = Kind::parse(&kind).filter(|_| !is_hidden && is_name(&name));
    Ok(kind.map(|kind| {
        let is_unique = is_unique || name == ID;
        (Property { name, kind, is_external_id, is_unique }, about)
    }))
}

impl Described {
    /// Whether its records can be read, or are told.
    fn is_stream(&self) -> bool {
        self.can.query || (is_event(&self.object.name) && self.object.find(EVENT_UUID).is_some())
    }

    fn stream(&self, config: &Config) -> Stream {
        let can = self.can;
        if is_event(&self.object.name) {
            return self.object.stream(&self.about, if can.create { "insert" } else { "" }, &self.label, config);
        }
        let modes = [
            ("upsert", can.create && can.update),
            ("delete", can.delete),
            ("insert", can.create),
            ("update", can.update),
        ];
        let modes: Vec<&str> = modes.iter().filter(|(_, can)| *can).map(|(mode, _)| *mode).collect();
        self.object.stream(&self.about, &modes.join(","), &self.label, config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_describe_is_read() {
        let body = r#"{"name":"A__c","label":"An A","queryable":true,"createable":true,"updateable":false,"deletable":true,
            "childRelationships":[{"field":"x"}],"fields":[
            {"name":"Id","type":"id","nillable":false,"idLookup":true},
            {"name":"Body","type":"base64"},
            {"name":"Old__c","type":"string","deprecatedAndHidden":true},
            {"name":"IsDeleted","type":"boolean"},
            {"name":"LastModifiedDate","type":"datetime"},
            {"name":"SystemModstamp","type":"datetime"},
            {"name":"No__c","type":"string","label":"Number","length":20,"nillable":true,"createable":true,"externalId":true,"unique":true},
            {"name":"Rate__c","type":"percent","precision":5,"scale":3,"updateable":true},
            {"name":"OwnerId","type":"reference","referenceTo":["User","Group"],"createable":true}]}"#;
        let described = read(&Reply { status: 200, headers: Vec::new(), body: body.as_bytes().to_vec() }).unwrap();
        let stream = described.stream(&Config::read("{}").unwrap());
        let names: Vec<&str> = stream.fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["Id", "IsDeleted", "LastModifiedDate", "SystemModstamp", "No__c", "Rate__c", "OwnerId"]);
        let property = |name: &str, property: &str| {
            stream.fields.iter().find(|field| field.name == name).and_then(|field| field.property(property))
        };
        assert_eq!(property("No__c", "max-length"), Some("20"));
        assert_eq!(property("No__c", "external-id"), Some("true"));
        assert_eq!(property("Rate__c", "native-type"), Some("percent(5,3)"));
        assert_eq!(property("OwnerId", "references"), Some("User,Group"));
        assert_eq!(property("SystemModstamp", "computed"), Some("true"));
        assert_eq!(property("No__c", "computed"), None);
        let said = |name: &str| lockstep_plugin_sdk::types::option(&stream.properties, name);
        assert_eq!((said("write"), said("modified")), (Some("delete,insert"), Some("SystemModstamp")));
        assert_eq!((said("comment"), said("tracks-changes")), (Some("An A"), Some("true")));
    }

    #[test]
    fn what_is_no_describe_says_so() {
        for (body, code) in
            [("{}", "salesforce.describe"), ("[", "http.cut-off"), ("<html>", "http.page"), ("", "http.empty")]
        {
            let reply = Reply { status: 200, headers: Vec::new(), body: body.as_bytes().to_vec() };
            assert_eq!(read(&reply).unwrap_err().code, code, "{body}");
        }
    }
}
