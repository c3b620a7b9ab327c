//! XML as bodies and answers.

use lockstep_described::manifest::Read;
use lockstep_described::manifest::field::{FieldSpec, Form};
use lockstep_described::manifest::place::Place;
use lockstep_described::manifest::request::{Body, Request};
use lockstep_described::manifest::rules::{Meaning, Rules};
use lockstep_described::manifest::stream::StreamSpec;
use lockstep_described::{Connection, Encoded, Protocol, Push, Result, Say as _, failure};
use lockstep_json::Node;
use lockstep_plugin_sdk::error::{Error, ErrorKind};
use lockstep_plugin_sdk::http::Reply;
use lockstep_plugin_sdk::http::answer::{beginning, page};
use lockstep_plugin_sdk::types::LogicalType;

use crate::elements::Shape;
use crate::envelope::{Content, open};
use crate::options::Options;
use crate::schema::{Decl, Kind};
use crate::value;
use crate::wsdl::{Version, Wsdl};
use crate::xml::{Characters, Element, Fault, Name, Writer, decode, read};

/// A body by the schema of an operation, and one that is XML as it stands.
const INPUT: &str = "input";
const XML: &str = "xml";
/// Faults with which services say that they do not let us in (WS-Security 1.1, 12).
const STRANGERS: &[&str] =
    &["FailedAuthentication", "FailedCheck", "InvalidSecurity", "InvalidSecurityToken", "UnsupportedSecurityToken"];
/// What all faults have in common, as a manifest says it.
const RULES: &str = r#"{"code":["fault/subcode","fault/code"],"message":"fault/message","failed":["fault"]}"#;

pub struct Soap {
    wsdl: Wsdl,
    options: Options,
}

impl Soap {
    pub fn new(wsdl: Wsdl, manifest: &Node) -> Result<Self> {
        Ok(Self { wsdl, options: Options::read(manifest)? })
    }

