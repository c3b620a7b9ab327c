//! Cursors: a reading that broke off goes on where its last stored page ended.

use super::lab::Lab;
use super::reading::{Broken, Reading, Request, Seen, Side, difference, shown, sorted};
use super::{Check, Stop, Verdict, fails, holds, skips, told};
use crate::connector::{Cursor, FailureKind, PageLimits, PageStatus};
use crate::record::Stream;

/// So many pages at most are tried as the last one before a crash.
const PAGES_TRIED: usize = 12;
/// No plugin writes such a cursor.
const NONSENSE: &[u8] = b"\x00\xff lockstep check: no cursor";

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "resume.every-page",
        title: "behind every page a new reading shows the rest",
        rule: "wit/v0.1/types.wit, page.next-cursor",
        fix: "put into the cursor what says where the page ended, and begin behind it",
        run: |lab| Box::pin(every_page(lab)),
    },
    Check {
        id: "resume.again",
        title: "a cursor can be used more than once",
        rule: "wit/v0.1/types.wit, read-request.cursor",
        fix: "do not consume a position on the other side: a process may end before the next cursor is stored",
        run: |lab| Box::pin(again(lab)),
    },
    Check {
        id: "resume.page-size",
        title: "a reading goes on whatever size the pages have then",
        rule: "wit/v0.1/types.wit, read-request.cursor",
        fix: "count records in the cursor, or name the last one; not pages",
        run: |lab| Box::pin(page_size(lab)),
    },
    Check {
        id: "resume.nonsense",
        title: "a cursor that makes no sense is an error of kind `stale-cursor`",
        rule: "wit/v0.1/types.wit, error.kind",
        fix: "check the cursor and answer `stale-cursor`: the host reads everything again; any other kind ends the sync for good",
        run: |lab| Box::pin(nonsense(lab)),
    },
];

/// The stream in pages so small that there are several, but not many.
async fn paged(lab: &Lab) -> Result<(&Stream, Reading, u32), Stop> {
    let (stream, whole) = (lab.stream().await?, lab.whole().await?);
    let rows = u32::try_from(whole.records().div_ceil(PAGES_TRIED)).unwrap_or(u32::MAX).max(1);
    let limits = PageLimits { rows, ..lab.page_limits() };
    let reading = lab.read(&Request::full(stream), None, limits, usize::MAX).await?;
    if difference(&whole.sorted(), &reading.sorted()).is_some() {
        return skips("`read.paging` failed");
    }
    Ok((stream, reading, rows))
}

/// What was shown in the pages from this one on.
fn rest(reading: &Reading, page: usize) -> Vec<&Seen> {
    sorted(reading.pages.iter().skip(page).flat_map(|page| &page.records))
}

/// What goes on behind a page shows the rest; one that begins anew shows everything, and loses nothing.
fn goes_on(reading: &Reading, page: usize, resumed: &Reading) -> Verdict {
    let found = resumed.sorted();
    match difference(&rest(reading, page), &found) {
        None => Ok(()),
        Some(_) if difference(&reading.sorted(), &found).is_none() => Ok(()),
        Some((seen, Side::First)) => fails(format!("begun behind page {page}, it does not show {}", shown(seen))),
        Some((seen, Side::Second)) => {
            fails(format!("begun behind page {page}, it shows what was on that page or before: {}", shown(seen)))
        }
    }
}

/// The pages behind which a reading can be begun, with their numbers and cursors.
fn positions(reading: &Reading) -> impl Iterator<Item = (usize, Cursor)> {
    let more = reading.pages.iter().filter(|page| page.status == PageStatus::More);
    more.enumerate().map(|(at, page)| (at + 1, page.cursor.clone()))
}

async fn every_page(lab: &Lab) -> Verdict {
    let (stream, reading, rows) = paged(lab).await?;
    let limits = PageLimits { rows, ..lab.page_limits() };
    for (page, cursor) in positions(&reading) {
        let resumed = lab.read(&Request::full(stream), Some(cursor), limits, usize::MAX).await?;
        goes_on(&reading, page, &resumed)?;
    }
    holds(reading.pages.len() > 1, || "it is one page, whatever is asked for".to_owned())
}

async fn again(lab: &Lab) -> Verdict {
    let (stream, reading, rows) = paged(lab).await?;
    let Some((_, cursor)) = positions(&reading).next() else { return skips("there is only one page") };
    let limits = PageLimits { rows, ..lab.page_limits() };
    let request = Request::full(stream);
    let first = lab.read(&request, Some(cursor.clone()), limits, usize::MAX).await?;
    for _ in 0..2 {
        let second = lab.read(&request, Some(cursor.clone()), limits, usize::MAX).await?;
        if let Some((seen, _)) = difference(&first.sorted(), &second.sorted()) {
            return fails(format!("begun twice at one cursor, it shows different records: {}", shown(seen)));
        }
    }
    Ok(())
}

async fn page_size(lab: &Lab) -> Verdict {
    let (stream, reading, _) = paged(lab).await?;
    let Some((page, cursor)) = positions(&reading).nth(1) else { return skips("there are only two pages") };
    let request = Request::full(stream);
    let large = lab.read(&request, Some(cursor), lab.page_limits(), usize::MAX).await?;
    goes_on(&reading, page, &large)
}

async fn nonsense(lab: &Lab) -> Verdict {
    let (stream, whole) = (lab.stream().await?, lab.whole().await?);
    let cursor = Some(Cursor(NONSENSE.to_vec()));
    match lab.read(&Request::full(stream), cursor, lab.page_limits(), usize::MAX).await {
        Err(Broken::Failed(failure)) => {
            holds(failure.kind == FailureKind::StaleCursor, || format!("the error is: {}", told(&failure)))
        }
        Err(broken) => Err(broken.into()),
        // Whoever reads everything anyway loses nothing.
        Ok(reading) => holds(difference(&whole.sorted(), &reading.sorted()).is_none(), || {
            format!("begun at nonsense, it shows {} of {} records", reading.records(), whole.records())
        }),
    }
}
