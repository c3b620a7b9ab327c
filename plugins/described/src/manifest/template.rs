//! Templates: texts and documents with `${names}` in them.
//!
//! A string that is nothing but a name becomes its value, whatever that is; within a longer string it becomes text. A name without a
//! value takes away the member of the object, or the whole element of the list, in which it stands.

use super::Read;
use lockstep_json::Node;
use lockstep_plugin_sdk::error::Error;

use super::place::{Place, wrong};

/// What stands for a secret of the connection; the host puts it in, and the plugin never sees it.
const SECRET: &str = "secret.";
/// A name for what no record can know, and what marks for secrets are made of.
pub const MARK: &str = "secret-mark";

/// What stands for a secret in the body of a request.
pub fn mark_of(mark: &str, secret: &str) -> String {
    let letters: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{mark}x{letters}")
}

/// The secrets that a document wants.
pub fn secrets(template: &Node, found: &mut Vec<String>) {
    match template {
        Node::Text(template) => {
            let names = pieces(template).into_iter().filter_map(|piece| match piece {
                Piece::Name(name) => name.strip_prefix(SECRET).map(str::to_owned),
                Piece::Plain(_) => None,
            });
            found.extend(names);
        }
        Node::List(list) => list.iter().for_each(|node| secrets(node, found)),
        Node::Object(members) => members.iter().for_each(|(_, node)| secrets(node, found)),
        _ => {}
    }
}

/// `${name:json}` is the value as JSON writes it.
const AS_JSON: &str = ":json";
/// `${name:text}` is the value as a string.
const AS_TEXT: &str = ":text";

/// What names stand for. An inner scope hides the names of those around it.
#[derive(Clone, Debug, Default)]
pub struct Scope<'a> {
    around: Option<&'a Scope<'a>>,
    names: Vec<(String, Node)>,
}

impl<'a> Scope<'a> {
    pub fn inside(around: &'a Scope<'a>) -> Self {
        Self { around: Some(around), names: Vec::new() }
    }

    pub fn set(&mut self, name: impl Into<String>, value: Node) -> &mut Self {
        let name = name.into();
        self.names.retain(|(known, _)| *known != name);
        self.names.push((name, value));
        self
    }

    pub fn set_all(&mut self, names: &[(String, Node)]) {
        names.iter().for_each(|(name, value)| {
            self.set(name, value.clone());
        });
    }

    pub fn get(&self, name: &str) -> Option<Node> {
        if let Some(name) = name.strip_suffix(AS_JSON) {
            return self.get(name).map(|node| Node::Text(node.to_json()));
        }
        if let Some(name) = name.strip_suffix(AS_TEXT) {
            return self.get(name).map(|node| Node::Text(flat(&node)));
        }
        if let Some(secret) = name.strip_prefix(SECRET) {
            return Some(Node::Text(mark_of(self.get(MARK)?.as_text()?, secret)));
        }
        let own = self.names.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        own.or_else(|| self.around.and_then(|around| around.get(name)))
    }
}

/// A piece of a template.
enum Piece<'t> {
    Plain(&'t str),
    Name(&'t str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some((before, behind)) = rest.split_once("${") {
        let Some((name, after)) = behind.split_once('}') else { break };
        if !before.is_empty() {
            pieces.push(Piece::Plain(before));
        }
        pieces.push(Piece::Name(name));
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Plain(rest));
    }
    pieces
}

/// A text with every value passed through `encode`; none if a name in it has no value.
pub fn text(template: &str, scope: &Scope<'_>, encode: impl Fn(&str) -> String) -> Option<String> {
    let mut out = String::new();
    for piece in pieces(template) {
        match piece {
            Piece::Plain(plain) => out.push_str(plain),
            Piece::Name(name) => out.push_str(&encode(&flat(&scope.get(name)?))),
        }
    }
    Some(out)
}

/// A value within a text: lists with commas between their elements.
fn flat(node: &Node) -> String {
    match node {
        Node::List(list) => list.iter().map(flat).collect::<Vec<_>>().join(","),
        Node::Null => String::new(),
        Node::Object(_) => node.to_json(),
        _ => node.said().unwrap_or_default(),
    }
}

/// A document; none if a name in it has no value and no list or object could do without.
pub fn document(template: &Node, scope: &Scope<'_>) -> Option<Node> {
    fill(template, scope, false)
}

fn fill(template: &Node, scope: &Scope<'_>, in_list: bool) -> Option<Node> {
    match template {
        Node::Text(template) => match pieces(template).as_slice() {
            [Piece::Name(name)] => scope.get(name),
            _ => text(template, scope, str::to_owned).map(Node::Text),
        },
        Node::List(list) => {
            let mut filled = Vec::with_capacity(list.len());
            for element in list {
                match fill(element, scope, true) {
                    Some(element) => filled.push(element),
                    // A list within a list is an element itself: a condition, whose value is missing.
                    None if in_list && matches!(element, Node::Text(_)) => return None,
                    None => {}
                }
            }
            Some(Node::List(filled))
        }
        Node::Object(members) => fill_object(members, scope, in_list),
        plain => Some(plain.clone()),
    }
}

