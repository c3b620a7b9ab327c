//! What a reading is about: the stream, the fields, what tells changes, and what follows when it is over.

use std::rc::Rc;

use lockstep_json::Node;
use lockstep_plugin_sdk::error::{Error, ErrorKind};
use lockstep_plugin_sdk::lookback::Lookback;
use lockstep_plugin_sdk::types::{Field, LogicalType, ReadRequest, Status};
use lockstep_plugin_sdk::values::{format_date, format_timestamp};

use crate::Result;
use crate::connection::Connection;
use crate::cursor::{Position, Spot, Way, decode};
use crate::failure::{Say as _, failure};
use crate::fields::{described, remembered};
use crate::manifest::field::{FieldSpec, Form};
use crate::manifest::reading::{Listing, Since};
use crate::manifest::stream::StreamSpec;
use crate::manifest::template::Scope;

/// Times are shown rounded, by some APIs up and by others down: everything is looked at that far back at least.
const ROUNDING_MS: i64 = 1000;
const MICROS_PER_DAY: i64 = 86_400_000_000;

pub struct Plan {
    pub connection: Connection,
    pub spec: Rc<StreamSpec>,
    pub fields: Vec<FieldSpec>,
    pub wanted: Vec<Field>,
    lookback: Lookback,
    /// What a position belongs to.
    pub scope: String,
}

/// What a reading is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Every record. `is_whole`: this very reading began at the beginning.
    Full { is_whole: bool },
    /// Every record, for the first time; then what changed since the boundary.
    First { is_whole: bool, boundary: Option<i64> },
    /// What changed since the boundary; over, it will be `next`.
    Since { boundary: i64, next: Option<i64> },
    /// What a feed tells; from its beginning on, it tells everything.
    Feed { is_whole: bool },
}

impl Plan {
    pub fn new(connection: Connection, request: &ReadRequest) -> Result<Self> {
        let spec = connection.manifest.stream(&request.stream)?.clone();
        let fields = match request.fields.as_slice() {
            [] => described(&connection, &spec)?,
            wanted => remembered(&connection, &spec, wanted)?,
        };
        let wanted = match request.fields.as_slice() {
            [] => fields.iter().map(|field| Field::new(&field.name, field.logical)).collect(),
            wanted => wanted.to_vec(),
        };
        if request.is_incremental() && spec.changes.is_none() {
            return Err(untold(&spec.name));
        }
        let told = request.option("modified").filter(|_| request.is_incremental());
        if let (Some(told), Some(known)) = (told, &spec.modified)
            && told != known
        {
            return Err(other_modified(&spec.name, told, known));
        }
        let lookback =
            Lookback::new(Some(LogicalType::Timestamp), request.lookback_ms()?.map(|wanted| wanted.max(ROUNDING_MS)));
        let scope = scope(&spec, &wanted);
        Ok(Self { connection, spec, fields, wanted, lookback, scope })
    }

    /// What is to be read, and from where on.
    pub fn begin(&self, request: &ReadRequest) -> Result<(Goal, Way)> {
        let position = match request.cursor.as_deref() {
            None | Some([]) => Position::Done,
            Some(cursor) => decode(&self.scope, cursor)?,
        };
        let is_feed = self.spec.changes.as_ref().is_some_and(|changes| matches!(changes.since, Since::Feed { .. }));
        Ok(match (request.is_incremental(), position) {
            (false, Position::Full { way }) => (Goal::Full { is_whole: false }, way),
            (false, _) => (Goal::Full { is_whole: true }, self.beginning()),
            (true, Position::Feed { way }) => (Goal::Feed { is_whole: false }, way),
            (true, _) if is_feed => (Goal::Feed { is_whole: true }, Way::default()),
            (true, Position::First { way, boundary }) => {
                (Goal::First { is_whole: false, boundary: Some(boundary) }, way)
            }
            (true, Position::Since { boundary, part: Some((way, next)) }) => {
                (Goal::Since { boundary, next: Some(next) }, way)
            }
            (true, Position::Since { boundary, part: None }) => {
                (Goal::Since { boundary, next: None }, self.beginning())
            }
            (true, _) => (Goal::First { is_whole: true, boundary: None }, self.beginning()),
        })
    }

