//! A stream that a service lists page by page.

use std::collections::VecDeque;
use std::fmt;

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::http::{Listed, Pages, Reply, digest};
use crate::json;
use crate::page::PageBuilder;
use crate::record::{Record, Timestamp};
use crate::since::Since;
use crate::source::Reader;
use crate::types::{Limits, Page, ReadRequest, Status};

type ReadPage = Box<dyn Fn(&Reply) -> Result<Listed>>;
type ReadRecord<T> = Box<dyn Fn(&str) -> Result<Option<T>>>;
type ReadTime<T> = Box<dyn Fn(&T) -> Option<Timestamp>>;

/// Reads a list that comes page by page, in pages as the host wants them.
///
/// It goes on in the middle of a page where it broke off, puts records that make no sense aside for a person, ends with an error
/// when the service leads in a circle or out of its path, and in incremental readings keeps the position of [`Since`].
///
/// ```
/// use lockstep_plugin_sdk::http::{Client, Paging};
/// use lockstep_plugin_sdk::list::ListReader;
/// use lockstep_plugin_sdk::prelude::*;
/// use lockstep_plugin_sdk::source;
/// use lockstep_plugin_sdk::testing;
/// use serde::Deserialize;
/// use serde_json::json;
///
/// #[derive(Record, Deserialize)]
/// struct Contact {
///     #[record(key)]
///     id: i64,
///     name: Option<String>,
///     #[record(modified)]
///     updated_at: Timestamp,
/// }
///
/// struct Crm;
///
/// impl Source for Crm {
///     type Config = NoConfig;
///     type Reader = ListReader<Contact>;
///
///     fn discover(_config: NoConfig, names: Vec<String>) -> Result<Vec<Stream>> {
///         Ok(source::only(&names, [Contact::stream("contacts")]))
///     }
///
///     fn open(_config: NoConfig, request: ReadRequest) -> Result<Self::Reader> {
///         let client = Client::new("api").below("/v2");
///         let first = client.get("contacts").query("limit", 100);
///         let pages = client.pages(first, Paging::Offset("offset"));
///         ListReader::new(&request, pages)
///     }
/// }
///
/// let _served = testing::serve(|ask| {
///     let page = r#"[{"id": 1, "name": "Ann", "updated_at": "2026-01-01T00:00:00Z"}, {"id": "many"}]"#;
///     Ok(testing::reply(200, if ask.target.ends_with("offset=0") { page } else { "[]" }))
/// });
/// let read = testing::read::<Crm>(json!({}), "contacts")?;
/// assert_eq!(read.rows, [json!({"id": 1, "name": "Ann", "updated_at": "2026-01-01T00:00:00Z"})]);
/// assert_eq!(read.rejected[0].raw, br#"{"id": "many"}"#);
/// # Ok::<(), Error>(())
/// ```
pub struct ListReader<T> {
    page: PageBuilder<T>,
    pages: Pages,
    since: Since,
    is_incremental: bool,
    is_whole: bool,
    read_page: ReadPage,
    read_record: ReadRecord<T>,
    read_time: ReadTime<T>,
    /// Records of the page that was fetched last.
    waiting: VecDeque<Waiting<T>>,
    /// How many of that page are done with, and a digest of the last of them.
    shown: u64,
    last: u64,
    /// The same, of the reading that broke off.
    behind: Option<u64>,
    is_over: bool,
}

/// A record on its way: as it came, and what it is.
struct Waiting<T> {
    raw: json::Raw,
    record: Result<Option<T>>,
    is_new: bool,
}

impl<T: Record + DeserializeOwned + 'static> ListReader<T> {
    /// Reads these pages behind the request's cursor. An error of kind `config` if the request names a field that the record does not
    /// have, `stale-cursor` if the cursor is not one of this list's.
    pub fn new(request: &ReadRequest, pages: Pages) -> Result<Self> {
        Self::with(request, pages, |text| json::read(text).map(Some))
    }
}

