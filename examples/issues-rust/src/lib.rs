//! The issues of a repository: read by what changed since, looked up, and written one by one.

use lockstep_plugin_sdk::http::Client;
use lockstep_plugin_sdk::prelude::*;
use serde::Deserialize;

mod issue;
mod sink;
mod source;

/// What the host asks for.
struct Issues;

lockstep_plugin_sdk::export!(Issues: source, lookup, sink);

/// As `plugin.toml` describes it.
#[derive(Deserialize)]
struct Config {
    repository: String,
    #[serde(default = "hundred")]
    page_size: u32,
}

fn hundred() -> u32 {
    100
}

impl Config {
    /// The API below the repository. Its origin and the token are the host's business.
    fn client(&self) -> Client {
        Client::new("api").below(&format!("/repos/{}", self.repository))
    }
}

/// The only stream there is.
const STREAM: &str = "issues";

fn stream() -> Stream {
    let mut stream = issue::Issue::stream(STREAM).property("write", "insert,update").property("empty", "false");
    // The tracker sets these itself.
    for field in &mut stream.fields {
        if ["number", "author", "updated_at"].contains(&field.name.as_str()) {
            field.properties.push(("computed".to_owned(), "true".to_owned()));
        }
    }
    stream
}
