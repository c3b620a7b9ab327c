//! Memory after a thousand calls: an instance serves many, and nothing ever shrinks it.

use std::time::Duration;

use super::lab::Lab;
use super::reading::Request;
use super::{Check, Stop, Verdict, holds, skips};
use crate::connector::{PageLimits, PageStatus, Source as _};
use crate::plugin::PluginConnector;

/// Calls until an instance has what it needs.
const WARM_CALLS: usize = 100;
const CALLS: usize = 1_000;
/// What an allocator may take in between without there being a leak: a call that keeps half a kilobyte takes more.
const GROWTH_BYTES_MAX: usize = 384 << 10;
/// Fewer calls than a thousand are allowed less, but memory grows by pages of this size.
const GROWTH_BYTES_MIN: usize = 128 << 10;
/// What a page may cost a transform in Python: several times what it holds, and no more.
const PYTHON_BYTES_MAX: usize = 128 << 10;
/// A system that takes longer for its thousand calls is asked less often.
const PATIENCE: Duration = Duration::from_secs(4);
const WARM_PATIENCE: Duration = Duration::from_secs(2);
/// From fewer calls nothing can be told.
const CALLS_MIN: usize = 20;

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

/// Counts calls and says how many there shall be: until an instance has what it needs, and then as many as patience allows.
struct Meter<'a> {
    connector: &'a PluginConnector,
    lab: &'a Lab,
    what: &'static str,
    began: Duration,
    calls: usize,
    /// The calls and the bytes when it had what it needs.
    warm: Option<(usize, usize)>,
}

impl<'a> Meter<'a> {
    fn new(lab: &'a Lab, connector: &'a PluginConnector, what: &'static str) -> Self {
        Self { connector, lab, what, began: lab.setup.clock.elapsed(), calls: 0, warm: None }
    }

    fn spent(&self) -> Duration {
        self.lab.setup.clock.elapsed().saturating_sub(self.began)
    }

    /// Whether there shall be another call; counts it.
    fn goes_on(&mut self) -> bool {
        if self.warm.is_none() && (self.calls >= WARM_CALLS || self.spent() > WARM_PATIENCE) {
            self.warm = Some((self.calls, self.connector.memory_peak_bytes()));
        }
        let goes_on = self.calls < CALLS && self.spent() < WARM_PATIENCE + PATIENCE;
        self.calls += usize::from(goes_on);
        goes_on
    }

    /// Of Python nobody can ask that: its runtime does not free what a call is handed.
    fn judge_transform(&self) -> Verdict {
        match (self.judge(), self.lab.binary()?.report.has_python) {
            (Err(Stop::Fails(reason)), true) if self.grown() <= PYTHON_BYTES_MAX * self.calls => skips(format!(
                "{reason}; Python does not free what a call is handed, and the host replaces it at half its limit"
            )),
            (verdict, _) => verdict,
        }
    }

    fn grown(&self) -> usize {
        let warm = self.warm.map_or(0, |(_, bytes)| bytes);
        self.connector.memory_peak_bytes().saturating_sub(warm)
    }

    fn judge(&self) -> Verdict {
        let (warm_calls, warm_bytes) = self.warm.unwrap_or((self.calls, 0));
        let calls = self.calls - warm_calls;
        if calls < CALLS_MIN {
            return skips(format!("{} {} took {:.1} s", self.calls, self.what, self.spent().as_secs_f64()));
        }
        let grown = self.grown();
        let allowed = (GROWTH_BYTES_MAX / (CALLS - WARM_CALLS) * calls).max(GROWTH_BYTES_MIN);
        holds(grown <= allowed, || {
            format!("{calls} {} made it grow by {} kB, from {} kB", self.what, grown >> 10, warm_bytes >> 10)
        })
    }
}

async fn discover(lab: &Lab) -> Verdict {
    lab.streams().await?;
    let connector = lab.fresh()?;
    let mut meter = Meter::new(lab, &connector, "calls");
    while meter.goes_on() {
        lab.answered(connector.discover(&[]).await)?;
    }
    meter.judge()
}

async fn read(lab: &Lab) -> Verdict {
    let (stream, whole, connector) = (lab.stream().await?, lab.whole().await?, lab.fresh()?);
    if whole.records() < 4 * WARM_CALLS {
        return skips(format!("`{}` has {} records, fewer than {}", stream.name, whole.records(), 4 * WARM_CALLS));
    }
    let limits = PageLimits { rows: 1, ..lab.page_limits() };
    let mut reader = lab.answered(connector.open(Request::full(stream).at(None)).await)?;
    let mut meter = Meter::new(lab, &connector, "pages");
    while meter.calls < whole.records() && meter.goes_on() {
        if lab.answered(reader.next(limits).await)?.status != PageStatus::More {
            break;
        }
    }
    meter.judge()
}

async fn transform(lab: &Lab) -> Verdict {
    super::transform::works(lab).await?;
    let connector: PluginConnector = lab.fresh_transform()?;
    let (stream, page) = super::transform::page(lab)?;
    let mut transformer = crate::connector::Transform::open(&connector, &stream).await.map_err(Stop::from)?;
    let mut meter = Meter::new(lab, &connector, "pages");
    while meter.goes_on() {
        lab.answered(transformer.apply(&page).await)?;
    }
    meter.judge_transform()
}
