//! What a reading has seen, told by transactions instead of by time.
//!
//! A row tells in `xmin` which transaction wrote it. Every transaction below the oldest one that ran at the time of a snapshot
//! had ended by then; whether one above it had, the snapshot itself cannot tell for certain, for it does not name the
//! subtransactions of those that ran. So the few that are known to have been seen are remembered one by one, and all others
//! count as not seen: a row may come twice, but is never missed.

use lockstep_sql_dialect::{FromJson, Members, Unfit, object};
use serde_json::Value as Json;

/// What a reading has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize, serde::Deserialize), serde(into = "Json", try_from = "Json"))]
pub struct Snapshot {
    /// Every transaction below this one had ended.
    pub oldest: u64,
    /// No transaction from this one on had ended.
    pub next: u64,
    /// Transactions from `oldest` on whose rows were seen, as distances from it.
    pub seen: Vec<u64>,
    /// Which server, in which of its histories; empty where it does not tell.
    pub server: String,
}

/// Transactions seen above the oldest running one that are remembered; with more of them none are.
pub const SEEN_MAX: usize = 2000;
/// As far apart may transactions be whose 32 bits are compared, with room for those that begin meanwhile.
const DISTANCE_MAX: u64 = 1 << 30;

impl Snapshot {
    /// Reads `10:20:10,14,15` as `pg_current_snapshot` writes it.
    pub fn parse(text: &str, server: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let oldest = parts.next()?.parse().ok()?;
        let next = parts.next()?.parse().ok()?;
        Some(Self { oldest, next, seen: Vec::new(), server: server.to_owned() })
    }

    /// Whether nothing but time separates the two: no transaction ran then, and none has ended since.
    pub fn is_same_moment(&self, now: &Self) -> bool {
        self.oldest == self.next && self.next == now.next && self.server == now.server
    }

    /// Whether transactions may have been running that wrote already.
    pub fn is_busy(&self) -> bool {
        self.oldest < self.next
    }

    /// Remembers transactions that were seen, as the 32 bits that rows keep of them.
    pub fn remember(&mut self, transactions: &[u32]) {
        if transactions.len() > SEEN_MAX {
            return;
        }
        let oldest = self.oldest as u32;
        self.seen = transactions.iter().map(|id| u64::from(id.wrapping_sub(oldest))).collect();
        self.seen.sort_unstable();
    }

    /// Whether the snapshot means anything to a server that is at `now`: transactions are counted in the same history, and not
    /// too far apart.
    fn is_comparable(&self, now: &Self) -> bool {
        self.server == now.server && self.next <= now.next && now.next - self.oldest < DISTANCE_MAX
    }

    /// The condition for a row that may have been written by a transaction this snapshot had not seen; none = any may have been.
    pub fn unseen(&self, alias: &str, now: &Self) -> Option<String> {
        if !self.is_comparable(now) {
            return None;
        }
        let oldest = self.oldest as u32;
        let young = format!("pg_catalog.age({alias}.xmin) <= pg_catalog.age('{oldest}'::pg_catalog.xid)");
        if self.seen.is_empty() {
            return Some(young);
        }
        let seen: Vec<String> =
            self.seen.iter().map(|distance| ((self.oldest + distance) as u32).to_string()).collect();
        Some(format!("({young} AND NOT {alias}.xmin = ANY ('{{{}}}'::pg_catalog.xid[]))", seen.join(",")))
    }

    pub fn to_json(&self) -> Json {
        let mut members = vec![("oldest", Json::from(self.oldest)), ("next", Json::from(self.next))];
        if !self.seen.is_empty() {
            members.push(("seen", Json::Array(self.seen.iter().map(|seen| Json::from(*seen)).collect())));
        }
        if !self.server.is_empty() {
            members.push(("server", Json::from(self.server.as_str())));
        }
        object(members)
    }

    /// The condition for a row of a transaction of which the snapshot alone cannot tell whether it had ended.
    pub fn uncertain(&self, alias: &str) -> String {
        format!("pg_catalog.age({alias}.xmin) <= pg_catalog.age('{}'::pg_catalog.xid)", self.oldest as u32)
    }
}

