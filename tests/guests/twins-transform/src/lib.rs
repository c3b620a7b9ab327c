//! A transform that passes everything on, or breaks the rule that `config.breach` names.

use std::sync::atomic::{AtomicUsize, Ordering};

use lockstep_plugin_sdk::prelude::*;
use lockstep_plugin_sdk::types::Values;
use serde::Deserialize;

struct Twin {
    breach: String,
    applied: usize,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    breach: String,
}

static DESCRIBED: AtomicUsize = AtomicUsize::new(0);
const LEAK_BYTES: usize = 1 << 10;

impl Transform for Twin {
    type Config = Config;
    type Transformer = Twin;

    fn describe(config: Config, input: Stream) -> Result<Stream> {
        match config.breach.as_str() {
            "transform.describes" => Err(Error::config("nothing can be made of this")),
            "transform.same-description" => {
                Ok(input.property("described", DESCRIBED.fetch_add(1, Ordering::Relaxed).to_string()))
            }
            _ => Ok(input),
        }
    }

    fn open(config: Config, _input: Stream) -> Result<Self> {
        Ok(Self { breach: config.breach, applied: 0 })
    }
}

impl Transformer for Twin {
    fn apply(&mut self, mut changes: Changes) -> Result<Transformed> {
        self.applied += 1;
        let rows = changes.data.rows as usize;
        match self.breach.as_str() {
            "memory.transform" => std::mem::forget(std::hint::black_box(vec![1u8; LEAK_BYTES])),
            "transform.answers" if has_zero(&changes) => {
                return Err(Error::invalid_data("one of these is too strange"));
            }
            "transform.deterministic" if self.applied > 1 => set_text(&mut changes, |_| self.applied),
            "transform.independent" => set_text(&mut changes, |row| row),
            "transform.empty" if rows == 0 => return Err(Error::permanent("there is nothing to do")),
            "transform.deletes" => changes.kinds = None,
            "transform.absent" => changes.data.columns.iter_mut().for_each(|column| {
                if let Some(present) = column.present.take() {
                    column.valid = Some(present);
                }
            }),
            "transform.rows" => {
                return Ok(Transformed { origins: Some(vec![7; rows + 1]), ..Transformed::row_by_row(changes) });
            }
            _ => {}
        }
        Ok(Transformed::row_by_row(changes))
    }
}

fn has_zero(changes: &Changes) -> bool {
    let text = BatchView::new(&changes.data).column("name");
    text.is_some_and(|text| {
        (0..changes.data.rows as usize).any(|row| text.text(row).is_some_and(|text| text.contains('\0')))
    })
}

/// Makes the texts of `name` depend on something else than the record.
fn set_text(changes: &mut Changes, number: impl Fn(usize) -> usize) {
    let column = changes.data.columns.iter_mut().find(|column| column.name == "name");
    if let Some(Values::Bytes(bytes)) = column.map(|column| &mut column.values) {
        let texts: Vec<String> =
            (0..bytes.offsets.len().saturating_sub(1)).map(|row| number(row).to_string()).collect();
        bytes.data = texts.concat().into_bytes();
        bytes.offsets = texts
            .iter()
            .scan(0, |end, text| {
                *end += text.len() as u32;
                Some(*end)
            })
            .collect();
        bytes.offsets.insert(0, 0);
    }
}

export!(Twin: transform);
