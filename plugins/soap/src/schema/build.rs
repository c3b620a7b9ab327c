//! A schema out of its documents.

use std::borrow::Cow;

use super::{Decl, Doc, Here, Kind, Schema, Type, XSD, plain};
use crate::xml::Name;

/// Groups that hold groups, and types within types.
const DEPTH_MAX: usize = 40;

/// A schema on its way.
#[derive(Default)]
pub struct Builder<'a> {
    schema: Schema,
    /// What has a name and is used from elsewhere, with what it is called.
    groups: Vec<(Name<'static>, &'a Here<'a>, Doc)>,
    depth: usize,
}

/// What is declared of how often a part comes.
#[derive(Clone, Copy, Default)]
struct Often {
    is_many: bool,
    is_optional: bool,
}

impl Often {
    fn within(self, element: Doc) -> Self {
        let most = element.attribute("maxOccurs").unwrap_or("1");
        Self {
            is_many: self.is_many || !matches!(most, "0" | "1"),
            is_optional: self.is_optional || element.attribute("minOccurs") == Some("0"),
        }
    }
}

impl Schema {
    /// `roots`: the elements `schema`.
    pub fn new(roots: &[Here<'_>]) -> Self {
        let mut builder = Builder::default();
        for root in roots {
            for child in named(root.element) {
                let name = builder.own(root, child.attribute("name").unwrap_or_default(), true);
                match child.name.local {
                    "complexType" | "simpleType" => {
                        builder.schema.types.push(Type { name: Some(name), ..Type::default() });
                    }
                    "group" | "attributeGroup" => builder.groups.push((name, root, child)),
                    _ => {}
                }
            }
        }
        let mut at = 0;
        for root in roots {
            for child in named(root.element) {
                match child.name.local {
                    "complexType" | "simpleType" => {
                        let mut built = builder.type_of(&root.at(child));
                        if let Some(place) = builder.schema.types.get_mut(at) {
                            built.name = place.name.take();
                            *place = built;
                        }
                        at += 1;
                    }
                    "element" => {
                        let decl = builder.element(&root.at(child), Often::default(), true);
                        builder.schema.elements.push(decl);
                    }
                    _ => {}
                }
            }
        }
        builder.schema
    }
}

fn named(root: Doc) -> impl Iterator<Item = Doc> {
    root.children.iter().filter(|child| child.name.space == XSD && child.attribute("name").is_some())
}

fn schema_of<'a>(here: &'a Here<'a>) -> Doc {
    let mut here = here;
    while !here.element.is(XSD, "schema")
        && let Some(around) = here.around
    {
        here = around;
    }
    here.element
}

