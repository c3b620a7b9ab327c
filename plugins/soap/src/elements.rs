//! Elements as documents, and documents as elements.
//!
//! A document has a member for each name among an element's children: a text, null where the element says so, an object where it has
//! children or attributes of its own (`@name`, `#text`), a list where there are several, or where the schema says there may be.

use lockstep_described::{Result, Say as _, failure};
use lockstep_json::Node;
use lockstep_plugin_sdk::error::{Error, ErrorKind};

use crate::options::Options;
use crate::schema::{Decl, Kind, Schema};
use crate::xml::{Element, Name, Writer, XMLNS, XSI};

/// The text of an element that has more than that.
pub const TEXT: &str = "#text";
/// The type of an element, where it is another than the declared one.
const TYPE: &str = "@xsi:type";

/// How elements and documents become each other.
pub struct Shape<'s> {
    pub schema: &'s Schema,
    pub options: &'s Options,
}

impl Shape<'_> {
    /// An element as a document, with its namespace where a sibling of the same name has another.
    pub fn document(&self, element: &Element<'_>, kind: Kind) -> Node {
        if element.is_nil() {
            return Node::Null;
        }
        let own = element.kind.as_ref().and_then(|name| self.schema.type_named(&name.space, name.local));
        let mut members: Vec<(String, Node)> = Vec::new();
        if let (Some(own), Some(name)) = (own, &element.kind)
            && own != kind
            && self.schema.logical(own).is_none()
        {
            members.push((TYPE.to_owned(), Node::Text(format!("{{{}}}{}", name.space, name.local))));
        }
        let kind = own.unwrap_or(kind);
        self.add_attributes(element, kind, &mut members);
        let declared = self.schema.children(kind);
        for child in &element.children {
            let found = declared.iter().find(|known| known.name == child.name);
            let name = self.called(element, child, found.is_some(), &declared);
            let inner = found.map_or(Kind::Any, |known| self.schema.resolved(known).0);
            let is_list = found.is_some_and(|known| known.is_many) || self.options.lists.contains(&name);
            let node = self.document(child, inner);
            match members.iter_mut().find(|(known, _)| *known == name) {
                Some((_, Node::List(list))) => list.push(node),
                Some((_, present)) => *present = Node::List(vec![std::mem::take(present), node]),
                None if is_list => members.push((name, Node::List(vec![node]))),
                None => members.push((name, node)),
            }
        }
        if members.is_empty() {
            return Node::text(&*element.text);
        }
        let is_text = element.children.is_empty() && !element.text.is_empty();
        if is_text || !element.text.trim().is_empty() {
            members.push((TEXT.to_owned(), Node::text(&*element.text)));
        }
        Node::Object(members)
    }

    fn add_attributes(&self, element: &Element<'_>, kind: Kind, members: &mut Vec<(String, Node)>) {
        let declared = self.schema.attributes(kind);
        for attribute in &element.attributes {
            let (space, local) = (&*attribute.name.space, attribute.name.local);
            let is_wanted =
                declared.contains(&local) || self.options.attributes.iter().any(|known| known == local || known == "*");
            if is_wanted && !matches!(space, XSI | XMLNS) {
                members.push((format!("@{local}"), Node::text(&*attribute.value)));
            }
        }
    }

    /// What an element is called in a document: by its name, or by that and its namespace where the name alone would be somebody else's.
    /// Where no schema says what is whose, those of a namespace that the manifest names are called by its prefix, always: what a record
    /// happens to have beside it must not change what an element is.
    fn called(&self, around: &Element<'_>, child: &Element<'_>, is_declared: bool, declared: &[&Decl]) -> String {
        let local = child.name.local;
        let prefix = self.options.namespaces.iter().find(|(_, space)| *space == child.name.space);
        let is_other = |other: &Element<'_>| other.name.local == local && other.name != child.name;
        let is_others = match declared.iter().any(|known| known.name.local == local) {
            true => !is_declared,
            false => child.name.space != around.name.space && around.children.iter().any(is_other),
        };
        match prefix {
            Some((prefix, _)) if is_others || self.schema.is_empty() => format!("{prefix}:{local}"),
            None if is_others => format!("{{{}}}{local}", child.name.space),
            _ => local.to_owned(),
        }
    }

    /// Writes a document as the content of an element that was begun.
    pub fn write(&self, writer: &mut Writer, node: &Node, kind: Kind, omits_null: bool) -> Result<()> {
        match node {
            Node::Object(_) => self.write_object(writer, node, kind, omits_null),
            Node::Text(_) | Node::Number(_) | Node::Bool(_) => {
                let text = node.said().unwrap_or_default();
                check_text(&text)?;
                writer.text(&text);
                Ok(())
            }
            Node::List(list) => list.iter().try_for_each(|element| self.write(writer, element, kind, omits_null)),
            Node::Null => Ok(()),
        }
    }

    fn write_object(&self, writer: &mut Writer, node: &Node, kind: Kind, omits_null: bool) -> Result<()> {
        let kind = match node.get(TYPE).and_then(Node::as_text) {
            Some(name) => self.write_type(writer, name)?,
            None => kind,
        };
        let members = || node.members().iter().filter(|(name, _)| name != TYPE);
        for (name, value) in members() {
            if let Some(name) = name.strip_prefix('@') {
                let text = value.said().unwrap_or_default();
                check_text(&text)?;
                writer.attribute(name, &text);
            }
        }
        let is_child = |name: &str| !name.starts_with('@') && name != TEXT;
        if let Some(text) = node.get(TEXT) {
            self.write(writer, text, kind, omits_null)?;
        }
        let declared = self.schema.children(kind);
        if kind == Kind::Any || self.schema.is_open(kind) && declared.is_empty() {
            for (name, value) in members().filter(|(name, _)| is_child(name)) {
                self.write_child(writer, None, name, value, (Kind::Any, false, true), omits_null)?;
            }
            return Ok(());
        }
        let mut left: Vec<&(String, Node)> = members().filter(|(name, _)| is_child(name)).collect();
        for decl in declared {
            let Some(at) = left.iter().position(|(name, _)| name == decl.name.local) else { continue };
            let (name, value) = left.remove(at);
            let (inner, is_nillable) = self.schema.resolved(decl);
            let about = (inner, is_nillable, decl.is_optional);
            self.write_child(writer, Some(&decl.name), name, value, about, omits_null)?;
        }
        match left.first() {
            Some((name, _)) => Err(self.unknown_member(name, kind)),
            None => Ok(()),
        }
    }

    /// An element for a member, or several for a list.
    fn write_child(
        &self,
        writer: &mut Writer,
        declared: Option<&Name<'_>>,
        name: &str,
        value: &Node,
        about: (Kind, bool, bool),
        omits_null: bool,
    ) -> Result<()> {
        if let Node::List(list) = value {
            return list
                .iter()
                .try_for_each(|element| self.write_child(writer, declared, name, element, about, omits_null));
        }
        let (kind, is_nillable, is_optional) = about;
        if *value == Node::Null && !is_nillable {
            return if omits_null && is_optional { Ok(()) } else { Err(no_null(name)) };
        }
        match declared {
            Some(declared) => writer.start(Some(&declared.space), declared.local),
            None => writer.start(None, name),
        }
        if *value == Node::Null {
            writer.nil();
        }
        self.write(writer, value, kind, omits_null)?;
        writer.end();
        Ok(())
    }

    /// Another type than the declared one: `{namespace}Name`, or with a prefix of the manifest.
    fn write_type(&self, writer: &mut Writer, name: &str) -> Result<Kind> {
        let parts = match name.strip_prefix('{') {
            Some(rest) => rest.split_once('}'),
            None => name.split_once(':').and_then(|(prefix, local)| {
                let (_, space) = self.options.namespaces.iter().find(|(known, _)| known == prefix)?;
                Some((space.as_str(), local))
            }),
        };
        let found = parts.and_then(|(space, local)| Some((space, local, self.schema.type_named(space, local)?)));
        let (space, local, kind) = found.ok_or_else(|| {
            failure(ErrorKind::Config, "soap.type", &format!("the schema has no type `{name}`"))
                .hint("write it as `{namespace}Name`, or with a prefix from `namespaces` under `xml` of the manifest")
        })?;
        writer.attribute("xmlns:xsi", XSI);
        writer.attribute("xmlns:t", space);
        writer.attribute("xsi:type", &format!("t:{local}"));
        Ok(kind)
    }

    fn unknown_member(&self, name: &str, kind: Kind) -> Box<Error> {
        let known: Vec<&str> = self.schema.children(kind).iter().map(|decl| decl.name.local).take(30).collect();
        failure(
            ErrorKind::InvalidData,
            "soap.element",
            &format!("the schema has no element `{name}` there, where `{}` are", known.join("`, `")),
        )
        .hint("compare `input` and the paths of the manifest with the WSDL")
    }
}

fn no_null(name: &str) -> Box<Error> {
    failure(ErrorKind::InvalidData, "soap.null", &format!("`{name}` cannot be null: the schema does not allow `xsi:nil` there"))
        .hint("if the service takes an empty element for null, write `null = \"\"` at the stream or field; if one that is missing, `absent_is_null = true`")
}

/// XML has no way to write most control characters.
fn check_text(text: &str) -> Result<()> {
    let is_odd = |c: char| (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}');
    match text.chars().find(|c| is_odd(*c)) {
        Some(odd) => Err(failure(
            ErrorKind::InvalidData,
            "soap.character",
            &format!("the value holds the character U+{:04X}, which XML does not have", u32::from(odd)),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
