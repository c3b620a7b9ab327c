//! What an API is like: a document that comes with the plugin or with the project, read once and believed from then on.
//!
//! What is wrong with it is said by JSON pointer, with what was expected there.

pub mod field;
pub mod place;
pub mod reading;
pub mod request;
pub mod rules;
pub mod stream;
pub mod template;
pub mod writing;

use std::rc::Rc;

use lockstep_json::Node;
use lockstep_plugin_sdk::error::{Error, ErrorKind};

use crate::Result;
use crate::failure::{Say as _, failure};

use crate::protocol::Protocol;
use place::{Place, wrong};
use request::{Known, Request};
use rules::Rules;
use stream::StreamSpec;

/// What reading a part of a manifest gives: errors are large, and handed on in many places.
pub type Read<T> = std::result::Result<T, Box<Error>>;

#[derive(Debug)]
pub struct Manifest {
    /// The path that all others stand below.
    pub base: String,
    pub headers: Vec<(String, String)>,
    /// What the API calls the headers with what is left to be asked.
    pub rate_headers: Vec<(String, String)>,
    pub rules: Rules,
    pub login: Option<Login>,
    pub parameters: Vec<(String, Node)>,
    pub streams: Vec<Rc<StreamSpec>>,
    pub protocol: Rc<dyn Protocol>,
}

/// What comes before everything else.
#[derive(Debug)]
pub struct Login {
    pub request: Request,
    /// What later requests need of its answer.
    pub values: Vec<(String, Vec<String>)>,
}

const KEYS: &[&str] =
    &["name", "comment", "base", "headers", "rate_headers", "parameters", "errors", "login", "envelopes", "streams"];

/// As the connection's own `budget.headers` has them.
const RATE_HEADERS: &[&str] = &["remaining", "used", "reset", "daily_remaining", "daily_used"];

/// A connection's `config`, as the host hands it on.
pub fn settings(json: &str) -> Result<Node> {
    let text = if json.is_empty() { "{}" } else { json };
    Node::read(text.as_bytes())
        .map_err(|fault| failure(ErrorKind::Config, "config", &lockstep_web::answer::describe(text.as_bytes(), fault)))
}

/// The parameters that a connection sets.
pub fn given(config: &Node) -> Vec<(String, Node)> {
    config.get("parameters").map(|given| given.members().to_vec()).unwrap_or_default()
}

impl Manifest {
    /// `given`: the parameters that the project sets.
    pub fn read(document: &Node, given: Vec<(String, Node)>, protocol: &Rc<dyn Protocol>) -> Read<Self> {
        let root = Place::root(document).separated_by(protocol.separator());
        root.close(&[KEYS, protocol.manifest_keys()].concat())?;
        let mut known = Known { protocol: &**protocol, envelopes: Vec::new() };
        let parameters = parameters(&root, given)?;
        let mut own: Vec<String> = parameters.iter().map(|(name, _)| name.clone()).collect();
        let login = match root.optional("login") {
            Some(login) => Some(Login::read(&login, &known, &own)?),
            None => None,
        };
        own.extend(login.iter().flat_map(|login| login.values.iter().map(|(name, _)| name.clone())));
        let headers = match root.optional("headers") {
            Some(headers) => {
                template::check(&headers, &own)?;
                headers.each_member(|name, value| Ok((name.to_owned(), value.text()?.to_owned())))?
            }
            None => Vec::new(),
        };
        let rate_headers = match root.optional("rate_headers") {
            Some(headers) => {
                headers.close(RATE_HEADERS)?;
                headers.each_member(|key, name| Ok((key.to_owned(), name.text()?.to_owned())))?
            }
            None => Vec::new(),
        };
        known.envelopes = read_envelopes(&root, &known, &own)?;
        let streams = root.required("streams", "{ contacts = { … } }")?;
        let streams = streams.each_member(|name, stream| StreamSpec::read(name, stream, &known, &own).map(Rc::new))?;
        check_parents(&streams)?;
        let base = match root.optional("base") {
            Some(base) => {
                template::check(&base, &own)?;
                base.text()?.to_owned()
            }
            None => String::new(),
        };
        let mut rules = root.optional("errors").map(|errors| Rules::read(&errors)).transpose()?.unwrap_or_default();
        protocol.add_rules(&mut rules)?;
        Ok(Self { base, headers, rate_headers, rules, login, parameters, streams, protocol: protocol.clone() })
    }

