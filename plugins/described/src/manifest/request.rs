//! Requests as a manifest describes them.

use super::Read;
use lockstep_json::Node;

use super::place::Place;
use super::template;
use crate::protocol::Protocol;

#[derive(Clone, Debug)]
pub struct Request {
    pub method: &'static str,
    /// None if the manifest leaves it to the protocol.
    pub path: Option<String>,
    /// Templates; a list gives the parameter several times.
    pub query: Vec<(String, Node)>,
    pub headers: Vec<(String, String)>,
    pub body: Option<Body>,
    /// Whether doing it twice is the same as doing it once, where the method does not say so.
    pub is_idempotent: Option<bool>,
    /// Values for the names of an envelope.
    pub with: Vec<(String, Node)>,
    /// Where there are lists in the answer, however many elements they have.
    pub lists: Vec<Vec<String>>,
    /// Whether what is null may be left out.
    pub omits_null: bool,
}

#[derive(Clone, Debug)]
pub struct Body {
    /// The key by which the manifest says it.
    pub kind: &'static str,
    pub template: Node,
    /// What the service is asked to do, where the protocol has names for that.
    pub operation: Option<String>,
    /// What comes before the document, where the protocol has a place for that.
    pub header: Option<Node>,
}

impl Body {
    pub fn new(kind: &'static str, template: Node) -> Self {
        Self { kind, template, operation: None, header: None }
    }
}

const METHODS: &[(&str, &str)] =
    &[("GET", "GET"), ("POST", "POST"), ("PUT", "PUT"), ("PATCH", "PATCH"), ("DELETE", "DELETE")];

const KEYS: &[&str] = &["method", "path", "query", "headers", "idempotent", "envelope", "with"];

/// What requests are read with.
pub struct Known<'p> {
    pub protocol: &'p dyn Protocol,
    /// Requests with a common shape, by name.
    pub envelopes: Vec<(String, Request)>,
}

impl Known<'_> {
    /// The keys of a request, and these.
    pub fn keys<'k>(&self, more: &[&'k str]) -> Vec<&'k str> {
        [KEYS, self.protocol.body_keys(), more].concat()
    }
}

impl Request {
    /// The keys of [`KEYS`] in an object that may have others.
    pub fn read(place: &Place<'_>, known: &Known<'_>, own: &[String]) -> Read<Self> {
        let request = Self::part(place, known, own)?;
        let has_operation = request.body.as_ref().is_some_and(|body| body.operation.is_some());
        if request.path.is_none() && !has_operation {
            place.required("path", "\"/contacts\"")?;
        }
        Ok(request)
    }

    /// What several requests have in common.
    pub fn part(place: &Place<'_>, known: &Known<'_>, own: &[String]) -> Read<Self> {
        let with = match place.optional("with") {
            Some(with) => {
                with.members()?.into_iter().map(|(name, value)| (name.to_owned(), value.node.clone())).collect()
            }
            None => Vec::new(),
        };
        let mut own = own.to_vec();
        own.extend(with.iter().map(|(name, _): &(String, Node)| name.clone()));
        let protocol = known.protocol;
        let mut request = match place.optional("envelope") {
            Some(envelope) => {
                let choices: Vec<(&str, usize)> =
                    known.envelopes.iter().enumerate().map(|(at, (name, _))| (name.as_str(), at)).collect();
                let at = envelope.choice(&choices)?;
                let found = known.envelopes.get(at);
                found.map(|(_, request)| request.clone()).ok_or_else(|| envelope.expected("an envelope"))?
            }
            None => Self {
                method: protocol.method(),
                path: None,
                query: Vec::new(),
                headers: Vec::new(),
                body: None,
                is_idempotent: None,
                with: Vec::new(),
                lists: Vec::new(),
                omits_null: false,
            },
        };
        request.with = with;
        own.extend(protocol.names().iter().map(|name| (*name).to_owned()));
        request.lay_over(place, &own)?;
        request.body = protocol.body(place, request.body)?;
        for key in protocol.body_keys() {
            place.optional(key).iter().try_for_each(|value| template::check(value, &own))?;
        }
        Ok(request)
    }

    /// A request that only reads.
    pub fn read_only(place: &Place<'_>, known: &Known<'_>, own: &[String]) -> Read<Self> {
        let mut request = Self::read(place, known, own)?;
        if known.protocol.reads_with_any_method() {
            request.is_idempotent.get_or_insert(true);
        }
        Ok(request)
    }

    fn lay_over(&mut self, place: &Place<'_>, own: &[String]) -> Read<()> {
        for key in ["path", "query", "headers", "with"] {
            place.optional(key).iter().try_for_each(|value| template::check(value, own))?;
        }
        if let Some(path) = place.optional("path") {
            self.path = Some(path.text()?.to_owned());
        }
        if let Some(method) = place.optional("method") {
            self.method = method.choice(METHODS)?;
        }
        if let Some(query) = place.optional("query") {
            for (name, value) in query.members()? {
                match value.node {
                    Node::Object(_) => return Err(value.expected("a value or a list of values")),
                    node => set(&mut self.query, name, node.clone()),
                }
            }
        }
        if let Some(headers) = place.optional("headers") {
            for (name, value) in headers.members()? {
                set(&mut self.headers, name, value.text()?.to_owned());
            }
        }
        if let Some(idempotent) = place.optional("idempotent") {
            self.is_idempotent = Some(idempotent.flag()?);
        }
        Ok(())
    }
}

/// Sets a header or parameter, in place of another of its name.
pub fn set<T>(list: &mut Vec<(String, T)>, name: &str, value: T) {
    match list.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        Some((_, present)) => *present = value,
        None => list.push((name.to_owned(), value)),
    }
}
