//! How an API says that it did not do what it was asked.

use super::Read;
use lockstep_json::Node;

use super::place::Place;

/// What a failure means, as far as it decides what is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The record is not there.
    Missing,
    /// A record with this key is there already.
    Exists,
    /// The record has another version than the one that was named.
    Changed,
    /// It will not have the record.
    Refused,
    /// It did nothing; it may work later.
    Passing,
    /// Too many requests; nothing was done.
    Limited,
    /// Credentials are missing, or not enough.
    Auth,
    /// The session is over.
    Session,
    /// The position of a reading is too old.
    Stale,
    /// Nobody knows what it did.
    Unclear,
    /// It says that it failed at it, and not whose fault that is.
    Failed,
}

const MEANINGS: &[(&str, Meaning)] = &[
    ("missing", Meaning::Missing),
    ("exists", Meaning::Exists),
    ("changed", Meaning::Changed),
    ("refused", Meaning::Refused),
    ("passing", Meaning::Passing),
    ("limited", Meaning::Limited),
    ("auth", Meaning::Auth),
    ("session", Meaning::Session),
    ("stale", Meaning::Stale),
    ("unclear", Meaning::Unclear),
];

#[derive(Debug, Default)]
pub struct Rules {
    /// Where the API's own code stands; the first that is there counts.
    pub code: Vec<Vec<String>>,
    pub message: Vec<Vec<String>>,
    /// What makes a success a failure.
    pub failed: Vec<Test>,
    pub rules: Vec<Rule>,
    /// Where is said how much a request costs, how much there is, and how much comes back in a second.
    pub cost: Option<[Vec<String>; 3]>,
}

#[derive(Debug)]
pub struct Rule {
    status: Option<u16>,
    /// The API's code; `*` at the end stands for anything.
    code: Option<String>,
    /// What the message holds, in lower case.
    contains: Option<String>,
    pub meaning: Meaning,
}

/// Something about a document.
#[derive(Debug, PartialEq, Eq)]
pub struct Test {
    pub path: Vec<String>,
    /// None: anything that is not nothing.
    is: Option<String>,
    prefix: Option<String>,
    /// Anything but this.
    not: Option<String>,
}

impl Test {
    /// A path, or an object with `path` and `is` or `prefix`.
    pub fn read(place: &Place<'_>) -> Read<Self> {
        if place.node.as_text().is_some() {
            return Ok(Self { path: place.path()?, is: None, prefix: None, not: None });
        }
        place.close(&["path", "is", "prefix", "not"])?;
        let said = |place: Place<'_>| place.node.said().ok_or_else(|| place.expected("a string, a number or a flag"));
        Ok(Self {
            path: place.required("path", "\"status\"")?.path()?,
            is: place.optional("is").map(said).transpose()?,
            prefix: place.optional("prefix").map(said).transpose()?,
            not: place.optional("not").map(said).transpose()?,
        })
    }

    /// A list of them; none if nothing is said.
    pub fn read_all(place: &Place<'_>, key: &str) -> Read<Vec<Self>> {
        let Some(place) = place.optional(key) else { return Ok(Vec::new()) };
        place.each_element(Self::read)
    }

    pub fn read_one(place: &Place<'_>, key: &str) -> Read<Option<Self>> {
        let Some(place) = place.optional(key) else { return Ok(None) };
        Self::read(&place).map(Some)
    }

    pub fn holds(&self, document: &Node) -> bool {
        all(document, &self.path).into_iter().any(|node| self.fits(node))
    }

    pub fn fits(&self, node: &Node) -> bool {
        match (&self.is, &self.prefix) {
            (Some(is), _) => node.said().as_deref() == Some(is),
            (None, Some(prefix)) => node.said().is_some_and(|said| said.starts_with(prefix.as_str())),
            (None, None) => match &self.not {
                Some(not) => node.said().is_some_and(|said| said != *not),
                None => node.is_something(),
            },
        }
    }
}

/// Everything a path leads to; `*` is every member and every element.
pub fn all<'n>(document: &'n Node, path: &[String]) -> Vec<&'n Node> {
    let Some((step, rest)) = path.split_first() else { return vec![document] };
    if step != "*" {
        return document.at(std::slice::from_ref(step)).map_or_else(Vec::new, |node| all(node, rest));
    }
    let members = document.members().iter().map(|(_, node)| node);
    members.chain(document.list()).flat_map(|node| all(node, rest)).collect()
}

