//! The options of a request for records, before they are encoded.

use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::types::LogicalType;
use lockstep_plugin_sdk::values::{format_date, format_datetime, format_timestamp};

use crate::edm::{Edm, Version, literal};
use crate::entity::KeyPart;

/// Records behind the one of this key, in the order of the key.
pub fn behind(version: Version, key: &[KeyPart], after: &[String]) -> Result<String> {
    let literals = literals(version, key, after)?;
    let mut alternatives = Vec::with_capacity(key.len());
    for (place, (part, last)) in key.iter().zip(&literals).enumerate() {
        let equal = key.iter().zip(&literals).take(place).map(|(part, literal)| format!("{} eq {literal}", part.name));
        let all: Vec<String> = equal.chain(std::iter::once(format!("{} gt {last}", part.name))).collect();
        alternatives.push(all.join(" and "));
    }
    Ok(any(&alternatives))
}

/// Records of one of these keys.
pub fn one_of(version: Version, key: &[KeyPart], keys: &[Vec<String>]) -> Result<String> {
    let equal = keys.iter().map(|texts| {
        let literals = literals(version, key, texts)?;
        let all = key.iter().zip(&literals).map(|(part, literal)| format!("{} eq {literal}", part.name));
        Ok(all.collect::<Vec<_>>().join(" and "))
    });
    Ok(any(&equal.collect::<Result<Vec<_>>>()?))
}

fn literals(version: Version, key: &[KeyPart], texts: &[String]) -> Result<Vec<String>> {
    key.iter().zip(texts).map(|(part, text)| literal(version, &part.edm, text)).collect()
}

fn any(alternatives: &[String]) -> String {
    match alternatives {
        [only] => only.clone(),
        several => several.iter().map(|one| format!("({one})")).collect::<Vec<_>>().join(" or "),
    }
}

/// Both, where there are two.
pub fn both(one: Option<String>, other: Option<String>) -> Option<String> {
    match (one, other) {
        (Some(one), Some(other)) => Some(format!("({one}) and ({other})")),
        (one, other) => one.or(other),
    }
}

/// Records that were changed at `since` or later.
pub fn changed_since(version: Version, name: &str, edm: &Edm, since: i64) -> Result<String> {
    Ok(format!("{name} ge {}", literal(version, edm, &count_to_text(edm, since))?))
}

/// A count of microseconds, days or steps, as its type is written.
fn count_to_text(edm: &Edm, count: i64) -> String {
    match edm.logical() {
        LogicalType::Timestamp => format_timestamp(count),
        LogicalType::Datetime => format_datetime(count),
        LogicalType::Date => format_date(count),
        _ => count.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(parts: &[(&str, Edm)]) -> Vec<KeyPart> {
        parts.iter().map(|(name, edm)| KeyPart { name: (*name).to_owned(), edm: edm.clone() }).collect()
    }

    #[test]
    fn filters() {
        let two = key(&[("a", Edm::Int64), ("b", Edm::String)]);
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(behind(Version::V4, &two, &texts(&["1", "x'y"])).unwrap(), "(a gt 1) or (a eq 1 and b gt 'x''y')");
        assert_eq!(behind(Version::V2, &two[..1], &texts(&["1"])).unwrap(), "a gt 1L");
        assert_eq!(
            one_of(Version::V4, &two, &[texts(&["1", "x"]), texts(&["2", "y"])]).unwrap(),
            "(a eq 1 and b eq 'x') or (a eq 2 and b eq 'y')"
        );
        assert_eq!(
            changed_since(Version::V2, "m", &Edm::DateTime, 1_500_000).unwrap(),
            "m ge datetime'1970-01-01T00:00:01.5'"
        );
        assert_eq!(changed_since(Version::V4, "m", &Edm::Date, 0).unwrap(), "m ge 1970-01-01");
        assert_eq!(both(Some("a".into()), Some("b".into())).unwrap(), "(a) and (b)");
    }
}
