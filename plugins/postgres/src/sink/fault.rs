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

/// An error while new records are inserted: those with a key that is there already are left out, so it is a key the server itself
/// has filled in, which may be another one the next time, or another unique index.
pub fn while_inserting(error: Error, target: &Target) -> Error {
    if error.code != UNIQUE_VIOLATION {
        return error;
    }
    let is_key = error.property("constraint").is_some_and(|constraint| target.is_key_index(constraint));
    with_kind(error, if is_key { ErrorKind::Conflict } else { ErrorKind::InvalidData })
}

/// An error while rows are loaded into a table that was empty: any row that is there already means that it is not.
pub fn while_loading(error: Error) -> Error {
    if error.code == UNIQUE_VIOLATION { with_kind(error, ErrorKind::Conflict) } else { error }
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
        assert!(while_inserting(violation("unique_0"), &target).is(ErrorKind::Conflict));
        assert!(while_inserting(violation("unique_1"), &target).is(ErrorKind::InvalidData));
        let other = Error::transient("gone").with_code("57P01");
        assert!(while_merging(other, &target).is(ErrorKind::Transient));
    }
}
