//! What an error of the database means for whoever writes.

use lockstep_plugin_sdk::error::{Error, ErrorKind};

const UNIQUE_VIOLATIONS: [&str; 3] =
    ["SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_ROWID"];

/// An error while rows are merged by key: no row can be there twice under its key, so a row that breaks a unique index breaks
/// another one, and will break it every time.
pub fn while_merging(mut error: Error) -> Error {
    if UNIQUE_VIOLATIONS.contains(&error.code.as_str()) {
        ErrorKind::InvalidData.name().clone_into(&mut error.kind);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_index_is_the_rows_own_fault() {
        let violation = Error::conflict("UNIQUE constraint failed: t.name").with_code("SQLITE_CONSTRAINT_UNIQUE");
        assert!(while_merging(violation).is(ErrorKind::InvalidData));
        let busy = Error::transient("busy").with_code("SQLITE_BUSY");
        assert!(while_merging(busy).is(ErrorKind::Transient));
    }
}
