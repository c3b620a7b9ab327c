//! What no page may ever break, whatever was asked while it was looked at. Comes last: all readings of the battery count.

use super::lab::Lab;
use super::{Check, Verdict, fails, skips};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "pages.columns",
        title: "columns are well-formed: the fields asked for, as many values as rows, valid text",
        rule: "wit/v0.1/types.wit, column and values",
        fix: "build batches with the SDK's `BatchBuilder`, or check offsets, bitmaps and lengths against the contract",
        run: |lab| Box::pin(async { unbroken(lab, "columns") }),
    },
    Check {
        id: "pages.rows",
        title: "no page holds more records than were asked for",
        rule: "wit/v0.1/types.wit, limits",
        fix: "end the page at `limits.rows`, records that were refused included",
        run: |lab| Box::pin(async { unbroken(lab, "page-rows") }),
    },
    Check {
        id: "pages.cursor",
        title: "a cursor is small",
        rule: "docs/guides/write-a-plugin.md, limits",
        fix: "put a position into the cursor, not what was read: 64 KiB at most",
        run: |lab| Box::pin(async { unbroken(lab, "cursor") }),
    },
    Check {
        id: "pages.status",
        title: "a page's status is one of the three there are",
        rule: "wit/v0.1/types.wit, page.status",
        fix: "answer `more`, `caught-up` or `enumeration-complete`",
        run: |lab| Box::pin(async { unbroken(lab, "status") }),
    },
    Check {
        id: "pages.progress",
        title: "a reading gets on: no `more` for ever",
        rule: "wit/v0.1/source.wit, next",
        fix: "move the cursor with every page, and end when the system has no more",
        run: |lab| Box::pin(async { unbroken(lab, "progress") }),
    },
];

fn unbroken(lab: &Lab, rule: &str) -> Verdict {
    lab.exports("source")?;
    match lab.breach_of(rule) {
        Some(how) => fails(how),
        None if lab.has_read() => Ok(()),
        None => skips("nothing was read"),
    }
}
