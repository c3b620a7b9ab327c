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

/// Rows that break the plugin all alone, one after the other, before it is asked whether it works at all.
const SUSPECTS_IN_A_ROW: usize = 3;

/// How often a plugin may break in a row, with nothing known that it can do, before it is the plugin's fault.
pub(super) const FAULTS_IN_A_ROW_MAX: u32 = 64;

/// Row ranges still to be tried, worked off depth first: what failed is halved until single rows remain.
pub(super) struct Bisection {
    pending: Vec<Vec<u32>>,
}

/// What to do with rows that failed together.
#[derive(Debug)]
pub(super) enum Halved {
    /// They were put back as two halves.
    Again,
    /// It is this row.
    Culprit(u32, Failure),
}

impl Bisection {
    pub fn new(rows: Vec<u32>) -> Self {
        Self { pending: if rows.is_empty() { Vec::new() } else { vec![rows] } }
    }

    /// The rows to try next.
    pub fn next(&mut self) -> Option<Vec<u32>> {
        self.pending.pop()
    }

    /// Puts rows back unchanged: the attempt said nothing about them.
    pub fn again(&mut self, rows: Vec<u32>) {
        self.pending.push(rows);
    }

    /// Rows that failed together.
    pub fn failed(&mut self, mut rows: Vec<u32>, failure: Failure) -> Halved {
        if let [row] = rows.as_slice() {
            return Halved::Culprit(*row, failure);
        }
        let back = rows.split_off(rows.len() / 2);
        self.pending.push(back);
        self.pending.push(rows);
        Halved::Again
    }
}

/// Rows that broke the plugin all alone. Whether that is their fault or the plugin's is known once the plugin does something else.
pub(super) struct Suspects<T> {
    rows: Vec<(T, Failure)>,
    faults_in_a_row: u32,
}

impl<T> Default for Suspects<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), faults_in_a_row: 0 }
    }
}

impl<T> Suspects<T> {
    /// The plugin broke, whatever it was given.
    pub fn fault(&mut self) {
        self.faults_in_a_row += 1;
    }

    pub fn suspect(&mut self, row: T, failure: Failure) {
        self.rows.push((row, failure));
    }

    pub fn are_none(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether it is time to ask the plugin for something it could do before.
    pub fn are_many(&self) -> bool {
        !self.rows.is_empty() && self.rows.len().is_multiple_of(SUSPECTS_IN_A_ROW)
    }

    /// Whether the plugin never did anything else but break.
    pub fn are_too_many(&self) -> bool {
        self.faults_in_a_row >= FAULTS_IN_A_ROW_MAX
    }

    /// What the plugin said when it broke last.
    pub fn last_words(&self) -> Option<&Failure> {
        self.rows.last().map(|(_, failure)| failure)
    }

    /// The plugin works: the rows are at fault.
    pub fn convict(&mut self) -> Vec<(T, Failure)> {
        std::mem::take(self).rows
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
    fn a_plugin_that_always_breaks_is_found_out() {
        let (mut bisection, mut suspects, mut asked) = (Bisection::new((0..10_000).collect()), Suspects::default(), 0);
        while let Some(rows) = bisection.next()
            && !suspects.are_too_many()
        {
            suspects.fault();
            if let Halved::Culprit(row, failure) = bisection.failed(rows, failure(FailureKind::Fault)) {
                suspects.suspect(row, failure);
                asked += u32::from(suspects.are_many());
            }
        }
        assert!(suspects.are_too_many() && asked > 3);
        assert!(suspects.convict().len() < 64);
        assert!(!suspects.are_too_many() && suspects.are_none());
    }

    proptest! {
        #[test]
        fn exactly_the_bad_rows_are_found(count in 0u32..300, bad in prop::collection::hash_set(0u32..300, 0..6)) {
            let mut bisection = Bisection::new((0..count).collect());
            let (mut good, mut culprits, mut attempts) = (Vec::new(), Vec::new(), 0u32);
            while let Some(rows) = bisection.next() {
                attempts += 1;
                if !rows.iter().any(|row| bad.contains(row)) {
                    good.extend(rows);
                } else if let Halved::Culprit(row, _) = bisection.failed(rows, failure(FailureKind::InvalidData)) {
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
