//! What a reading is for, and what follows from that when it is over.

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::Status;

use crate::cursor::{Boundary, Position, Way};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Every record. `is_whole`: this very reading began at the beginning.
    Full { is_whole: bool },
    /// Every record, for the first time; then what changed since the boundary.
    First { is_whole: bool, boundary: Boundary },
    /// What changed since the boundary; over, it will be `next`.
    Since { boundary: Boundary, next: Boundary },
    /// Every record, and a delta link at the end.
    Baseline { is_whole: bool, delta: Option<String> },
    /// What a delta link leads to.
    Delta { delta: Option<String> },
}

impl Goal {
    pub fn is_delta(&self) -> bool {
        matches!(self, Self::Baseline { .. } | Self::Delta { .. })
    }

    pub fn is_whole(&self) -> bool {
        match self {
            Self::Full { is_whole } | Self::First { is_whole, .. } | Self::Baseline { is_whole, .. } => *is_whole,
            Self::Since { .. } | Self::Delta { .. } => false,
        }
    }

    /// The reading begins at the beginning again.
    pub fn begin_anew(&mut self) {
        if let Self::Full { is_whole } | Self::First { is_whole, .. } = self {
            *is_whole = true;
        }
    }

    /// Whether every record was shown is not certain.
    pub fn is_doubtful(&mut self) {
        if let Self::Full { is_whole } | Self::First { is_whole, .. } = self {
            *is_whole = false;
        }
    }

    pub fn set_delta(&mut self, link: String) {
        if let Self::Baseline { delta, .. } | Self::Delta { delta } = self {
            *delta = Some(link);
        }
    }

    /// Where a reading that goes on from here begins.
    pub fn position(&self, way: &Way) -> Position {
        let at_link = || match way {
            Way::Links { link: Some(link), skip } => Some((link.clone(), *skip)),
            _ => None,
        };
        match self {
            Self::Full { .. } => Position::Full { way: way.clone() },
            Self::First { boundary, .. } => Position::First { way: way.clone(), boundary: *boundary },
            Self::Since { boundary, next } => Position::Since { boundary: *boundary, part: Some((way.clone(), *next)) },
            Self::Baseline { .. } => at_link().map_or(Position::Done, |(link, skip)| Position::Baseline { link, skip }),
            Self::Delta { .. } => at_link().map_or(Position::Done, |(link, skip)| Position::Delta { link, skip }),
        }
    }

    /// Where the next reading begins when this one is over.
    pub fn end(&self, set: &str) -> Result<(Position, Status)> {
        let status = if self.is_whole() { Status::EnumerationComplete } else { Status::CaughtUp };
        let since = |boundary: &Boundary| Position::Since { boundary: *boundary, part: None };
        let position = match self {
            Self::Full { .. } => Position::Done,
            Self::First { boundary, .. } => since(boundary),
            Self::Since { next, .. } => since(next),
            Self::Baseline { delta, .. } | Self::Delta { delta } => {
                let link = delta.clone().ok_or_else(|| untracked(set))?;
                Position::Delta { link, skip: 0 }
            }
        };
        Ok((position, status))
    }
}

fn untracked(set: &str) -> Error {
    Error::config(format!("the service does not track changes of `{set}`: it sends no delta link"))
        .with_code("odata.no-delta")
        .with_hint("name the field of the last change beside the stream, `modified = \"modifiedAt\"`, or write `changes = \"modified\"` into the connection's config")
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAY: Way = Way::Keys { after: None, skip: 0 };

    #[test]
    fn a_first_reading_goes_on_and_ends_where_it_began() {
        let mut goal = Goal::First { is_whole: true, boundary: Some(5) };
        assert_eq!(goal.position(&WAY), Position::First { way: WAY, boundary: Some(5) });
        let over = Position::Since { boundary: Some(5), part: None };
        assert_eq!(goal.end("A").unwrap(), (over.clone(), Status::EnumerationComplete));
        goal.is_doubtful();
        assert_eq!(goal.end("A").unwrap(), (over, Status::CaughtUp));
    }

    #[test]
    fn changes_go_on_with_the_boundary_that_comes_next() {
        let goal = Goal::Since { boundary: Some(1), next: Some(2) };
        assert_eq!(goal.position(&WAY), Position::Since { boundary: Some(1), part: Some((WAY, Some(2))) });
        assert_eq!(goal.end("A").unwrap().0, Position::Since { boundary: Some(2), part: None });
    }

    #[test]
    fn without_a_delta_link_there_is_no_next_time() {
        let mut goal = Goal::Baseline { is_whole: true, delta: None };
        assert_eq!(goal.end("A").unwrap_err().code, "odata.no-delta");
        goal.set_delta("d".into());
        let next = Position::Delta { link: "d".into(), skip: 0 };
        assert_eq!(goal.end("A").unwrap(), (next, Status::EnumerationComplete));
    }
}
