//! XML as trees that borrow from their text. Nothing in it is expanded: a document type definition is refused, and only the five
//! predefined entities exist. Namespaces are known by their URI.
//!
//! A reader of our own, held against `quick-xml` by its tests: with that the plugin would not keep to its size.

mod encoding;
mod scan;
mod write;

use std::borrow::Cow;

pub use encoding::decode;
pub use scan::{Characters, Fault, read};
pub use write::Writer;

pub const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// What declarations of namespaces are in.
pub const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// A name with its namespace, which is empty where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name<'t> {
    pub space: Cow<'t, str>,
    pub local: &'t str,
}

impl Name<'_> {
    pub fn is(&self, space: &str, local: &str) -> bool {
        self.local == local && self.space == space
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attribute<'t> {
    pub name: Name<'t>,
    pub value: Cow<'t, str>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element<'t> {
    /// As it was written, with its prefix.
    pub raw: &'t str,
    pub name: Name<'t>,
    pub attributes: Vec<Attribute<'t>>,
    pub children: Vec<Element<'t>>,
    /// All text within, but not within its children.
    pub text: Cow<'t, str>,
    /// `xsi:type`, with its namespace.
    pub kind: Option<Name<'t>>,
}

impl<'t> Element<'t> {
    /// An attribute without a namespace.
    pub fn attribute(&self, local: &str) -> Option<&str> {
        self.attribute_of("", local)
    }

    pub fn attribute_of(&self, space: &str, local: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|attribute| attribute.name.is(space, local));
        found.map(|attribute| &*attribute.value)
    }

    pub fn is(&self, space: &str, local: &str) -> bool {
        self.name.is(space, local)
    }

    /// Its first child of this name.
    pub fn child(&self, space: &str, local: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.is(space, local))
    }

    pub fn all<'e>(&'e self, space: &'e str, local: &'e str) -> impl Iterator<Item = &'e Self> {
        self.children.iter().filter(move |child| child.is(space, local))
    }

    /// Whether it says that it is null.
    pub fn is_nil(&self) -> bool {
        self.attribute_of(XSI, "nil").is_some_and(|nil| matches!(nil.trim(), "true" | "1"))
    }
}

#[cfg(test)]
mod tests;
