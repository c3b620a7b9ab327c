//! Envelopes and what is in them: answers and faults.

use lockstep_json::Node;

use crate::elements::Shape;
use crate::schema::Kind;
use crate::wsdl::Version;
use crate::xml::Element;

/// What stands in an answer.
pub enum Content<'e, 't> {
    /// The element of the answer.
    Element(&'e Element<'t>),
    /// A fault, in the form that both versions of SOAP have here.
    Fault(Node),
    /// An envelope with nothing in it.
    Empty,
}

/// What an envelope holds; none if it is none.
pub fn open<'e, 't>(root: &'e Element<'t>, shape: &Shape<'_>) -> Option<Content<'e, 't>> {
    let version = Version::of_envelope(root)?;
    let space = version.envelope();
    let body = root.child(space, "Body")?;
    Some(match body.children.first() {
        None => Content::Empty,
        Some(fault) if fault.is(space, "Fault") => Content::Fault(fault_of(fault, version, shape)),
        Some(element) => Content::Element(element),
    })
}

/// `{ fault = { code, subcode, message, detail } }`
fn fault_of(fault: &Element<'_>, version: Version, shape: &Shape<'_>) -> Node {
    let space = version.envelope();
    let local = |text: &str| text.trim().rsplit(':').next().unwrap_or_default().to_owned();
    let mut members = Vec::new();
    let mut say = |name: &str, said: Option<String>| {
        members.extend(said.map(|said| (name.to_owned(), Node::Text(said.trim().to_owned()))));
    };
    let detail = match version {
        Version::V11 => {
            say("code", fault.child("", "faultcode").map(|code| local(&code.text)));
            say("message", fault.child("", "faultstring").map(|text| text.text.to_string()));
            fault.child("", "detail")
        }
        Version::V12 => {
            let code = fault.child(space, "Code");
            let value = |code: &Element<'_>| code.child(space, "Value").map(|value| local(&value.text));
            say("code", code.and_then(value));
            say("subcode", code.and_then(|code| code.child(space, "Subcode")).and_then(value));
            let reason = fault.child(space, "Reason").and_then(|reason| reason.child(space, "Text"));
            say("message", reason.map(|text| text.text.to_string()));
            fault.child(space, "Detail")
        }
    };
    if let Some(detail) = detail {
        members.push(("detail".to_owned(), shape.document(detail, Kind::Any)));
    }
    Node::Object(vec![("fault".to_owned(), Node::Object(members))])
}
