//! Reads a document into a tree.

use std::borrow::Cow;

use super::{Attribute, Element, Name, XML, XMLNS, XSI};

/// Real documents are nested a dozen deep.
const DEPTH_MAX: usize = 100;
const ATTRIBUTES_MAX: usize = 1000;

/// What is done with characters that XML does not have, as `&#4;`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Characters {
    #[default]
    Strict,
    /// They are left out.
    Dropped,
}

/// Why a text is no document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub at: usize,
    pub reason: &'static str,
    /// It may be whole the next time.
    pub breaks_off: bool,
}

type Result<T> = std::result::Result<T, Fault>;

/// Reads a whole document; answers its root.
pub fn read(text: &str, characters: Characters) -> Result<Element<'_>> {
    Scanner { text, at: 0, characters, spaces: Vec::new() }.document()
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
    characters: Characters,
    /// Prefixes and their namespaces, the innermost last.
    spaces: Vec<(&'t str, Cow<'t, str>)>,
}

/// An element whose end has not come yet.
struct Open<'t> {
    element: Element<'t>,
    /// How many prefixes were known before it.
    spaces: usize,
}

impl<'t> Scanner<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn fault(&self, reason: &'static str) -> Fault {
        Fault { at: self.at, reason, breaks_off: false }
    }

    fn broken_off(&self) -> Fault {
        Fault { at: self.text.len(), reason: "it breaks off", breaks_off: true }
    }

    fn take(&mut self, token: &str) -> bool {
        let is_next = self.rest().starts_with(token);
        if is_next {
            self.at += token.len();
        }
        is_next
    }

    /// Everything up to a token, and goes behind that.
    fn until(&mut self, token: &str) -> Result<&'t str> {
        let (before, _) = self.rest().split_once(token).ok_or_else(|| self.broken_off())?;
        self.at += before.len() + token.len();
        Ok(before)
    }

    fn skip_space(&mut self) -> bool {
        let rest = self.rest();
        let skipped = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        self.at += skipped;
        skipped > 0
    }

    fn document(&mut self) -> Result<Element<'t>> {
        self.take("\u{feff}");
        let mut open: Vec<Open<'t>> = Vec::new();
        let mut root = None;
        while self.at < self.text.len() {
            let finished = if !self.rest().starts_with('<') {
                self.characters_of(open.last_mut())?;
                None
            } else if self.take("<!--") {
                self.until("-->")?;
                None
            } else if self.take("<![CDATA[") {
                let text = self.until("]]>")?;
                let Some(inside) = open.last_mut() else { return Err(self.fault("text stands outside of the root")) };
                let text = self.plain(text)?;
                append(&mut inside.element.text, text);
                None
            } else if self.take("<?") {
                self.until("?>")?;
                None
            } else if self.rest().starts_with("<!") {
                let breaks_off = ["<!--", "<![CDATA[", "<!DOCTYPE"].iter().any(|token| token.starts_with(self.rest()));
                return Err(Fault { breaks_off, ..self.fault("it defines a type of its own") });
            } else if self.take("</") {
                Some(self.end(open.pop())?)
            } else {
                if root.is_some() || open.len() >= DEPTH_MAX {
                    let reason = if root.is_some() { "a second root" } else { "elements are nested too deep" };
                    return Err(self.fault(reason));
                }
                self.start(&mut open)?
            };
            match (finished, open.last_mut()) {
                (Some(element), Some(around)) => around.element.children.push(element),
                (Some(element), None) => root = Some(element),
                (None, _) => {}
            }
        }
        root.filter(|_| open.is_empty()).ok_or_else(|| self.broken_off())
    }

    /// Text between tags.
    fn characters_of(&mut self, open: Option<&mut Open<'t>>) -> Result<()> {
        let rest = self.rest();
        let text = rest.split_once('<').map_or(rest, |(text, _)| text);
        match open {
            Some(open) => {
                let meant = self.meant(text)?;
                append(&mut open.element.text, meant);
            }
            None if !text.trim_matches([' ', '\t', '\r', '\n']).is_empty() => {
                return Err(self.fault("text stands outside of the root"));
            }
            None => {}
        }
        self.at += text.len();
        Ok(())
    }

    fn name(&mut self) -> Result<&'t str> {
        let rest = self.rest();
        let is_inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':') || c >= '\u{80}';
        let length = rest.find(|c| !is_inside(c)).unwrap_or(rest.len());
        let name = rest.get(..length).unwrap_or_default();
        if length == rest.len() {
            return Err(self.broken_off());
        }
        let is_good = |part: &str| {
            part.chars().next().is_some_and(|first| !first.is_ascii_digit() && !matches!(first, '-' | '.'))
        };
        if name.is_empty() || name.split(':').count() > 2 || !name.split(':').all(is_good) {
            return Err(self.fault("a name is expected"));
        }
        self.at += length;
        Ok(name)
    }

    /// A start tag; answers the element if it is whole already.
    fn start(&mut self, open: &mut Vec<Open<'t>>) -> Result<Option<Element<'t>>> {
        self.at += 1;
        let raw = self.name()?;
        let before = self.spaces.len();
        let mut given: Vec<(&'t str, Cow<'t, str>)> = Vec::new();
        let is_empty = loop {
            let has_space = self.skip_space();
            if self.take("/>") {
                break true;
            }
            if self.take(">") {
                break false;
            }
            if self.rest().is_empty() || self.rest() == "/" {
                return Err(self.broken_off());
            }
            if !has_space || given.len() >= ATTRIBUTES_MAX {
                return Err(self.fault("a space or the end of the tag is expected"));
            }
            given.push(self.attribute()?);
        };
        for (name, value) in &given {
            let prefix = if *name == "xmlns" { Some("") } else { name.strip_prefix("xmlns:") };
            self.spaces.extend(prefix.map(|prefix| (prefix, value.clone())));
        }
        let element = self.element(raw, given)?;
        if is_empty {
            self.spaces.truncate(before);
            return Ok(Some(element));
        }
        open.push(Open { element, spaces: before });
        Ok(None)
    }

    fn element(&self, raw: &'t str, given: Vec<(&'t str, Cow<'t, str>)>) -> Result<Element<'t>> {
        let mut element = Element { raw, name: self.qualified(raw, true)?, ..Element::default() };
        for (name, value) in given {
            let name = if name == "xmlns" {
                Name { space: Cow::Borrowed(XMLNS), local: "" }
            } else {
                self.qualified(name, false)?
            };
            if element.attributes.iter().any(|known| known.name == name) {
                return Err(self.fault("an attribute stands twice in a tag"));
            }
            if name.is(XSI, "type")
                && let Cow::Borrowed(kind) = value
            {
                element.kind = Some(self.qualified(kind.trim(), true)?);
            }
            element.attributes.push(Attribute { name, value });
        }
        Ok(element)
    }

    fn attribute(&mut self) -> Result<(&'t str, Cow<'t, str>)> {
        let name = self.name()?;
        self.skip_space();
        if !self.take("=") {
            return Err(if self.rest().is_empty() { self.broken_off() } else { self.fault("`=` is expected") });
        }
        self.skip_space();
        let quote = match self.rest().as_bytes().first() {
            Some(b'"') => "\"",
            Some(b'\'') => "'",
            None => return Err(self.broken_off()),
            Some(_) => return Err(self.fault("a value in quotes is expected")),
        };
        self.at += 1;
        let start = self.at;
        let value = self.until(quote)?;
        if value.contains('<') {
            return Err(Fault { at: start, ..self.fault("`<` stands in a value") });
        }
        // What is written with references stays.
        let value = match value.contains(['\r', '\n', '\t']) {
            true => {
                let spaced = value.replace("\r\n", " ").replace(['\r', '\n', '\t'], " ");
                Cow::Owned(self.meant(&spaced)?.into_owned())
            }
            false => self.meant(value)?,
        };
        Ok((name, value))
    }

    fn end(&mut self, open: Option<Open<'t>>) -> Result<Element<'t>> {
        let name = self.name()?;
        self.skip_space();
        if !self.take(">") {
            return Err(if self.rest().is_empty() { self.broken_off() } else { self.fault("`>` is expected") });
        }
        match open {
            Some(open) if open.element.raw == name => {
                self.spaces.truncate(open.spaces);
                Ok(open.element)
            }
            _ => Err(self.fault("an element ends that has not begun")),
        }
    }

    /// A name with its namespace; without a prefix, attributes have none.
    fn qualified(&self, raw: &'t str, is_element: bool) -> Result<Name<'t>> {
        let (prefix, local) = raw.split_once(':').unwrap_or(("", raw));
        let space = match prefix {
            "" if !is_element => Cow::Borrowed(""),
            "xml" => Cow::Borrowed(XML),
            "xmlns" => Cow::Borrowed(XMLNS),
            _ => match self.spaces.iter().rev().find(|(known, _)| *known == prefix) {
                Some((_, space)) => space.clone(),
                None if prefix.is_empty() => Cow::Borrowed(""),
                None => return Err(self.fault("a prefix is not declared")),
            },
        };
        Ok(Name { space, local })
    }

    /// A text without references, with line ends as XML has them.
    fn plain<'s>(&self, text: &'s str) -> Result<Cow<'s, str>> {
        let is_odd = |c: char| (c < ' ' && !matches!(c, '\t' | '\n')) || matches!(c, '\u{fffe}' | '\u{ffff}');
        if !text.contains(is_odd) {
            return Ok(Cow::Borrowed(text));
        }
        let mut text = text.replace("\r\n", "\n").replace('\r', "\n");
        if text.contains(is_odd) {
            match self.characters {
                Characters::Strict => return Err(self.fault("a character stands in it that XML does not have")),
                Characters::Dropped => text.retain(|c| !is_odd(c)),
            }
        }
        Ok(Cow::Owned(text))
    }

    /// What a text with references means.
    fn meant<'s>(&self, text: &'s str) -> Result<Cow<'s, str>> {
        if !text.contains('&') {
            return self.plain(text);
        }
        let mut meant = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('&') {
            meant.push_str(&self.plain(before)?);
            let (reference, after) = behind.split_once(';').ok_or_else(|| self.unknown())?;
            match reference {
                "amp" => meant.push('&'),
                "lt" => meant.push('<'),
                "gt" => meant.push('>'),
                "quot" => meant.push('"'),
                "apos" => meant.push('\''),
                _ => meant.extend(self.numbered(reference)?),
            }
            rest = after;
        }
        meant.push_str(&self.plain(rest)?);
        Ok(Cow::Owned(meant))
    }

    fn unknown(&self) -> Fault {
        let rest = self.rest();
        Fault { breaks_off: !rest.contains('<'), ..self.fault("a reference to something that is not defined") }
    }

    fn numbered(&self, reference: &str) -> Result<Option<char>> {
        let number = reference.strip_prefix('#').ok_or_else(|| self.unknown())?;
        let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
        let is_number = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
        let code = u32::from_str_radix(digits, radix).ok().filter(|_| is_number);
        let found = code.ok_or_else(|| self.unknown()).map(char::from_u32)?;
        let is_known =
            |c: &char| (*c >= ' ' || matches!(c, '\t' | '\n' | '\r')) && !matches!(c, '\u{fffe}' | '\u{ffff}');
        match (found.filter(is_known), self.characters) {
            (Some(c), _) => Ok(Some(c)),
            (None, Characters::Dropped) => Ok(None),
            (None, Characters::Strict) => Err(self.fault("a reference to a character that XML does not have")),
        }
    }
}

fn append<'t>(text: &mut Cow<'t, str>, more: Cow<'t, str>) {
    if text.is_empty() {
        *text = more;
    } else {
        text.to_mut().push_str(&more);
    }
}
