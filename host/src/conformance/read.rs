//! Reading a stream from its beginning: what pages hold and what they claim.

use super::discover::NO_SUCH_STREAM;
use super::lab::Lab;
use super::reading::{Broken, Reading, Request, Side, difference, shown, sorted};
use super::{Check, Stop, Verdict, fails, holds, skips, told};
use crate::connector::{FailureKind, PageLimits, PageStatus, Source as _};
use crate::record::{Field, Stream};

/// So few rows that the last page is rarely full.
const FEW_ROWS: u32 = 7;
/// Of two readings at once.
const SIDE_ROWS: u32 = 11;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "read.answers",
        title: "a whole stream can be read",
        rule: "wit/v0.1/source.wit, open and next",
        fix: "answer pages until one is not `more`; what goes wrong is an error with its kind, never a panic",
        run: |lab| Box::pin(answers(lab)),
    },
    Check {
        id: "read.same-twice",
        title: "read twice, a stream shows the same records",
        rule: "wit/v0.1/source.wit, open",
        fix: "keep nothing from one reading to the next, and read in an order that the system keeps",
        run: |lab| Box::pin(same_twice(lab)),
    },
    Check {
        id: "read.paging",
        title: "smaller pages show the same records",
        rule: "wit/v0.1/types.wit, limits",
        fix: "go on behind the last record of a page, and end only when the system has no more",
        run: |lab| Box::pin(paging(lab)),
    },
    Check {
        id: "read.one-row",
        title: "pages of a single record are possible",
        rule: "wit/v0.1/types.wit, limits",
        fix: "heed `limits.rows` down to 1: a page holds at least one record",
        run: |lab| Box::pin(one_row(lab)),
    },
    Check {
        id: "read.bytes",
        title: "a page ends soon after its bytes are used up",
        rule: "wit/v0.1/types.wit, limits",
        fix: "end the page with the first record that reaches `limits.bytes`",
        run: |lab| Box::pin(bytes(lab)),
    },
    Check {
        id: "read.large-limits",
        title: "limits larger than anything there is do no harm",
        rule: "wit/v0.1/types.wit, limits",
        fix: "do not reserve or multiply by what `limits` says",
        run: |lab| Box::pin(large_limits(lab)),
    },
    Check {
        id: "read.projection",
        title: "asked for some fields, it shows the same values of them",
        rule: "wit/v0.1/types.wit, read-request.fields",
        fix: "match columns by name, not by their place among all fields",
        run: |lab| Box::pin(projection(lab)),
    },
    Check {
        id: "read.order",
        title: "fields may be asked for in any order",
        rule: "wit/v0.1/types.wit, read-request.fields",
        fix: "match columns by name, not by their place",
        run: |lab| Box::pin(order(lab)),
    },
    Check {
        id: "read.options",
        title: "options nobody knows are ignored",
        rule: "wit/v0.1/types.wit, options",
        fix: "ignore names you do not know: a later host may send them",
        run: |lab| Box::pin(options(lab)),
    },
    Check {
        id: "read.keys",
        title: "every record has a key, and no two records the same",
        rule: "wit/v0.1/types.wit, stream.key",
        fix: "name in `key` the fields that identify a record, or none if the system knows none",
        run: |lab| Box::pin(keys(lab)),
    },
    Check {
        id: "read.nullable",
        title: "a field that is said to have values has one in every record",
        rule: "wit/v0.1/types.wit, field.nullable",
        fix: "say `nullable` unless the system itself forbids null",
        run: |lab| Box::pin(nullable(lab)),
    },
    Check {
        id: "read.interleaved",
        title: "two readings at once do not disturb each other",
        rule: "wit/v0.1/source.wit, reader",
        fix: "keep the position in the reader, not in the plugin or its system",
        run: |lab| Box::pin(interleaved(lab)),
    },
    Check {
        id: "read.missing-stream",
        title: "a stream that does not exist is an error of kind `not-found`",
        rule: "wit/v0.1/types.wit, error.kind",
        fix: "look whether it is there before reading, and answer `not-found`: an empty reading would look like deleted records",
        run: |lab| Box::pin(missing_stream(lab)),
    },
];

/// The whole reading, for checks that compare with it.
async fn compared(lab: &Lab) -> Result<(&Stream, &Reading), Stop> {
    Ok((lab.stream().await?, lab.whole().await?))
}