impl Rules {
    pub fn read(place: &Place<'_>) -> Read<Self> {
        place.close(&["code", "message", "failed", "rules", "cost"])?;
        let paths = |key: &str| -> Read<Vec<Vec<String>>> {
            let Some(paths) = place.optional(key) else { return Ok(Vec::new()) };
            Ok(paths.texts()?.into_iter().map(|text| paths.split(text)).collect())
        };
        let failed = Test::read_all(place, "failed")?;
        let rules = match place.optional("rules") {
            Some(rules) => rules.each_element(Rule::read)?,
            None => Vec::new(),
        };
        let cost = place.optional("cost").map(|cost| {
            cost.close(&["asked", "left", "per_second"])?;
            let path = |key: &str| cost.required(key, "\"cost.available\"")?.path();
            Read::Ok([path("asked")?, path("left")?, path("per_second")?])
        });
        Ok(Self { code: paths("code")?, message: paths("message")?, failed, rules, cost: cost.transpose()? })
    }

    /// Lays rules that all services of a protocol share behind these.
    pub fn add(&mut self, common: &str, separator: char) -> Read<()> {
        let node = Node::read(common.as_bytes()).unwrap_or_default();
        let common = Self::read(&Place::root(&node).separated_by(separator))?;
        self.code.extend(common.code);
        self.message.extend(common.message);
        self.failed.extend(common.failed);
        self.rules.extend(common.rules);
        Ok(())
    }

    /// What the first rule that fits says.
    pub fn meaning(&self, status: u16, code: &str, message: &str) -> Option<Meaning> {
        let message = message.to_ascii_lowercase();
        self.rules.iter().find(|rule| rule.fits(status, code, &message)).map(|rule| rule.meaning)
    }
}

impl Rule {
    fn read(place: &Place<'_>) -> Read<Self> {
        place.close(&["status", "code", "contains", "means"])?;
        let status = place.optional_number("status", 200, 599)?;
        let code =
            place.optional("code").map(|code| code.node.said().ok_or_else(|| code.expected("a string or a number")));
        let contains = place.optional("contains").map(|text| text.text().map(str::to_ascii_lowercase)).transpose()?;
        let meaning = place.required("means", "\"refused\"")?.choice(MEANINGS)?;
        let status = status.and_then(|status| u16::try_from(status).ok());
        let rule = Self { status, code: code.transpose()?, contains, meaning };
        if rule.status.is_none() && rule.code.is_none() && rule.contains.is_none() {
            return Err(place.wrong("must say what it is about: `status`, `code` or `contains`"));
        }
        Ok(rule)
    }

    fn fits(&self, status: u16, code: &str, message: &str) -> bool {
        let fits_code = |wanted: &String| match wanted.strip_suffix('*') {
            Some(beginning) => code.starts_with(beginning),
            None => code == wanted,
        };
        self.status.is_none_or(|wanted| wanted == status)
            && self.code.as_ref().is_none_or(fits_code)
            && self.contains.as_ref().is_none_or(|wanted| message.contains(wanted.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        Node::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        let text = node(
            r#"{"rules":[{"status":409,"code":"VALIDATION*","means":"refused"},{"status":409,"means":"exists"},
                {"contains":"Try Again","means":"passing"}]}"#,
        );
        let rules = Rules::read(&Place::root(&text)).unwrap();
        assert_eq!(rules.meaning(409, "VALIDATION_ERROR", ""), Some(Meaning::Refused));
        assert_eq!(rules.meaning(409, "X", ""), Some(Meaning::Exists));
        assert_eq!(rules.meaning(500, "X", "please try again"), Some(Meaning::Passing));
        assert_eq!(rules.meaning(500, "X", "no"), None);
    }

    #[test]
    fn successes_are_looked_through() {
        let test = |text: &str| Test::read(&Place::root(&node(text))).unwrap();
        let answer = node(r#"{"data":{"a":{"userErrors":[{"message":"no"}]},"b":null},"ok":false,"id":"_design/x"}"#);
        assert!(test("\"data.*.userErrors\"").holds(&answer));
        assert!(!test("\"errors\"").holds(&answer));
        assert!(test(r#"{"path":"ok","is":false}"#).holds(&answer));
        assert!(test(r#"{"path":"id","prefix":"_design/"}"#).holds(&answer));
        assert!(!test(r#"{"path":"ok","is":true}"#).holds(&answer));
    }
}
