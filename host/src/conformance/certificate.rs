//! What can be shown to others: a document that is the same for the same plugin, battery and outcome.

use serde_json::{Value, json};

use super::lab::Lab;
use super::{BATTERY_VERSION, CheckResult, Outcome};

/// Memory is told in steps of this size: what an allocator takes differs by a page or two.
const MEMORY_STEP: usize = 1 << 20;

/// The certificate as JSON. It has no time and no machine in it.
pub fn certificate(lab: &Lab, results: &[CheckResult]) -> Value {
    let count = |name: &str| results.iter().filter(|result| result.outcome.name() == name).count();
    let checks: serde_json::Map<String, Value> = results.iter().map(entry).collect();
    json!({
        "certificate": "lockstep plugin check",
        "battery": BATTERY_VERSION,
        "host": env!("CARGO_PKG_VERSION"),
        "plugin": plugin(lab),
        "system": if lab.setup.grants.is_replayed() { "a recording" } else { "itself" },
        "verdict": if count("failed") == 0 && count("passed") > 0 { "conforms" } else { "does not conform" },
        "counts": { "passed": count("passed"), "failed": count("failed"), "skipped": count("skipped") },
        "memory_peak_mib": lab.memory_peak_bytes().div_ceil(MEMORY_STEP),
        "writing": if lab.wishes.write_stream.is_some() { "checked" } else { "not checked: no stream was named for it" },
        "checks": checks,
    })
}

fn plugin(lab: &Lab) -> Value {
    let Ok(binary) = &lab.subject.binary else { return Value::Null };
    json!({
        "name": binary.manifest.name.as_str(),
        "version": binary.manifest.version,
        "digest": binary.digest.to_string(),
        "bytes": binary.report.bytes,
        "imports": binary.report.imports,
        "exports": binary.report.exports,
        "capabilities": binary.report.authority().capabilities().collect::<Vec<_>>(),
        "authority": binary.report.authority().sentence(),
    })
}

fn entry(result: &CheckResult) -> (String, Value) {
    let outcome = match &result.outcome {
        Outcome::Passed => json!("passed"),
        Outcome::Failed(reason) => json!({ "failed": reason }),
        Outcome::Skipped(reason) => json!({ "skipped": reason }),
    };
    (result.check.id.to_owned(), outcome)
}
