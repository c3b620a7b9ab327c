//! What an error of the server means for whoever writes.

use lockstep_plugin_sdk::error::{Error, ErrorKind};

use super::target::Target;

const DUPLICATE: &str = "1062";

/// An error while rows are merged by key. A row that somebody else has just inserted under the same key is found by the next
/// attempt; a row that breaks another unique index will break it every time.
pub fn while_merging(error: Error, target: &Target) -> Error {
    if error.code != DUPLICATE {
        return error;
    }
    let is_key = error.property("constraint").is_some_and(|constraint| target.is_key_index(constraint));
    with_kind(error, if is_key { ErrorKind::Transient } else { ErrorKind::InvalidData })
}

/// An error while rows are loaded into a table that was empty: any row that is there already means that it is not.
pub fn while_loading(error: Error) -> Error {
    if error.code == DUPLICATE { with_kind(error, ErrorKind::Conflict) } else { error }
}

fn with_kind(mut error: Error, kind: ErrorKind) -> Error {
    kind.name().clone_into(&mut error.kind);
    error
}

#[cfg(test)]
mod tests {
    use super::super::target::tests::target;
    use super::*;

    fn duplicate(constraint: &str) -> Error {
        Error::new(ErrorKind::Conflict, "Duplicate entry").with_code(DUPLICATE).with_property("constraint", constraint)
    }

    #[test]
    fn another_index_is_the_rows_own_fault() {
        assert!(while_merging(duplicate("PRIMARY"), &target()).is(ErrorKind::Transient));
        assert!(while_merging(duplicate("unique_1"), &target()).is(ErrorKind::InvalidData));
        let other = Error::transient("gone").with_code("1053");
        assert!(while_merging(other, &target()).is(ErrorKind::Transient));
        assert!(while_loading(duplicate("unique_1")).is(ErrorKind::Conflict));
    }
}
