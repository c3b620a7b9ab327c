//! XML Schema, as far as it says which elements there are, in which order and namespace, how often, and of which types.
//!
//! What restricts values is left to the service. Documents live as long as the plugin does: they are read once.

mod build;

use std::borrow::Cow;

use lockstep_plugin_sdk::types::LogicalType;

use crate::xml::{Element, Name};

pub const XSD: &str = "http://www.w3.org/2001/XMLSchema";
/// Real types are derived from each other a few times at most.
const BASES_MAX: usize = 20;

/// A part of a document that is never given back.
pub type Doc = &'static Element<'static>;

/// A part of a document, with what stands around it: that says what prefixes mean.
#[derive(Clone, Copy)]
pub struct Here<'a> {
    pub element: Doc,
    pub around: Option<&'a Here<'a>>,
}

impl<'a> Here<'a> {
    pub fn root(element: Doc) -> Self {
        Self { element, around: None }
    }

    pub fn at(&'a self, element: Doc) -> Here<'a> {
        Here { element, around: Some(self) }
    }

    /// A name as it stands in a value.
    pub fn name(&self, text: &str) -> Name<'static> {
        let (prefix, local) = text.trim().split_once(':').unwrap_or(("", text.trim()));
        let mut here = Some(self);
        let mut space = Cow::Borrowed("");
        while let Some(known) = here {
            let declared = known
                .element
                .attributes
                .iter()
                .find(|attribute| attribute.name.space == crate::xml::XMLNS && attribute.name.local == prefix);
            if let Some(declared) = declared {
                space = declared.value.clone();
                break;
            }
            here = known.around;
        }
        Name { space, local: String::leak(local.to_owned()) }
    }
}

/// What an element holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anything.
    Any,
    Plain(LogicalType),
    /// A type of the schema.
    Type(usize),
}

/// An element as it is declared.
#[derive(Clone, Debug)]
pub struct Decl {
    pub name: Name<'static>,
    pub kind: Kind,
    /// It is declared elsewhere, under this name.
    is_reference: bool,
    pub is_many: bool,
    pub is_optional: bool,
    pub is_nillable: bool,
    pub comment: Option<String>,
}

/// A type.
#[derive(Debug, Default)]
pub struct Type {
    name: Option<Name<'static>>,
    base: Option<Kind>,
    /// What it has stands here, and what its base has does not count.
    is_restriction: bool,
    elements: Vec<Decl>,
    attributes: Vec<String>,
    /// It holds a text, perhaps with attributes.
    is_simple: bool,
    /// It holds several values, with spaces between them.
    is_list: bool,
    digits: Option<(u8, u8)>,
    values: Vec<String>,
    /// It may hold what nobody has declared.
    is_open: bool,
}

#[derive(Debug, Default)]
pub struct Schema {
    elements: Vec<Decl>,
    types: Vec<Type>,
}

impl Schema {
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty() && self.types.is_empty()
    }

    /// An element that a document may begin with.
    pub fn element(&self, name: &Name<'_>) -> Option<&Decl> {
        self.elements.iter().find(|known| known.name == *name)
    }

    /// One of this name in any namespace, if there is only one.
    pub fn only(&self, local: &str) -> Option<&Decl> {
        let mut found = self.elements.iter().filter(|known| known.name.local == local);
        found.next().filter(|_| found.next().is_none())
    }

    pub fn type_named(&self, space: &str, local: &str) -> Option<Kind> {
        let is_it = |known: &Type| known.name.as_ref().is_some_and(|name| name.is(space, local));
        self.types.iter().position(is_it).map(Kind::Type)
    }

    fn types_of(&self, kind: Kind) -> Vec<&Type> {
        let (mut types, mut kind) = (Vec::new(), Some(kind));
        while let Some(Kind::Type(at)) = kind
            && let Some(found) = self.types.get(at)
            && types.len() < BASES_MAX
        {
            types.push(found);
            kind = found.base.filter(|_| !found.is_restriction || found.is_simple);
        }
        types.reverse();
        types
    }

    /// The elements that a type has, in their order.
    pub fn children(&self, kind: Kind) -> Vec<&Decl> {
        self.types_of(kind).into_iter().flat_map(|found| &found.elements).collect()
    }

    pub fn attributes(&self, kind: Kind) -> Vec<&str> {
        self.types_of(kind).into_iter().flat_map(|found| &found.attributes).map(String::as_str).collect()
    }

    /// What an element holds and whether it may be null, also where it is declared elsewhere.
    pub fn resolved(&self, decl: &Decl) -> (Kind, bool) {
        match self.element(&decl.name).filter(|_| decl.is_reference) {
            Some(found) => (found.kind, decl.is_nillable || found.is_nillable),
            None => (decl.kind, decl.is_nillable),
        }
    }

    /// Whether elements may stand in it that nobody has declared.
    pub fn is_open(&self, kind: Kind) -> bool {
        kind == Kind::Any || self.types_of(kind).iter().any(|found| found.is_open)
    }

    /// What a single text is; none if it is more than that.
    pub fn logical(&self, kind: Kind) -> Option<LogicalType> {
        let types = self.types_of(kind);
        let Some(first) = types.first() else {
            return if let Kind::Plain(logical) = kind { Some(logical) } else { None };
        };
        if !types.iter().all(|found| found.is_simple) {
            return None;
        }
        if types.iter().any(|found| found.is_list) {
            return Some(LogicalType::Text);
        }
        let base = if let Some(Kind::Plain(logical)) = first.base { logical } else { LogicalType::Text };
        match types.iter().rev().find_map(|found| found.digits) {
            Some((precision, scale)) if matches!(base, LogicalType::Decimal(_)) => {
                Some(format!("decimal({precision},{scale})").parse().unwrap_or(base))
            }
            _ => Some(base),
        }
    }

    /// The values that there are, where the schema names them.
    pub fn values(&self, kind: Kind) -> &[String] {
        self.types_of(kind).last().map(|found| found.values.as_slice()).unwrap_or_default()
    }
}

/// What the types that come with XML Schema are.
fn plain(local: &str) -> Kind {
    Kind::Plain(match local {
        "boolean" => LogicalType::Bool,
        "byte" | "short" | "int" | "long" | "unsignedByte" | "unsignedShort" | "unsignedInt" => LogicalType::Int64,
        "decimal" | "integer" | "unsignedLong" | "positiveInteger" | "nonNegativeInteger" | "negativeInteger"
        | "nonPositiveInteger" => LogicalType::Decimal(None),
        // Their text is exact, and the code for floats is large.
        "float" | "double" => LogicalType::Decimal(None),
        "date" => LogicalType::Date,
        "dateTime" => LogicalType::Timestamp,
        "time" => LogicalType::Time,
        "anyType" => return Kind::Any,
        _ => LogicalType::Text,
    })
}

#[cfg(test)]
pub mod tests;
