//! Requests as a manifest describes them.

use super::Read;
use lockstep_json::Node;

use super::place::Place;
use super::template;

#[derive(Clone, Debug)]
pub struct Request {
    pub method: &'static str,
    pub path: String,
    /// Templates; a list gives the parameter several times.
    pub query: Vec<(String, Node)>,
    pub headers: Vec<(String, String)>,
    pub body: Body,
    /// Whether doing it twice is the same as doing it once, where the method does not say so.
    pub is_idempotent: Option<bool>,
    /// Values for the names of an envelope.
    pub with: Vec<(String, Node)>,
}

#[derive(Clone, Debug)]
pub enum Body {
    None,
    Json(Node),
    /// `a=1&b[c]=2&d[0]=3`
    Form(Node),
}

const METHODS: &[(&str, &str)] =
    &[("GET", "GET"), ("POST", "POST"), ("PUT", "PUT"), ("PATCH", "PATCH"), ("DELETE", "DELETE")];

pub const KEYS: &[&str] = &["method", "path", "query", "headers", "json", "form", "idempotent", "envelope", "with"];

/// Requests with a common shape, by name.
pub type Envelopes = Vec<(String, Request)>;

impl Request {
    /// The keys of [`KEYS`] in an object that may have others.
    pub fn read(place: &Place<'_>, envelopes: &Envelopes, own: &[String]) -> Read<Self> {
        let with = match place.optional("with") {
            Some(with) => {
                with.members()?.into_iter().map(|(name, value)| (name.to_owned(), value.node.clone())).collect()
            }
            None => Vec::new(),
        };
        let mut own = own.to_vec();
        own.extend(with.iter().map(|(name, _): &(String, Node)| name.clone()));
        let mut request = match place.optional("envelope") {
            Some(envelope) => {
                let choices: Vec<(&str, usize)> =
                    envelopes.iter().enumerate().map(|(at, (name, _))| (name.as_str(), at)).collect();
                let at = envelope.choice(&choices)?;
                envelopes.get(at).map(|(_, request)| request.clone()).ok_or_else(|| envelope.expected("an envelope"))?
            }
            None => Self {
                method: "GET",
                path: place.required("path", "\"/contacts\"")?.text()?.to_owned(),
                query: Vec::new(),
                headers: Vec::new(),
                body: Body::None,
                is_idempotent: None,
                with: Vec::new(),
            },
        };
        request.with = with;
        request.lay_over(place, &own)?;
        Ok(request)
    }

    fn lay_over(&mut self, place: &Place<'_>, own: &[String]) -> Read<()> {
        for key in ["path", "query", "headers", "json", "form", "with"] {
            place.optional(key).iter().try_for_each(|value| template::check(value, own))?;
        }
        if let Some(path) = place.optional("path") {
            self.path = path.text()?.to_owned();
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
        match (place.optional("json"), place.optional("form")) {
            (Some(_), Some(form)) => return Err(form.wrong("cannot be there together with `json`")),
            (Some(json), None) => self.body = Body::Json(json.node.clone()),
            (None, Some(form)) => self.body = Body::Form(form.node.clone()),
            (None, None) => {}
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