impl<'a> Builder<'a> {
    /// The name of what is declared here.
    fn own(&self, here: &Here<'_>, local: &str, is_qualified: bool) -> Name<'static> {
        let space = schema_of(here).attribute("targetNamespace").filter(|_| is_qualified).unwrap_or_default();
        Name { space: Cow::Owned(space.to_owned()), local: String::leak(local.to_owned()) }
    }

    fn kind(&self, name: &Name<'_>) -> Kind {
        if name.space == XSD {
            return plain(name.local);
        }
        self.schema.type_named(&name.space, name.local).unwrap_or(Kind::Any)
    }

    fn element(&mut self, here: &Here<'_>, often: Often, is_global: bool) -> Decl {
        let (element, often) = (here.element, often.within(here.element));
        let reference = element.attribute("ref").map(|name| here.name(name));
        let is_reference = reference.is_some();
        let name = reference.unwrap_or_else(|| {
            let form = element.attribute("form").or_else(|| schema_of(here).attribute("elementFormDefault"));
            let local = element.attribute("name").unwrap_or_default();
            self.own(here, local, is_global || form == Some("qualified"))
        });
        let inner = element.children.iter().find(|child| child.is(XSD, "complexType") || child.is(XSD, "simpleType"));
        let kind = match (element.attribute("type"), inner) {
            (Some(kind), _) => self.kind(&here.name(kind)),
            (None, Some(inner)) if self.depth < DEPTH_MAX => {
                let built = self.type_of(&here.at(inner));
                self.schema.types.push(built);
                Kind::Type(self.schema.types.len() - 1)
            }
            _ => Kind::Any,
        };
        let comment = element.child(XSD, "annotation").and_then(|known| known.child(XSD, "documentation"));
        let comment = comment.map(|known| known.text.split_whitespace().collect::<Vec<_>>().join(" "));
        Decl {
            name,
            kind,
            is_reference,
            is_many: often.is_many,
            is_optional: often.is_optional,
            is_nillable: matches!(element.attribute("nillable"), Some("true" | "1")),
            comment: comment.filter(|comment| !comment.is_empty()),
        }
    }

    fn type_of(&mut self, here: &Here<'_>) -> Type {
        self.depth += 1;
        let mut built = Type::default();
        if here.element.is(XSD, "simpleType") {
            self.simple(here, &mut built);
        } else {
            self.complex(here, &mut built);
        }
        self.depth -= 1;
        built
    }

    fn complex(&mut self, here: &Here<'_>, built: &mut Type) {
        let content = here
            .element
            .children
            .iter()
            .find(|child| child.is(XSD, "complexContent") || child.is(XSD, "simpleContent"));
        let Some(content) = content else { return self.parts(here, Often::default(), built) };
        built.is_simple = content.name.local == "simpleContent";
        let content = here.at(content);
        for way in &content.element.children {
            let way = content.at(way);
            if matches!(way.element.name.local, "extension" | "restriction") {
                built.is_restriction = way.element.name.local == "restriction";
                built.base = way.element.attribute("base").map(|base| self.kind(&way.name(base)));
                self.parts(&way, Often::default(), built);
            }
        }
    }

    /// Elements and attributes, in their order.
    fn parts(&mut self, here: &Here<'_>, often: Often, built: &mut Type) {
        self.depth += 1;
        for child in here.element.children.iter().filter(|child| child.name.space == XSD) {
            let inner = here.at(child);
            match child.name.local {
                "element" => {
                    let decl = self.element(&inner, often, false);
                    built.elements.push(decl);
                }
                "sequence" | "all" | "choice" if self.depth < DEPTH_MAX => {
                    let mut often = often.within(child);
                    often.is_optional |= child.name.local == "choice";
                    self.parts(&inner, often, built);
                }
                "group" | "attributeGroup" if self.depth < DEPTH_MAX => {
                    let name = child.attribute("ref").map(|name| inner.name(name)).unwrap_or_default();
                    let found = self.groups.iter().find(|(known, _, group)| *known == name && group.name == child.name);
                    if let Some((root, group)) = found.map(|(_, root, group)| (*root, *group)) {
                        self.parts(&root.at(group), often.within(child), built);
                    }
                }
                "attribute" => {
                    let name = child.attribute("name").or_else(|| child.attribute("ref")).unwrap_or_default();
                    built.attributes.push(name.rsplit(':').next().unwrap_or_default().to_owned());
                }
                "any" => built.is_open = true,
                _ => {}
            }
        }
        self.depth -= 1;
    }

    fn simple(&mut self, here: &Here<'_>, built: &mut Type) {
        built.is_simple = true;
        for way in here.element.children.iter().filter(|child| child.name.space == XSD) {
            let inner = here.at(way);
            match way.name.local {
                "list" => built.is_list = true,
                "restriction" => {
                    built.base = way.attribute("base").map(|base| self.kind(&inner.name(base)));
                    if let Some(nested) = way.child(XSD, "simpleType")
                        && self.depth < DEPTH_MAX
                    {
                        let nested = self.type_of(&inner.at(nested));
                        self.schema.types.push(nested);
                        built.base = Some(Kind::Type(self.schema.types.len() - 1));
                    }
                    let number = |facet: &str| way.child(XSD, facet)?.attribute("value")?.trim().parse::<u8>().ok();
                    built.digits = number("totalDigits").zip(number("fractionDigits"));
                    let values = way.all(XSD, "enumeration").filter_map(|value| value.attribute("value"));
                    built.values = values.map(str::to_owned).collect();
                }
                _ => {}
            }
        }
    }
}
