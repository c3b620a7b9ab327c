//! Memory after a thousand calls: an instance serves many, and nothing ever shrinks it.

use super::lab::Lab;
use super::reading::Request;
use super::{Check, Stop, Verdict, holds, skips};
use crate::connector::{PageLimits, Source as _};
use crate::plugin::PluginConnector;

/// Calls until an instance has what it needs.
const WARM_CALLS: usize = 100;
const CALLS: usize = 1_000;
/// What an allocator may take in between without there being a leak: two calls of which one kept a kilobyte are more.
const GROWTH_BYTES_MAX: usize = 384 << 10;
/// A system that takes so long for the first calls is asked no more: it is a network that is measured then.
const WARM_SECONDS_MAX: f64 = 1.5;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "memory.discover",
        title: "a thousand discoveries do not make an instance grow",
        rule: "docs/guides/write-a-plugin.md, limits",
        fix: "free what a call has used: look for statics, forgotten handles and caches without an end",
        run: |lab| Box::pin(discover(lab)),
    },
    Check {
        id: "memory.read",
        title: "a reading of many pages does not make an instance grow",
        rule: "docs/guides/write-a-plugin.md, limits",
        fix: "let go of a page once it is answered",
        run: |lab| Box::pin(read(lab)),
    },
    Check {
        id: "memory.transform",
        title: "a thousand pages do not make a transform grow",
        rule: "docs/guides/write-a-plugin.md, limits",
        fix: "let go of a page once it is answered",
        run: |lab| Box::pin(transform(lab)),
    },
];

/// The peak after some calls, and the verdict after many.
struct Growth<'a> {
    connector: &'a PluginConnector,
    warm: usize,
}

impl<'a> Growth<'a> {
    fn since(connector: &'a PluginConnector) -> Self {
        Self { connector, warm: connector.memory_peak_bytes() }
    }

    fn judge(&self, what: &str, calls: usize) -> Verdict {
        let grown = self.connector.memory_peak_bytes().saturating_sub(self.warm);
        holds(grown <= GROWTH_BYTES_MAX, || {
            format!("{what} {WARM_CALLS} to {calls} made it grow by {} kB, from {} kB", grown >> 10, self.warm >> 10)
        })
    }
}

async fn discover(lab: &Lab) -> Verdict {
    lab.streams().await?;
    let (connector, clock) = (lab.fresh()?, &lab.setup.clock);
    let began = clock.elapsed();
    for _ in 0..WARM_CALLS {
        lab.answered(connector.discover(&[]).await)?;
    }
    let seconds = clock.elapsed().saturating_sub(began).as_secs_f64();
    if seconds > WARM_SECONDS_MAX {
        return skips(format!("{WARM_CALLS} discoveries took {seconds:.1} s"));
    }
    let growth = Growth::since(&connector);
    for _ in WARM_CALLS..CALLS {
        lab.answered(connector.discover(&[]).await)?;
    }
    growth.judge("calls", CALLS)
}

async fn read(lab: &Lab) -> Verdict {
    let (stream, whole, connector) = (lab.stream().await?, lab.whole().await?, lab.fresh()?);
    if whole.records() < 4 * WARM_CALLS {
        return skips(format!("`{}` has {} records, fewer than {}", stream.name, whole.records(), 4 * WARM_CALLS));
    }
    let limits = PageLimits { rows: 1, ..lab.page_limits() };
    let mut reader = lab.answered(connector.open(Request::full(stream).at(None)).await)?;
    let mut growth = None;
    for call in 0..whole.records().min(CALLS) {
        if call == WARM_CALLS {
            growth = Some(Growth::since(&connector));
        }
        lab.answered(reader.next(limits).await)?;
    }
    growth.map_or_else(|| skips("there are too few pages"), |growth| growth.judge("pages", whole.records().min(CALLS)))
}

async fn transform(lab: &Lab) -> Verdict {
    super::transform::works(lab).await?;
    let connector: PluginConnector = lab.fresh_transform()?;
    let (stream, page) = super::transform::page(lab)?;
    let mut transformer = crate::connector::Transform::open(&connector, &stream).await.map_err(Stop::from)?;
    for _ in 0..WARM_CALLS {
        lab.answered(transformer.apply(&page).await)?;
    }
    let growth = Growth::since(&connector);
    for _ in WARM_CALLS..CALLS {
        lab.answered(transformer.apply(&page).await)?;
    }
    growth.judge("pages", CALLS)
}