/// Fails if the reading shows other records than the whole one.
pub(super) fn same(whole: &Reading, other: &Reading, how: &str) -> Verdict {
    match difference(&whole.sorted(), &other.sorted()) {
        None => Ok(()),
        Some((seen, Side::First)) => fails(format!("{how}, it does not show {}", shown(seen))),
        Some((seen, Side::Second)) => fails(format!("{how}, it shows too much or otherwise: {}", shown(seen))),
    }
}

async fn answers(lab: &Lab) -> Verdict {
    let stream = lab.stream().await?;
    match lab.read(&Request::full(stream), None, lab.page_limits(), super::lab::RECORDS_MAX).await {
        Ok(_) => Ok(()),
        Err(broken) => Err(broken.into()),
    }
}

async fn same_twice(lab: &Lab) -> Verdict {
    let (stream, whole) = compared(lab).await?;
    for _ in 0..2 {
        let again = lab.read(&Request::full(stream), None, lab.page_limits(), usize::MAX).await?;
        same(whole, &again, "read again")?;
    }
    Ok(())
}

async fn paging(lab: &Lab) -> Verdict {
    let (stream, whole) = compared(lab).await?;
    for rows in [FEW_ROWS, 100] {
        let limits = PageLimits { rows, ..lab.page_limits() };
        let paged = lab.read(&Request::full(stream), None, limits, usize::MAX).await?;
        same(whole, &paged, &format!("in pages of {rows}"))?;
        if whole.status() == Some(PageStatus::EnumerationComplete) && paged.status() != whole.status() {
            return fails(format!("in pages of {rows}, it does not end with `enumeration-complete`, as in one page"));
        }
    }
    Ok(())
}

/// Records of which single pages are asked for.
const SINGLES: usize = 50;

async fn one_row(lab: &Lab) -> Verdict {
    let (stream, whole) = compared(lab).await?;
    let limits = PageLimits { rows: 1, ..lab.page_limits() };
    let single = lab.read(&Request::full(stream), None, limits, SINGLES).await?;
    let all = whole.sorted();
    // A reading that was cut cannot be compared as a whole.
    match single.seen().find(|seen| all.binary_search(seen).is_err()) {
        Some(seen) => fails(format!("in pages of one record, it shows something else: {}", shown(seen))),
        None => holds(single.records() >= whole.records().min(SINGLES), || {
            format!("in pages of one record, it shows {} of {}", single.records(), whole.records())
        }),
    }
}

async fn bytes(lab: &Lab) -> Verdict {
    let (stream, whole) = compared(lab).await?;
    let limits = PageLimits { rows: lab.page_limits().rows, bytes: 1 };
    let reading = lab.read(&Request::full(stream), None, limits, SINGLES).await?;
    let largest = reading.pages.iter().map(|page| page.records.len()).max().unwrap_or(0);
    holds(largest <= 1 || whole.records() <= 1, || {
        format!("with one byte for a page, a page holds {largest} records: it is one and no more")
    })
}

async fn large_limits(lab: &Lab) -> Verdict {
    let (stream, whole) = compared(lab).await?;
    let limits = PageLimits { rows: u32::MAX, bytes: u64::MAX };
    let reading = lab.read(&Request::full(stream), None, limits, usize::MAX).await?;
    same(whole, &reading, "with the largest limits there are")
}

async fn projection(lab: &Lab) -> Verdict {
    let (stream, whole) = compared(lab).await?;
    // The key and the last field: what is left out in between shows whether columns are counted.
    let wanted: Vec<Field> = stream
        .fields
        .iter()
        .enumerate()
        .filter(|(at, field)| stream.key.contains(&field.name) || at + 1 == stream.fields.len())
        .map(|(_, field)| field.clone())
        .collect();
    if wanted.len() == stream.fields.len() {
        return skips(format!("`{}` has no field that could be left out", stream.name));
    }
    projected(lab, stream, whole, wanted, "asked for some fields").await
}

async fn order(lab: &Lab) -> Verdict {
    let (stream, whole) = compared(lab).await?;
    let reversed: Vec<Field> = stream.fields.iter().rev().cloned().collect();
    projected(lab, stream, whole, reversed, "asked for the fields in another order").await
}

