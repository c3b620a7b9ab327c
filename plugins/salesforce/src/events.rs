//! The Streaming API: the Bayeux protocol by long polling, as far as one subscription needs it.

use std::collections::VecDeque;

use lockstep_json::{Document, Fault, Value, read_strings, write_string};
use lockstep_plugin_sdk::error::{Error, ErrorKind, Result};
use lockstep_plugin_sdk::http::answer::{json, sentence};
use lockstep_plugin_sdk::http::{Ask, Reply, clock};
use lockstep_web::answer::fault;
use lockstep_web::member;

use crate::connection::Connection;
use crate::trouble::refused;

/// A session with one subscription.
#[derive(Debug)]
pub struct Subscription {
    client: String,
    channel: String,
    /// The server's clock when it began.
    pub began_at: Option<i64>,
}

/// Something that was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Where to go on behind it.
    pub replay: String,
    pub kind: String,
    /// The records it is about; none if nobody knows.
    pub records: Option<Vec<String>>,
    /// What else it says: an object, as it is written.
    pub payload: String,
    /// What it is called, where it is no change of a record.
    pub uuid: Option<String>,
}

/// A subscription that is begun anew where the server forgets it, and what it was told.
#[derive(Debug)]
pub struct Listener {
    channel: String,
    subscription: Option<Subscription>,
    /// What was told and not shown yet.
    pub waiting: VecDeque<Event>,
    /// Whether nothing more is told for now.
    pub is_silent: bool,
}

impl Listener {
    pub fn new(channel: String) -> Self {
        Self { channel, subscription: None, waiting: VecDeque::new(), is_silent: false }
    }

    /// Listens behind an event until something is told, or nothing for a while. `check` is told the server's clock whenever it
    /// begins anew.
    pub fn listen(
        &mut self,
        connection: &Connection,
        replay: &str,
        check: impl Fn(Option<i64>) -> Result<()>,
    ) -> Result<()> {
        let mut attempts = 0;
        while self.waiting.is_empty() && !self.is_silent {
            let subscription = match self.subscription.take() {
                Some(subscription) => subscription,
                None => {
                    let subscription = Subscription::begin(connection, &self.channel, replay)?;
                    if let Err(error) = check(subscription.began_at) {
                        subscription.end(connection);
                        return Err(error);
                    }
                    subscription
                }
            };
            match subscription.hear(connection, connection.config.events_wait_ms)? {
                Heard::Events(events) => {
                    self.is_silent = events.is_empty();
                    self.waiting.extend(events);
                    self.subscription = Some(subscription);
                }
                Heard::Forgotten if attempts < 2 => attempts += 1,
                Heard::Forgotten => {
                    let message = "Salesforce forgets who listens to events as soon as it was told";
                    return Err(Error::transient(message).with_code("salesforce.events"));
                }
            }
        }
        Ok(())
    }

    /// Whether everything that was told was taken. Then nobody listens any more.
    pub fn is_over(&mut self, connection: &Connection) -> bool {
        let is_over = self.is_silent && self.waiting.is_empty();
        if is_over && let Some(subscription) = self.subscription.take() {
            subscription.end(connection);
        }
        is_over
    }
}

/// Everything that is kept.
pub const EVERYTHING: &str = "-2";

/// What became of asking for events.
#[derive(Debug)]
pub enum Heard {
    Events(Vec<Event>),
    /// The server does not know us any more.
    Forgotten,
}

/// `/data/AccountChangeEvent`, `/data/Invoice__ChangeEvent`, and `/event/Shipped__e` of events that are none of records.
pub fn channel_of(object: &str) -> String {
    if crate::object::is_event(object) {
        return format!("/event/{object}");
    }
    match object.strip_suffix("__c") {
        Some(own) => format!("/data/{own}__ChangeEvent"),
        None => format!("/data/{object}ChangeEvent"),
    }
}

