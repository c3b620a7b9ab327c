//! Positions of a reading, as the host stores them between pages and between runs.

use lockstep_json::{read_strings, write_strings};
use lockstep_plugin_sdk::error::{Error, Result};

/// A value of the field that tells changes, in its own unit; none where nothing is known.
pub type Boundary = Option<i64>;

/// The time and the Id of the last record that was shown.
pub type Last = (String, String);

/// Where a reading stands. Between pages that is a record, and not the place in the server's list of results: that one is gone after
/// a quarter of an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// A full reading is over; the next one begins anew.
    Done,
    /// Every record, behind this one.
    Full { last: Last },
    /// Every record, for the first time; then what changed since the boundary.
    First { boundary: Boundary, last: Last },
    /// What changed since the boundary; behind this record, until the boundary is the next one.
    Since { boundary: Boundary, part: Option<(Boundary, Last)> },
    /// What events tell, behind this one; before the first one, what was told since that time.
    Events { replay: String, since: Boundary },
    /// Every record, by a job: behind so many rows of what stands at the locator. `for_good`: what changes is read afterwards.
    Job { for_good: bool, boundary: Boundary, id: String, locator: String, skip: usize },
}

pub fn encode(scope: &str, position: &Position) -> Vec<u8> {
    let mut words = vec![scope.to_owned()];
    let behind = |(time, id): &Last| [time.clone(), id.clone()];
    match position {
        Position::Done => words.push("done".to_owned()),
        Position::Full { last } => {
            words.push("full".to_owned());
            words.extend(behind(last));
        }
        Position::First { boundary, last } => {
            words.extend(["first".to_owned(), count(*boundary)]);
            words.extend(behind(last));
        }
        Position::Since { boundary, part } => {
            words.extend(["since".to_owned(), count(*boundary)]);
            if let Some((next, last)) = part {
                words.push(count(*next));
                words.extend(behind(last));
            }
        }
        Position::Events { replay, since } => {
            words.extend(["events".to_owned(), replay.clone(), count(*since)]);
        }
        Position::Job { for_good, boundary, id, locator, skip } => {
            let kind = if *for_good { "first job" } else { "full job" };
            words.extend([kind.to_owned(), count(*boundary), id.clone(), locator.clone(), skip.to_string()]);
        }
    }
    write_strings(words).into_bytes()
}

/// A position of another stream or of another `modified` field, or from another time, is stale.
pub fn decode(scope: &str, cursor: &[u8]) -> Result<Position> {
    let words = read_strings(cursor).unwrap_or_default();
    let found = match words.split_first() {
        Some((of, position)) if of == scope => read(position),
        _ => None,
    };
    found.ok_or_else(|| {
        Error::stale_cursor("the position belongs to another object or `modified` field").with_code("salesforce.cursor")
    })
}

fn read(words: &[String]) -> Option<Position> {
    let (kind, rest) = words.split_first()?;
    let last = |time: &String, id: &String| (time.clone(), id.clone());
    Some(match (kind.as_str(), rest) {
        ("done", []) => Position::Done,
        ("full", [time, id]) => Position::Full { last: last(time, id) },
        ("first", [boundary, time, id]) => Position::First { boundary: boundary_of(boundary)?, last: last(time, id) },
        ("since", [boundary]) => Position::Since { boundary: boundary_of(boundary)?, part: None },
        ("since", [boundary, next, time, id]) => {
            Position::Since { boundary: boundary_of(boundary)?, part: Some((boundary_of(next)?, last(time, id))) }
        }
        ("events", [replay, since]) => Position::Events { replay: replay.clone(), since: boundary_of(since)? },
        (kind @ ("first job" | "full job"), [boundary, id, locator, skip]) => Position::Job {
            for_good: kind == "first job",
            boundary: boundary_of(boundary)?,
            id: id.clone(),
            locator: locator.clone(),
            skip: skip.parse().ok()?,
        },
        _ => return None,
    })
}

fn count(boundary: Boundary) -> String {
    boundary.map(|value| value.to_string()).unwrap_or_default()
}

fn boundary_of(word: &str) -> Option<Boundary> {
    if word.is_empty() { Some(None) } else { word.parse().ok().map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_of_one_scope_only() {
        let last = ("2026-01-01T00:00:00Z".to_owned(), "001".to_owned());
        for position in [
            Position::Done,
            Position::Full { last: last.clone() },
            Position::First { boundary: None, last: last.clone() },
            Position::Since { boundary: Some(-1), part: Some((Some(7), last)) },
            Position::Since { boundary: None, part: None },
            Position::Events { replay: "-2".into(), since: Some(1) },
            Position::Job { for_good: true, boundary: Some(5), id: "750".into(), locator: "x".into(), skip: 3 },
            Position::Job { for_good: false, boundary: None, id: "750".into(), locator: String::new(), skip: 0 },
        ] {
            let stored = encode("s", &position);
            assert_eq!(decode("s", &stored).unwrap(), position);
            assert_eq!(decode("t", &stored).unwrap_err().kind, "stale-cursor");
        }
        for nonsense in ["{", "[]", r#"["s"]"#, r#"["s","since","x"]"#, r#"["s","full","x"]"#, r#"["s","done","x"]"#] {
            assert_eq!(decode("s", nonsense.as_bytes()).unwrap_err().kind, "stale-cursor", "{nonsense}");
        }
    }
}
