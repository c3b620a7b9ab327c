//! Finding the rows that are at fault when a whole page fails.

use crate::connector::{Failure, FailureKind};

/// Whether a failure may be due to single rows, so that the others deserve another attempt without them.
pub(super) fn is_about_rows(failure: &Failure) -> bool {
    match failure.kind {
        FailureKind::InvalidData | FailureKind::Conflict | FailureKind::Fault => true,
        FailureKind::Permanent | FailureKind::Other => failure.properties.get("row").is_some(),
        _ => false,
    }
}

/// Single rows in a row that may break the plugin, with nothing going through in between, before it is the plugin's fault.
const FAULTS_IN_A_ROW_MAX: u32 = 3;

/// Row ranges still to be tried, worked off depth first: what failed is halved until single rows remain.
pub(super) struct Bisection {
    pending: Vec<Vec<u32>>,
    faults_in_a_row: u32,
}

/// What to do with rows that failed together.
pub(super) enum Halved {
    /// They were put back as two halves.
    Again,
    /// It is this row.
    Culprit(u32),
    /// The plugin breaks whatever it is given.
    Hopeless,
}

impl Bisection {
    pub fn new(rows: Vec<u32>) -> Self {
        Self { pending: if rows.is_empty() { Vec::new() } else { vec![rows] }, faults_in_a_row: 0 }
    }

    /// The rows to try next.
    pub fn next(&mut self) -> Option<Vec<u32>> {
        self.pending.pop()
    }

    /// Puts rows back unchanged: the attempt said nothing about them.
    pub fn again(&mut self, rows: Vec<u32>) {
        self.pending.push(rows);
    }

    /// Rows that went through.
    pub fn passed(&mut self) {
        self.faults_in_a_row = 0;
    }

    /// Rows that failed together.
    pub fn failed(&mut self, mut rows: Vec<u32>, failure: &Failure) -> Halved {
        if let [row] = rows.as_slice() {
            self.faults_in_a_row += u32::from(failure.kind == FailureKind::Fault);
            let hopeless = self.faults_in_a_row >= FAULTS_IN_A_ROW_MAX;
            return if hopeless { Halved::Hopeless } else { Halved::Culprit(*row) };
        }
        let back = rows.split_off(rows.len() / 2);
        self.pending.push(back);
        self.pending.push(rows);
        Halved::Again
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::error::codes;

    fn failure(kind: FailureKind) -> Failure {
        Failure::new(kind, &codes::PLUGIN_ERROR, "test", "it failed")
    }

    #[test]
    fn a_plugin_that_always_breaks_is_not_blamed_on_rows() {
        let mut bisection = Bisection::new((0..1000).collect());
        let mut culprits = 0;
        while let Some(rows) = bisection.next() {
            match bisection.failed(rows, &failure(FailureKind::Fault)) {
                Halved::Again => {}
                Halved::Culprit(_) => culprits += 1,
                Halved::Hopeless => break,
            }
        }
        assert_eq!(culprits, 2);
    }

    proptest! {
        #[test]
        fn exactly_the_bad_rows_are_found(count in 0u32..300, bad in prop::collection::hash_set(0u32..300, 0..6)) {
            let mut bisection = Bisection::new((0..count).collect());
            let (mut good, mut culprits, mut attempts) = (Vec::new(), Vec::new(), 0u32);
            while let Some(rows) = bisection.next() {
                attempts += 1;
                if !rows.iter().any(|row| bad.contains(row)) {
                    bisection.passed();
                    good.extend(rows);
                } else if let Halved::Culprit(row) = bisection.failed(rows, &failure(FailureKind::InvalidData)) {
                    culprits.push(row);
                }
            }
            let expected: Vec<u32> = (0..count).filter(|row| bad.contains(row)).collect();
            prop_assert_eq!(&culprits, &expected);
            good.extend(&culprits);
            prop_assert!(good.is_sorted() || !expected.is_empty());
            good.sort_unstable();
            prop_assert_eq!(good, (0..count).collect::<Vec<_>>());
            prop_assert!(attempts <= 1 + 2 * 10 * expected.len() as u32);
        }
    }
}