    fn shape(&self) -> Shape<'_> {
        Shape { schema: &self.wsdl.schema, options: &self.options }
    }

    /// The operation of a body, and the element it answers.
    fn answer_of(&self, body: Option<&Body>) -> Option<&Name<'static>> {
        let operation = body?.operation.as_ref()?;
        self.wsdl.operation(operation, self.options.version).ok()?.output.as_ref()
    }

    fn envelope(&self, version: Version, security: &str, header: Option<&Node>) -> Result<Writer> {
        let mut writer = Writer::new("<?xml version=\"1.0\" encoding=\"utf-8\"?>");
        writer.start(None, "s:Envelope");
        writer.attribute("xmlns:s", version.envelope());
        writer.start(None, "s:Header");
        for (name, value) in header.map(Node::members).unwrap_or_default() {
            let decl = self.wsdl.schema.only(name).ok_or_else(|| {
                failure(
                    ErrorKind::Config,
                    "soap.element",
                    &format!("the schema has no element `{name}` for the header"),
                )
            })?;
            writer.start(Some(&decl.name.space), decl.name.local);
            self.shape().write(&mut writer, value, decl.kind, true)?;
            writer.end();
        }
        writer.text(security);
        writer.end();
        writer.start(None, "s:Body");
        Ok(writer)
    }

    fn by_schema(
        &self,
        request: &Request,
        name: &str,
        document: &Node,
        header: Option<&Node>,
        security: &str,
    ) -> Result<Encoded> {
        let operation = self.wsdl.operation(name, self.options.version)?;
        let decl = self.wsdl.schema.element(&operation.input).ok_or_else(|| no_element(&operation.input))?;
        let mut writer = self.envelope(operation.version, security, header)?;
        writer.start(Some(&decl.name.space), decl.name.local);
        self.shape().write(&mut writer, document, decl.kind, request.omits_null)?;
        (0..3).for_each(|_| writer.end());
        let mut headers = Vec::new();
        match operation.version {
            Version::V11 => {
                headers.push(("Content-Type".to_owned(), "text/xml; charset=utf-8".to_owned()));
                headers.push(("SOAPAction".to_owned(), format!("\"{}\"", operation.action)));
            }
            Version::V12 => {
                let action = if operation.action.is_empty() {
                    String::new()
                } else {
                    format!("; action=\"{}\"", operation.action)
                };
                headers.push(("Content-Type".to_owned(), format!("application/soap+xml; charset=utf-8{action}")));
            }
        }
        Ok(Encoded { target: Some(operation.path.clone()), headers, body: writer.finish().into_bytes() })
    }

    fn as_it_stands(&self, request: &Request, document: &Node) -> Result<Encoded> {
        let mut writer = Writer::new("<?xml version=\"1.0\" encoding=\"utf-8\"?>");
        let [(name, content)] = document.members() else {
            return Err(failure(
                ErrorKind::Config,
                "soap.xml",
                "a document in XML has one root: `xml` says none, or several",
            ));
        };
        writer.start(None, name);
        self.shape().write(&mut writer, content, Kind::Any, request.omits_null)?;
        writer.end();
        let headers = vec![("Content-Type".to_owned(), "text/xml; charset=utf-8".to_owned())];
        Ok(Encoded { target: None, headers, body: writer.finish().into_bytes() })
    }

    /// The document of an answer.
    fn document(&self, request: &Request, root: &Element<'_>) -> Result<Node> {
        let shape = self.shape();
        let (element, expected) = match (open(root, &shape), self.answer_of(request.body.as_ref())) {
            (Some(Content::Fault(fault)), _) => return Ok(fault),
            (Some(Content::Empty), Some(expected)) => return Err(other(expected, "nothing")),
            (Some(Content::Empty), None) => return Ok(Node::Object(Vec::new())),
            (Some(Content::Element(element)), Some(expected)) if element.name != *expected => {
                return Err(other(expected, &format!("`{}` of `{}`", element.name.local, element.name.space)));
            }
            (Some(Content::Element(element)), expected) => (element, expected),
            (None, Some(expected)) => return Err(other(expected, &format!("`{}` and no envelope", root.raw))),
            (None, None) => (root, None),
        };
        let decl = expected.and_then(|name| self.wsdl.schema.element(name));
        let kind = decl.map_or(Kind::Any, |decl| decl.kind);
        let mut node = match shape.document(element, kind) {
            object @ Node::Object(_) => object,
            Node::Text(text) if !text.is_empty() => {
                Node::Object(vec![(crate::elements::TEXT.to_owned(), Node::Text(text))])
            }
            _ => Node::Object(Vec::new()),
        };
        for path in &request.lists {
            self.make_list(&mut node, path, decl.map(|decl| decl.kind));
        }
        Ok(node)
    }

    /// Where a list has one element, or none, it is a list all the same. Of what is not there, it is one if the schema lets it be
    /// missing, or if what it should stand in is there.
    fn make_list(&self, node: &mut Node, path: &[String], kind: Option<Kind>) {
        let Some((step, rest)) = path.split_first() else { return };
        if !matches!(node, Node::Object(_)) {
            // An element without anything in it is one, too.
            if node.as_text().is_some_and(|text| !text.trim().is_empty()) || !node.list().is_empty() {
                return;
            }
            *node = Node::Object(Vec::new());
        }
        let declared = kind.map(|kind| self.wsdl.schema.children(kind)).unwrap_or_default();
        let decl = declared.into_iter().find(|decl| decl.name.local == step);
        let inner = decl.map(|decl| self.wsdl.schema.resolved(decl).0);
        let Node::Object(members) = node else { return };
        let at = members.iter().position(|(name, _)| name == step);
        let is_missing_rightly = match decl {
            Some(decl) => decl.is_optional,
            None => kind.is_none() && rest.is_empty(),
        };
        match (at, rest.is_empty()) {
            (None, _) if !is_missing_rightly => {}
            (None, true) => members.push((step.clone(), Node::List(Vec::new()))),
            (None, false) => {
                members.push((step.clone(), Node::Null));
                if let Some((_, member)) = members.last_mut() {
                    self.make_list(member, rest, inner);
                }
            }
            (Some(at), is_last) => {
                if let Some((_, member)) = members.get_mut(at) {
                    match (is_last, &*member) {
                        (true, Node::List(_)) => {}
                        (true, Node::Null) => *member = Node::List(Vec::new()),
                        (true, _) => *member = Node::List(vec![std::mem::take(member)]),
                        (false, _) => self.make_list(member, rest, inner),
                    }
                }
            }
        }
    }

    /// What a path leads to.
    fn decl_at<'s>(&'s self, mut decl: &'s Decl, path: &[String]) -> Option<&'s Decl> {
        for step in path {
            let (kind, _) = self.wsdl.schema.resolved(decl);
            decl = self.wsdl.schema.children(kind).into_iter().find(|decl| decl.name.local == step)?;
        }
        Some(decl)
    }

    fn field(&self, stream: &StreamSpec, decl: &Decl) -> FieldSpec {
        let (kind, _) = self.wsdl.schema.resolved(decl);
        let path = stream.at.iter().cloned().chain([decl.name.local.to_owned()]).collect();
        let mut field = FieldSpec { name: decl.name.local.to_owned(), path, ..stream.base.clone() };
        let logical = self.wsdl.schema.logical(kind).filter(|_| !decl.is_many);
        field.logical = logical.unwrap_or(LogicalType::Json);
        let values = self.wsdl.schema.values(kind);
        let choice = (!values.is_empty() && values.len() <= 20).then(|| format!("one of {}", values.join(", ")));
        field.comment = decl.comment.clone().or(choice);
        field
    }
}

