//! Writes XML. Namespaces are declared where they change, so that no prefix has to be invented but for what is said about elements.

use super::XSI;

/// A document on its way.
#[derive(Debug, Default)]
pub struct Writer {
    out: String,
    /// The names of the elements that are open, and the namespace within.
    open: Vec<(String, String)>,
    /// Whether the last start tag can still take attributes.
    is_tag_open: bool,
}

impl Writer {
    /// Behind its declaration. `before`: what stands there already.
    pub fn new(before: &str) -> Self {
        Self { out: before.to_owned(), ..Self::default() }
    }

    fn close_tag(&mut self) {
        if std::mem::take(&mut self.is_tag_open) {
            self.out.push('>');
        }
    }

    /// Begins an element; none as its namespace leaves the name as it is written.
    pub fn start(&mut self, space: Option<&str>, name: &str) {
        self.close_tag();
        self.out.push('<');
        self.out.push_str(name);
        self.is_tag_open = true;
        let around = self.open.last().map(|(_, space)| space.clone()).unwrap_or_default();
        let inside = space.map_or_else(|| around.clone(), str::to_owned);
        if inside != around {
            self.attribute("xmlns", &inside);
        }
        self.open.push((name.to_owned(), inside));
    }

    /// Of the element that was just begun.
    pub fn attribute(&mut self, name: &str, value: &str) {
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        escape(&mut self.out, value);
        self.out.push('"');
    }

    /// The element that was just begun is null.
    pub fn nil(&mut self) {
        self.attribute("xmlns:xsi", XSI);
        self.attribute("xsi:nil", "true");
    }

    pub fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.close_tag();
            escape(&mut self.out, text);
        }
    }

    pub fn end(&mut self) {
        let Some((name, _)) = self.open.pop() else { return };
        if std::mem::take(&mut self.is_tag_open) {
            self.out.push_str("/>");
            return;
        }
        self.out.push_str("</");
        self.out.push_str(&name);
        self.out.push('>');
    }

    pub fn finish(self) -> String {
        self.out
    }
}

/// A text as it stands in an element or in a value. What XML cannot say is left out by whoever has checked it before.
fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Readers make spaces and line feeds of them.
            '\r' => out.push_str("&#13;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            other => out.push(other),
        }
    }
}
