//! How a service writes documents: what differs between JSON and XML, and nothing else.

use std::fmt;

use lockstep_json::{Node, Value};
use lockstep_plugin_sdk::batch::ColumnBuilder;
use lockstep_plugin_sdk::http::Reply;
use lockstep_text_files::value::ValueError;

use crate::Result;
use crate::connection::Connection;
use crate::manifest::Read;
use crate::manifest::field::{FieldSpec, Form};
use crate::manifest::place::Place;
use crate::manifest::request::{Body, Known, Request};
use crate::manifest::rules::{Meaning, Rules};
use crate::manifest::stream::{Describe, StreamSpec};
use crate::record::push;

/// Pushes a value of a JSON text into a column.
pub type Push = fn(&mut ColumnBuilder, &FieldSpec, &[u8], Value) -> Result<(), ValueError>;

/// A body on its way.
#[derive(Clone, Debug, Default)]
pub struct Encoded {
    /// Where the request goes if the manifest does not say.
    pub target: Option<String>,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl fmt::Debug for dyn Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Protocol")
    }
}

/// What a service speaks. On our side every body and every answer is a document.
pub trait Protocol {
    /// What stands between the steps of a path.
    fn separator(&self) -> char {
        '.'
    }

    /// Keys of the manifest that the protocol has read itself.
    fn manifest_keys(&self) -> &'static [&'static str] {
        &[]
    }

    /// The keys of a request that say what its body is.
    fn body_keys(&self) -> &'static [&'static str];

    /// The body that a request describes, over the one it has from its envelope.
    fn body(&self, place: &Place<'_>, known: Option<Body>) -> Read<Option<Body>>;

    /// A template of a part of a body.
    fn part(&self, place: &Place<'_>) -> Read<Node> {
        Ok(place.node.clone())
    }

    /// Names in templates that only this protocol has values for.
    fn names(&self) -> &'static [&'static str] {
        &[]
    }

    /// The method of requests that do not say theirs.
    fn method(&self) -> &'static str {
        "GET"
    }

    /// Whether what reads may be sent twice though its method does not say so.
    fn reads_with_any_method(&self) -> bool {
        false
    }

    fn accept(&self) -> &'static str;

    /// Writes a document, with what comes before it. `security`: what stands for the connection's credentials within the body; the host
    /// puts them there.
    fn encode(
        &self,
        request: &Request,
        body: &Body,
        document: &Node,
        header: Option<&Node>,
        security: &str,
    ) -> Result<Encoded>;

    /// The JSON of an answer, or why it has none.
    fn decode(&self, request: &Request, reply: &mut Reply) -> Result<String>;

    /// The fields of a stream besides those that the manifest names, in the order in which they count.
    fn fields(&self, connection: &Connection, stream: &StreamSpec) -> Result<Vec<Vec<FieldSpec>>>;

    /// Reads how a stream's fields are asked for, where that can be.
    fn describe(&self, place: &Place<'_>, _known: &Known<'_>, _own: &[String]) -> Read<Describe> {
        Err(place.wrong("is not known here"))
    }

    /// What an answer that is a failure means, if the manifest says nothing about it.
    fn meaning(&self, _document: &Node) -> Option<Meaning> {
        None
    }

    /// Adds what every service of this kind says about failures.
    fn add_rules(&self, _rules: &mut Rules) -> Read<()> {
        Ok(())
    }

    /// How values of answers become values of columns.
    fn push(&self) -> Push {
        push
    }

    /// How values are written unless the manifest says.
    fn form(&self) -> Form {
        Form::Plain
    }
}
