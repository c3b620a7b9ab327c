//! Keys as URLs have them: `Customers(7)`, `Lines(order='A/1',line=2)`.

use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::http::encode;

use crate::edm::{Version, literal};
use crate::entity::KeyPart;

/// The address of one record below the service, by any of its keys. `texts`: the key's values.
pub fn address(set: &str, version: Version, key: &[KeyPart], texts: &[String]) -> Result<String> {
    let literals: Vec<String> = key
        .iter()
        .zip(texts)
        .map(|(part, text)| Ok(encode(&literal(version, &part.edm, text)?)))
        .collect::<Result<_>>()?;
    Ok(predicate(set, key, &literals))
}

/// The same of an alternate key, whose parts are always named.
pub fn alternate_address(set: &str, version: Version, key: &[KeyPart], texts: &[String]) -> Result<String> {
    let named = key
        .iter()
        .zip(texts)
        .map(|(part, text)| Ok(format!("{}={}", part.name, encode(&literal(version, &part.edm, text)?))));
    Ok(format!("{set}({})", named.collect::<Result<Vec<_>>>()?.join(",")))
}

fn predicate(set: &str, key: &[KeyPart], literals: &[String]) -> String {
    match literals {
        [only] => format!("{set}({only})"),
        several => {
            let named = key.iter().zip(several).map(|(part, literal)| format!("{}={literal}", part.name));
            format!("{set}({})", named.collect::<Vec<_>>().join(","))
        }
    }
}

/// The values of the key in the address of a record, whole or relative; also a value alone, as some services have it.
pub fn parse_address(address: &str, key: &[KeyPart]) -> Option<Vec<String>> {
    let address = decode(address);
    let inside = match (address.rfind('\''), address.rfind('(')) {
        // A parenthesis inside of a string is none.
        (Some(quote), _) if address.ends_with(')') => {
            let first = address.get(..quote)?.find('\'').unwrap_or(quote);
            address.get(address.get(..first)?.rfind('(')? + 1..address.len() - 1)?
        }
        (_, Some(open)) if address.ends_with(')') => address.get(open + 1..address.len() - 1)?,
        _ => address.as_str(),
    };
    let parts = split(inside);
    if parts.len() != key.len() {
        return None;
    }
    match (parts.as_slice(), key) {
        ([(None, only)], _) => Some(vec![plain(only)]),
        ([(Some(_), only)], [_]) => Some(vec![plain(only)]),
        (named, key) => key
            .iter()
            .map(|part| named.iter().find(|(name, _)| *name == Some(part.name.as_str())).map(|(_, text)| plain(text)))
            .collect(),
    }
}

/// `a=1,b='x,y'` in its parts.
fn split(inside: &str) -> Vec<(Option<&str>, &str)> {
    let (mut parts, mut start, mut is_quoted) = (Vec::new(), 0, false);
    for (at, character) in inside.char_indices() {
        match character {
            '\'' => is_quoted = !is_quoted,
            ',' if !is_quoted => {
                parts.push(inside.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(inside.get(start..).unwrap_or_default());
    let named = |part: &'_ str| match part.split_once('=') {
        Some((name, _)) if !name.contains('\'') && !name.is_empty() => part.get(name.len() + 1..).map(|_| name.len()),
        _ => None,
    };
    parts
        .into_iter()
        .map(|part| match named(part) {
            Some(length) => (part.get(..length), part.get(length + 1..).unwrap_or_default()),
            None => (None, part),
        })
        .collect()
}

/// A literal's value: without quotes, prefix and suffix.
fn plain(literal: &str) -> String {
    if let (Some(open), true) = (literal.find('\''), literal.len() > 1 && literal.ends_with('\'')) {
        return literal.get(open + 1..literal.len() - 1).unwrap_or_default().replace("''", "'");
    }
    let is_number = literal.starts_with(|first: char| first.is_ascii_digit() || first == '-');
    match literal.strip_suffix(['L', 'M', 'l', 'm']) {
        Some(number) if is_number && number.parse::<f64>().is_ok() => number.to_owned(),
        _ => literal.to_owned(),
    }
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let digit = |at: usize| behind.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high << 4 | low) as u8);
                rest = behind.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edm::Edm;
    use proptest::prelude::*;

    fn key(parts: &[(&str, Edm)]) -> Vec<KeyPart> {
        parts.iter().map(|(name, edm)| KeyPart { name: (*name).to_owned(), edm: edm.clone() }).collect()
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn addresses() {
        let of = |parts: &[(&str, Edm)], values: &[&str], version| {
            address("A", version, &key(parts), &texts(values)).unwrap()
        };
        assert_eq!(of(&[("id", Edm::Int64)], &["7"], Version::V4), "A(7)");
        assert_eq!(of(&[("id", Edm::Int64)], &["7"], Version::V2), "A(7L)");
        let two = [("order", Edm::String), ("line", Edm::Int("Int32".into()))];
        assert_eq!(of(&two, &["A/1 ü", "2"], Version::V4), "A(order=%27A%2F1%20%C3%BC%27,line=2)");
        let alternate = alternate_address("A", Version::V4, &key(&[("no", Edm::String)]), &texts(&["x"])).unwrap();
        assert_eq!(alternate, "A(no=%27x%27)");
    }

    #[test]
    fn addresses_are_understood_in_all_their_forms() {
        let id = key(&[("id", Edm::Guid)]);
        for found in ["A(7a)", "https://h/x(1)/A(7a)", "A(guid'7a')", "A(id=7a)", "7a", "A%287a%29"] {
            assert_eq!(parse_address(found, &id), Some(texts(&["7a"])), "{found}");
        }
        assert_eq!(parse_address("A(12L)", &key(&[("id", Edm::Int64)])), Some(texts(&["12"])));
        let two = key(&[("order", Edm::String), ("line", Edm::Int64)]);
        assert_eq!(parse_address("A(line=2,order='a,(=''b')", &two), Some(texts(&["a,(='b", "2"])));
        assert_eq!(parse_address("A(line=2)", &two), None);
        assert_eq!(parse_address("A(line=2,other=3)", &two), None);
    }

    proptest! {
        #[test]
        fn what_is_addressed_is_understood(text in any::<String>(), number in any::<i64>()) {
            for version in [Version::V2, Version::V4] {
                let two = key(&[("order", Edm::String), ("line", Edm::Int64)]);
                let values = vec![text.clone(), number.to_string()];
                let found = address("A", version, &two, &values).unwrap();
                prop_assert_eq!(parse_address(&found, &two), Some(values));
                let one = key(&[("order", Edm::String)]);
                let found = address("A", version, &one, std::slice::from_ref(&text)).unwrap();
                prop_assert_eq!(parse_address(&found, &one), Some(vec![text.clone()]));
            }
        }
    }
}