impl Subscription {
    /// Subscribes to what was told behind an event.
    pub fn begin(connection: &Connection, channel: &str, replay: &str) -> Result<Self> {
        let handshake = || {
            let message = "[{\"channel\":\"/meta/handshake\",\"version\":\"1.0\",\"minimumVersion\":\"1.0\",\
                \"supportedConnectionTypes\":[\"long-polling\"],\"ext\":{\"replay\":true}}]";
            send(connection, message.to_owned())
        };
        let mut reply = handshake()?;
        if is_unauthorized(&reply) {
            // The host only hears of it where a status says so.
            connection.get("", "say who we are")?;
            reply = handshake()?;
        }
        let answer = answer(&reply, "/meta/handshake", "begin to tell events")?;
        let client = member(&answer, "clientId").ok_or_else(|| nonsense("it gives no `clientId`"))?;
        let subscription = Self { client, channel: channel.to_owned(), began_at: clock(&reply) };
        let mut message = subscription.message("/meta/subscribe");
        message.push_str(",\"subscription\":");
        write_string(&mut message, channel);
        message.push_str(",\"ext\":{\"replay\":{");
        write_string(&mut message, channel);
        message.push_str(&format!(":{replay}}}}}}}]"));
        let reply = send(connection, message)?;
        self::answer(&reply, "/meta/subscribe", &format!("tell the events of `{channel}`"))?;
        Ok(subscription)
    }

    fn message(&self, channel: &str) -> String {
        let mut message = format!("[{{\"channel\":\"{channel}\",\"clientId\":");
        write_string(&mut message, &self.client);
        message
    }

    /// What was told, waiting for so long if that is nothing yet.
    pub fn hear(&self, connection: &Connection, wait_ms: u32) -> Result<Heard> {
        let mut message = self.message("/meta/connect");
        message.push_str(&format!(",\"connectionType\":\"long-polling\",\"advice\":{{\"timeout\":{wait_ms}}}}}]"));
        let reply = send(connection, message)?;
        let (mut events, mut outcome) = (Vec::new(), None);
        for message in messages(&reply)? {
            match member(&message, "channel") {
                Some(channel) if channel == self.channel => events.push(event(&message)?),
                Some(channel) if channel == "/meta/connect" => outcome = Some(message),
                _ => {}
            }
        }
        let outcome = outcome.ok_or_else(|| nonsense("it does not answer `/meta/connect`"))?;
        if member(&outcome, "successful").as_deref() == Some("true") || !events.is_empty() {
            return Ok(Heard::Events(events));
        }
        let error = member(&outcome, "error").unwrap_or_default();
        let advice = member(&outcome, "advice").unwrap_or_default();
        if error.starts_with("403::Unknown client") || error.starts_with("401::") || advice.contains("\"handshake\"") {
            return Ok(Heard::Forgotten);
        }
        Err(said(&error, "tell events"))
    }

    /// Others may want to listen: so many at a time are served.
    pub fn end(self, connection: &Connection) {
        let _ = send(connection, self.message("/meta/disconnect") + "}]");
    }
}

fn send(connection: &Connection, messages: String) -> Result<Reply> {
    let ask = Ask::new("POST", format!("/cometd/{}", connection.config.version))
        .header("Content-Type", "application/json")
        .body(messages)
        // What was told and not kept is told again to who subscribes behind the last event that was.
        .idempotent(true);
    let reply = connection.send(ask)?;
    if reply.is_success() { Ok(reply) } else { Err(refused(&reply, "tell events")) }
}

/// The messages of an answer, each an object.
fn messages(reply: &Reply) -> Result<Vec<Vec<u8>>> {
    let text = json(reply)?;
    let (mut document, mut found) = (Document::new(text.as_bytes()), Vec::<Value>::new());
    let read = document.array::<Fault>(|document| {
        found.push(document.value()?);
        Ok(())
    });
    read.and_then(|()| document.end()).map_err(|found| fault(text, found))?;
    Ok(found.into_iter().map(|value| value.of(text.as_bytes()).to_vec()).collect())
}

/// The answer on one of the protocol's own channels; an error if it is none of success.
fn answer(reply: &Reply, channel: &str, what: &str) -> Result<Vec<u8>> {
    let found = messages(reply)?.into_iter().find(|message| member(message, "channel").as_deref() == Some(channel));
    let found = found.ok_or_else(|| nonsense(&format!("it does not answer `{channel}`")))?;
    if member(&found, "successful").as_deref() == Some("true") {
        return Ok(found);
    }
    Err(said(&member(&found, "error").unwrap_or_default(), what))
}

fn is_unauthorized(reply: &Reply) -> bool {
    let is_it = |message: &Vec<u8>| {
        let of = |name: &str| member(message, name).unwrap_or_default();
        of("successful") != "true" && (of("error").starts_with("401::") || of("ext").contains("401::"))
    };
    messages(reply).is_ok_and(|messages| messages.iter().any(is_it))
}

