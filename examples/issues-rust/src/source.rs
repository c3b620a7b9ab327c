//! Reading: every issue in the order in which they were changed, and issues by their numbers.

use std::collections::BTreeSet;

use lockstep_plugin_sdk::http::{Client, Listed, Paging};
use lockstep_plugin_sdk::json;
use lockstep_plugin_sdk::list::ListReader;
use lockstep_plugin_sdk::lookup::Lookup;
use lockstep_plugin_sdk::prelude::*;
use lockstep_plugin_sdk::source;

use crate::issue::{Issue, Told};
use crate::{Config, Issues, STREAM, stream};

/// To the second, as the tracker keeps times.
const BY_TIME: Paging = Paging::Time {
    since: "since",
    number: "page",
    form: |time| Timestamp(time.0 - time.0.rem_euclid(1_000_000)).to_string(),
};

impl Source for Issues {
    type Config = Config;
    type Reader = ListReader<Issue>;

    fn discover(config: Config, names: Vec<String>) -> Result<Vec<Stream>> {
        // A repository that is not there is told at once.
        let client = config.client();
        client.send(client.get("issues").query("per_page", 1))?.json::<Vec<json::Raw>>()?;
        Ok(source::only(&names, [stream()]))
    }

    fn open(config: Config, request: ReadRequest) -> Result<Self::Reader> {
        source::expect(&request, [STREAM])?;
        let client = config.client();
        let first = client.get("issues").query("state", "all").query("sort", "updated").query("direction", "asc");
        let pages = client.pages(first.query("per_page", config.page_size), BY_TIME);
        let issue = |text: &str| json::read::<Told>(text).map(Told::issue);
        Ok(ListReader::with(&request, pages, issue)?.modified(|issue| Some(issue.updated_at)))
    }
}

#[derive(Record)]
struct Number {
    number: i64,
}

#[derive(Record)]
struct Title {
    title: String,
}

impl Lookup for Issues {
    type Config = Config;

    fn lookup(config: Config, request: ReadRequest, keys: Batch) -> Result<Changes> {
        source::expect(&request, [STREAM])?;
        let found = match request.key.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["number"] => by_number(&config.client(), &keys)?,
            ["title"] => by_title(&config, &keys)?,
            _ => return Err(Error::config("issues are found by `number` or by `title`")),
        };
        let mut records = Records::<Issue>::for_fields(&request.fields)?;
        found.iter().try_for_each(|issue| records.push(issue))?;
        Ok(Changes::upserts(records.finish()?))
    }
}

fn by_number(client: &Client, keys: &Batch) -> Result<Vec<Issue>> {
    let ask = |key: Result<Number>| key.map(|key| client.get(&format!("issues/{}", key.number)));
    let asks = Number::read(keys).map(ask).collect::<Result<Vec<_>>>()?;
    let mut found = Vec::new();
    for reply in client.send_all(asks) {
        let reply = reply?;
        if !matches!(reply.status, 404 | 410) {
            found.extend(reply.json::<Told>()?.issue());
        }
    }
    Ok(found)
}

/// The tracker does not find issues by their titles: all are gone through.
fn by_title(config: &Config, keys: &Batch) -> Result<Vec<Issue>> {
    let titles = Title::read(keys).map(|key| key.map(|key| key.title)).collect::<Result<BTreeSet<_>>>()?;
    let (client, mut found) = (config.client(), Vec::new());
    let first = client.get("issues").query("state", "all").query("sort", "created").query("direction", "asc");
    let mut pages = client.pages(first.query("per_page", config.page_size), Paging::Number("page", 1));
    while let Some(reply) = pages.fetch()? {
        let listed = Listed::array(&reply)?;
        pages.advance(&reply, &listed, &[])?;
        for raw in &listed.records {
            found.extend(json::read::<Told>(raw.get())?.issue().filter(|issue| titles.contains(&issue.title)));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_plugin_sdk::testing::{read, reply, serve};
    use serde_json::json;

    #[test]
    fn issues_are_records_and_pull_requests_are_none() {
        let issue = |number: i64, more: &str| {
            format!(
                "{{\"number\":{number},\"title\":\"t\",\"state\":\"open\",\"updated_at\":\"2026-01-01T00:00:0{number}Z\"{more}}}"
            )
        };
        let page = [issue(1, ",\"labels\":[{\"name\":\"bug\"},\"old\"]"), issue(2, ",\"pull_request\":{}")];
        let _served = serve(move |ask| {
            let is_first = !ask.target.contains("since=") && ask.target.ends_with("page=1");
            Ok(reply(
                200,
                &if is_first || ask.target.ends_with("per_page=1") {
                    format!("[{}]", page.join(","))
                } else {
                    "[]".into()
                },
            ))
        });
        let found = read::<Issues>(json!({"repository": "acme/shop"}), "issues").unwrap();
        assert_eq!(
            found.rows,
            [
                json!({"number": 1, "title": "t", "body": null, "state": "open", "labels": ["bug", "old"], "author": null, "updated_at": "2026-01-01T00:00:01Z"})
            ]
        );
    }
}
