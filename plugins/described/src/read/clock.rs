//! Our own time, where the server does not tell its.

use std::time::{SystemTime, UNIX_EPOCH};

/// In microseconds since 1970.
pub fn now() -> i64 {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(passed.as_micros()).unwrap_or(i64::MAX)
}
