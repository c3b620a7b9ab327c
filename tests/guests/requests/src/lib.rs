//! Sends requests and shows what came back: the name of a stream is a list of rounds in JSON, each a list of requests that go side by
//! side; the records are the answers. A stream with any other name is one round of one request to that path. It also says all it was
//! answered into its log and, on demand, in an error and in a record it rejects: where a secret could get to.

use lockstep_plugin_sdk::capabilities::{http, log};
use lockstep_plugin_sdk::prelude::*;
use serde::Deserialize;

struct Requests;

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// Fails with what was answered.
    fail: bool,
    /// Rejects a record with what was answered.
    reject: bool,
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Request {
    method: Option<String>,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    options: Vec<(String, String)>,
}

const COLUMNS: [(&str, LogicalType); 5] = [
    ("id", LogicalType::Int64),
    ("status", LogicalType::Int64),
    ("headers", LogicalType::Text),
    ("body", LogicalType::Text),
    ("error", LogicalType::Text),
];

impl Source for Requests {
    type Config = Config;
    type Reader = Answers;

    fn discover(_config: Config, names: Vec<String>) -> Result<Vec<Stream>> {
        let stream = |name: String| {
            COLUMNS
                .into_iter()
                .fold(Stream::new(name).key(["id"]), |stream, (name, logical)| stream.field(name, logical))
        };
        Ok(names.into_iter().map(stream).collect())
    }

    fn open(config: Config, request: ReadRequest) -> Result<Answers> {
        let single = || vec![vec![Request { target: request.stream.clone(), ..Request::default() }]];
        Ok(Answers { config, rounds: serde_json::from_str(&request.stream).unwrap_or_else(|_| single()) })
    }
}

struct Answers {
    config: Config,
    rounds: Vec<Vec<Request>>,
}

impl Reader for Answers {
    fn next(&mut self, _limits: Limits) -> Result<Page> {
        let mut batch = BatchBuilder::new(COLUMNS);
        let mut said = String::new();
        let mut id = 0;
        for round in std::mem::take(&mut self.rounds) {
            let requests: Vec<http::Request> = round.into_iter().map(request).collect();
            for answer in http::send(&requests) {
                id += 1;
                let (status, headers, body, error) = told(answer);
                log::log(log::Level::Info, &format!("{status} {headers} {body} {error}"), &[]);
                said.push_str(&format!("{status} {headers} {body} {error}\n"));
                batch.column(0).push_int64(id);
                batch.column(1).push_int64(status);
                batch.column(2).push_text(&headers);
                batch.column(3).push_text(&body);
                batch.column(4).push_text(&error);
                batch.end_row();
            }
        }
        if self.config.fail {
            eprintln!("{said}");
            return Err(Error::permanent(said.clone()).with_property("detail", said));
        }
        let mut page = Page::new(batch.finish()?, b"end".to_vec(), Status::EnumerationComplete);
        if self.config.reject {
            let error = Error::invalid_data(said.clone());
            page.rejected.push(Rejection { position: "answer".into(), raw: said.into_bytes(), error });
        }
        Ok(page)
    }
}

fn request(request: Request) -> http::Request {
    http::Request {
        endpoint: "api".into(),
        method: request.method.unwrap_or_else(|| "GET".into()),
        target: request.target,
        headers: request.headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect(),
        body: request.body.map(String::into_bytes),
        options: request.options,
    }
}

fn told(answer: Result<http::Response>) -> (i64, String, String, String) {
    match answer {
        Ok(response) => {
            let header = |(name, value): &(String, Vec<u8>)| format!("{name}: {}", String::from_utf8_lossy(value));
            let headers: Vec<String> = response.headers.iter().map(header).collect();
            let body = String::from_utf8_lossy(&response.body).into_owned();
            (response.status.into(), headers.join("\n"), body, String::new())
        }
        Err(error) => {
            let told = serde_json::json!({
                "kind": error.kind,
                "message": error.message,
                "retry_after_ms": error.retry_after_ms,
                "properties": error.properties,
            });
            (0, String::new(), String::new(), told.to_string())
        }
    }
}

export!(Requests: source);