impl FromJson for Snapshot {
    fn from_json(json: Json) -> Result<Self, Unfit> {
        let mut members = Members::from_json(json)?;
        Ok(Self {
            oldest: members.take("oldest")?,
            next: members.take("next")?,
            seen: members.take_or_empty("seen")?,
            server: members.take_or_empty("server")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl From<Snapshot> for Json {
        fn from(snapshot: Snapshot) -> Self {
            snapshot.to_json()
        }
    }

    impl TryFrom<Json> for Snapshot {
        type Error = Unfit;

        fn try_from(json: Json) -> Result<Self, Unfit> {
            Self::from_json(json)
        }
    }

    fn snapshot(text: &str) -> Snapshot {
        Snapshot::parse(text, "7/1").unwrap()
    }

    #[test]
    fn snapshots_are_read() {
        let read = snapshot("10:20:10,14,15");
        assert_eq!((read.oldest, read.next), (10, 20));
        assert!(read.is_busy());
        assert!(!snapshot("20:20:").is_busy());
        for text in ["", "10", "a:b:c", "10:x:"] {
            assert_eq!(Snapshot::parse(text, ""), None, "{text}");
        }
    }

    #[test]
    fn nothing_happened_between_equal_quiet_moments() {
        assert!(snapshot("20:20:").is_same_moment(&snapshot("20:20:")));
        assert!(snapshot("20:20:").is_same_moment(&snapshot("15:20:15")));
        assert!(!snapshot("15:20:15").is_same_moment(&snapshot("20:20:")));
        assert!(!snapshot("20:20:").is_same_moment(&snapshot("21:21:")));
        assert!(!snapshot("20:20:").is_same_moment(&Snapshot { server: "7/2".into(), ..snapshot("20:20:") }));
    }

    #[test]
    fn rows_of_unseen_transactions_are_young() {
        let mut then = snapshot("10:20:10,14,15");
        let now = snapshot("30:30:");
        assert_eq!(then.unseen("t", &now).unwrap(), "pg_catalog.age(t.xmin) <= pg_catalog.age('10'::pg_catalog.xid)");
        then.remember(&[13, 12]);
        assert_eq!(
            then.unseen("t", &now).unwrap(),
            "(pg_catalog.age(t.xmin) <= pg_catalog.age('10'::pg_catalog.xid) AND NOT t.xmin = ANY ('{12,13}'::pg_catalog.xid[]))"
        );
    }

    #[test]
    fn transactions_are_shown_with_32_bits() {
        let epoch = 1u64 << 32;
        let mut then = snapshot(&format!("{}:{}:", epoch - 2, epoch + 9));
        then.remember(&[5, u32::MAX]);
        assert_eq!(then.seen, [1, 7]);
        let shown = then.unseen("t", &then).unwrap();
        assert!(shown.contains("'4294967294'::pg_catalog.xid"), "{shown}");
        assert!(shown.contains("{4294967295,5}"), "{shown}");
    }

    #[test]
    fn snapshots_of_another_history_mean_nothing() {
        let then = snapshot("20:20:");
        assert!(then.unseen("t", &snapshot("19:19:")).is_none());
        assert!(then.unseen("t", &snapshot(&format!("{0}:{0}:", 20 + DISTANCE_MAX))).is_none());
        assert!(then.unseen("t", &Snapshot { server: "7/2".into(), ..snapshot("30:30:") }).is_none());
        assert!(then.unseen("t", &snapshot("30:30:")).is_some());
    }

    #[test]
    fn too_many_are_not_remembered() {
        let mut then = snapshot("10:20:10");
        then.remember(&vec![11; SEEN_MAX + 1]);
        assert!(then.seen.is_empty());
    }

    proptest! {
        #[test]
        fn cursors_keep_snapshots(oldest in any::<u64>(), length in 0u64..1000, seen in proptest::collection::vec(0u64..1000, 0..5)) {
            let next = oldest.saturating_add(length);
            let snapshot = Snapshot { oldest, next, seen, server: "s".into() };
            let text = serde_json::to_string(&snapshot).unwrap();
            prop_assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), snapshot);
        }
    }
}
