//! What a manifest says about XML, under `xml`.

use lockstep_described::Result;
use lockstep_described::manifest::place::Place;
use lockstep_json::Node;

use crate::wsdl::Version;
use crate::xml::Characters;

#[derive(Debug, Default)]
pub struct Options {
    /// Of two bindings, the one that is used.
    pub version: Option<Version>,
    /// Attributes that are read though no schema declares them; `*` stands for all.
    pub attributes: Vec<String>,
    /// Elements that are lists though no schema says so.
    pub lists: Vec<String>,
    /// Prefixes for what stands beside another element of its name.
    pub namespaces: Vec<(String, String)>,
    pub characters: Characters,
}

impl Options {
    pub fn read(manifest: &Node) -> Result<Self> {
        let Some(place) = Place::root(manifest).optional("xml") else { return Ok(Self::default()) };
        place.close(&["version", "attributes", "lists", "namespaces", "invalid_characters"])?;
        let version = place.optional("version");
        let version = version.map(|version| version.choice(&[("1.1", Version::V11), ("1.2", Version::V12)]));
        let characters = place.optional("invalid_characters");
        let characters =
            characters.map(|what| what.choice(&[("refuse", Characters::Strict), ("drop", Characters::Dropped)]));
        let namespaces = match place.optional("namespaces") {
            Some(spaces) => spaces.each_member(|prefix, uri| Ok((prefix.to_owned(), uri.text()?.to_owned())))?,
            None => Vec::new(),
        };
        Ok(Self {
            version: version.transpose()?,
            attributes: place.optional_texts("attributes")?,
            lists: place.optional_texts("lists")?,
            namespaces,
            characters: characters.transpose()?.unwrap_or_default(),
        })
    }
}
