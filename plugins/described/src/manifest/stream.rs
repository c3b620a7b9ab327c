//! A stream as a manifest describes it.

use super::Read;
use crate::failure::{Say as _, failure};
use crate::protocol::Push;
use lockstep_json::Node;
use lockstep_plugin_sdk::error::ErrorKind;
use lockstep_plugin_sdk::types::LogicalType;

use super::field::{FieldSpec, Form, logical};
use super::place::Place;
use super::reading::{Changes, Listing};
use super::request::{Known, Request};
use super::rules::Test;
use super::writing::{Finding, Writing};

#[derive(Debug)]
pub struct StreamSpec {
    pub name: String,
    pub comment: Option<String>,
    pub key: Vec<String>,
    pub fields: Vec<FieldSpec>,
    /// How fields are that are found out about.
    pub base: FieldSpec,
    /// Where the fields stand in a record.
    pub at: Vec<String>,
    pub describe: Option<Describe>,
    /// Fields are guessed from a page of records.
    pub is_inferred: bool,
    /// A field that is missing in a record is null there.
    pub absent_is_null: bool,
    /// How values of answers become values of columns.
    pub push: Push,
    /// Where a record's version is.
    pub version: Option<Version>,
    /// What says that a record is gone.
    pub deleted: Option<Test>,
    /// Records that are none.
    pub skip: Option<Test>,
    pub modified: Option<String>,
    /// So long a change may not be shown where it is looked for.
    pub lag_ms: Option<u64>,
    /// The stream whose records this one's belong to.
    pub parent: Option<String>,
    pub read: Listing,
    /// What pages depend on, as it is written.
    pub pages: String,
    pub changes: Option<Changes>,
    pub find: Vec<Finding>,
    pub create: Option<Writing>,
    pub update: Option<Writing>,
    pub delete: Option<Writing>,
    pub upsert: Option<Writing>,
    /// New records are made by `create` even where there is an `upsert`: it refuses those that are there already.
    pub inserts_by_create: bool,
}

#[derive(Debug)]
pub enum Version {
    Body(Vec<String>),
    /// A header of an answer that is one record.
    Header(String),
}

/// What a type of the API's is.
#[derive(Debug)]
pub struct Kind {
    pub name: String,
    pub logical: LogicalType,
    pub form: Form,
    /// Where in the value it is, if the value is written otherwise than it is shown: `[7, "Name"]` for 7.
    pub step: Option<String>,
}

/// Fields that the API tells.
#[derive(Debug)]
pub struct Describe {
    pub request: Request,
    pub records: Vec<String>,
    /// The name; none where the fields are members of an object, by name.
    pub name: Option<Vec<String>>,
    pub kind: Vec<String>,
    pub comment: Vec<String>,
    pub read_only: Option<Test>,
    /// What the API's types are; every other is text.
    pub types: Vec<Kind>,
    pub skip: Vec<String>,
}

const KEYS: &[&str] = &[
    "comment",
    "key",
    "fields",
    "at",
    "describe",
    "infer",
    "absent_is_null",
    "version",
    "etag",
    "deleted",
    "skip",
    "modified",
    "lag_ms",
    "parent",
    "read",
    "changes",
    "find",
    "create",
    "update",
    "delete",
    "upsert",
    "form",
    "null",
    "insert",
];

impl StreamSpec {
    pub fn read(name: &str, place: &Place<'_>, known: &Known<'_>, own: &[String]) -> Read<Self> {
        place.close(KEYS)?;
        let at = place.optional_path("at")?.unwrap_or_default();
        let mut base = FieldSpec::new("", LogicalType::Text, Vec::new());
        base.form = match place.optional("form") {
            Some(form) => Form::read(&form)?,
            None => known.protocol.form(),
        };
        base.null = place.optional("null").map(|null| null.node.clone());
        let fields = match place.optional("fields") {
            Some(fields) => fields.each_member(|name, field| FieldSpec::read(name, field, &at, &base))?,
            None => Vec::new(),
        };
        let absent_is_null = place.is_set("absent_is_null")?;
        let writing = |key: &str| -> Read<Option<Writing>> {
            let Some(way) = place.optional(key) else { return Ok(None) };
            let mut way = Writing::read(&way, known, own)?;
            // What a new record does not say is null.
            way.request.omits_null = absent_is_null || key == "create";
            Ok(Some(way))
        };
        let key = place.required("key", "[\"id\"]")?;
        let spec = Self {
            name: name.to_owned(),
            comment: place.optional_text("comment")?,
            key: key.texts()?.into_iter().map(str::to_owned).collect(),
            base,
            describe: place.optional("describe").map(|way| known.protocol.describe(&way, known, own)).transpose()?,
            is_inferred: place.is_set("infer")?,
            absent_is_null,
            push: known.protocol.push(),
            version: version(place)?,
            deleted: Test::read_one(place, "deleted")?,
            skip: Test::read_one(place, "skip")?,
            modified: place.optional_text("modified")?,
            lag_ms: place.optional_number("lag_ms", 0, 86_400_000)?,
            parent: place.optional_text("parent")?,
            read: Listing::read(&place.required("read", "{ path = \"/contacts\" }")?, known, own, &[])?,
            pages: ["read", "changes"].iter().filter_map(|key| place.node.get(key)).map(Node::to_json).collect(),
            changes: place.optional("changes").map(|way| Changes::read(&way, known, own)).transpose()?,
            find: match place.optional("find") {
                Some(find) => find.each_element(|way| Finding::read(way, known, own))?,
                None => Vec::new(),
            },
            create: writing("create")?,
            update: writing("update")?,
            delete: writing("delete")?,
            upsert: writing("upsert")?,
            inserts_by_create: match place.optional("insert") {
                Some(insert) => insert.choice(&[("create", true), ("upsert", false)])?,
                None => false,
            },
            at,
            fields,
        };
        spec.check(&key, place)?;
        Ok(spec)
    }

