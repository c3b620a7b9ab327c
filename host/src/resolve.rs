//! What is decided about one record: which value wins, who is owed what, whether two records are one. Pure: the same state and the
//! same event give the same answer, always.
//!
//! It knows values ([`crate::record`]) and nothing else: no project, no store, no connector, no clock. Fields and endpoints are
//! numbers here, their places in [`Rules`].
//!
//! Invariants kept here, cited where they are: no lost update (3), no resurrection (4), stale reads write nothing (7), the order of
//! events decides nothing it should not (8), absent is not null (14). Each safety mechanism can be switched off by [`Safety`], so
//! that tests can show what it is good for (16).

mod answer;
mod apply;
mod breaker;
mod codec;
mod forget;
mod held;
mod identity;
mod merge;
mod news;
mod owed;
mod policy;
mod revive;
mod rules;
mod safety;
mod state;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Shows};
pub use apply::{Deletion, Event, EventKind, Facts, apply};
pub use breaker::forgive;
pub use codec::{decode, encode};
pub use forget::is_forgettable;
pub use held::set_by_person;
use identity::is_like;
pub use identity::{MatchDigest, Normaliser, match_digest, normalise, similarity};
pub use merge::{FieldChange, Verdict, Why};
pub use owed::{Owed, Segment, disagrees, owed};
pub use policy::{Dispute, Policy, Ruling};
pub use revive::revive;
pub use rules::{DeleteConflict, Deletes, EndpointRule, ExitRule, Group, Others, Rules};
pub use safety::{Mechanism, Safety};
pub use state::{Canon, Fence, Life, Link, Missing, RecordState, Sent, SentKind, Shadow, Side, Source};