impl<T: Record + 'static> ListReader<T> {
    /// The same, with what makes a record of a JSON text; none leaves it out.
    pub fn with(
        request: &ReadRequest,
        mut pages: Pages,
        record: impl Fn(&str) -> Result<Option<T>> + 'static,
    ) -> Result<Self> {
        let since = Since::new(request)?;
        let is_incremental = request.is_incremental();
        let (mut behind, is_whole) = (None, since.is_beginning());
        match since.place() {
            Some((target, shown)) => {
                behind = Some(*shown);
                pages = pages.go_on(target).ok_or_else(stale)?;
                // Nobody knows whether the broken pass missed what moved: in changes better twice than never.
                if is_incremental && pages.is_by_time() {
                    pages.begin_time_anew();
                    behind = None;
                }
            }
            None => since.from().into_iter().for_each(|from| pages.begin_at(from)),
        }
        Ok(Self {
            page: PageBuilder::new(&request.fields)?,
            pages,
            since,
            is_incremental,
            is_whole,
            read_page: Box::new(Listed::array),
            read_record: Box::new(record),
            read_time: Box::new(|_| None),
            waiting: VecDeque::new(),
            shown: 0,
            last: 0,
            behind,
            is_over: false,
        })
    }

    /// How a page's records are found in an answer; unless said, the answer is the list.
    pub fn page(self, read: impl Fn(&Reply) -> Result<Listed> + 'static) -> Self {
        Self { read_page: Box::new(read), ..self }
    }

    /// When a record was changed: what incremental readings and [`crate::http::Paging::Time`] go by.
    pub fn modified(self, time: impl Fn(&T) -> Option<Timestamp> + 'static) -> Self {
        Self { read_time: Box::new(time), ..self }
    }

    /// Fetches the next page that holds anything; false behind the last.
    fn fetch(&mut self) -> Result<bool> {
        while self.waiting.is_empty() {
            let Some(reply) = self.pages.fetch()? else { return Ok(false) };
            let listed = (self.read_page)(&reply)?;
            self.since.heard(&reply);
            let records: Vec<_> = listed.records.iter().map(|raw| (self.read_record)(raw.get())).collect();
            let time =
                |record: &Result<Option<T>>| (self.read_time)(record.as_ref().ok()?.as_ref()?).map(|time| time.0);
            let times: Vec<_> = records.iter().map(time).collect();
            let news = self.pages.advance(&reply, &listed, &times)?;
            let items = listed.records.into_iter().zip(records).zip(news);
            self.waiting.extend(items.map(|((raw, record), is_new)| Waiting { raw, record, is_new }));
            (self.shown, self.last) = (0, 0);
            if let Some(behind) = self.behind.take() {
                self.go_behind(behind)?;
            }
        }
        Ok(true)
    }

    /// Passes over what was shown before the reading broke off.
    fn go_behind(&mut self, behind: u64) -> Result<()> {
        let found = match (self.pages.is_by_time(), behind) {
            (false, count) => usize::try_from(count).ok().filter(|count| *count <= self.waiting.len()),
            (true, 0) => Some(0),
            (true, last) => self.waiting.iter().position(|item| digest(item.raw.get()) == last).map(|at| at + 1),
        };
        match found {
            Some(count) => {
                self.shown = count as u64;
                self.last = behind;
                self.waiting.drain(..count);
            }
            // It was changed since, and with it every place behind it: better twice than never.
            None if self.pages.is_by_time() => {
                self.waiting.clear();
                self.pages.begin_time_anew();
            }
            None => return Err(stale()),
        }
        Ok(())
    }

    fn take(&mut self, Waiting { raw, record, is_new }: Waiting<T>) -> Result<()> {
        self.shown += 1;
        self.last = digest(raw.get());
        if !is_new {
            return Ok(());
        }
        let Some(record) = record.transpose() else { return Ok(()) };
        if let Ok(record) = &record {
            (self.read_time)(record).into_iter().for_each(|time| self.since.saw(time));
        }
        let position = format!("record {} of `{}`", self.shown, self.pages.start());
        self.page.push_or_reject(record, position, raw.get().as_bytes())
    }

    fn cursor(&self) -> Vec<u8> {
        // Lists by time move: there only the record itself tells where it stands.
        let shown = if self.pages.is_by_time() { self.last } else { self.shown };
        self.since.cursor_at(self.pages.start(), shown)
    }
}

fn stale() -> Error {
    Error::stale_cursor("the position is not one of this list")
}

impl<T: Record + 'static> Reader for ListReader<T> {
    fn next(&mut self, limits: Limits) -> Result<Page> {
        while !self.page.is_full(limits) && !self.is_over {
            self.is_over = !self.fetch()?;
            while let Some(item) = self.waiting.pop_front() {
                self.take(item)?;
                if self.page.is_full(limits) {
                    break;
                }
            }
        }
        // The next answer is waited for here if it decides whether this is the last page: it would be empty otherwise.
        let is_over = self.is_over || (self.waiting.is_empty() && !self.pages.has_more());
        if !is_over {
            return self.page.finish(self.cursor(), Status::More);
        }
        let cursor = if self.is_incremental { self.since.cursor() } else { Vec::new() };
        let status = if self.is_whole { Status::EnumerationComplete } else { Status::CaughtUp };
        self.page.finish(cursor, status)
    }
}

