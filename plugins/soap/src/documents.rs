//! The WSDL and the schemas it refers to: out of the settings, or from the service itself.

use lockstep_described::{ALIAS, Result, Say as _, failure};
use lockstep_json::Node;
use lockstep_plugin_sdk::error::{Error, ErrorKind};
use lockstep_plugin_sdk::http::answer::beginning;
use lockstep_plugin_sdk::http::{Ask, Service, ask};

use crate::schema::{Doc, XSD};
use crate::wsdl::{WSDL, Wsdl};
use crate::xml::{Characters, Element, decode, read};

/// Large services spread over some dozen documents.
const DOCUMENTS_MAX: usize = 200;
/// What everybody knows is described in the schemas of others, and never needed.
const KNOWN: &[&str] = &["http://www.w3.org/", "http://schemas.xmlsoap.org/"];

/// Where the documents come from.
enum Origin<'c> {
    Service,
    /// By the names under which they are referred to.
    Settings(&'c [(String, Node)]),
}

/// What the settings say of the service; nothing if they say nothing.
pub fn load(config: &Node) -> Result<Wsdl> {
    let text = |key: &str| config.get(key).and_then(Node::as_text);
    let (origin, first) = match (text("wsdl"), text("wsdl_path")) {
        (Some(_), Some(_)) => return Err(both()),
        (Some(wsdl), None) => {
            let others = config.get("schemas").map(Node::members).unwrap_or_default();
            (Origin::Settings(others), ("the setting `wsdl`".to_owned(), wsdl.to_owned()))
        }
        (None, Some(path)) => {
            let target = Service::new("").follow("/", path)?;
            (Origin::Service, (target.clone(), fetch(&target)?))
        }
        (None, None) => return Ok(Wsdl::default()),
    };
    let mut seen = vec![first.0.clone()];
    let (mut waiting, mut roots) = (vec![first], Vec::new());
    while let Some((place, text)) = waiting.pop() {
        let root = parse(&place, text)?;
        roots.push(root);
        for (space, location) in imports(root) {
            if space.is_some_and(|space| KNOWN.iter().any(|known| space.starts_with(known))) {
                continue;
            }
            let (place, text) = match &origin {
                Origin::Service => {
                    let target = Service::new("").follow(&place, location)?;
                    if seen.contains(&target) {
                        continue;
                    }
                    (target.clone(), fetch(&target)?)
                }
                Origin::Settings(_) if seen.iter().any(|known| known == location) => continue,
                Origin::Settings(others) => (location.to_owned(), given(others, location)?),
            };
            if seen.len() >= DOCUMENTS_MAX {
                return Err(unfit(&place, &format!("would be document number {DOCUMENTS_MAX}")));
            }
            seen.push(place.clone());
            waiting.push((place, text));
        }
    }
    Ok(Wsdl::new(&roots))
}

fn both() -> Box<Error> {
    failure(ErrorKind::Config, "config", "`wsdl` and `wsdl_path` cannot be there together").field("wsdl_path")
}

fn unfit(place: &str, reason: &str) -> Box<Error> {
    failure(ErrorKind::Config, "soap.wsdl", &format!("the description of the service in {place} {reason}"))
}

/// What a document refers to: the namespace, if it says one, and the place.
fn imports(root: Doc) -> Vec<(Option<&'static str>, &'static str)> {
    let mut found = Vec::new();
    let mut open: Vec<Doc> = vec![root];
    while let Some(element) = open.pop() {
        for child in &element.children {
            let location = match (&*child.name.space, child.name.local) {
                (XSD, "import" | "include") => child.attribute("schemaLocation"),
                (WSDL, "import") => child.attribute("location"),
                (WSDL, "types") | (XSD, "schema") => {
                    open.push(child);
                    None
                }
                _ => None,
            };
            found.extend(location.map(|location| (child.attribute("namespace"), location)));
        }
    }
    found
}

fn parse(place: &str, text: String) -> Result<Doc> {
    let text: &'static str = String::leak(text);
    let root = read(text, Characters::Strict).map_err(|fault| {
        unfit(place, &format!("is no XML at byte {}: {}", fault.at, fault.reason)).detail(&beginning(text.as_bytes()))
    })?;
    let is_fit = |root: &Element<'_>| root.is(WSDL, "definitions") || root.is(XSD, "schema");
    if !is_fit(&root) {
        return Err(unfit(place, &format!("is neither a WSDL 1.1 nor a schema: it begins with `{}`", root.raw))
            .hint("give the address of the WSDL, which mostly ends with `?wsdl`, or its file"));
    }
    Ok(Box::leak(Box::new(root)))
}

fn fetch(target: &str) -> Result<String> {
    let reply = ask(ALIAS, Ask::get(target).header("Accept", "text/xml, application/xml"))?;
    let text = decode(&reply.body, reply.header("content-type").unwrap_or_default()).map(|text| text.into_owned());
    match text.filter(|_| reply.is_success()) {
        Some(text) => Ok(text),
        None => Err(unfit(&format!("`{target}`"), &format!("cannot be had: the service answered {}", reply.status))
            .detail(&beginning(&reply.body))
            .hint("check `wsdl_path`, or save the WSDL and name its file: `wsdl = \"service.wsdl\"`")),
    }
}

/// One of the settings' own, by the name or by its end.
fn given(others: &[(String, Node)], location: &str) -> Result<String> {
    let last = |path: &str| path.rsplit(['/', '=']).next().unwrap_or_default().to_owned();
    let found = others.iter().find(|(name, _)| name == location);
    let found = found.or_else(|| others.iter().find(|(name, _)| last(name) == last(location)));
    found.and_then(|(_, text)| text.as_text()).map(str::to_owned).ok_or_else(|| {
        unfit("the setting `wsdl`", &format!("refers to `{location}`, which the settings do not have")).hint(&format!(
            "save that document, too, and name its file: `schemas = {{ {:?} = \"types.xsd\" }}`",
            last(location)
        ))
    })
}
