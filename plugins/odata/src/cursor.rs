//! Positions of a reading, as the host stores them between pages and between runs.

use lockstep_json::{read_strings, write_strings};
use lockstep_plugin_sdk::error::{Error, Result};

/// A value of `modified`: microseconds, days or a number; none where no record has one.
pub type Boundary = Option<i64>;

/// Where a reading stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// A full reading is over; the next one begins anew.
    Done,
    /// Every record, from here on.
    Full { way: Way },
    /// Every record, for the first time; then what changed since the boundary.
    First { way: Way, boundary: Boundary },
    /// What changed since the boundary. Behind `way`, until the boundary is `next`.
    Since { boundary: Boundary, part: Option<(Way, Boundary)> },
    /// Every record, for the first time, on the way to the first delta link.
    Baseline { link: String, skip: usize },
    /// What a delta link, or a link of its pages, leads to.
    Delta { link: String, skip: usize },
}

/// Behind which record a reading goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Behind the record of this key, and so many more that have none.
    Keys { after: Option<Vec<String>>, skip: usize },
    /// At this link, behind so many of its records; none = at the beginning.
    Links { link: Option<String>, skip: usize },
}

pub fn encode(scope: &str, position: &Position) -> Vec<u8> {
    let mut words = vec![scope.to_owned()];
    let mut say = |word: &str| words.push(word.to_owned());
    match position {
        Position::Done => say("done"),
        Position::Full { way } => {
            say("full");
            words.extend(way.words());
        }
        Position::First { way, boundary } => {
            say("first");
            words.push(count(*boundary));
            words.extend(way.words());
        }
        Position::Since { boundary, part } => {
            say("since");
            words.push(count(*boundary));
            if let Some((way, next)) = part {
                words.push(count(*next));
                words.extend(way.words());
            }
        }
        Position::Baseline { link, skip } => words.extend(["baseline".to_owned(), link.clone(), skip.to_string()]),
        Position::Delta { link, skip } => words.extend(["delta".to_owned(), link.clone(), skip.to_string()]),
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
        Error::stale_cursor("the position belongs to another key, selection or `modified` field")
            .with_code("odata.cursor")
    })
}

fn read(words: &[String]) -> Option<Position> {
    let (kind, rest) = words.split_first()?;
    Some(match (kind.as_str(), rest) {
        ("done", []) => Position::Done,
        ("full", way) => Position::Full { way: Way::read(way)? },
        ("first", [boundary, way @ ..]) => Position::First { boundary: boundary_of(boundary)?, way: Way::read(way)? },
        ("since", [boundary]) => Position::Since { boundary: boundary_of(boundary)?, part: None },
        ("since", [boundary, next, way @ ..]) => {
            Position::Since { boundary: boundary_of(boundary)?, part: Some((Way::read(way)?, boundary_of(next)?)) }
        }
        ("baseline", [link, skip]) => Position::Baseline { link: link.clone(), skip: skip.parse().ok()? },
        ("delta", [link, skip]) => Position::Delta { link: link.clone(), skip: skip.parse().ok()? },
        _ => return None,
    })
}

fn count(boundary: Boundary) -> String {
    boundary.map(|value| value.to_string()).unwrap_or_default()
}

fn boundary_of(word: &str) -> Option<Boundary> {
    if word.is_empty() { Some(None) } else { word.parse().ok().map(Some) }
}

impl Way {
    fn words(&self) -> Vec<String> {
        let (kind, skip, rest) = match self {
            Self::Keys { after: None, skip } => ("from first key", skip, Vec::new()),
            Self::Keys { after: Some(after), skip } => ("behind key", skip, after.clone()),
            Self::Links { link: None, skip } => ("from first link", skip, Vec::new()),
            Self::Links { link: Some(link), skip } => ("at link", skip, vec![link.clone()]),
        };
        [vec![kind.to_owned(), skip.to_string()], rest].concat()
    }

    fn read(words: &[String]) -> Option<Self> {
        let [kind, skip, rest @ ..] = words else { return None };
        let skip = skip.parse().ok()?;
        Some(match (kind.as_str(), rest) {
            ("from first key", []) => Self::Keys { after: None, skip },
            ("behind key", after) => Self::Keys { after: Some(after.to_vec()), skip },
            ("from first link", []) => Self::Links { link: None, skip },
            ("at link", [link]) => Self::Links { link: Some(link.clone()), skip },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_of_one_scope_only() {
        let way = Way::Keys { after: Some(vec!["a".into()]), skip: 2 };
        for position in [
            Position::Done,
            Position::Full { way: way.clone() },
            Position::First { way: Way::Links { link: None, skip: 0 }, boundary: None },
            Position::Since { boundary: Some(-1), part: Some((way, Some(7))) },
            Position::Since { boundary: None, part: None },
            Position::Full { way: Way::Links { link: Some("a b".into()), skip: 3 } },
            Position::Full { way: Way::Keys { after: None, skip: 0 } },
            Position::Baseline { link: "x".into(), skip: 1 },
            Position::Delta { link: "x".into(), skip: 0 },
        ] {
            let stored = encode("s", &position);
            assert_eq!(decode("s", &stored).unwrap(), position);
            assert_eq!(decode("t", &stored).unwrap_err().kind, "stale-cursor");
        }
        for nonsense in
            ["{", "[]", r#"["s"]"#, r#"["s","since","x"]"#, r#"["s","full","behind key"]"#, r#"["s","done","x"]"#]
        {
            assert_eq!(decode("s", nonsense.as_bytes()).unwrap_err().kind, "stale-cursor", "{nonsense}");
        }
    }
}
