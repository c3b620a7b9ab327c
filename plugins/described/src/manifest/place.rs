//! Settings with the place where they stand: what is wrong with them is said by JSON pointer.

use super::Read;
use lockstep_json::Node;
use lockstep_plugin_sdk::error::Error;

/// A value of a manifest.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    pub node: &'a Node,
    pub pointer: String,
    /// What stands between the steps of a path.
    separator: char,
}

impl<'a> Place<'a> {
    pub fn root(node: &'a Node) -> Self {
        Self { node, pointer: String::new(), separator: '.' }
    }

    /// With something else between the steps of paths than dots.
    pub fn separated_by(mut self, separator: char) -> Self {
        self.separator = separator;
        self
    }

    fn inner<'n>(&self, node: &'n Node, pointer: String) -> Place<'n> {
        Place { node, pointer, separator: self.separator }
    }

    /// It is something else than what belongs here.
    pub fn expected(&self, expected: &str) -> Box<Error> {
        let found = match self.node {
            Node::Text(text) => format!("`{text}`"),
            other => other.kind().to_owned(),
        };
        self.wrong(&format!("must be {expected}, found {found}"))
    }

    pub fn wrong(&self, what: &str) -> Box<Error> {
        wrong(&self.pointer, what)
    }

    /// A member that may be missing.
    pub fn optional(&self, key: &str) -> Option<Place<'a>> {
        let node = self.node.get(key).filter(|node| **node != Node::Null)?;
        Some(self.inner(node, self.below(key)))
    }

    /// A member that has to be there; `example` shows one.
    pub fn required(&self, key: &str, example: &str) -> Read<Place<'a>> {
        self.optional(key).ok_or_else(|| wrong(&self.below(key), &format!("is missing, for example {example}")))
    }

    fn below(&self, key: &str) -> String {
        format!("{}/{}", self.pointer, key.replace('~', "~0").replace('/', "~1"))
    }

    /// The members of an object that has these keys and no other.
    pub fn close(&self, known: &[&str]) -> Read<()> {
        let Node::Object(members) = self.node else { return Err(self.expected("an object")) };
        match members.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            Some((key, _)) => {
                Err(wrong(&self.below(key), &format!("is not known here, where `{}` are", known.join("`, `"))))
            }
            None => Ok(()),
        }
    }

    pub fn members(&self) -> Read<Vec<(&'a str, Place<'a>)>> {
        let Node::Object(members) = self.node else { return Err(self.expected("an object")) };
        Ok(members.iter().map(|(key, node)| (key.as_str(), self.inner(node, self.below(key)))).collect())
    }

    /// What is made of each member of an object. A loop takes half the room of collecting results.
    pub fn each_member<T>(&self, mut read: impl FnMut(&'a str, &Self) -> Read<T>) -> Read<Vec<T>> {
        let mut all = Vec::new();
        for (name, place) in self.members()? {
            all.push(read(name, &place)?);
        }
        Ok(all)
    }

    /// What is made of each element of a list.
    pub fn each_element<T>(&self, mut read: impl FnMut(&Self) -> Read<T>) -> Read<Vec<T>> {
        let mut all = Vec::new();
        for place in self.elements()? {
            all.push(read(&place)?);
        }
        Ok(all)
    }

    pub fn elements(&self) -> Read<Vec<Place<'a>>> {
        let Node::List(list) = self.node else { return Err(self.expected("a list")) };
        let places = list.iter().enumerate();
        Ok(places.map(|(at, node)| self.inner(node, format!("{}/{at}", self.pointer))).collect())
    }

    pub fn text(&self) -> Read<&'a str> {
        self.node.as_text().ok_or_else(|| self.expected("a string"))
    }

    pub fn flag(&self) -> Read<bool> {
        if let Node::Bool(is) = self.node { Ok(*is) } else { Err(self.expected("true or false")) }
    }

    pub fn number(&self, from: u64, to: u64) -> Read<u64> {
        let number = match self.node {
            Node::Number(digits) => {
                let number = digits.parse::<i64>().ok().and_then(|number| u64::try_from(number).ok());
                number.filter(|number| (from..=to).contains(number))
            }
            _ => None,
        };
        number.ok_or_else(|| self.expected(&format!("a whole number from {from} to {to}")))
    }

    /// A path into a document: names and places with dots between them, or a list of them; nothing leads to the document itself.
    pub fn path(&self) -> Read<Vec<String>> {
        match self.node {
            Node::List(_) => Ok(self.texts()?.into_iter().map(str::to_owned).collect()),
            _ => self.text().map(|text| self.split(text)),
        }
    }

    /// The steps of a path.
    pub fn split(&self, text: &str) -> Vec<String> {
        text.split(self.separator).filter(|step| !step.is_empty()).map(str::to_owned).collect()
    }

    pub fn optional_text(&self, key: &str) -> Read<Option<String>> {
        let Some(place) = self.optional(key) else { return Ok(None) };
        place.text().map(|text| Some(text.to_owned()))
    }

    pub fn optional_path(&self, key: &str) -> Read<Option<Vec<String>>> {
        let Some(place) = self.optional(key) else { return Ok(None) };
        place.path().map(Some)
    }

    /// False if nothing is said.
    pub fn is_set(&self, key: &str) -> Read<bool> {
        self.optional(key).map_or(Ok(false), |place| place.flag())
    }

    pub fn optional_number(&self, key: &str, from: u64, to: u64) -> Read<Option<u64>> {
        let Some(place) = self.optional(key) else { return Ok(None) };
        place.number(from, to).map(Some)
    }

    /// One or several texts; none if nothing is said.
    pub fn optional_texts(&self, key: &str) -> Read<Vec<String>> {
        let Some(place) = self.optional(key) else { return Ok(Vec::new()) };
        Ok(place.texts()?.into_iter().map(str::to_owned).collect())
    }

    /// One or several texts.
    pub fn texts(&self) -> Read<Vec<&'a str>> {
        match self.node {
            Node::Text(text) => Ok(vec![text]),
            Node::List(_) => self.elements()?.iter().map(Place::text).collect(),
            _ => Err(self.expected("a string or a list of strings")),
        }
    }

    /// One of these words.
    pub fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Read<T> {
        let found = self.node.as_text().and_then(|text| choices.iter().find(|(word, _)| *word == text));
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            self.expected(&format!("one of `{}`", words.join("`, `")))
        })
    }
}

pub fn wrong(pointer: &str, what: &str) -> Box<Error> {
    let shown = if pointer.is_empty() { "the manifest".to_owned() } else { format!("`{pointer}` of the manifest") };
    let error = Error::config(format!("{shown} {what}"));
    Box::new(error.with_code("api.manifest").with_property("pointer", pointer))
}
