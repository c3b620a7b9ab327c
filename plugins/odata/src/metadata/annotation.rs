//! Annotations, as far as they say something that matters here. Vocabularies come under many aliases, so only the term's own name
//! counts.

/// One annotation with the simple values inside of it.
#[derive(Debug, Default)]
pub struct Annotation {
    pub target: String,
    term: String,
    bool: Option<bool>,
    string: Option<String>,
    /// Names and values, in order.
    values: Vec<(String, String)>,
}

/// What an annotation comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Meaning {
    Computed,
    Comment(String),
    TracksChanges,
    NotInsertable,
    NotUpdatable,
    NotDeletable,
    AlternateKeys(Vec<Vec<String>>),
}

impl Annotation {
    pub fn new(target: String, term: &str, bool: Option<bool>, string: Option<String>) -> Self {
        let term = term.rsplit('.').next().unwrap_or_default().to_owned();
        Self { target, term, bool, string, values: Vec::new() }
    }

    /// A `PropertyValue` inside of it.
    pub fn add(&mut self, name: String, value: String) {
        self.values.push((name, value));
    }

    fn says(&self, name: &str) -> Option<bool> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, value)| value == "true")
    }

    pub fn meaning(self) -> Option<Meaning> {
        match self.term.as_str() {
            // A term that is only named is true.
            "Computed" => (self.bool != Some(false)).then_some(Meaning::Computed),
            "Label" | "Description" => self.string.map(Meaning::Comment),
            "ChangeTracking" => (self.says("Supported") == Some(true)).then_some(Meaning::TracksChanges),
            "InsertRestrictions" => (self.says("Insertable") == Some(false)).then_some(Meaning::NotInsertable),
            "UpdateRestrictions" => (self.says("Updatable") == Some(false)).then_some(Meaning::NotUpdatable),
            "DeleteRestrictions" => (self.says("Deletable") == Some(false)).then_some(Meaning::NotDeletable),
            "AlternateKeys" => Some(Meaning::AlternateKeys(self.keys())),
            _ => None,
        }
    }

    /// Each `Key` begins a new one, each `Name` in it is a property.
    fn keys(&self) -> Vec<Vec<String>> {
        let mut keys: Vec<Vec<String>> = Vec::new();
        for (name, value) in &self.values {
            match name.as_str() {
                "Key" => keys.push(Vec::new()),
                "Name" => keys.last_mut().into_iter().for_each(|key| key.push(value.clone())),
                _ => {}
            }
        }
        keys.retain(|key| !key.is_empty());
        keys
    }
}
