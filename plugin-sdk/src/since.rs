//! Reading what changed since the last time, by a time that the service keeps.
//!
//! Three things go wrong with such times. Many records share one, and the next of them comes when the first was read: so a reading
//! begins at the last time, that time included. Records become visible after others with a later time: so it begins some minutes before
//! ([`crate::lookback`]). And a time far in the future would hide everything that is written until then: so no position is ever behind
//! the service's clock.

use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

use lockstep_values::LogicalType;

use crate::error::{Error, Result};
use crate::http::{Reply, clock};
use crate::lookback::Lookback;
use crate::record::Timestamp;
use crate::types::ReadRequest;

/// Times are shown rounded, by some services up: everything is looked at that far back at least.
const ROUNDING_MS: i64 = 1000;

/// Where a reading stands between pages and between runs; the host keeps it as the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Position {
    /// What the last reading that came to its end had seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// What this one has seen so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<i64>,
    /// Where it goes on: a page, and how many of its records were shown; in lists by time, which of them was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<(String, u64)>,
}

impl Position {
    fn read(cursor: &[u8]) -> Result<Self> {
        // Lists are read as structs as well.
        let found = cursor.starts_with(b"{").then(|| serde_json::from_slice(cursor).ok()).flatten();
        found.ok_or_else(|| Error::stale_cursor("the position is not one of this plugin").with_code("since.cursor"))
    }
}

/// From when on changes are asked for, and from when on the next time. [`crate::list::ListReader`] keeps one by itself; by hand:
///
/// ```
/// use lockstep_plugin_sdk::prelude::*;
/// use lockstep_plugin_sdk::since::Since;
/// use lockstep_plugin_sdk::testing;
///
/// let at = |text: &str| text.parse::<Timestamp>().unwrap();
/// let mut request = testing::full_read(&Stream::new("contacts"));
/// request.mode = "incremental".to_owned();
/// let mut since = Since::new(&request)?;
/// assert_eq!(since.from(), None); // the first time, everything
/// since.saw(at("2026-01-01T10:00:00Z"));
///
/// request.cursor = Some(since.cursor());
/// assert_eq!(Since::new(&request)?.from(), Some(at("2026-01-01T09:50:00Z")));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Since {
    lookback: Lookback,
    is_incremental: bool,
    position: Position,
    clock: Option<i64>,
}

impl Since {
    /// Takes up the request's cursor; one that makes no sense is an error of kind `stale-cursor`.
    pub fn new(request: &ReadRequest) -> Result<Self> {
        let position = match request.cursor.as_deref().unwrap_or_default() {
            [] => Position::default(),
            cursor => Position::read(cursor)?,
        };
        let wanted = request.lookback_ms()?.map(|wanted| wanted.max(ROUNDING_MS));
        let lookback = Lookback::new(Some(LogicalType::Timestamp), wanted);
        Ok(Self { lookback, is_incremental: request.is_incremental(), position, clock: None })
    }

    /// Ask for records of this time and later. None = for all: the first time, and in full readings.
    pub fn from(&self) -> Option<Timestamp> {
        let since = self.position.since.filter(|_| self.is_incremental);
        self.lookback.since(since).map(Timestamp)
    }

    /// Takes note of the service's clock: the header `Date` of an answer.
    pub fn heard(&mut self, reply: &Reply) {
        self.clock = clock(reply).or(self.clock);
    }

    /// Takes note of when a record was changed.
    pub fn saw(&mut self, time: Timestamp) {
        self.position.seen = self.position.seen.max(Some(time.0));
    }

    /// The position behind everything: the last time that was seen, but none in the future.
    pub fn cursor(&self) -> Vec<u8> {
        let seen = self.position.seen.map(|seen| seen.min(self.clock.unwrap_or_else(now)));
        written(&Position { since: self.position.since.max(seen), seen: None, at: None })
    }

    pub(crate) fn is_beginning(&self) -> bool {
        self.position == Position::default()
    }

    /// Where the reading that wrote the cursor stood.
    pub(crate) fn place(&self) -> Option<&(String, u64)> {
        self.position.at.as_ref()
    }

    /// A position in the middle.
    pub(crate) fn cursor_at(&self, target: &str, shown: u64) -> Vec<u8> {
        written(&Position { at: Some((target.to_owned(), shown)), ..self.position.clone() })
    }
}

fn written(position: &Position) -> Vec<u8> {
    serde_json::to_vec(position).unwrap_or_default()
}

/// Our own clock, where the service does not tell its.
fn now() -> i64 {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(passed.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{full_read, reply};
    use crate::types::Stream;

    fn request(cursor: &[u8], lookback: &str) -> ReadRequest {
        let mut request = full_read(&Stream::new("a"));
        request.mode = "incremental".to_owned();
        request.cursor = Some(cursor.to_vec());
        request.options.push(("lookback-ms".to_owned(), lookback.to_owned()));
        request
    }

    #[test]
    fn a_position_never_goes_back() {
        let mut since = Since::new(&request(b"", "0")).unwrap();
        since.saw(Timestamp(7));
        since.saw(Timestamp(5));
        let mut again = Since::new(&request(&since.cursor(), "0")).unwrap();
        assert_eq!(again.from(), Some(Timestamp(-999_993)), "that time included, and what was rounded");
        again.saw(Timestamp(3));
        assert_eq!(again.cursor(), since.cursor());
        assert_eq!(Since::new(&request(&again.cursor(), "2000")).unwrap().from(), Some(Timestamp(-1_999_993)));
    }

    #[test]
    fn nothing_in_the_future_is_a_position() {
        let mut since = Since::new(&request(b"", "0")).unwrap();
        since.saw(Timestamp(i64::MAX));
        let from = Since::new(&request(&since.cursor(), "0")).unwrap().from().unwrap();
        assert!(from.0 <= now(), "by our own clock");
        let mut answer = reply(200, "");
        answer.headers.push(("date".into(), "Thu, 01 Jan 1970 00:01:00 GMT".into()));
        since.heard(&answer);
        since.heard(&reply(200, ""));
        let from = Since::new(&request(&since.cursor(), "0")).unwrap().from();
        assert_eq!(from, Some(Timestamp(59_000_000)), "by the service's");
    }

    #[test]
    fn full_readings_begin_at_the_beginning_and_nonsense_is_stale() {
        let mut since = Since::new(&request(b"", "0")).unwrap();
        since.saw(Timestamp(7));
        let full = ReadRequest { mode: "full".into(), ..request(&since.cursor(), "0") };
        assert_eq!(Since::new(&full).unwrap().from(), None);
        for nonsense in ["x", "{\"a\":1}", "[]", "7"] {
            assert_eq!(Since::new(&request(nonsense.as_bytes(), "0")).unwrap_err().kind, "stale-cursor", "{nonsense}");
        }
    }
}