/// An answer that is none to what was asked.
fn other(expected: &Name<'_>, found: &str) -> Box<Error> {
    failure(
        ErrorKind::Permanent,
        "soap.answer",
        &format!("the service answered {found}, where `{}` of `{}` was expected", expected.local, expected.space),
    )
    .hint("check that the WSDL is the service's own, and of the version it has now")
}

fn no_element(name: &Name<'_>) -> Box<Error> {
    failure(
        ErrorKind::Config,
        "soap.element",
        &format!("the schema has no element `{}` of `{}`", name.local, name.space),
    )
    .hint("if it is in a document of its own, give that too, under `schemas`")
}

/// Why a text is not XML. One that breaks off may be whole the next time.
fn no_xml(text: &str, fault: Fault) -> Box<Error> {
    let (kind, code) = match fault.breaks_off {
        true => (ErrorKind::Transient, "http.cut-off"),
        false => (ErrorKind::Permanent, "soap.xml"),
    };
    failure(kind, code, &format!("the answer is not XML as it should be: {} (byte {})", fault.reason, fault.at + 1))
        .detail(&beginning(text.as_bytes()))
}

/// A template in XML as a document; prefixes and declarations stay as they are.
fn template(element: &Element<'_>) -> Node {
    let mut members: Vec<(String, Node)> = Vec::new();
    for attribute in &element.attributes {
        let prefix = match &*attribute.name.space {
            crate::xml::XMLNS if attribute.name.local.is_empty() => "@xmlns".to_owned(),
            crate::xml::XMLNS => format!("@xmlns:{}", attribute.name.local),
            _ => format!("@{}", attribute.name.local),
        };
        members.push((prefix, Node::text(&*attribute.value)));
    }
    for child in &element.children {
        let (name, node) = (child.raw, template(child));
        match members.iter_mut().find(|(known, _)| known == name) {
            Some((_, Node::List(list))) => list.push(node),
            Some((_, present)) => *present = Node::List(vec![std::mem::take(present), node]),
            None => members.push((name.to_owned(), node)),
        }
    }
    let text = element.text.trim();
    match (members.is_empty(), text.is_empty()) {
        (true, _) => Node::text(text),
        (false, true) => Node::Object(members),
        (false, false) => {
            members.push((crate::elements::TEXT.to_owned(), Node::text(text)));
            Node::Object(members)
        }
    }
}

impl Protocol for Soap {
    fn separator(&self) -> char {
        '/'
    }