    fn beginning(&self) -> Way {
        Way { parent: self.spec.parent.as_ref().map(|_| Spot::default()), ..Way::default() }
    }

    /// What is asked for.
    pub fn listing(&self, goal: &Goal) -> &Listing {
        goal.listing(&self.spec)
    }

    /// Where the parts of the key are in an element of a list.
    pub fn key_paths(&self, listing: &Listing) -> Vec<Vec<String>> {
        let path = |name: &String| {
            let field = self.fields.iter().find(|field| field.name == *name && field.parent.is_none())?;
            Some(listing.record.iter().chain(&field.path).cloned().collect())
        };
        self.spec.key.iter().filter_map(path).collect()
    }

    /// From when on changes are asked for.
    pub fn say_since(&self, goal: &Goal, scope: &mut Scope<'_>) {
        let (Goal::Since { boundary, .. }, Some(changes)) = (goal, &self.spec.changes) else { return };
        let Since::Time(form) = &changes.since else { return };
        let Some(since) = self.lookback.since(Some(*boundary)) else { return };
        scope.set("since", time(since, *form));
    }

    /// The token to ask with.
    pub fn feed_token(&self, token: Option<&str>) -> String {
        match (token, self.spec.changes.as_ref().map(|changes| &changes.since)) {
            (Some(token), _) => token.to_owned(),
            (None, Some(Since::Feed { first, .. })) => first.clone(),
            (None, _) => String::new(),
        }
    }

    /// The token behind an answer.
    pub fn next_token(&self, envelope: &Node) -> Result<String> {
        let next = match self.spec.changes.as_ref().map(|changes| &changes.since) {
            Some(Since::Feed { next, .. }) => envelope.at(next).and_then(Node::said),
            _ => None,
        };
        next.ok_or_else(|| {
            failure(
                ErrorKind::Permanent,
                "api.no-token",
                &format!("the feed of `{}` does not say where it goes on", self.spec.name),
            )
        })
    }
}

/// A time as an API writes it. Rounded down: what is shown twice does no harm.
pub fn time(micros: i64, form: Form) -> Node {
    let micros = micros.max(0);
    let whole = micros.div_euclid(1_000_000) * 1_000_000;
    match form {
        Form::Seconds => Node::Number(micros.div_euclid(1_000_000).to_string()),
        Form::Milliseconds => Node::Number(micros.div_euclid(1000).to_string()),
        Form::Utc => Node::text(format_timestamp(whole).trim_end_matches('Z')),
        Form::UtcSpace => Node::text(format_timestamp(whole).trim_end_matches('Z').replace('T', " ")),
        Form::Plain => Node::text(format_timestamp(whole)),
        Form::Text => Node::text(format_date(micros.div_euclid(MICROS_PER_DAY))),
    }
}

