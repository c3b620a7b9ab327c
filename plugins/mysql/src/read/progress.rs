//! How far a reading has come, and what follows from that for the cursor.

use lockstep_plugin_sdk::types::Status;
use lockstep_sql_dialect::Value;

use crate::cursor::{Boundary, Part, Position};

#[derive(Clone, Debug)]
pub enum Progress {
    /// Every row, behind the one with this key. `is_whole`: this very reading began at the beginning.
    Full { after: Option<Vec<Value>>, is_whole: bool },
    /// Every row, for the first time; then what changed since the boundary.
    Enumerating { after: Option<Vec<Value>>, is_whole: bool, boundary: Boundary },
    /// What changed since the boundary; over, it will be `next`.
    Following { boundary: Boundary, after: Option<Vec<Value>>, next: Boundary },
}

impl Progress {
    /// The reading has shown the row at this position and all before it.
    pub fn advance(&mut self, position: Vec<Value>) {
        match self {
            Self::Full { after, .. } | Self::Enumerating { after, .. } | Self::Following { after, .. } => {
                *after = Some(position);
            }
        }
    }

    /// The row that was shown last.
    pub fn after(&self) -> Option<&[Value]> {
        match self {
            Self::Full { after, .. } | Self::Enumerating { after, .. } | Self::Following { after, .. } => {
                after.as_deref()
            }
        }
    }

    /// Where a reading that goes on from here begins.
    pub fn position(&self) -> Position {
        match self.clone() {
            Self::Full { after: Some(after), .. } => Position::Full { after },
            Self::Full { after: None, .. } | Self::Enumerating { after: None, .. } => Position::Beginning,
            Self::Enumerating { after: Some(after), boundary, .. } => Position::Enumerating { after, boundary },
            Self::Following { boundary, after, next } => {
                Position::Following { boundary, part: after.map(|after| Part { after, next }) }
            }
        }
    }

    /// Where the next reading begins when this one is over.
    pub fn end(&self) -> (Position, Status) {
        let status = |is_whole: bool| if is_whole { Status::EnumerationComplete } else { Status::CaughtUp };
        let at = |boundary: &Boundary| Position::Following { boundary: *boundary, part: None };
        match self {
            Self::Full { is_whole, .. } => (Position::FullDone, status(*is_whole)),
            Self::Enumerating { is_whole, boundary, .. } => (at(boundary), status(*is_whole)),
            Self::Following { next, .. } => (at(next), Status::CaughtUp),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boundary(value: i64) -> Boundary {
        Some(value)
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
        let expected = Position::Enumerating { after: vec![Value::Int64(7)], boundary: boundary(1) };
        assert_eq!(progress.position(), expected);
        let over = Position::Following { boundary: boundary(1), part: None };
        assert_eq!(progress.end(), (over, Status::EnumerationComplete));
    }

    #[test]
    fn a_later_reading_that_breaks_off_goes_on_and_keeps_where_the_next_begins() {
        let mut progress = Progress::Following { boundary: boundary(1), after: None, next: boundary(2) };
        assert_eq!(progress.position(), Position::Following { boundary: boundary(1), part: None });
        let after = vec![Value::Int64(9), Value::Int64(3)];
        progress.advance(after.clone());
        let part = Some(Part { after, next: boundary(2) });
        assert_eq!(progress.position(), Position::Following { boundary: boundary(1), part });
        let over = Position::Following { boundary: boundary(2), part: None };
        assert_eq!(progress.end(), (over, Status::CaughtUp));
    }
}