/// Compares values of these fields, by name.
async fn projected(lab: &Lab, stream: &Stream, whole: &Reading, wanted: Vec<Field>, how: &str) -> Verdict {
    let names: Vec<String> = wanted.iter().map(|field| field.name.clone()).collect();
    let request = Request::full(stream).with_fields(wanted);
    let reading = lab.read(&request, None, lab.page_limits(), usize::MAX).await?;
    let (expected, found) = (cut(whole, &names)?, cut(&reading, &names)?);
    match difference(&sorted(expected.iter()), &sorted(found.iter())) {
        None => Ok(()),
        Some((seen, Side::First)) => fails(format!("{how}, it does not show {}", shown(seen))),
        Some((seen, Side::Second)) => fails(format!("{how}, it shows something else: {}", shown(seen))),
    }
}

/// The records of a reading with these fields only, in this order.
fn cut(reading: &Reading, names: &[String]) -> Result<Vec<super::reading::Seen>, Stop> {
    let mut records = Vec::new();
    for page in &reading.pages {
        let data = crate::record::project(&page.changes.data, names)
            .map_err(|error| Stop::Skips(format!("the records cannot be compared: {error}")))?;
        let changes = page.changes.with_data(data);
        records.extend((0..changes.rows()).map(|row| super::reading::see(&changes, row, names)));
    }
    Ok(records)
}

async fn options(lab: &Lab) -> Verdict {
    let (stream, whole) = compared(lab).await?;
    let request = Request::full(stream).with_option("x-lockstep-check", "unknown");
    let reading = lab.read(&request, None, lab.page_limits(), usize::MAX).await?;
    same(whole, &reading, "with an option nobody knows")
}

async fn keys(lab: &Lab) -> Verdict {
    let (stream, whole) = compared(lab).await?;
    if stream.key.is_empty() {
        return skips(format!("`{}` has no key", stream.name));
    }
    let mut keys = Vec::new();
    for seen in whole.seen().filter(|seen| !seen.is_rejected && !seen.is_delete) {
        match &seen.key {
            Some(key) => keys.push(key),
            None => return fails(format!("a record has no value in its key: {}", shown(seen))),
        }
    }
    keys.sort_unstable();
    let twice = keys.iter().zip(keys.iter().skip(1)).find(|(first, second)| first == second);
    holds(twice.is_none(), || format!("two records have the key {}", twice.map_or("", |(key, _)| key)))
}

async fn nullable(lab: &Lab) -> Verdict {
    let (_, whole) = compared(lab).await?;
    for page in &whole.pages {
        for (field, column) in page.changes.data.iter().filter(|(field, _)| !field.nullable) {
            let is_null = |row: &usize| column.is_present(*row) && column.array.is_null(*row);
            // Of a deleted record only the key counts.
            let is_shown = |row: &usize| page.changes.kind(*row) != crate::record::ChangeKind::Delete;
            if (0..page.changes.rows()).filter(is_shown).any(|row| is_null(&row)) {
                return fails(format!("`{}` is said to be never null, and is null in a record", field.name));
            }
        }
    }
    Ok(())
}

async fn interleaved(lab: &Lab) -> Verdict {
    let (stream, whole) = compared(lab).await?;
    let connector = lab.connector().await?;
    let limits = PageLimits { rows: SIDE_ROWS, ..lab.page_limits() };
    let request = Request::full(stream);
    let mut other = lab.answered(connector.open(request.at(None)).await)?;
    lab.answered(other.next(limits).await)?;
    let reading = lab.read(&request, None, limits, usize::MAX).await?;
    same(whole, &reading, "while another reading is under way")
}

async fn missing_stream(lab: &Lab) -> Verdict {
    let stream = lab.stream().await?;
    let absent = Stream { name: NO_SUCH_STREAM.to_owned(), ..stream.clone() };
    match lab.read(&Request::full(&absent), None, lab.page_limits(), 1).await {
        // Whoever has one stream need not look at its name: discovery says that there is no other.
        Ok(reading) if reading.records() > 0 && lab.streams().await?.len() == 1 => {
            skips("it has one stream, whatever it is called")
        }
        Ok(reading) => fails(format!("it shows {} records of a stream that is not there", reading.records())),
        Err(Broken::Failed(failure)) => {
            holds(failure.kind == FailureKind::NotFound, || format!("the error is: {}", told(&failure)))
        }
        Err(broken) => Err(broken.into()),
    }
}
