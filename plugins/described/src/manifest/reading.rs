//! How a stream is read: its requests, where the records stand in the answers, and how pages follow each other.

use super::Read;

use super::field::Form;
use super::place::Place;
use super::request::{Known, Request};

/// What most APIs send at once without being asked for more.
const PAGE_SIZE_DEFAULT: u64 = 100;
const PAGE_SIZE_MAX: u64 = 10_000;

#[derive(Debug)]
pub struct Listing {
    pub request: Request,
    /// Where the list of records is in an answer.
    pub records: Vec<String>,
    /// Where the record is in an element of the list.
    pub record: Vec<String>,
    pub page_size: u32,
    pub paging: Paging,
    /// Whether the API leaves out what is old: then a reading never proves that a record is gone.
    pub is_partial: bool,
}

#[derive(Debug)]
pub struct Paging {
    pub by: By,
    /// What says that there is more.
    pub more: Option<Vec<String>>,
    /// How many records there are, or pages where those are counted.
    pub total: Option<Where>,
    /// A page that is not full is the last one. Else an empty one is: many an API sends fewer than it is asked for.
    pub is_short_last: bool,
    /// Whether the order is such that nothing that happens meanwhile moves a record to another page that is not yet shown.
    pub is_stable: bool,
}

/// What leads to the next page.
#[derive(Debug, PartialEq, Eq)]
pub enum By {
    /// There is one page.
    None,
    /// How many records were shown.
    Offset,
    /// The number of the page.
    Page { first: i64 },
    /// What the answer says.
    Cursor(Where),
    /// A value of the last record, behind which the next page begins; with that record itself where `is_inclusive`.
    Last { path: Vec<String>, is_inclusive: bool },
    /// A link in the answer.
    Link(Where),
}

#[derive(Debug, PartialEq, Eq)]
pub enum Where {
    Body(Vec<String>),
    Header(String),
}

/// What tells changes.
#[derive(Debug)]
pub struct Changes {
    pub listing: Listing,
    pub since: Since,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Since {
    /// Records whose `modified` is not before a time, written like this.
    Time(Form),
    /// What happened behind a token; `next` is where the next one stands.
    Feed { first: String, next: Vec<String> },
}

const LISTING_KEYS: &[&str] = &["records", "record", "page_size", "paging", "partial"];

impl Listing {
    pub fn read(place: &Place<'_>, known: &Known<'_>, own: &[String], more_keys: &[&str]) -> Read<Self> {
        place.close(&known.keys(&[LISTING_KEYS, more_keys].concat()))?;
        let page_size = place.optional_number("page_size", 1, PAGE_SIZE_MAX)?;
        let records = place.optional_path("records")?.unwrap_or_default();
        let mut request = Request::read_only(place, known, own)?;
        request.lists.push(records.clone());
        Ok(Self {
            request,
            records,
            record: place.optional_path("record")?.unwrap_or_default(),
            is_partial: place.is_set("partial")?,
            page_size: u32::try_from(page_size.unwrap_or(PAGE_SIZE_DEFAULT)).unwrap_or(u32::MAX),
            paging: match place.optional("paging") {
                Some(paging) => Paging::read(&paging)?,
                None => Paging { by: By::None, more: None, total: None, is_short_last: false, is_stable: true },
            },
        })
    }
}

impl Paging {
    fn read(place: &Place<'_>) -> Read<Self> {
        place.close(&[
            "by",
            "first",
            "next",
            "header",
            "last",
            "more",
            "total",
            "total_header",
            "short_is_last",
            "stable",
            "inclusive",
        ])?;
        let by = place.required("by", "\"cursor\"")?;
        let source = || match (place.optional("next"), place.optional("header")) {
            (Some(next), None) => next.path().map(Where::Body),
            (None, Some(header)) => header.text().map(|name| Where::Header(name.to_owned())),
            (Some(_), Some(header)) => Err(header.wrong("cannot be there together with `next`")),
            (None, None) => {
                Err(place.required("next", "\"paging.next\"").err().unwrap_or_else(|| place.expected("`next`")))
            }
        };
        let by = match by.choice(&[("offset", 0), ("page", 1), ("cursor", 2), ("last", 3), ("link", 4)])? {
            0 => By::Offset,
            1 => By::Page { first: if place.optional_number("first", 0, 1)? == Some(0) { 0 } else { 1 } },
            2 => By::Cursor(source()?),
            3 => By::Last { path: place.required("last", "\"id\"")?.path()?, is_inclusive: place.is_set("inclusive")? },
            _ if place.optional("next").is_none() && place.optional("header").is_none() => {
                By::Link(Where::Header("Link".to_owned()))
            }
            _ => By::Link(source()?),
        };
        let is_stable = place.optional("stable").map(|stable| stable.flag()).transpose()?;
        let total = place.optional("total").map(|total| total.path().map(Where::Body));
        let total = total.or_else(|| {
            place.optional("total_header").map(|name| name.text().map(|name| Where::Header(name.to_owned())))
        });
        Ok(Self {
            total: total.transpose()?,
            is_short_last: place.is_set("short_is_last")?,
            more: place.optional_path("more")?,
            is_stable: is_stable.unwrap_or(matches!(by, By::Last { .. })),
            by,
        })
    }
}

impl Changes {
    pub fn read(place: &Place<'_>, known: &Known<'_>, own: &[String]) -> Read<Self> {
        let listing = Listing::read(place, known, own, &["since", "feed", "lag_ms"])?;
        let since = match (place.optional("feed"), place.optional("since")) {
            (Some(feed), None) => {
                feed.close(&["first", "next"])?;
                let first = feed.required("first", "\"0\"")?;
                Since::Feed { first: first.text()?.to_owned(), next: feed.required("next", "\"last_seq\"")?.path()? }
            }
            (None, Some(since)) => Since::Time(Form::read(&since)?),
            (None, None) => Since::Time(Form::Plain),
            (Some(_), Some(since)) => return Err(since.wrong("cannot be there together with `feed`")),
        };
        Ok(Self { listing, since })
    }
}
