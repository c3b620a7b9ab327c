//! The quick look that most values get and no other: whether any step could have something to do.
//!
//! It is taken in passes over a whole column, each of which asks one thing of every value. In so small loops everything stays in
//! registers, in a sandbox too.

use lockstep_plugin_sdk::types::BytesColumn;

use crate::config::{LocalPart, Step};
use crate::facts::{Facts, Survey};
use crate::steps::{Operation, email, phone, space};

/// What a value must be like to pass all steps as it is. Made once per column.
#[derive(Debug)]
pub struct Gate {
    /// The facts about the value and its neighbours of which none may hold.
    triggers: Facts,
    /// Both ends must be clean.
    ends: bool,
    least: u32,
    most: u32,
    /// Only a step itself can tell.
    asks: bool,
    email: Option<LocalPart>,
    phone: bool,
}

/// The rows of a column whose values are not certain to be left as they are by every step.
#[derive(Debug, Default)]
pub struct Stopped {
    /// All of so many rows.
    all: usize,
    /// A byte for each row, if only some are stopped.
    marks: Vec<u8>,
}

impl Stopped {
    /// The rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = usize> {
        (0..self.all).chain(memchr::memchr_iter(1, &self.marks))
    }
}

impl Gate {
    /// The gate before these steps.
    pub fn new(steps: &[&Operation]) -> Self {
        let mut gate = Self {
            triggers: Facts::NONE,
            ends: false,
            least: 0,
            most: u32::MAX,
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
            Step::MaxLength(most, _) => self.most = self.most.min(*most),
            Step::Email(options) if self.email.is_none_or(|local| local == options.local) => {
                self.email = Some(options.local)
            }
            Step::Phone(_) => self.phone = true,
            Step::Email(_) | Step::Map(_) => self.asks = true,
            Step::Nfc | Step::Collapse | Step::Lower | Step::Upper => {}
        }
    }

    /// Finds the rows that are stopped. The survey is that of the column.
    pub fn stop(&self, values: &BytesColumn, survey: &Survey, stopped: &mut Stopped) {
        let Stopped { all, marks } = stopped;
        let rows = values.offsets.len().saturating_sub(1);
        marks.clear();
        *all = if self.asks { rows } else { 0 };
        if self.asks {
            return;
        }
        marks.resize(rows, 0);
        if self.least > 0 || self.most < u32::MAX {
            mark_lengths(&values.offsets, self.least, self.most, marks);
        }
        if self.ends {
            mark_ends(values, marks);
        }
        if self.triggers != Facts::NONE {
            mark_triggered(&values.offsets, survey, self.triggers, marks);
        }
        if let Some(local) = self.email {
            email::mark(values, survey, local, marks);
        }
        if self.phone {
            mark_phones(values, marks);
        }
    }
}

/// Marks the rows of which this answers 1; it is told where their values begin and end.
///
/// Four rows at a time: each turn of a loop costs something in a sandbox.
#[inline]
fn mark_rows(offsets: &[u32], marks: &mut [u8], is_stopped: impl Fn(u32, u32) -> u8) {
    let [start, ends @ ..] = offsets else { return };
    let mut start = *start;
    let mut mark = |marks: &mut [u8], ends: &[u32]| {
        for (mark, end) in marks.iter_mut().zip(ends) {
            *mark |= is_stopped(start, *end);
            start = *end;
        }
    };
    let (ends, last_ends) = ends.as_chunks::<4>();
    let (marks, last_marks) = marks.as_chunks_mut::<4>();
    for (marks, ends) in marks.iter_mut().zip(ends) {
        mark(marks, ends);
    }
    mark(last_marks, last_ends);
}

#[inline(never)]
fn mark_lengths(offsets: &[u32], least: u32, most: u32, marks: &mut [u8]) {
    let ends = offsets.get(1..).unwrap_or_default();
    for ((mark, start), end) in marks.iter_mut().zip(offsets).zip(ends) {
        let length = end.wrapping_sub(*start);
        *mark |= u8::from(length < least) | u8::from(length > most);
    }
}

/// 1 for a byte that may belong to white space at an end.
static UNCLEAN_ENDS: [u8; 256] = unclean_ends();

#[allow(clippy::indexing_slicing, reason = "evaluated while compiling")]
const fn unclean_ends() -> [u8; 256] {
    let mut unclean = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        unclean[byte] = !space::is_clean_end(byte as u8) as u8;
        byte += 1;
    }
    unclean
}

/// An empty value is judged by its neighbours; that does no harm.
#[inline(never)]
fn mark_ends(values: &BytesColumn, marks: &mut [u8]) {
    let unclean = |index: u32| {
        let byte = values.data.get(index as usize).copied().unwrap_or(b'x');
        UNCLEAN_ENDS.get(usize::from(byte)).copied().unwrap_or_default()
    };
    mark_rows(&values.offsets, marks, |start, end| unclean(start) | unclean(end.wrapping_sub(1)));
}

/// Marks the rows that lie in a block of which one of these facts holds.
#[inline(never)]
fn mark_triggered(offsets: &[u32], survey: &Survey, triggers: Facts, marks: &mut [u8]) {
    let mut row = 0;
    for block in survey.blocks_with(triggers) {
        let ends = offsets.get(row + 1..).unwrap_or_default();
        row += ends.partition_point(|end| *end <= block.start);
        let starts = offsets.get(row..).unwrap_or_default();
        let inside = marks.iter_mut().skip(row).zip(starts).take_while(|(_, start)| **start < block.end);
        inside.for_each(|(mark, _)| *mark = 1);
    }
}

#[inline(never)]
fn mark_phones(values: &BytesColumn, marks: &mut [u8]) {
    mark_rows(&values.offsets, marks, |start, end| {
        let value = values.data.get(start as usize..end as usize);
        u8::from(!value.is_some_and(phone::is_clean))
    });
}