impl<T> fmt::Debug for ListReader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListReader").field("pages", &self.pages).field("shown", &self.shown).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Client, Paging};
    use crate::prelude::*;
    use crate::testing::{Reading, drain, full_read, reply, serve};
    use crate::types::Rejection;

    extern crate serde;
    use serde::Deserialize;

    #[derive(Debug, Record, Deserialize)]
    struct Note {
        #[record(key)]
        id: i64,
        #[record(modified)]
        at: Option<Timestamp>,
    }

    const BY_TIME: Paging = Paging::Time { since: "since", number: "page", form: |time| time.to_string() };

    fn request(mode: &str, cursor: &[u8]) -> ReadRequest {
        let mut request = full_read(&Note::stream("notes"));
        request.mode = mode.to_owned();
        request.cursor = Some(cursor.to_vec()).filter(|cursor| !cursor.is_empty());
        request
    }

    fn reader(request: &ReadRequest, paging: Paging) -> Result<ListReader<Note>> {
        let client = Client::new("api");
        Ok(ListReader::new(request, client.pages(client.get("notes"), paging))?.modified(|note: &Note| note.at))
    }

    fn read(request: &ReadRequest, paging: Paging, rows: u32) -> Result<Reading> {
        drain(&mut reader(request, paging)?, &request.fields, Limits { rows, bytes: 1 << 20 })
    }

    fn numbers(reading: &Reading) -> Vec<i64> {
        reading.rows.iter().map(|row| row["id"].as_i64().unwrap()).collect()
    }

    fn parameter<'a>(target: &'a str, name: &str) -> Option<&'a str> {
        target.split(['?', '&']).find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    /// A service with these notes (id, second), four a page.
    fn service(notes: &[(i64, i64)]) -> crate::testing::Served {
        let notes = notes.to_vec();
        serve(move |ask| {
            let since = parameter(&ask.target, "since").map_or(String::new(), str::to_owned).replace("%3A", ":");
            let begin = match (parameter(&ask.target, "offset"), parameter(&ask.target, "page")) {
                (Some(offset), _) => offset.parse().unwrap(),
                (None, Some(page)) => (page.parse::<usize>().unwrap() - 1) * 4,
                (None, None) => 0,
            };
            let shown = notes.iter().map(|(id, second)| (id, Timestamp(second * 1_000_000).to_string()));
            let found: Vec<String> = shown
                .filter(|(_, at)| *at >= since)
                .skip(begin)
                .take(4)
                .map(|(id, at)| format!("{{\"id\":{id},\"at\":\"{at}\"}}"))
                .collect();
            Ok(reply(200, &format!("[{}]", found.join(","))))
        })
    }

    fn some(count: i64) -> Vec<(i64, i64)> {
        sharing(count, 3)
    }

    /// So many of one second.
    fn sharing(count: i64, share: i64) -> Vec<(i64, i64)> {
        (0..count).map(|id| (id, 1000 + id / share)).collect()
    }

    #[test]
    fn a_reading_goes_on_behind_every_page_whatever_its_size() {
        let offset = Paging::Offset("offset");
        for (paging, share) in [(offset, 3), (Paging::Number("page", 1), 3), (BY_TIME, 1), (BY_TIME, 3), (BY_TIME, 9)] {
            let _served = service(&sharing(11, share));
            for rows in [1, 3, 4, 5, 100] {
                let whole = read(&request("full", b""), paging, rows).unwrap();
                assert_eq!(numbers(&whole), (0..11).collect::<Vec<_>>(), "{paging:?} {rows}");
                assert_eq!((whole.status(), whole.cursor()), ("enumeration-complete", &b""[..]));
                let mut before = 0;
                for page in whole.pages.iter().filter(|page| page.status == "more") {
                    before += page.changes.data.rows as usize;
                    let rest = read(&request("full", &page.next_cursor), paging, 7).unwrap();
                    let found = numbers(&rest);
                    let expected: Vec<i64> = (before as i64..11).collect();
                    assert_eq!(found, expected, "{paging:?} {rows} {before}");
                    assert_eq!(rest.status(), "caught-up");
                }
            }
        }
    }

    #[test]
    fn changes_are_read_from_the_last_time_on() {
        let _served = service(&some(11));
        let first = read(&request("incremental", b""), BY_TIME, 4).unwrap();
        assert_eq!((first.rows.len(), first.status()), (11, "enumeration-complete"));
        let mut again = request("incremental", first.cursor());
        again.options.push(("lookback-ms".into(), "0".into()));
        // The last second may not have been over, and the one before may have been rounded.
        let second = read(&again, BY_TIME, 4).unwrap();
        assert_eq!((numbers(&second), second.status()), (vec![6, 7, 8, 9, 10], "caught-up"));
        assert_eq!(second.cursor(), first.cursor());
        drop(_served);
        let _served = service(&[some(11), vec![(11, 1003), (12, 2000)]].concat());
        assert_eq!(numbers(&read(&again, BY_TIME, 4).unwrap()), [6, 7, 8, 9, 10, 11, 12]);
    }

    #[test]
    fn a_list_that_moved_meanwhile_is_shown_again_from_its_time_on() {
        let mut notes = some(11);
        let served = service(&notes);
        let first = read(&request("full", b""), BY_TIME, 5).unwrap().pages.swap_remove(0);
        drop(served);
        // The last that was shown, and one before it, are changed.
        notes.remove(4);
        notes.remove(1);
        notes.extend([(4, 2000), (1, 2000)]);
        let _served = service(&notes);
        let rest = numbers(&read(&request("full", &first.next_cursor), BY_TIME, 5).unwrap());
        assert!((5..11).chain([4, 1]).all(|id| rest.contains(&id)), "{rest:?}");
    }

    #[test]
    fn a_service_that_does_not_know_since_is_an_error() {
        let notes = sharing(11, 3);
        let _served = serve(move |ask| {
            let begin = (parameter(&ask.target, "page").unwrap().parse::<usize>().unwrap() - 1) * 4;
            let shown = notes
                .iter()
                .skip(begin)
                .take(4)
                .map(|(id, second)| format!("{{\"id\":{id},\"at\":\"{}\"}}", Timestamp(second * 1_000_000)));
            Ok(reply(200, &format!("[{}]", shown.collect::<Vec<_>>().join(","))))
        });
        assert_eq!(read(&request("full", b""), BY_TIME, 100).unwrap_err().code, "http.order");
    }

    #[test]
    fn records_that_make_no_sense_are_put_aside() {
        let _served =
            serve(|_| Ok(reply(200, r#"[{"id":1,"at":null},{"id":"x"},7,{"id":2,"at":"1970-01-01T00:00:00Z"}]"#)));
        let read = read(&request("full", b""), Paging::Single, 10).unwrap();
        assert_eq!(numbers(&read), [1, 2]);
        let told =
            |rejection: &Rejection| (rejection.position.clone(), String::from_utf8(rejection.raw.clone()).unwrap());
        assert_eq!(
            read.rejected.iter().map(told).collect::<Vec<_>>(),
            [("record 2 of `/notes`".into(), "{\"id\":\"x\"}".into()), ("record 3 of `/notes`".into(), "7".into())]
        );
    }

    #[test]
    fn what_breaks_in_the_middle_is_no_end() {
        let _served = serve(|ask| match parameter(&ask.target, "offset") {
            Some("0") => Ok(reply(200, "[{\"id\":1,\"at\":null}]")),
            _ => Ok(reply(500, "oops")),
        });
        let mut reader = reader(&request("full", b""), Paging::Offset("offset")).unwrap();
        let page = reader.next(Limits { rows: 1, bytes: 1000 }).unwrap();
        assert_eq!((page.changes.data.rows, page.status.as_str()), (1, "more"));
        assert_eq!(reader.next(Limits { rows: 1, bytes: 1000 }).unwrap_err().code, "http.500");
    }

    #[test]
    fn places_of_other_lists_are_stale() {
        let _served = service(&some(3));
        for (at, skip) in [("/other?offset=0", 0), ("/notes", 0), ("/notes?offset=x", 0), ("/notes?offset=0", 9)] {
            let cursor = format!("{{\"at\":[\"{at}\",{skip}]}}");
            let error = read(&request("full", cursor.as_bytes()), Paging::Offset("offset"), 5).unwrap_err();
            assert_eq!(error.kind, "stale-cursor", "{at} {skip}");
        }
    }
}
