//! Failures on order: what a plugin makes of a system in trouble is seen by letting its capabilities fail.
//!
//! For the conformance battery alone. Grants of a sync carry none, and without an order nothing is touched.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::connector::Failure;

/// The failures that the capabilities of a connection answer with. Clones share their orders.
#[derive(Clone, Default)]
pub struct Trouble(Arc<Mutex<Option<Order>>>);

struct Order {
    failure: Failure,
    of: Calls,
    /// How many calls have failed because of it.
    hits: u64,
}

/// Which calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    All,
    /// Requests that change something and are not said to be idempotent.
    Changes,
}

impl Trouble {
    /// From now on these calls are not carried out; they answer with the failure.
    pub fn order(&self, of: Calls, failure: Failure) {
        *self.lock() = Some(Order { failure, of, hits: 0 });
    }

    /// All is well again; answers how many calls failed.
    pub fn end(&self) -> u64 {
        self.lock().take().map_or(0, |order| order.hits)
    }

    /// What this call answers instead of being carried out.
    pub(super) fn strikes(&self, is_change: bool) -> Option<Failure> {
        let mut order = self.lock();
        let order = order.as_mut().filter(|order| is_change || order.of == Calls::All)?;
        order.hits += 1;
        Some(order.failure.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Order>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::FailureKind;
    use crate::error::codes;

    #[test]
    fn only_what_was_ordered_fails() {
        let trouble = Trouble::default();
        let failure = || Failure::new(FailureKind::Transient, &codes::HTTP_FAILED, "http", "no answer");
        assert!(trouble.strikes(true).is_none());
        trouble.order(Calls::Changes, failure());
        assert!(trouble.strikes(false).is_none());
        assert!(trouble.clone().strikes(true).is_some());
        trouble.order(Calls::All, failure());
        assert!(trouble.strikes(false).is_some());
        assert_eq!((trouble.end(), trouble.end()), (1, 0));
        assert!(trouble.strikes(true).is_none());
    }
}
