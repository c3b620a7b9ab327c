//! WSDL 1.1: which operations a service has, what they take and answer, and where it is.

use lockstep_described::{Result, Say as _, failure};
use lockstep_plugin_sdk::error::{Error, ErrorKind};

use crate::schema::{Doc, Here, Schema, XSD};
use crate::xml::{Element, Name};

pub const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";

/// A version of SOAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V11,
    V12,
}

impl Version {
    /// What its bindings in a WSDL are in.
    fn binding(self) -> &'static str {
        match self {
            Self::V11 => "http://schemas.xmlsoap.org/wsdl/soap/",
            Self::V12 => "http://schemas.xmlsoap.org/wsdl/soap12/",
        }
    }

    /// What its envelopes are in.
    pub fn envelope(self) -> &'static str {
        match self {
            Self::V11 => "http://schemas.xmlsoap.org/soap/envelope/",
            Self::V12 => "http://www.w3.org/2003/05/soap-envelope",
        }
    }

    pub fn of_envelope(root: &Element<'_>) -> Option<Self> {
        [Self::V11, Self::V12].into_iter().find(|version| root.is(version.envelope(), "Envelope"))
    }
}

#[derive(Debug)]
pub struct Operation {
    pub name: String,
    pub version: Version,
    pub action: String,
    /// The path of the service, with its query.
    pub path: String,
    /// The element that is sent, and the one that is answered, if it answers.
    pub input: Name<'static>,
    pub output: Option<Name<'static>>,
    /// Why it cannot be used.
    refusal: Option<&'static str>,
}

#[derive(Debug, Default)]
pub struct Wsdl {
    pub schema: Schema,
    pub operations: Vec<Operation>,
}

impl Wsdl {
    /// `roots`: the documents `definitions` and `schema`, in any order.
    pub fn new(roots: &[Doc]) -> Self {
        let heres: Vec<Here<'static>> = roots.iter().map(|root| Here::root(root)).collect();
        let heres: &'static [Here<'static>] = heres.leak();
        let mut schemas: Vec<Here<'static>> = Vec::new();
        for here in heres {
            if here.element.is(XSD, "schema") {
                schemas.push(*here);
            }
            for types in here.element.all(WSDL, "types") {
                let types: &'static Here<'static> = Box::leak(Box::new(here.at(types)));
                schemas.extend(types.element.all(XSD, "schema").map(|schema| types.at(schema)));
            }
        }
        let schema = Schema::new(schemas.leak());
        let mut operations = Vec::new();
        for version in [Version::V11, Version::V12] {
            for here in heres {
                let service = |service: Doc| service.all(WSDL, "port");
                for port in here.element.all(WSDL, "service").flat_map(service) {
                    operations_of(heres, &here.at(port), version, &mut operations);
                }
            }
        }
        Self { schema, operations }
    }

    /// The operation of this name; of the version that is wanted, where there are several.
    pub fn operation(&self, name: &str, wanted: Option<Version>) -> Result<&Operation> {
        let is_fit = |known: &&Operation| known.name == name && wanted.is_none_or(|version| known.version == version);
        let found = self.operations.iter().find(is_fit).ok_or_else(|| self.unknown(name))?;
        match found.refusal {
            Some(refusal) => Err(failure(
                ErrorKind::Config,
                "soap.operation",
                &format!("the operation `{name}` cannot be used: {refusal}"),
            )
            .hint("use an operation of a binding with `style=\"document\"` and `use=\"literal\"`")),
            None => Ok(found),
        }
    }

    fn unknown(&self, name: &str) -> Box<Error> {
        let mut names: Vec<&str> = Vec::new();
        for known in &self.operations {
            if !names.contains(&&*known.name) {
                names.push(&known.name);
            }
        }
        let there = if names.is_empty() { "none".to_owned() } else { format!("`{}`", names.join("`, `")) };
        failure(ErrorKind::Config, "soap.operation", &format!("there is no operation `{name}`; there is {there}"))
            .hint("compare the manifest with the WSDL: the operation has to stand in a binding for SOAP over HTTP, with a service and a port")
    }
}

/// Something of a name in any of the documents.
fn find<'h>(heres: &'h [Here<'static>], what: &str, name: &Name<'_>) -> Option<Here<'h>> {
    heres.iter().find_map(|here| {
        let is_it = |child: &&'static Element<'static>| child.attribute("name") == Some(name.local);
        let is_space = here.element.attribute("targetNamespace").unwrap_or_default() == name.space;
        let found = here.element.children.iter().filter(|child| child.is(WSDL, what)).find(is_it)?;
        is_space.then(|| here.at(found))
    })
}

fn operations_of(heres: &[Here<'static>], port: &Here<'_>, version: Version, found: &mut Vec<Operation>) {
    let soap = version.binding();
    let Some(address) = port.element.child(soap, "address").and_then(|address| address.attribute("location")) else {
        return;
    };
    let binding = port.element.attribute("binding").map(|name| port.name(name)).unwrap_or_default();
    let Some(binding) = find(heres, "binding", &binding) else { return };
    let kind = binding.element.attribute("type").map(|name| binding.name(name)).unwrap_or_default();
    let Some(port_type) = find(heres, "portType", &kind) else { return };
    let style = binding.element.child(soap, "binding").and_then(|known| known.attribute("style"));
    for operation in binding.element.all(WSDL, "operation") {
        let name = operation.attribute("name").unwrap_or_default();
        let described = port_type.element.all(WSDL, "operation").find(|known| known.attribute("name") == Some(name));
        let Some(described) = described.map(|described| port_type.at(described)) else { continue };
        let own = operation.child(soap, "operation");
        let style = own.and_then(|own| own.attribute("style")).or(style).unwrap_or("document");
        let side = |side: &str| {
            let body = operation.child(WSDL, side).and_then(|known| known.child(soap, "body"));
            let part = body.and_then(|body| body.attribute("parts")).map(|parts| parts.trim().to_owned());
            let literal = body.and_then(|body| body.attribute("use")).is_none_or(|known| known == "literal");
            (element_of(heres, &described, side, part.as_deref()), literal)
        };
        let ((input, in_literal), (output, out_literal)) = (side("input"), side("output"));
        let refusal = match (style, in_literal && out_literal, &input) {
            ("rpc", ..) => Some("it is of style `rpc`"),
            (_, false, _) => Some("its messages are `encoded`"),
            (_, _, None) => Some("its message has no part that is an element"),
            _ => None,
        };
        found.push(Operation {
            name: name.to_owned(),
            version,
            action: own.and_then(|own| own.attribute("soapAction")).unwrap_or_default().to_owned(),
            path: path(address),
            input: input.unwrap_or_default(),
            output,
            refusal,
        });
    }
}

/// The element of a message.
fn element_of(heres: &[Here<'static>], operation: &Here<'_>, side: &str, part: Option<&str>) -> Option<Name<'static>> {
    let message = operation.element.child(WSDL, side)?.attribute("message")?;
    let message = find(heres, "message", &operation.name(message))?;
    let mut parts = message.element.all(WSDL, "part");
    let part = parts.find(|known| part.is_none_or(|part| known.attribute("name") == Some(part)))?;
    part.attribute("element").map(|name| message.at(part).name(name))
}

/// The path of a URL, with its query; the origin is the connection's.
fn path(location: &str) -> String {
    let behind = location
        .split_once("://")
        .map_or(location, |(_, behind)| behind.find('/').and_then(|at| behind.get(at..)).unwrap_or("/"));
    behind.trim().to_owned()
}

#[cfg(test)]
mod tests;
