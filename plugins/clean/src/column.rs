//! One column: rules steps out, finds the values that are not clean, and builds the column anew from the first of them on.

use std::mem;
use std::ops::Range;

use lockstep_plugin_sdk::types::{BytesColumn, Column, Values};

use crate::facts::{Facts, Survey};
use crate::gate::{Gate, Stopped};
use crate::plan::FieldPlan;
use crate::requirement::Rejections;
use crate::steps::{Operation, Outcome, Refusal};

/// Buffers that live from value to value, from column to column and from page to page.
#[derive(Debug)]
pub struct Scratch {
    /// The value as it is, once a step has written one.
    value: String,
    /// The value as the step at work writes it.
    next: String,
    /// What an earlier column lay in; the next one that is built anew is built there.
    spare: BytesColumn,
    /// The facts about the column at work.
    survey: Survey,
    /// Its rows that are not certain to be clean.
    stopped: Stopped,
}

impl Default for Scratch {
    fn default() -> Self {
        let spare = BytesColumn { offsets: Vec::new(), data: Vec::new() };
        Self {
            value: String::new(),
            next: String::new(),
            spare,
            survey: Survey::default(),
            stopped: Stopped::default(),
        }
    }
}

/// Cleans a column of text. Rows whose values cannot go on are noted, and keep their values.
pub fn clean(column: &mut Column, field: &FieldPlan, scratch: &mut Scratch, rejections: &mut Rejections<'_>) {
    let Column { valid, present, values: Values::Bytes(values), .. } = column else { return };
    let Scratch { value, next, spare, survey, stopped } = scratch;
    let steps = busy_steps(&field.steps, survey.take(&values.data, field.facts));
    if steps.is_empty() {
        return;
    }
    Gate::new(&steps).stop(values, survey, stopped);
    let mut rebuild = Rebuild::new(spare);
    let mut nulls = Vec::new();
    // The last value that all steps left as it is: columns that only a step itself can judge often have few different ones.
    let mut same = None;
    for row in stopped.rows() {
        let bytes = values.value(row).unwrap_or_default();
        if same == Some(bytes) || !is_set(valid, row) || !is_set(present, row) {
            continue;
        }
        match run(&steps, bytes, value, next) {
            Verdict::Same => same = Some(bytes),
            Verdict::Changed(clean) => rebuild.replace(values, row, clean.as_bytes()),
            Verdict::Null if rejections.is_delete(row) => {}
            Verdict::Null => {
                rebuild.replace(values, row, b"");
                nulls.push(row);
            }
            Verdict::Refused(Refusal { code, reason }) => {
                rejections.refuse(row, &field.name, code, reason, &String::from_utf8_lossy(bytes));
            }
        }
    }
    rebuild.finish(values);
    set_null(valid, values.offsets.len().saturating_sub(1), &nulls);
}

/// The steps that may have something to do in a column of which these facts hold. Behind a step that writes bytes of its own,
/// nothing is known any more.
fn busy_steps(steps: &[Operation], facts: Facts) -> Vec<&Operation> {
    let mut is_known = true;
    let mut busy = Vec::with_capacity(steps.len());
    for step in steps {
        if !is_known || step.triggers().is_none_or(|triggers| facts.any(triggers)) {
            is_known &= step.only_removes();
            busy.push(step);
        }
    }
    busy
}

fn is_set(bits: &Option<Vec<u8>>, row: usize) -> bool {
    bits.as_ref().is_none_or(|bits| bits.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1))
}

fn set_null(valid: &mut Option<Vec<u8>>, rows: usize, nulls: &[usize]) {
    if nulls.is_empty() {
        return;
    }
    let bits = valid.get_or_insert_with(|| vec![0xff; rows.div_ceil(8)]);
    for row in nulls {
        if let Some(byte) = bits.get_mut(row / 8) {
            *byte &= !(1 << (row % 8));
        }
    }
}

/// What all steps together made of a value.
enum Verdict<'a> {
    Same,
    Changed(&'a str),
    Null,
    Refused(Refusal),
}

#[inline(never)]
fn run<'a>(steps: &[&Operation], bytes: &'a [u8], value: &'a mut String, next: &mut String) -> Verdict<'a> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Verdict::Refused(Refusal { code: "clean.utf8", reason: "is not UTF-8" });
    };
    let mut kept: Range<usize> = 0..text.len();
    let mut is_written = false;
    for step in steps {
        let current = if is_written { value.as_str() } else { text };
        next.clear();
        match step.apply(current.get(kept.clone()).unwrap_or_default(), next) {
            Outcome::Same => {}
            Outcome::Part(part) => kept = kept.start + part.start..kept.start + part.end,
            Outcome::Written => {
                mem::swap(value, next);
                (is_written, kept) = (true, 0..value.len());
            }
            Outcome::Null => return Verdict::Null,
            Outcome::Refused(refusal) => return Verdict::Refused(refusal),
        }
    }
    let value = if is_written { value.as_str() } else { text };
    match value.get(kept).unwrap_or_default() {
        clean if clean == text => Verdict::Same,
        clean => Verdict::Changed(clean),
    }
}

/// A column that is built anew, once there is a reason to. Values between two changes are copied in one piece.
struct Rebuild<'a> {
    new: &'a mut BytesColumn,
    /// Rows of the old column that are in the new one.
    rows: usize,
}

impl<'a> Rebuild<'a> {
    fn new(spare: &'a mut BytesColumn) -> Self {
        spare.offsets.clear();
        spare.data.clear();
        Self { new: spare, rows: 0 }
    }

    /// Gives a row another value. Rows come in order.
    #[inline(never)]
    fn replace(&mut self, old: &BytesColumn, row: usize, value: &[u8]) {
        if self.new.offsets.is_empty() {
            self.new.offsets.reserve(old.offsets.len());
            self.new.data.reserve(old.data.len() + value.len());
            self.new.offsets.push(0);
        }
        self.copy(old, row);
        self.new.data.extend_from_slice(value);
        self.new.offsets.push(self.new.data.len() as u32);
        self.rows = row + 1;
    }

    /// Copies the old rows before this one.
    fn copy(&mut self, old: &BytesColumn, row: usize) {
        let Some([start, ends @ ..]) = old.offsets.get(self.rows..=row) else { return };
        let shift = (self.new.data.len() as u32).wrapping_sub(*start);
        self.new.offsets.extend(ends.iter().map(|end| end.wrapping_add(shift)));
        let end = ends.last().unwrap_or(start);
        self.new.data.extend_from_slice(old.data.get(*start as usize..*end as usize).unwrap_or_default());
        self.rows = row;
    }

    /// Puts the new column in the old one's place, if there is one.
    fn finish(mut self, old: &mut BytesColumn) {
        if !self.new.offsets.is_empty() {
            self.copy(old, old.offsets.len().saturating_sub(1));
            mem::swap(self.new, old);
        }
    }
}