fn fill_object(members: &[(String, Node)], scope: &Scope<'_>, in_list: bool) -> Option<Node> {
    let mut filled = Node::Object(Vec::new());
    for (name, member) in members {
        match fill(member, scope, in_list) {
            // `"*"` stands for all members of its value.
            Some(all @ Node::Object(_)) if name == "*" => filled.merge_all(all),
            Some(value) => filled.set(&[name], value),
            None if in_list => return None,
            None => {}
        }
    }
    Some(filled)
}

/// Lays the members of one object over another without taking any away.
trait MergeAll {
    fn merge_all(&mut self, other: Node);
}

impl MergeAll for Node {
    fn merge_all(&mut self, other: Node) {
        if let Node::Object(members) = other {
            for (name, value) in members {
                self.set(&[name], value);
            }
        }
    }
}

/// Names that mean something in every request.
const COMMON: &[&str] = &[
    "after",
    "cursor",
    "field_list",
    "fields",
    "keys",
    "nonce",
    "offset",
    "page",
    "page_size",
    "record",
    "rows",
    "since",
    "token",
    "version",
];
/// Beginnings of names that mean something.
const FAMILIES: &[&str] = &["key.", "value.", "md5.", "parent.", "secret."];

/// Whether every name in a template can have a value; `own` are names that the manifest defines.
pub fn check(place: &Place<'_>, own: &[String]) -> Read<()> {
    match place.node {
        Node::Text(template) => check_text(template, &place.pointer, own),
        Node::List(_) => place.elements()?.iter().try_for_each(|element| check(element, own)),
        Node::Object(_) => place.members()?.iter().try_for_each(|(_, member)| check(member, own)),
        _ => Ok(()),
    }
}

fn check_text(template: &str, pointer: &str, own: &[String]) -> Read<()> {
    for piece in pieces(template) {
        let Piece::Name(name) = piece else { continue };
        let name = name.strip_suffix(AS_JSON).or_else(|| name.strip_suffix(AS_TEXT)).unwrap_or(name);
        let is_known = COMMON.contains(&name)
            || FAMILIES.iter().any(|family| name.starts_with(family))
            || own.iter().any(|known| known == name);
        if !is_known {
            return Err(unknown(name, pointer, own));
        }
    }
    Ok(())
}

fn unknown(name: &str, pointer: &str, own: &[String]) -> Box<Error> {
    let own: Vec<&str> = COMMON.iter().copied().chain(own.iter().map(String::as_str)).collect();
    wrong(pointer, &format!("names `${{{name}}}`, which is none of `{}`, nor a parameter", own.join("`, `")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        Node::read(text.as_bytes()).unwrap()
    }

    fn scope() -> Scope<'static> {
        let mut scope = Scope::default();
        scope.set("n", node("7")).set("t", node("\"a b\"")).set("l", node(r#"["x","y"]"#)).set("o", node(r#"{"p":1}"#));
        scope
    }

    fn check(template: &str, expected: Option<&str>) {
        let filled = document(&node(template), &scope()).map(|node| node.to_json());
        assert_eq!(filled.as_deref(), expected, "{template}");
    }

    #[test]
    fn names_become_values_and_parts_of_texts() {
        check(
            r#"{"a":"${n}","b":"n=${n}, ${t}","c":["${l}","${o}"]}"#,
            Some(r#"{"a":7,"b":"n=7, a b","c":[["x","y"],{"p":1}]}"#),
        );
        check(r#""${l}!""#, Some(r#""x,y!""#));
        check(r#"{"*":"${o}","p":2,"q":3}"#, Some(r#"{"p":2,"q":3}"#));
        check(r#""query($a: Int) { b }""#, Some(r#""query($a: Int) { b }""#));
        check(r#""${t:json}=${n:json}""#, Some(r#""\"a b\"=7""#));
        check(r#""${n:text}""#, Some("\"7\""));
        check(r#""a ${""#, Some(r#""a ${""#));
    }

    #[test]
    fn what_has_no_value_is_left_out() {
        check(r#"{"a":"${no}","b":1}"#, Some(r#"{"b":1}"#));
        check(r#"[{"field":"id","value":"${no}"},{"field":"n","value":"${n}"}]"#, Some(r#"[{"field":"n","value":7}]"#));
        check(r#"{"a":[["id",">","${no}"],["n","=","${n}"]]}"#, Some(r#"{"a":[["n","=",7]]}"#));
        check(r#"["${no}","${n}"]"#, Some("[7]"));
        check(r#""x${no}""#, None);
    }

    #[test]
    fn texts_are_encoded_where_values_stand() {
        assert_eq!(text("/a b/${t}", &scope(), lockstep_plugin_sdk::http::encode).as_deref(), Some("/a b/a%20b"));
        let inner = scope();
        let mut inner = Scope::inside(&inner);
        inner.set("n", node("8"));
        assert_eq!(text("${n}${t}", &inner, str::to_owned).as_deref(), Some("8a b"));
    }
}