    fn manifest_keys(&self) -> &'static [&'static str] {
        &["xml"]
    }

    fn body_keys(&self) -> &'static [&'static str] {
        &["operation", INPUT, "header", XML]
    }

    fn body(&self, place: &Place<'_>, known: Option<Body>) -> Read<Option<Body>> {
        let mut body = known;
        if let Some(xml) = place.optional(XML) {
            place
                .optional("operation")
                .map_or(Ok(()), |operation| Err(operation.wrong("cannot be there together with `xml`")))?;
            return Ok(Some(Body::new(XML, self.part(&xml)?)));
        }
        if let Some(operation) = place.optional("operation") {
            let name = operation.text()?;
            self.wsdl.operation(name, self.options.version)?;
            let body = body.get_or_insert_with(|| Body::new(INPUT, Node::Object(Vec::new())));
            body.operation = Some(name.to_owned());
        }
        for (key, is_header) in [(INPUT, false), ("header", true)] {
            let Some(part) = place.optional(key) else { continue };
            let node = self.part(&part)?;
            // An envelope may say the header, and each request its operation.
            let known = match is_header {
                true => Some(body.get_or_insert_with(|| Body::new(INPUT, Node::Object(Vec::new())))),
                false => body.as_mut(),
            };
            let Some(body) = known.filter(|body| body.kind == INPUT) else {
                return Err(part.wrong("belongs to an `operation`, and there is none"));
            };
            *(if is_header { body.header.get_or_insert_default() } else { &mut body.template }) = node;
        }
        Ok(body)
    }

    fn part(&self, place: &Place<'_>) -> Read<Node> {
        match place.node.as_text() {
            Some(text) if text.trim_start().starts_with('<') => {
                let root = read(text.trim(), Characters::Strict)
                    .map_err(|fault| place.wrong(&format!("is no XML at byte {}: {}", fault.at + 1, fault.reason)))?;
                Ok(Node::Object(vec![(root.raw.to_owned(), template(&root))]))
            }
            _ => Ok(place.node.clone()),
        }
    }

    fn names(&self) -> &'static [&'static str] {
        &["security"]
    }

    fn method(&self) -> &'static str {
        "POST"
    }

    fn reads_with_any_method(&self) -> bool {
        true
    }

    fn accept(&self) -> &'static str {
        "text/xml, application/soap+xml, application/xml"
    }

    fn encode(
        &self,
        request: &Request,
        body: &Body,
        document: &Node,
        header: Option<&Node>,
        security: &str,
    ) -> Result<Encoded> {
        match &body.operation {
            Some(name) => self.by_schema(request, name, document, header, security),
            None => self.as_it_stands(request, document),
        }
    }

    fn decode(&self, request: &Request, reply: &mut Reply) -> Result<String> {
        let kind = reply.header("content-type").unwrap_or_default().to_ascii_lowercase();
        if reply.body.trim_ascii().is_empty() {
            let text = format!("the service answered {} without a word", reply.status);
            return Err(failure(ErrorKind::Transient, "http.empty", &text));
        }
        if kind.starts_with("multipart/") {
            let text = "the service answered in several parts (MTOM), which cannot be read";
            return Err(failure(ErrorKind::Permanent, "soap.multipart", text).hint("let it answer without attachments"));
        }
        let text = decode(&reply.body, &kind).ok_or_else(|| {
            failure(
                ErrorKind::Permanent,
                "soap.encoding",
                "the answer is no text in the encoding it names, or in UTF-8",
            )
            .detail(&beginning(&reply.body))
        })?;
        let head: String = text.trim_start().chars().take(14).collect::<String>().to_ascii_lowercase();
        let is_page = head.starts_with("<!doctype html") || head.starts_with("<html") || !head.starts_with('<');
        if is_page {
            return Err(page(reply).into());
        }
        let root = read(&text, self.options.characters).map_err(|fault| no_xml(&text, fault))?;
        Ok(self.document(request, &root)?.to_json())
    }

    /// The fields are those of the type that a record has.
    fn fields(&self, _connection: &Connection, stream: &StreamSpec) -> Result<Vec<Vec<FieldSpec>>> {
        let listing = &stream.read;
        let Some(answer) = self.answer_of(listing.request.body.as_ref()) else { return Ok(Vec::new()) };
        let root = self.wsdl.schema.element(answer).ok_or_else(|| no_element(answer))?;
        let path: Vec<String> = [&*listing.records, &*listing.record, &*stream.at].concat();
        let record = self.decl_at(root, &path).ok_or_else(|| {
            failure(
                ErrorKind::Config,
                "soap.element",
                &format!("the answer of `{}` has no element `{}` by its schema", stream.name, path.join("/")),
            )
            .hint("compare `records` in the manifest with the WSDL")
        })?;
        let (kind, _) = self.wsdl.schema.resolved(record);
        let mut fields: Vec<FieldSpec> =
            self.wsdl.schema.children(kind).into_iter().map(|decl| self.field(stream, decl)).collect();
        for name in self.wsdl.schema.attributes(kind) {
            let path = stream.at.iter().cloned().chain([format!("@{name}")]).collect();
            fields.push(FieldSpec { name: name.to_owned(), path, ..stream.base.clone() });
        }
        Ok(vec![fields])
    }

    /// Who says that we have made a mistake has done nothing. Who says that it was its own, or anybody's, may have done anything.
    fn meaning(&self, document: &Node) -> Option<Meaning> {
        let fault = document.get("fault")?;
        let said = |name: &str| fault.get(name).and_then(Node::as_text).unwrap_or_default();
        let (code, subcode) = (said("code"), said("subcode"));
        if [code, subcode].iter().any(|code| STRANGERS.contains(code)) {
            return Some(Meaning::Auth);
        }
        let is_ours = ["Client", "Sender", "VersionMismatch", "MustUnderstand", "DataEncodingUnknown"];
        let is_ours = is_ours
            .iter()
            .any(|ours| code.strip_prefix(ours).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')));
        Some(if is_ours { Meaning::Refused } else { Meaning::Failed })
    }

    fn add_rules(&self, rules: &mut Rules) -> Read<()> {
        rules.add(RULES, self.separator())
    }

    fn push(&self) -> Push {
        value::push
    }

    fn form(&self) -> Form {
        Form::Text
    }
}
