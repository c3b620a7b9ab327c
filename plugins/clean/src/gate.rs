//! The quick look that most values get and no other: whether any step could have something to do.

use lockstep_plugin_sdk::types::BytesColumn;

use crate::config::{LocalPart, Step};
use crate::facts::{Facts, Survey};
use crate::steps::{Operation, email, phone, space};

/// What a value must be like to pass all steps as it is. Made once per column, so that a look at a value is a handful of
/// instructions.
#[derive(Debug)]
pub struct Gate {
    /// The facts about the value and its neighbours of which none may hold.
    triggers: Facts,
    /// Both ends must be clean.
    ends: bool,
    least: usize,
    most: usize,
    /// Only a step itself can tell.
    asks: bool,
    email: Option<LocalPart>,
    phone: bool,
}

impl Gate {
    /// The gate before these steps.
    pub fn new(steps: &[&Operation]) -> Self {
        let mut gate = Self {
            triggers: Facts::NONE,
            ends: false,
            least: 0,
            most: usize::MAX,
            asks: false,
            email: None,
            phone: false,
        };
        for operation in steps {
            gate.triggers |= operation.triggers().unwrap_or_default();
            gate.add(operation.step());
        }
        gate
    }

    fn add(&mut self, step: &Step) {
        match step {
            Step::Trim => self.ends = true,
            Step::EmptyAsNull => self.least = 1,
            Step::MaxLength(most, _) => self.most = self.most.min(*most as usize),
            Step::Email(options) if self.email.is_none_or(|local| local == options.local) => {
                self.email = Some(options.local)
            }
            Step::Phone(_) => self.phone = true,
            Step::Email(_) | Step::Map(_) => self.asks = true,
            Step::Nfc | Step::Collapse | Step::Lower | Step::Upper => {}
        }
    }

    /// The first row from this one on whose value is stopped: not certain to be left as it is by every step.
    ///
    /// A function of its own, as are the looks at addresses and numbers: in a small loop everything stays in registers.
    #[inline(never)]
    pub fn next_stopped(&self, values: &BytesColumn, row: usize, survey: &Survey) -> Option<usize> {
        let BytesColumn { offsets, data } = values;
        let mut rest = offsets.get(row..)?.windows(2);
        let stopped = rest.position(|pair| {
            let &[start, end] = pair else { return true };
            let (start, end) = (start as usize, end as usize);
            data.get(start..end).is_none_or(|bytes| !self.lets_pass(bytes, start, survey))
        });
        stopped.map(|passed| row + passed)
    }

    /// Whether every step would certainly leave the value as it is. `start` is where it lies in the column of the survey.
    #[inline]
    pub fn lets_pass(&self, bytes: &[u8], start: usize, survey: &Survey) -> bool {
        let fits =
            (!self.ends || space::has_clean_ends(bytes)) && bytes.len() >= self.least && bytes.len() <= self.most;
        fits && !self.asks
            && (self.triggers == Facts::NONE || !survey.around(start, start + bytes.len()).any(self.triggers))
            && self.email.is_none_or(|local| email::is_clean(bytes, local))
            && (!self.phone || phone::is_clean(bytes))
    }
}
