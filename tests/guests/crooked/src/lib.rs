//! A transform that misbehaves on demand: `config.behaviour` says how. It breaks at the record whose text is `bad`, and lies about
//! every page.

use std::hint::black_box;

use lockstep_plugin_sdk::prelude::*;
use lockstep_plugin_sdk::types::{RowError, Values};
use serde::Deserialize;

struct Crooked;

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    behaviour: String,
}

impl Transform for Crooked {
    type Config = Config;
    type Transformer = CrookedTransformer;

    fn describe(config: Config, input: Stream) -> Result<Stream> {
        match config.behaviour.as_str() {
            "describe-twice-the-same-field" => Ok(input.field("text", LogicalType::Int64)),
            "describe-a-type-that-does-not-exist" => Ok(unknown_type(input)),
            _ => Ok(input),
        }
    }

    fn open(config: Config, _input: Stream) -> Result<CrookedTransformer> {
        Ok(CrookedTransformer { behaviour: config.behaviour })
    }
}

fn unknown_type(mut stream: Stream) -> Stream {
    stream.fields.iter_mut().for_each(|field| field.logical_type = "colour".into());
    stream
}

struct CrookedTransformer {
    behaviour: String,
}

impl Transformer for CrookedTransformer {
    fn apply(&mut self, changes: Changes) -> Result<Transformed> {
        if is_bad(&changes) {
            self.misbehave();
        }
        let mut output = Transformed::row_by_row(changes);
        self.spoil(&mut output);
        Ok(output)
    }
}

fn is_bad(changes: &Changes) -> bool {
    let text = BatchView::new(&changes.data).column("text");
    text.is_some_and(|column| (0..changes.data.rows as usize).any(|row| column.text(row) == Some("bad")))
}

impl CrookedTransformer {
    #[allow(clippy::panic, clippy::empty_loop, reason = "this is what it is for")]
    fn misbehave(&self) {
        match self.behaviour.as_str() {
            "panic" => panic!("no such rule"),
            "loop" => loop {
                black_box(());
            },
            "sleep" => std::thread::sleep(std::time::Duration::from_secs(3600)),
            "leak-memory" => std::mem::forget(black_box(vec![1u8; 4 << 20])),
            "fill-memory" => {
                let mut hoard = Vec::new();
                loop {
                    hoard.push(vec![1u8; 1 << 20]);
                    black_box(&hoard);
                }
            }
            _ => {}
        }
    }

    fn spoil(&self, output: &mut Transformed) {
        let data = &mut output.changes.data;
        match self.behaviour.as_str() {
            "drop-a-row" => drop(output.changes.drop_rows(&[0])),
            "lie-about-rows" => data.rows += 1,
            "rename-columns" => data.columns.iter_mut().for_each(|column| column.name.push('x')),
            "forge-origins" => output.origins = Some(vec![u32::MAX; data.rows as usize]),
            "too-few-origins" => output.origins = Some(Vec::new()),
            "reject-a-ghost" => {
                let error = Error::invalid_data("there is no such row");
                output.rejected = vec![RowError { row: u32::MAX, error }];
            }
            "not-utf8" => data.columns.iter_mut().for_each(|column| {
                if let Values::Bytes(bytes) = &mut column.values {
                    bytes.data.fill(0xff);
                }
            }),
            "ask-for-time-and-chance" => tell_time_and_chance(output),
            _ => {}
        }
    }
}

/// Text that would differ from page to page if a transform could see more than its input.
fn tell_time_and_chance(output: &mut Transformed) {
    use std::hash::{BuildHasher as _, RandomState};
    let chance = RandomState::new().hash_one(0);
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let text = format!("{chance} {} {:?}", time.as_nanos(), std::env::vars().collect::<Vec<_>>());
    for column in &mut output.changes.data.columns {
        if let Values::Bytes(bytes) = &mut column.values {
            bytes.offsets = (0..bytes.offsets.len()).map(|row| (row * text.len()) as u32).collect();
            bytes.data = text.repeat(bytes.offsets.len().saturating_sub(1)).into_bytes();
        }
    }
}

export!(Crooked: transform);
