//! Positions of a reading, as the host stores them between pages and between runs.

use lockstep_plugin_sdk::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// A value of `modified`: microseconds, days or a number; none where no record has one.
pub type Boundary = Option<i64>;

/// Where a reading stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    /// Behind the record of this key, and so many more that have none.
    Keys { after: Option<Vec<String>>, skip: usize },
    /// At this link, behind so many of its records; none = at the beginning.
    Links { link: Option<String>, skip: usize },
}

#[derive(Serialize, Deserialize)]
struct Stored {
    /// What the position belongs to.
    of: String,
    at: Position,
}

pub fn encode(scope: &str, position: &Position) -> Result<Vec<u8>> {
    let stored = Stored { of: scope.to_owned(), at: position.clone() };
    serde_json::to_vec(&stored).map_err(|error| Error::permanent(error.to_string()))
}

/// A position of another stream, key or selection, or of another time, is stale.
pub fn decode(scope: &str, cursor: &[u8]) -> Result<Position> {
    let stored: Option<Stored> = serde_json::from_slice(cursor).ok();
    stored.filter(|stored| stored.of == scope).map(|stored| stored.at).ok_or_else(|| {
        Error::stale_cursor("the position belongs to another key, selection or `modified` field")
            .with_code("odata.cursor")
    })
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
            Position::Baseline { link: "x".into(), skip: 1 },
            Position::Delta { link: "x".into(), skip: 0 },
        ] {
            let stored = encode("s", &position).unwrap();
            assert_eq!(decode("s", &stored).unwrap(), position);
            assert_eq!(decode("t", &stored).unwrap_err().kind, "stale-cursor");
        }
        assert_eq!(decode("s", b"{").unwrap_err().kind, "stale-cursor");
    }
}
