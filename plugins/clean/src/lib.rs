//! Cleans records: trims and normalises text, brings e-mail addresses and phone numbers into one form, maps values, and refuses
//! records that lack what is required.
//!
//! Pure: the output depends on the input and the configuration alone. The output's schema is the input's. A value is changed
//! only by a step that the configuration names for its field, and a record that cannot go on is rejected with field and value;
//! nothing is dropped in silence, and nothing is guessed.
//!
//! Speed comes from not touching what is clean: facts about a whole column (is it ASCII? has it capital letters?) rule steps out
//! before any value is looked at, and a column without a change is handed on as it came. No value allocates.

mod column;
mod config;
mod facts;
mod gate;
mod plan;
mod requirement;
mod steps;

use lockstep_plugin_sdk::prelude::*;

pub use config::{Absent, Config, EmailOptions, Fallback, LocalPart, Longer, Map, PhoneOptions, Step};

use column::Scratch;
use plan::Plan;
use requirement::Rejections;

/// The plugin.
#[derive(Debug)]
pub struct Clean;

impl Transform for Clean {
    type Config = Config;
    type Transformer = Cleaner;

    fn describe(config: Config, input: Stream) -> Result<Stream> {
        Plan::new(&config, &input)?;
        Ok(input)
    }

    fn open(config: Config, input: Stream) -> Result<Cleaner> {
        Ok(Cleaner { plan: Plan::new(&config, &input)?, scratch: Scratch::default() })
    }
}

/// Cleans the pages of one stream.
#[derive(Debug)]
pub struct Cleaner {
    plan: Plan,
    scratch: Scratch,
}

impl Transformer for Cleaner {
    fn apply(&mut self, mut changes: Changes) -> Result<Transformed> {
        let mut rejections = Rejections::new(changes.kinds.as_deref());
        for column in &mut changes.data.columns {
            if let Some(field) = self.plan.fields.get(&column.name) {
                column::clean(column, field, &mut self.scratch, &mut rejections);
            }
        }
        self.plan.check_required(&changes.data, &mut rejections);
        let rejected = rejections.finish();
        Ok(Transformed::without(changes, rejected))
    }
}

export!(Clean: transform);

#[cfg(test)]
mod tests;
