//! Reading platform events: they are told and not kept for long, so what was told is all there is.

use lockstep_json::write_string;
use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::source::Reader;
use lockstep_plugin_sdk::types::{Limits, Page, ReadRequest, Status};

use crate::collect::Collector;
use crate::connection::Connection;
use crate::cursor::{Position, decode, encode};
use crate::describe;
use crate::events::{EVERYTHING, Event, Listener, channel_of};
use crate::object::EVENT_UUID;

/// Events shown together.
const EVENTS_MAX: usize = 1000;

/// A reading under way.
pub struct PlatformReader {
    connection: Connection,
    collector: Collector,
    listener: Listener,
    replay: String,
    scope: String,
    what: String,
}

impl PlatformReader {
    pub fn new(connection: Connection, request: &ReadRequest) -> Result<Self> {
        let object = describe::object(&connection, &request.stream, &request.fields)?;
        let scope = format!("{}:told", object.name);
        let replay = match request.cursor.as_deref() {
            Some(cursor) if request.is_incremental() && !cursor.is_empty() => decode(&scope, cursor)?,
            _ => Position::Done,
        };
        let replay = match replay {
            Position::Events { replay, .. } => replay,
            _ => EVERYTHING.to_owned(),
        };
        Ok(Self {
            collector: Collector::new(&object, &request.fields, &[])?,
            listener: Listener::new(channel_of(&object.name)),
            what: format!("tell events of `{}`", object.name),
            connection,
            replay,
            scope,
        })
    }
}

/// The events as records of a list.
fn list<'a>(events: impl Iterator<Item = &'a Event>) -> String {
    let mut text = String::from("{\"done\":true,\"records\":[");
    for (place, event) in events.enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str("{\"ReplayId\":");
        write_string(&mut text, &event.replay);
        if let Some(uuid) = &event.uuid {
            text.push(',');
            write_string(&mut text, EVENT_UUID);
            text.push(':');
            write_string(&mut text, uuid);
        }
        let inside = event.payload.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
        if !inside.trim().is_empty() {
            text.push(',');
            text.push_str(inside);
        }
        text.push('}');
    }
    text.push_str("]}");
    text
}

impl Reader for PlatformReader {
    fn next(&mut self, limits: Limits) -> Result<Page> {
        self.listener.listen(&self.connection, &self.replay, |_| Ok(()))?;
        let text = list(self.listener.waiting.iter().take(EVENTS_MAX));
        let taken = self.collector.take(&text, 0, limits, &self.what)?.elements;
        if let Some(last) = self.listener.waiting.drain(..taken).next_back() {
            self.replay = last.replay;
        }
        let collected = self.collector.finish()?;
        let is_over = self.listener.is_over(&self.connection);
        let position = Position::Events { replay: self.replay.clone(), since: None };
        // What was told longer ago is not there any more: this proves nothing about what is missing.
        let status = if is_over { Status::CaughtUp } else { Status::More };
        let mut page = Page::new(collected.changes.data, encode(&self.scope, &position), status);
        page.rejected = collected.rejected;
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_become_records() {
        let event = |payload: &str| Event {
            replay: "7".into(),
            kind: String::new(),
            records: None,
            payload: payload.into(),
            uuid: Some("u\"".into()),
        };
        let events = [event("{\"a\":1}"), event("{}"), event("")];
        assert_eq!(
            list(events.iter()),
            r#"{"done":true,"records":[{"ReplayId":"7","EventUuid":"u\"","a":1},{"ReplayId":"7","EventUuid":"u\""},{"ReplayId":"7","EventUuid":"u\""}]}"#
        );
    }
}
