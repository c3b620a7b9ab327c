//! What a plugin makes of a system in trouble: its capabilities fail to order, and what they answered has to arrive.

use std::time::Duration;

use super::lab::Lab;
use super::reading::Request;
use super::{Check, Verdict, fails, holds, skips, told};
use crate::connector::{Failure, FailureKind, Sink, Source};
use crate::error::codes;
use crate::plugin::{Calls, Fault};

pub(super) const RETRY_AFTER: Duration = Duration::from_secs(7);
const CAPABILITIES: &[&str] = &["files", "sql", "http"];

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "trouble.transient",
        title: "a system that cannot be reached for the moment is an error of kind `transient`",
        rule: "wit/v0.1/types.wit, error.kind",
        fix: "pass the error of the capability on as it is: in Rust with `?`",
        run: |lab| Box::pin(arrives(lab, FailureKind::Transient)),
    },
    Check {
        id: "trouble.rate-limited",
        title: "a system that wants to be asked less is an error of kind `rate-limited`, with its time",
        rule: "wit/v0.1/types.wit, error.retry-after-ms",
        fix: "pass the error of the capability on as it is, `retry-after-ms` included",
        run: |lab| Box::pin(arrives(lab, FailureKind::RateLimited)),
    },
    Check {
        id: "trouble.auth",
        title: "credentials that are refused are an error of kind `auth`",
        rule: "wit/v0.1/types.wit, error.kind",
        fix: "pass the error of the capability on as it is: an empty answer would look like deleted records",
        run: |lab| Box::pin(arrives(lab, FailureKind::Auth)),
    },
    Check {
        id: "trouble.half-way",
        title: "a system that goes away in the middle of a reading ends it with an error",
        rule: "wit/v0.1/source.wit, next",
        fix: "never end a reading as if it were whole when the system does not answer",
        run: |lab| Box::pin(half_way(lab)),
    },
];

pub(super) fn failure(kind: FailureKind) -> Failure {
    let code = match kind {
        FailureKind::RateLimited => &codes::HTTP_LIMITED,
        FailureKind::Auth => &codes::HTTP_AUTH,
        _ => &codes::HTTP_FAILED,
    };
    let failure = Failure::new(kind, code, "check", "a failure that the battery has ordered");
    Failure { retry_after: (kind == FailureKind::RateLimited).then_some(RETRY_AFTER), ..failure }
}

/// Skips unless there is something that can fail.
fn needs_capability(lab: &Lab) -> Verdict {
    let authority = lab.binary()?.report.authority();
    if authority.capabilities().any(|name| CAPABILITIES.contains(&name)) {
        Ok(())
    } else {
        skips("it imports no capability that could fail")
    }
}

/// Asks for the streams, or for the target if it cannot be read from, in an instance that knows nothing yet.
async fn ask(lab: &Lab) -> Result<Result<usize, Failure>, super::Stop> {
    let connector = lab.fresh()?;
    if lab.exports("source").is_ok() {
        return Ok(connector.discover(&[]).await.map(|streams| streams.len()));
    }
    lab.exports("sink")?;
    let name = lab.wishes.write_stream.as_deref().unwrap_or(super::discover::NO_SUCH_STREAM);
    Ok(Sink::describe(&connector, name).await.map(|found| usize::from(found.is_some())))
}

async fn arrives(lab: &Lab, kind: FailureKind) -> Verdict {
    needs_capability(lab)?;
    lab.connector().await?;
    let trouble = lab.setup.grants.trouble.clone();
    trouble.order(Calls::All, Fault::Refused(failure(kind)));
    let answer = ask(lab).await;
    if trouble.end().all == 0 {
        return skips("it asked its system nothing");
    }
    match answer? {
        Ok(found) => fails(format!("it answers {found} streams, though its system answered an error")),
        Err(failure) if failure.kind != kind => fails(format!("the error is: {}", told(&failure))),
        Err(failure) => holds(kind != FailureKind::RateLimited || failure.retry_after == Some(RETRY_AFTER), || {
            format!("the error says `retry-after-ms` {:?}, not 7000", failure.retry_after.map(|time| time.as_millis()))
        }),
    }
}

async fn half_way(lab: &Lab) -> Verdict {
    needs_capability(lab)?;
    let (stream, whole, connector) = (lab.stream().await?, lab.whole().await?, lab.fresh()?);
    let trouble = lab.setup.grants.trouble.clone();
    let limits = crate::connector::PageLimits { rows: 1, ..lab.page_limits() };
    let mut reader = lab.answered(Source::open(&connector, Request::full(stream).at(None)).await)?;
    let mut shown = lab.answered(reader.next(limits).await)?.changes.rows();
    trouble.order(Calls::All, Fault::Refused(failure(FailureKind::Transient)));
    let mut outcome = Ok(());
    // What it has at hand it may still show.
    for _ in 0..=whole.records() {
        match reader.next(limits).await {
            Err(failure) if failure.kind == FailureKind::Transient => break,
            Err(failure) => {
                outcome = fails(format!("the error is: {}", told(&failure)));
                break;
            }
            Ok(page) => {
                shown += page.changes.rows() + page.rejected.len();
                if page.status != crate::connector::PageStatus::More {
                    outcome = holds(shown >= whole.records(), || {
                        format!(
                            "it ends the reading after {shown} of {} records as if there were no more",
                            whole.records()
                        )
                    });
                    break;
                }
            }
        }
    }
    trouble.end();
    outcome
}
