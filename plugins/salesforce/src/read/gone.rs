//! What is gone: rows that say so, and the log of deletes, which also knows of what never was in the recycle bin or has left it.

use lockstep_json::{Document, Fault};
use lockstep_plugin_sdk::batch::BatchBuilder;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::http::answer::json;
use lockstep_plugin_sdk::http::{Ask, encode};
use lockstep_plugin_sdk::types::Changes;
use lockstep_plugin_sdk::values::{format_timestamp, parse_timestamp};
use lockstep_web::answer::fault;
use lockstep_web::member;

use super::plan::Plan;
use crate::lookup::{collect, find_deleted};
use crate::object::ID;
use crate::trouble::{Words, refused};

const DELETE: u8 = 1;
const MINUTE: i64 = 60_000_000;

/// Rows that say that the records of these Ids are gone. With another key than the Id they tell that, as long as the recycle bin does.
pub fn rows(plan: &Plan, key: &[String], ids: &[String]) -> Result<Changes> {
    if key == [ID] {
        let mut batch = BatchBuilder::for_fields(&plan.wanted)?;
        for id in ids {
            for column in batch.columns() {
                if column.name() == ID { column.push_text(id) } else { column.push_absent() }
            }
            batch.end_row();
        }
        let mut changes = Changes::upserts(batch.finish()?);
        changes.kinds = Some(vec![DELETE; ids.len()]);
        return Ok(changes);
    }
    let ids: Vec<Vec<String>> = ids.iter().map(|id| vec![id.clone()]).collect();
    let mut changes = find_deleted(&plan.connection, &plan.object, &plan.wanted, &ids)?.changes;
    if (changes.data.rows as usize) < ids.len() {
        let message = format!("what was deleted is not there any more to tell its `{}`", key.join("`, `"));
        return Err(Error::stale_cursor(message).with_code("salesforce.gap"));
    }
    changes.kinds = Some(vec![DELETE; changes.data.rows as usize]);
    Ok(changes)
}

/// What the log says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Logged {
    pub ids: Vec<String>,
    /// What was under way then may be missing, and is told the next time.
    pub covered: Option<i64>,
    /// Further back the log does not go.
    earliest: Option<i64>,
}

/// What was deleted between two times, which are taken to the minute. One that does not reach back so far is a stale position.
pub fn log(plan: &Plan, from: i64, until: i64) -> Result<Logged> {
    let until = until.div_euclid(MINUTE) * MINUTE;
    // Less than a minute between them is an error.
    let from = (from.div_euclid(MINUTE) * MINUTE).min(until - 2 * MINUTE);
    let time = |micros: i64| encode(&format_timestamp(micros).replace('Z', "+00:00"));
    let below = format!("sobjects/{}/deleted/?start={}&end={}", plan.object.name, time(from), time(until));
    let what = format!("tell what was deleted of `{}`", plan.object.name);
    let reply = plan.connection.send(Ask::get(plan.connection.service.target(&below)))?;
    let too_old = || {
        let message = format!("the log of deletes of `{}` does not reach back to the last reading", plan.object.name);
        Error::stale_cursor(message).with_code("salesforce.log")
    };
    if !reply.is_success() {
        let is_date = Words::of(&reply).is_some_and(|words| words.code == "INVALID_REPLICATION_DATE");
        return Err(if is_date { too_old() } else { refused(&reply, &what) });
    }
    let logged = read(json(&reply)?)?;
    if logged.earliest.is_none_or(|earliest| earliest > from) {
        return Err(too_old());
    }
    Ok(Logged { covered: logged.covered.filter(|covered| *covered < until), ..logged })
}

fn read(text: &str) -> Result<Logged> {
    let (mut document, mut logged) = (Document::new(text.as_bytes()), Logged::default());
    let bytes = document.text();
    let mut is_log = false;
    let read = document.object::<Fault>(|document, key| {
        let time = |document: &mut Document<'_>| {
            let said = document.value()?.string(bytes);
            Ok::<_, Fault>(said.and_then(|said| parse_timestamp(&said).ok()))
        };
        match &*key.of(bytes) {
            b"deletedRecords" if document.is_next(b'[') => {
                is_log = true;
                document.array::<Fault>(|document| {
                    let id = member(document.value()?.of(bytes), "id");
                    logged.ids.extend(id.as_deref().and_then(crate::id::long));
                    Ok(())
                })?;
            }
            b"earliestDateAvailable" => logged.earliest = time(document)?,
            b"latestDateCovered" => logged.covered = time(document)?,
            _ => {
                document.value()?;
            }
        }
        Ok(())
    });
    read.and_then(|()| document.end()).map_err(|found| fault(text, found))?;
    match is_log {
        true => Ok(logged),
        false => Err(Error::transient("Salesforce answers without the log of deletes").with_code("salesforce.log")),
    }
}

/// Those of the records that are not there: what was deleted may have been taken out of the recycle bin again.
pub fn really(plan: &Plan, ids: Vec<String>) -> Result<Vec<String>> {
    if ids.is_empty() {
        return Ok(ids);
    }
    let keys: Vec<Vec<String>> = ids.iter().map(|id| vec![id.clone()]).collect();
    let there = collect(&plan.connection, &plan.object, &[plan.object.property(ID)?], &[], &keys)?.beside;
    let is_there =
        |id: &String| there.iter().any(|beside| beside.first().is_some_and(|shown| shown.as_ref() == Some(id)));
    Ok(ids.into_iter().filter(|id| !is_there(id)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read() {
        let text = r#"{"deletedRecords":[{"id":"001A000000AbCdE","deletedDate":"2026-01-01T00:00:00.000+0000"},{"id":7}],
            "earliestDateAvailable":"1970-01-01T00:00:01.000+0000","latestDateCovered":"1970-01-01T00:00:02.000+0000"}"#;
        let expected =
            Logged { ids: vec!["001A000000AbCdEIAV".into()], covered: Some(2_000_000), earliest: Some(1_000_000) };
        assert_eq!(read(text).unwrap(), expected);
        for (text, code) in [("{}", "salesforce.log"), ("[]", "http.json"), ("{\"deletedRecords\":[", "http.cut-off")] {
            assert_eq!(read(text).unwrap_err().code, code, "{text}");
        }
    }
}