/// `400::The replayId {5} you provided was invalid. …`
fn said(error: &str, what: &str) -> Error {
    let (code, words) = error.split_once("::").unwrap_or(("", error));
    let is_replay = words.contains("replayId") && words.contains("invalid");
    let kind = match code {
        _ if is_replay => ErrorKind::StaleCursor,
        "401" => ErrorKind::Auth,
        "403" if words.contains("limit") => ErrorKind::RateLimited,
        "403" | "400" => ErrorKind::Config,
        _ => ErrorKind::Transient,
    };
    let error = Error::new(kind, format!("Salesforce was asked to {what} and said: {}", sentence(words)));
    let error = error.with_code(if is_replay { "salesforce.replay" } else { "salesforce.events" });
    match kind {
        ErrorKind::Config => error.with_hint(
            "choose the object under Setup, Change Data Capture, or write `changes = \"modified\"` into the connection's config",
        ),
        ErrorKind::RateLimited => error.with_retry_after(std::time::Duration::from_secs(900)),
        _ => error,
    }
}

fn nonsense(reason: &str) -> Error {
    Error::transient(format!("what Salesforce sends where it tells events makes no sense: {reason}"))
        .with_code("salesforce.events")
}

fn event(message: &[u8]) -> Result<Event> {
    let inside = |object: &[u8], name: &str| member(object, name).map(String::into_bytes);
    let data = inside(message, "data").ok_or_else(|| nonsense("an event has no data"))?;
    let own = inside(&data, "event").unwrap_or_default();
    let replay = member(&own, "replayId");
    let replay = replay.filter(|replay| !replay.is_empty() && replay.bytes().all(|byte| byte.is_ascii_digit()));
    let replay = replay.ok_or_else(|| nonsense("an event has no replay id"))?;
    let payload = member(&data, "payload").filter(|payload| payload.starts_with('{')).unwrap_or_default();
    let header = inside(payload.as_bytes(), "ChangeEventHeader").unwrap_or_default();
    let records = member(&header, "recordIds").and_then(|ids| read_strings(ids.as_bytes()));
    let is_one = |id: &String| crate::id::long(id).is_some() && !id.starts_with("000");
    let records = records.filter(|ids| !ids.is_empty() && ids.iter().all(is_one));
    let (kind, uuid) = (member(&header, "changeType").unwrap_or_default(), member(&own, "EventUuid"));
    Ok(Event { replay, kind, records, payload, uuid })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(ids: &str, kind: &str) -> String {
        format!(
            "{{\"channel\":\"/data/A\",\"data\":{{\"schema\":\"s\",\"payload\":{{\"ChangeEventHeader\":{{\"recordIds\":{ids},\"changeType\":\"{kind}\"}},\"Name\":\"x\"}},\"event\":{{\"replayId\":17}}}}}}"
        )
    }

    #[test]
    fn events_name_their_records_or_do_not() {
        let read = |ids: &str| event(told(ids, "UPDATE").as_bytes()).unwrap().records;
        assert_eq!(read("[\"001A000000AbCdEIAV\"]"), Some(vec!["001A000000AbCdEIAV".to_owned()]));
        for nobody in ["[]", "null", "[\"000000000000000AAA\"]", "[\"001*\"]", "[7]"] {
            assert_eq!(read(nobody), None, "{nobody}");
        }
        assert_eq!(event(told("[]", "GAP_OVERFLOW").as_bytes()).unwrap().kind, "GAP_OVERFLOW");
        assert!(event(b"{\"data\":{\"event\":{}}}").is_err() && event(b"{}").is_err());
        // What has no header is about nobody knows whom.
        assert_eq!(event(b"{\"data\":{\"event\":{\"replayId\":5}}}").unwrap().records, None);
    }

    #[test]
    fn refusals_are_told_apart() {
        for (error, kind) in [
            ("400::The replayId {5} you provided was invalid.  Please provide a valid ID", ErrorKind::StaleCursor),
            ("400::The channel you requested to subscribe to does not exist {/data/x}", ErrorKind::Config),
            ("403::Organization total events daily limit exceeded", ErrorKind::RateLimited),
            ("403::Handshake denied", ErrorKind::Config),
            ("401::Authentication invalid", ErrorKind::Auth),
            ("503::busy", ErrorKind::Transient),
        ] {
            assert!(said(error, "tell").is(kind), "{error}");
        }
    }

    #[test]
    fn channels_are_called_after_objects() {
        assert_eq!(channel_of("Account"), "/data/AccountChangeEvent");
        assert_eq!(channel_of("Invoice__c"), "/data/Invoice__ChangeEvent");
        assert_eq!(channel_of("Shipped__e"), "/event/Shipped__e");
    }
}
