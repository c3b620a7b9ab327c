//! How far a reading has come, and what follows from that for the cursor.

use lockstep_plugin_sdk::types::Status;
use lockstep_sql_dialect::Value;

use crate::cursor::{Boundary, Part, Position, with_part};

#[derive(Clone, Debug)]
pub enum Progress {
    /// Every row, behind the one with this key. `is_whole`: this very reading began at the beginning.
    Full { after: Option<Vec<Value>>, is_whole: bool },
    /// Every row, for the first time; then what changed since the boundary.
    Enumerating { after: Option<Vec<Value>>, is_whole: bool, boundary: Boundary },
    /// What changed since the boundary, without what the parts have shown; over, it will be `next`.
    Following { boundary: Boundary, parts: Vec<Part>, here: Option<(i64, Vec<Value>)>, next: Boundary },
    /// Nothing can have changed.
    Still { boundary: Boundary },
}

impl Progress {
    /// The reading has shown the record at this position and all before it.
    pub fn advance(&mut self, position: Vec<Value>) {
        match self {
            Self::Full { after, .. } | Self::Enumerating { after, .. } => *after = Some(position),
            Self::Following { here, .. } => {
                let mut values = position.into_iter();
                if let Some(Value::Int64(modified)) = values.next() {
                    *here = Some((modified, values.collect()));
                }
            }
            Self::Still { .. } => {}
        }
    }

    /// Where a reading that goes on from here begins.
    pub fn position(&self) -> Position {
        match self {
            Self::Full { after: Some(after), .. } => Position::Full { after: after.clone() },
            Self::Full { after: None, .. } | Self::Enumerating { after: None, .. } => Position::Beginning,
            Self::Enumerating { after, boundary, .. } => {
                Position::Enumerating { after: after.clone(), boundary: boundary.clone() }
            }
            Self::Following { boundary, parts, here, next } => {
                Position::Following { boundary: boundary.clone(), parts: parts_at(parts, here.as_ref(), next) }
            }
            Self::Still { boundary } => Position::Following { boundary: boundary.clone(), parts: Vec::new() },
        }
    }

    /// Where the next reading begins when this one is over.
    pub fn end(&self) -> (Position, Status) {
        let status = |is_whole: bool| if is_whole { Status::EnumerationComplete } else { Status::CaughtUp };
        match self {
            Self::Full { is_whole, .. } => (Position::FullDone, status(*is_whole)),
            Self::Enumerating { is_whole, boundary, .. } => (at(boundary), status(*is_whole)),
            Self::Following { next, .. } => (at(next), Status::CaughtUp),
            Self::Still { boundary } => (at(boundary), Status::CaughtUp),
        }
    }
}

fn at(boundary: &Boundary) -> Position {
    Position::Following { boundary: boundary.clone(), parts: Vec::new() }
}

fn parts_at(older: &[Part], here: Option<&(i64, Vec<Value>)>, next: &Boundary) -> Vec<Part> {
    match (here, &next.snapshot) {
        (Some((modified, key)), Some(snapshot)) => {
            with_part(Part { snapshot: snapshot.clone(), modified: *modified, key: key.clone() }, older)
        }
        _ => older.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Snapshot;

    fn boundary(next: u64) -> Boundary {
        Boundary {
            snapshot: Snapshot::parse(&format!("{next}:{next}:"), ""),
            modified: Some(5),
            lookback_from: Some(5),
        }
    }

    #[test]
    fn a_full_reading_goes_on_behind_its_last_key_and_then_begins_anew() {
        let mut progress = Progress::Full { after: None, is_whole: true };
        assert_eq!(progress.position(), Position::Beginning);
        progress.advance(vec![Value::Int64(7)]);
        assert_eq!(progress.position(), Position::Full { after: vec![Value::Int64(7)] });
        assert_eq!(progress.end(), (Position::FullDone, Status::EnumerationComplete));
        assert_eq!(Progress::Full { after: None, is_whole: false }.end().1, Status::CaughtUp);
    }

    #[test]
    fn the_first_incremental_reading_keeps_the_boundary_it_began_with() {
        let mut progress = Progress::Enumerating { after: None, is_whole: true, boundary: boundary(1) };
        progress.advance(vec![Value::Int64(7)]);
        assert_eq!(
            progress.position(),
            Position::Enumerating { after: Some(vec![Value::Int64(7)]), boundary: boundary(1) }
        );
        assert_eq!(progress.end(), (at(&boundary(1)), Status::EnumerationComplete));
    }

    #[test]
    fn a_later_reading_that_breaks_off_leaves_a_part() {
        let mut progress =
            Progress::Following { boundary: boundary(1), parts: Vec::new(), here: None, next: boundary(2) };
        assert_eq!(progress.position(), at(&boundary(1)));
        progress.advance(vec![Value::Int64(9), Value::Int64(3)]);
        match progress.position() {
            Position::Following { boundary: kept, parts } => {
                assert_eq!(kept, boundary(1));
                assert_eq!((parts.len(), parts[0].modified, parts[0].key.clone()), (1, 9, vec![Value::Int64(3)]));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(progress.end(), (at(&boundary(2)), Status::CaughtUp));
    }
}
