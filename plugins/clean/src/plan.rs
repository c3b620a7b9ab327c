//! The configuration, applied to a stream: which field gets which steps, and what is required.

use std::collections::BTreeMap;
use std::ops::BitOr as _;

use lockstep_plugin_sdk::prelude::*;

use crate::config::{Absent, Config, Fallback, Map, Step};
use crate::facts::Facts;
use crate::requirement::{Rejections, Requirement};
use crate::steps::Operation;

/// What is done to the pages of one stream.
#[derive(Debug)]
pub struct Plan {
    /// The fields that are cleaned, by name.
    pub fields: BTreeMap<String, FieldPlan>,
    required: Vec<(String, Requirement)>,
}

/// What is done to one field.
#[derive(Debug)]
pub struct FieldPlan {
    /// The field's name.
    pub name: String,
    pub steps: Vec<Operation>,
    /// The facts about a column that matter to the steps.
    pub facts: Facts,
}

impl Plan {
    /// A configuration that names a field which does not exist, or steps for one that is no text, is an error of kind `config`.
    pub fn new(config: &Config, input: &Stream) -> Result<Self> {
        let named = config.fields.keys().chain(&config.required);
        if let Some(name) = named.into_iter().find(|name| input.fields.iter().all(|field| field.name != **name)) {
            return Err(unknown_field(name, input));
        }
        let mut plan = Self { fields: BTreeMap::new(), required: Vec::new() };
        for field in &input.fields {
            let steps = steps_of(config, field)?;
            plan.require(config, field, steps);
            if !steps.is_empty() {
                plan.fields.insert(field.name.clone(), FieldPlan::new(field, steps));
            }
        }
        Ok(plan)
    }

    fn require(&mut self, config: &Config, field: &Field, steps: &[Step]) {
        let requirement = if config.required.contains(&field.name) {
            Requirement::Value(config.absent)
        } else if !field.nullable && steps.iter().any(can_null) {
            Requirement::NotNull
        } else {
            return;
        };
        self.required.push((field.name.clone(), requirement));
    }

    /// Rejects the rows that lack what is required.
    pub fn check_required(&self, batch: &Batch, rejections: &mut Rejections<'_>) {
        for (name, requirement) in &self.required {
            match BatchView::new(batch).column(name) {
                Some(column) => requirement.check(column, batch.rows, rejections),
                None if *requirement == Requirement::Value(Absent::Reject) => {
                    (0..batch.rows).for_each(|row| rejections.lacks(row as usize, name));
                }
                None => {}
            }
        }
    }
}

impl FieldPlan {
    fn new(field: &Field, steps: &[Step]) -> Self {
        let steps = Operation::all(steps);
        let facts = steps.iter().map(|step| step.triggers().unwrap_or_default() | step.clues());
        let facts = facts.fold(Facts::NONE, Facts::bitor);
        Self { name: field.name.clone(), steps, facts }
    }
}

fn steps_of<'a>(config: &'a Config, field: &Field) -> Result<&'a [Step]> {
    let is_text = field.logical()? == LogicalType::Text;
    match config.fields.get(&field.name) {
        Some(steps) if is_text || steps.is_empty() => Ok(steps),
        Some(_) => {
            let message = format!("field `{}` is of type {}; only text can be cleaned", field.name, field.logical_type);
            Err(Error::config(message).with_code("clean.type").with_field(&field.name))
        }
        None if is_text => Ok(&config.all_text),
        None => Ok(&[]),
    }
}

/// Whether a step may leave nothing of a value.
fn can_null(step: &Step) -> bool {
    match step {
        Step::EmptyAsNull => true,
        Step::Email(options) => options.invalid == Fallback::Null,
        Step::Phone(options) => options.invalid == Fallback::Null,
        Step::Map(Map { values, default }) => *default == Fallback::Null || values.values().any(Option::is_none),
        _ => false,
    }
}

fn unknown_field(name: &str, input: &Stream) -> Error {
    let known: Vec<String> = input.fields.iter().map(|field| format!("`{}`", field.name)).collect();
    Error::config(format!("`{}` has no field `{name}`", input.name))
        .with_code("clean.field")
        .with_field(name)
        .with_hint(format!("its fields are {}", known.join(", ")))
}