impl Goal {
    /// What is asked for.
    pub fn listing<'s>(&self, spec: &'s StreamSpec) -> &'s Listing {
        match (self, &spec.changes) {
            (Self::Since { .. } | Self::Feed { .. }, Some(changes)) => &changes.listing,
            _ => &spec.read,
        }
    }

    pub fn is_feed(&self) -> bool {
        matches!(self, Self::Feed { .. })
    }

    /// Whether every record was shown is not certain.
    pub fn is_doubtful(&mut self) {
        if let Self::Full { is_whole } | Self::First { is_whole, .. } = self {
            *is_whole = false;
        }
    }

    /// When the reading began, by the first answer there was.
    pub fn settle(&mut self, time: i64) {
        match self {
            Self::First { boundary: place, .. } | Self::Since { next: place, .. } => {
                place.get_or_insert(time);
            }
            Self::Full { .. } | Self::Feed { .. } => {}
        }
    }

    /// Where a reading that goes on from here begins.
    pub fn position(&self, way: &Way) -> Position {
        let way = way.clone();
        match self {
            Self::Full { .. } => Position::Full { way },
            Self::First { boundary: Some(boundary), .. } => Position::First { way, boundary: *boundary },
            Self::First { .. } => Position::Done,
            Self::Since { boundary, next } => {
                Position::Since { boundary: *boundary, part: next.map(|next| (way, next)) }
            }
            Self::Feed { .. } => Position::Feed { way },
        }
    }

    /// Where the next reading begins when this one is over.
    pub fn end(&self, way: &Way) -> (Position, Status) {
        let (position, is_whole) = match self {
            Self::Full { is_whole } => (Position::Done, *is_whole),
            Self::First { is_whole, boundary } => match boundary {
                Some(boundary) => (Position::Since { boundary: *boundary, part: None }, *is_whole),
                None => (Position::Done, *is_whole),
            },
            // A clock that goes back must not lose what it has passed.
            Self::Since { boundary, next } => {
                let boundary = next.map_or(*boundary, |next| next.max(*boundary));
                (Position::Since { boundary, part: None }, false)
            }
            Self::Feed { is_whole } => (Position::Feed { way: way.clone() }, *is_whole),
        };
        (position, if is_whole { Status::EnumerationComplete } else { Status::CaughtUp })
    }
}

/// Pages depend on what is asked for, and positions on the pages.
fn scope(spec: &StreamSpec, wanted: &[Field]) -> String {
    let mut parts = vec![spec.pages.clone(), spec.key.join(",")];
    parts.extend(wanted.iter().map(|field| field.name.clone()));
    format!("{}:{:016x}", spec.name, digest(&parts.join("|")))
}

/// FNV-1a: stable between versions of everything.
pub fn digest(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn untold(stream: &str) -> Box<Error> {
    failure(
        ErrorKind::Config,
        "api.no-changes",
        &format!("nothing tells what changed in `{stream}`: it can only be read in full"),
    )
    .hint("leave `modified` out beside the stream, or describe `changes` in the manifest")
}

fn other_modified(stream: &str, told: &str, known: &str) -> Box<Error> {
    failure(ErrorKind::Config, "api.modified", &format!("changes of `{stream}` are told by `{known}`, not by `{told}`"))
        .field(told)
        .hint(&format!("write `modified = \"{known}\"` beside the stream"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_apis_want_them() {
        let shown = |form| time(1_767_225_599_999_999, form).to_json();
        assert_eq!(shown(Form::Seconds), "1767225599");
        assert_eq!(shown(Form::Milliseconds), "1767225599999");
        assert_eq!(shown(Form::Plain), "\"2025-12-31T23:59:59Z\"");
        assert_eq!(shown(Form::Utc), "\"2025-12-31T23:59:59\"");
        assert_eq!(shown(Form::UtcSpace), "\"2025-12-31 23:59:59\"");
    }

    #[test]
    fn changes_go_on_with_the_time_at_which_the_reading_began() {
        let mut goal = Goal::Since { boundary: 5, next: None };
        goal.settle(9);
        goal.settle(11);
        assert_eq!(goal.end(&Way::default()).0, Position::Since { boundary: 9, part: None });
        let mut back = Goal::Since { boundary: 5, next: None };
        back.settle(3);
        assert_eq!(back.end(&Way::default()).0, Position::Since { boundary: 5, part: None });
        let mut first = Goal::First { is_whole: true, boundary: None };
        first.settle(7);
        let over = Position::Since { boundary: 7, part: None };
        assert_eq!(first.end(&Way::default()), (over.clone(), Status::EnumerationComplete));
        first.is_doubtful();
        assert_eq!(first.end(&Way::default()), (over, Status::CaughtUp));
    }
}
