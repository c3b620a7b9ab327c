//! JSON as bodies and answers; forms as bodies.

use lockstep_json::Node;
use lockstep_plugin_sdk::http::Reply;
use lockstep_plugin_sdk::http::answer::json;

use crate::Result;
use crate::connection::Connection;
use crate::fields::from_answers;
use crate::form::form_body;
use crate::manifest::Read;
use crate::manifest::field::FieldSpec;
use crate::manifest::place::Place;
use crate::manifest::request::{Body, Known, Request};
use crate::manifest::stream::{Describe, StreamSpec};
use crate::protocol::{Encoded, Protocol};

const JSON: &str = "json";
const FORM: &str = "form";

#[derive(Debug)]
pub struct Json;

impl Protocol for Json {
    fn body_keys(&self) -> &'static [&'static str] {
        &[JSON, FORM]
    }

    fn body(&self, place: &Place<'_>, known: Option<Body>) -> Read<Option<Body>> {
        Ok(match (place.optional(JSON), place.optional(FORM)) {
            (Some(_), Some(form)) => return Err(form.wrong("cannot be there together with `json`")),
            (Some(json), None) => Some(Body::new(JSON, json.node.clone())),
            (None, Some(form)) => Some(Body::new(FORM, form.node.clone())),
            (None, None) => known,
        })
    }

    fn fields(&self, connection: &Connection, stream: &StreamSpec) -> Result<Vec<Vec<FieldSpec>>> {
        from_answers(connection, stream)
    }

    fn describe(&self, place: &Place<'_>, known: &Known<'_>, own: &[String]) -> Read<Describe> {
        Describe::read(place, known, own)
    }

    fn accept(&self) -> &'static str {
        "application/json"
    }

    fn encode(
        &self,
        _request: &Request,
        body: &Body,
        document: &Node,
        _header: Option<&Node>,
        _security: &str,
    ) -> Result<Encoded> {
        let (kind, body) = match body.kind {
            FORM => ("application/x-www-form-urlencoded", form_body(document)),
            _ => ("application/json", document.to_json()),
        };
        let headers = vec![("Content-Type".to_owned(), kind.to_owned())];
        Ok(Encoded { target: None, headers, body: body.into_bytes() })
    }

    fn decode(&self, _request: &Request, reply: &mut Reply) -> Result<String> {
        let text = json(reply)?;
        if text.len() != reply.body.len() {
            return Ok(text.to_owned());
        }
        // It was just seen to be UTF-8.
        Ok(String::from_utf8(std::mem::take(&mut reply.body)).unwrap_or_default())
    }
}
