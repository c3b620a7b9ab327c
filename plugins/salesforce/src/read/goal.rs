//! What a reading is for, and what follows from that when it is over.

use lockstep_plugin_sdk::types::Status;

use crate::cursor::{Boundary, Last, Position};

/// What tells changes once everything was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Then {
    #[default]
    Since,
    Events,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Every record. `is_whole`: this very reading began at the beginning.
    Full { is_whole: bool },
    /// Every record, for the first time; then what changed since the boundary.
    First { is_whole: bool, boundary: Boundary, then: Then },
    /// What changed since the boundary; over, it will be `next`.
    Since { boundary: Boundary, next: Boundary },
}

impl Goal {
    /// The server's clock when the first answer came. A reading that goes on keeps the one it began with.
    pub fn begin_at(&mut self, now: i64) {
        match self {
            Self::First { is_whole: true, boundary, .. } => *boundary = Some(now),
            Self::Since { boundary, next: next @ None } => *next = Some(boundary.map_or(now, |before| before.max(now))),
            _ => {}
        }
    }

    /// What is known of deletes reaches only so far.
    pub fn end_before(&mut self, covered: i64) {
        if let Self::Since { next: Some(next), .. } = self {
            *next = covered.min(*next);
        }
    }

    /// Where a reading that goes on from here begins.
    pub fn position(&self, last: Last) -> Position {
        match self {
            Self::Full { .. } => Position::Full { last },
            Self::First { boundary, .. } => Position::First { boundary: *boundary, last },
            Self::Since { boundary, next } => Position::Since { boundary: *boundary, part: Some((*next, last)) },
        }
    }

    /// Where the next reading begins when this one is over.
    pub fn end(&self) -> (Position, Status) {
        match self {
            Self::Full { is_whole } => (Position::Done, status(*is_whole)),
            Self::First { is_whole, boundary, then: Then::Since } => {
                (Position::Since { boundary: *boundary, part: None }, status(*is_whole))
            }
            Self::First { is_whole, boundary, then: Then::Events } => {
                (Position::Events { replay: crate::events::EVERYTHING.to_owned(), since: *boundary }, status(*is_whole))
            }
            // Without a clock the next reading looks as far back as this one.
            Self::Since { boundary, next } => {
                (Position::Since { boundary: next.or(*boundary), part: None }, Status::CaughtUp)
            }
        }
    }
}

fn status(is_whole: bool) -> Status {
    if is_whole { Status::EnumerationComplete } else { Status::CaughtUp }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_reading_goes_on_and_ends_where_it_began() {
        let mut goal = Goal::First { is_whole: true, boundary: None, then: Then::Since };
        goal.begin_at(5);
        let last = ("t".to_owned(), "i".to_owned());
        assert_eq!(goal.position(last.clone()), Position::First { boundary: Some(5), last });
        assert_eq!(goal.end(), (Position::Since { boundary: Some(5), part: None }, Status::EnumerationComplete));
        let mut resumed = Goal::First { is_whole: false, boundary: Some(5), then: Then::Since };
        resumed.begin_at(9);
        assert_eq!(resumed.end(), (Position::Since { boundary: Some(5), part: None }, Status::CaughtUp));
    }

    #[test]
    fn the_boundary_never_goes_back() {
        for (boundary, now, expected) in [(Some(5), 7, 7), (Some(5), 3, 5), (None, 3, 3)] {
            let mut goal = Goal::Since { boundary, next: None };
            goal.begin_at(now);
            // Only the first answer counts.
            goal.begin_at(99);
            assert_eq!(goal.end().0, Position::Since { boundary: Some(expected), part: None });
        }
        let silent = Goal::Since { boundary: Some(5), next: None };
        assert_eq!(silent.end().0, Position::Since { boundary: Some(5), part: None });
    }
}
