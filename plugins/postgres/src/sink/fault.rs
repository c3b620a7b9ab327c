//! What an error of the database means for whoever writes.

use lockstep_plugin_sdk::error::{Error, ErrorKind};

use super::target::Target;

const UNIQUE_VIOLATION: &str = "23505";

/// An error while rows are merged by key. A row that somebody else has just inserted under the same key is found by the next
/// attempt; a row that breaks another unique index will break it every time.
pub fn while_merging(error: Error, target: &Target) -> Error {
    if error.code != UNIQUE_VIOLATION {
        return error;
    }
    let is_key = error.property("constraint").is_some_and(|constraint| target.is_key_index(constraint));
    with_kind(error, if is_key { ErrorKind::Transient } else { ErrorKind::InvalidData })
}

/// An error while rows are loaded into a table that was empty: any row that is there already means that it is not.
pub fn while_loading(error: Error) -> Error {
    if error.code == UNIQUE_VIOLATION { with_kind(error, ErrorKind::Conflict) } else { error }
}

/// The error with this row as its own.
pub fn at_row(mut error: Error, row: u32) -> Error {
    error.properties.retain(|(name, _)| name != "row");
    error.with_property("row", row.to_string())
}

/// Rows of a load are counted over all its pages. Only for a row of the page at hand the number means something to the host.
pub fn in_page(mut error: Error, first: u64, rows: u64) -> Error {
    let Some(row) = error.property("row").and_then(|row| row.parse::<u64>().ok()) else { return error };
    match row.checked_sub(first).filter(|row| *row < rows) {
        Some(row) => at_row(error, row as u32),
        None => {
            error.properties.retain(|(name, _)| name != "row");
            error
        }
    }
}

fn with_kind(mut error: Error, kind: ErrorKind) -> Error {
    kind.name().clone_into(&mut error.kind);
    error
}

#[cfg(test)]
mod tests {
    use super::super::target::tests::target;
    use super::*;

    fn violation(constraint: &str) -> Error {
        Error::new(ErrorKind::Conflict, "duplicate key")
            .with_code(UNIQUE_VIOLATION)
            .with_property("constraint", constraint)
    }

    #[test]
    fn another_index_is_the_rows_own_fault() {
        let target = target("postgres 15");
        assert!(while_merging(violation("unique_0"), &target).is(ErrorKind::Transient));
        assert!(while_merging(violation("unique_1"), &target).is(ErrorKind::InvalidData));
        let other = Error::transient("gone").with_code("57P01");
        assert!(while_merging(other, &target).is(ErrorKind::Transient));
    }

    #[test]
    fn rows_are_counted_within_the_page() {
        let error = |row: &str| Error::invalid_data("x").with_property("row", row);
        assert_eq!(in_page(error("12"), 10, 5).property("row"), Some("2"));
        assert_eq!(in_page(error("9"), 10, 5).property("row"), None);
        assert_eq!(in_page(error("15"), 10, 5).property("row"), None);
        assert_eq!(in_page(Error::invalid_data("x"), 10, 5).property("row"), None);
    }
}