    /// What is named has to be there, as far as the fields are known.
    fn check(&self, key: &Place<'_>, place: &Place<'_>) -> Read<()> {
        if self.key.is_empty() {
            return Err(key.expected("the names of the fields that identify a record"));
        }
        if self.fields.is_empty() && self.describe.is_none() && !self.is_inferred && !self.is_told() {
            return Err(place.wrong("must say what its fields are: `fields`, `describe` or `infer = true`"));
        }
        match self.key.iter().find(|name| !self.fields.iter().any(|field| field.name == **name)) {
            Some(name) if !self.is_inferred && !self.is_told() => {
                Err(key.wrong(&format!("names `{name}`, which is none of the fields")))
            }
            _ => Ok(()),
        }
    }

    /// Whether the protocol may describe the fields by what the stream is read with.
    pub fn is_told(&self) -> bool {
        self.read.request.body.as_ref().is_some_and(|body| body.operation.is_some())
    }

    pub fn field(&self, name: &str) -> Option<&FieldSpec> {
        self.fields.iter().find(|field| field.name == name)
    }

    pub fn known_field(&self, name: &str) -> Read<&FieldSpec> {
        self.field(name).ok_or_else(|| {
            failure(ErrorKind::Config, "api.no-field", &format!("`{}` has no field `{name}`", self.name)).field(name)
        })
    }

    /// What can be written to it.
    pub fn writes(&self) -> String {
        let (creates, updates) = (self.create.is_some() || self.upsert.is_some(), self.update.is_some());
        let finds = !self.find.is_empty();
        let modes = [
            ("upsert", creates && updates && finds),
            ("delete", self.delete.is_some() && finds),
            ("insert", creates),
            ("update", updates && finds),
        ];
        modes.iter().filter(|(_, can)| *can).map(|(mode, _)| *mode).collect::<Vec<_>>().join(",")
    }
}

fn version(place: &Place<'_>) -> Read<Option<Version>> {
    match (place.optional("version"), place.optional("etag")) {
        (Some(path), _) => Ok(Some(Version::Body(path.path()?))),
        (None, Some(header)) => Ok(Some(Version::Header(header.text()?.to_owned()))),
        (None, None) => Ok(None),
    }
}

impl Describe {
    pub fn read(place: &Place<'_>, known: &Known<'_>, own: &[String]) -> Read<Self> {
        let keys = ["records", "name", "type", "comment", "read_only", "types", "skip"];
        place.close(&known.keys(&keys))?;
        let mut types = Vec::new();
        for (name, place) in place.required("types", "{ number = \"decimal\" }")?.members()? {
            let form = place.optional("form").map(|form| Form::read(&form)).transpose()?.unwrap_or_default();
            let kind = place.optional("type");
            let step = place.optional_text("step")?;
            types.push(Kind { name: name.to_owned(), logical: logical(kind.as_ref().unwrap_or(&place))?, form, step });
        }
        Ok(Self {
            request: Request::read_only(place, known, own)?,
            records: place.optional_path("records")?.unwrap_or_default(),
            name: place.optional_path("name")?,
            kind: place.required("type", "\"type\"")?.path()?,
            comment: place.optional_path("comment")?.unwrap_or_default(),
            read_only: Test::read_one(place, "read_only")?,
            types,
            skip: place.optional_texts("skip")?,
        })
    }
}

/// The fields of a stream as they are remembered between calls.
pub fn remember(fields: &[FieldSpec]) -> String {
    let members = fields.iter().map(|field| (field.name.clone(), field.to_node())).collect();
    Node::Object(members).to_json()
}

/// What [`remember`] wrote; none if it is anything else.
pub fn recall(text: &str) -> Option<Vec<FieldSpec>> {
    let node = Node::read(text.as_bytes()).ok()?;
    let base = FieldSpec::new("", LogicalType::Text, Vec::new());
    let fields = Place::root(&node).members().ok()?.into_iter();
    fields.map(|(name, field)| FieldSpec::read(name, &field, &[], &base).ok()).collect()
}
