//! How one run of a sync goes: reading, transforming, mapping and writing as overlapped, bounded stages; retries, bisecting,
//! dead letters; comparing and deleting.
//!
//! It sees connectors only as the traits of [`crate::connector`], time only through [`crate::world`], and prints nothing: what
//! happens is told to a [`Observer`]. It must not know wasmtime or the command line.
//!
//! Invariants, cited where they are kept: the cursor is stored only after the sink has acknowledged the page (Invariant 9); a
//! delete is inferred only from a proven complete enumeration and below the guard (Invariant 5); absent never becomes null
//! (Invariant 14); a record is either written, or waits as a dead letter with its cause, or the run says why it stopped.

mod bisect;
mod compare;
mod deletes;
mod deliver;
mod drift;
mod error;
mod flow;
mod hub;
mod last;
mod letters;
mod mirror;
mod observe;
mod plan;
mod prepare;
mod read;
mod report;
mod retry;
mod setup;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use error::SyncError;
pub use hub::{
    Book, Collisions, Decision, Drift, Hub, HubEnd, HubOptions, HubPlan, HubReport, HubRun, Leftovers, Merged, Parent,
    PlanCounts, PlannedWrite, Repair, Resolution, RolledBack, Step, check_hub, plan_hub, retry_hub_letters, run_hub,
    verify_hub,
};
pub use mirror::{MirrorRun, RunOptions, retry_letters, run_mirror};
pub use observe::{Observer, Silent};
pub use plan::{MirrorPlan, plan_mirror};
pub use read::Interrupt;
pub use report::{HeldDeletes, RunReport};
pub use setup::{Mirror, SourceEnd, TargetEnd, TransformEnd};
