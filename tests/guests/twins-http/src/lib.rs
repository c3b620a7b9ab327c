//! A target behind requests: says honestly that it does not know what became of one, or does not (`config.breach`).

use lockstep_plugin_sdk::capabilities::http;
use lockstep_plugin_sdk::prelude::*;
use lockstep_plugin_sdk::sink::{PrepareOptions, Prepared};
use lockstep_plugin_sdk::types::BytesColumn;
use serde::Deserialize;

struct Twin {
    breach: String,
    written: u64,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    breach: String,
}

const STREAM: &str = "scratch";
const OK: u8 = 0;
const UNKNOWN: u8 = 4;

impl Sink for Twin {
    type Config = Config;
    type Writer = Twin;

    fn describe(_config: Config, name: String) -> Result<Option<Stream>> {
        let stream = Stream::new(STREAM)
            .key(["id"])
            .field("id", LogicalType::Int64)
            .field("name", LogicalType::Text)
            .property("write", "insert")
            .property("empty", "true");
        Ok((name == STREAM).then_some(stream))
    }

    fn prepare(_config: Config, wanted: Stream, _options: PrepareOptions) -> Result<Prepared> {
        if wanted.name == STREAM {
            return Ok(Prepared { stream: wanted, actions: Vec::new() });
        }
        Err(Error::not_found(format!("there is no stream `{}`", wanted.name)))
    }

    fn open(config: Config, _request: WriteRequest) -> Result<Self> {
        Ok(Self { breach: config.breach, written: 0 })
    }
}

impl Writer for Twin {
    fn write(&mut self, changes: Changes) -> Result<WriteResults> {
        let rows = changes.data.rows as usize;
        let requests: Vec<http::Request> = (0..rows).map(|_| post()).collect();
        let mut statuses = Vec::new();
        for answer in http::send(&requests) {
            statuses.push(match answer {
                Ok(_) => OK,
                Err(error) if error.property("outcome") == Some("unknown") => {
                    if self.breach == "write.unknown-outcome" { OK } else { UNKNOWN }
                }
                Err(error) => return Err(error),
            });
        }
        self.written += statuses.iter().filter(|status| **status == OK).count() as u64;
        let ids = BatchView::new(&changes.data).column("id");
        let texts: Vec<String> = (0..rows)
            .map(|row| ids.and_then(|ids| ids.int64(row)).map_or_else(String::new, |id| format!("[\"{id}\"]")))
            .collect();
        let mut offsets = vec![0];
        texts.iter().fold(0, |end, text| {
            offsets.push(end + text.len() as u32);
            end + text.len() as u32
        });
        let ids = Some(BytesColumn { offsets, data: texts.concat().into_bytes() });
        Ok(WriteResults { statuses: Some(statuses), ids, ..WriteResults::all_ok() })
    }

    fn flush(&mut self) -> Result<Flushed> {
        Ok(Flushed::new(std::mem::take(&mut self.written), 0, 0))
    }
}

fn post() -> http::Request {
    http::Request {
        endpoint: "api".to_owned(),
        method: "POST".to_owned(),
        target: "/records".to_owned(),
        headers: Vec::new(),
        body: Some(b"{}".to_vec()),
        options: Vec::new(),
    }
}

export!(Twin: sink);
