//! Plain Rust fakes of everything a run touches, and a laboratory that runs mirrors on them.
//!
//! The fakes keep the contracts of [`crate::connector`] themselves and panic where the engine breaks them. A run can be ended at
//! any step at which something becomes durable, as if its process had died: [`Power`].

mod compare;
mod invariants;
mod lab;
mod sink;
mod source;
mod store;
mod transform;
mod world;

use serde_json::{Map, Value};

use crate::connector::{Failure, FailureKind};
use crate::error::codes;

pub use invariants::waits;
pub use lab::{Lab, person, record_of};
pub use sink::{FakeSink, Verdict};
pub use source::{Body, FakeSource, Flavour};
pub use store::FakeStore;
pub use transform::{FakeTransform, Outcome};
pub use world::{Power, Script, SeededRandom, SimClock};

/// A record as the fakes hold it; absent fields are not in it.
pub type Record = Map<String, Value>;

/// `record(json!({"id": 1}))`.
pub fn record(value: Value) -> Record {
    match value {
        Value::Object(record) => record,
        other => panic!("{other} is not a record"),
    }
}

/// The canonical text of some fields of a record.
pub fn key_text(record: &Record, key: &[String]) -> String {
    let values: Vec<Value> = key.iter().map(|name| record.get(name).cloned().unwrap_or(Value::Null)).collect();
    Value::Array(values).to_string()
}

pub fn failure(kind: FailureKind) -> Failure {
    let code = match kind {
        FailureKind::InvalidData => &codes::DATA_MALFORMED,
        FailureKind::Fault => &codes::PLUGIN_PANICKED,
        _ => &codes::PLUGIN_ERROR,
    };
    Failure::new(kind, code, "fake@1", format!("a {} failure on purpose", kind.name()))
}

/// What everything answers once the power is cut; nothing tries again after it.
fn no_power() -> Failure {
    Failure::new(FailureKind::Permanent, &codes::ENVIRONMENT, "power", "the power is cut")
}
