//! Positions of a reading, as the host stores them between pages and between runs.

use lockstep_json::{read_strings, write_strings};
use lockstep_plugin_sdk::error::ErrorKind;

use crate::Result;
use crate::failure::failure;

/// Where a reading stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// A full reading is over; the next one begins anew.
    Done,
    /// Every record, from here on.
    Full { way: Way },
    /// Every record, for the first time; then what changed since the boundary.
    First { way: Way, boundary: i64 },
    /// What changed since the boundary; behind `way`, until the boundary is the second.
    Since { boundary: i64, part: Option<(Way, i64)> },
    /// What a feed tells from here on.
    Feed { way: Way },
}

/// Behind which record a reading goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// Where the parent is whose records are read.
    pub parent: Option<Spot>,
    pub at: Spot,
    /// What the last record is called, where it has to be there still when the reading goes on.
    pub anchor: Option<String>,
}

/// A page, and how many of its elements were gone through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spot {
    /// None = the first one.
    pub page: Option<String>,
    pub skip: usize,
}

pub fn encode(scope: &str, position: &Position) -> Vec<u8> {
    let mut words = vec![scope.to_owned()];
    match position {
        Position::Done => words.push("done".to_owned()),
        Position::Full { way } => words.extend([vec!["full".to_owned()], way.words()].concat()),
        Position::First { way, boundary } => {
            words.extend([vec!["first".to_owned(), boundary.to_string()], way.words()].concat());
        }
        Position::Since { boundary, part } => {
            words.extend(["since".to_owned(), boundary.to_string()]);
            if let Some((way, next)) = part {
                words.push(next.to_string());
                words.extend(way.words());
            }
        }
        Position::Feed { way } => words.extend([vec!["feed".to_owned()], way.words()].concat()),
    }
    write_strings(words).into_bytes()
}

/// A position of another stream, key or selection, or of another time, is stale.
pub fn decode(scope: &str, cursor: &[u8]) -> Result<Position> {
    let words = read_strings(cursor).unwrap_or_default();
    let found = match words.split_first() {
        Some((of, position)) if of == scope => read(position),
        _ => None,
    };
    found.ok_or_else(|| {
        failure(ErrorKind::StaleCursor, "api.cursor", "the position belongs to another manifest, key or selection")
    })
}

fn read(words: &[String]) -> Option<Position> {
    let (kind, rest) = words.split_first()?;
    Some(match (kind.as_str(), rest) {
        ("done", []) => Position::Done,
        ("full", way) => Position::Full { way: Way::read(way)? },
        ("first", [boundary, way @ ..]) => Position::First { boundary: boundary.parse().ok()?, way: Way::read(way)? },
        ("since", [boundary]) => Position::Since { boundary: boundary.parse().ok()?, part: None },
        ("since", [boundary, next, way @ ..]) => {
            let part = Some((Way::read(way)?, next.parse().ok()?));
            Position::Since { boundary: boundary.parse().ok()?, part }
        }
        ("feed", way) => Position::Feed { way: Way::read(way)? },
        _ => return None,
    })
}

impl Way {
    fn words(&self) -> Vec<String> {
        let option = |text: &Option<String>| text.as_ref().map_or_else(String::new, |text| format!("={text}"));
        let mut words = vec![option(&self.at.page), self.at.skip.to_string(), option(&self.anchor)];
        if let Some(parent) = &self.parent {
            words.extend([option(&parent.page), parent.skip.to_string()]);
        }
        words
    }

    fn read(words: &[String]) -> Option<Self> {
        let option = |text: &String| text.strip_prefix('=').map(str::to_owned);
        let spot = |page: &String, skip: &String| {
            Some(Spot { page: option(page), skip: usize::try_from(skip.parse::<i64>().ok()?).ok()? })
        };
        Some(match words {
            [page, skip, anchor] => Self { parent: None, at: spot(page, skip)?, anchor: option(anchor) },
            [page, skip, anchor, parent, child] => {
                Self { parent: Some(spot(parent, child)?), at: spot(page, skip)?, anchor: option(anchor) }
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_of_one_scope_only() {
        let at = Spot { page: Some(String::new()), skip: 7 };
        let way = Way { parent: None, at: at.clone(), anchor: Some("a".into()) };
        let child = Way { parent: Some(Spot { page: None, skip: 3 }), at, anchor: None };
        for position in [
            Position::Done,
            Position::Full { way: way.clone() },
            Position::First { way: child.clone(), boundary: -1 },
            Position::Since { boundary: 5, part: Some((way, 7)) },
            Position::Since { boundary: 0, part: None },
            Position::Feed { way: Way::default() },
        ] {
            let stored = encode("s", &position);
            assert_eq!(decode("s", &stored).unwrap(), position);
            assert_eq!(decode("t", &stored).unwrap_err().kind, "stale-cursor");
        }
        for nonsense in ["{", "[]", r#"["s"]"#, r#"["s","since","x"]"#, r#"["s","full","a"]"#, r#"["s","done","x"]"#] {
            assert_eq!(decode("s", nonsense.as_bytes()).unwrap_err().kind, "stale-cursor", "{nonsense}");
        }
    }
}