    pub fn stream(&self, name: &str) -> Result<&Rc<StreamSpec>> {
        self.streams.iter().find(|stream| stream.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.streams.iter().map(|stream| stream.name.as_str()).collect();
            failure(
                ErrorKind::NotFound,
                "api.no-stream",
                &format!("the manifest has no stream `{name}`, but `{}`", names.join("`, `")),
            )
        })
    }
}

/// Those of the manifest, with the values that the project gives them; one that is null has to be given.
fn parameters(root: &Place<'_>, given: Vec<(String, Node)>) -> Read<Vec<(String, Node)>> {
    let Some(declared) = root.optional("parameters") else {
        return match given.first() {
            Some((name, _)) => Err(unknown_parameter(name, &[])),
            None => Ok(Vec::new()),
        };
    };
    let mut parameters = Vec::new();
    for (name, place) in declared.members()? {
        let own = given.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let value = own.unwrap_or_else(|| place.node.clone());
        if !value.is_something() {
            return Err(failure(ErrorKind::Config, "api.parameter", &format!("the API needs the parameter `{name}`"))
                .hint(&format!("write `parameters = {{ {name} = \"…\" }}` into the connection's config")));
        }
        parameters.push((name.to_owned(), value));
    }
    match given.iter().find(|(name, _)| !parameters.iter().any(|(known, _)| known == name)) {
        Some((name, _)) => Err(unknown_parameter(name, &parameters)),
        None => Ok(parameters),
    }
}

fn unknown_parameter(name: &str, known: &[(String, Node)]) -> Box<Error> {
    let known: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
    let known = if known.is_empty() { "none".to_owned() } else { format!("`{}`", known.join("`, `")) };
    failure(ErrorKind::Config, "api.parameter", &format!("the API has no parameter `{name}`: there is {known}"))
}

fn read_envelopes(root: &Place<'_>, known: &Known<'_>, own: &[String]) -> Read<Vec<(String, Request)>> {
    let Some(place) = root.optional("envelopes") else { return Ok(Vec::new()) };
    let mut envelopes = Vec::new();
    for (name, place) in place.members()? {
        place.close(&known.keys(&["names"]))?;
        // Names that those who use it give values to.
        let names = place.optional("names").map(|names| names.texts()).transpose()?.unwrap_or_default();
        let own: Vec<String> = own.iter().cloned().chain(names.into_iter().map(str::to_owned)).collect();
        let envelope = Request::part(&place, known, &own)?;
        envelopes.push((name.to_owned(), envelope));
    }
    Ok(envelopes)
}

impl Login {
    fn read(place: &Place<'_>, known: &Known<'_>, own: &[String]) -> Read<Self> {
        place.close(&known.keys(&["values"]))?;
        let values = match place.optional("values") {
            Some(values) => values.each_member(|name, path| Ok((name.to_owned(), path.path()?)))?,
            None => Vec::new(),
        };
        Ok(Self { request: Request::read(place, known, own)?, values })
    }
}

fn check_parents(streams: &[Rc<StreamSpec>]) -> Read<()> {
    for stream in streams {
        let Some(parent) = &stream.parent else { continue };
        let pointer = format!("/streams/{}/parent", stream.name);
        match streams.iter().find(|known| known.name == *parent) {
            None => return Err(wrong(&pointer, &format!("names `{parent}`, which is no stream"))),
            Some(found) if found.parent.is_some() => {
                return Err(wrong(&pointer, &format!("names `{parent}`, which has a parent itself")));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
pub mod tests;
