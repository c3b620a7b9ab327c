//! Who has the connection of a session: the session itself, or one thing that is under way on it.
//!
//! A [`Lease`] always comes back: finished, or, dropped in the middle, through a task that cancels what is running and waits
//! until the server is ready again. What cannot be brought back is closed, and the session says so from then on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::pool::Pool;
use super::wire::Wire;
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::capability::sql::busy;

/// Rows that nobody wants any more may run out by themselves before the server is asked to stop.
const GRACE: Duration = Duration::from_millis(20);
/// From then on the server has this long.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);

/// A session's connection, wherever it is.
pub(super) struct Home {
    pub pool: Arc<Pool>,
    pub server: String,
    state: Mutex<State>,
    returned: Notify,
}

struct State {
    place: Place,
    /// Nobody holds the session any more.
    closed: bool,
    /// Leases so far.
    leases: u64,
}

enum Place {
    Here(Wire),
    /// With the lease of this number.
    Away(u64),
    /// On its way back, without anybody using it.
    Returning,
    Gone(Failure),
}

impl Home {
    pub fn new(wire: Wire, pool: Arc<Pool>) -> Arc<Self> {
        let server = format!("postgres {}", wire.version);
        let state = State { place: Place::Here(wire), closed: false, leases: 0 };
        Arc::new(Self { pool, server, state: Mutex::new(state), returned: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the connection for one thing to do. Waits for what is being cleaned up, not for what is in use.
    pub async fn lease(self: &Arc<Self>) -> Result<Lease, Failure> {
        loop {
            let returned = self.returned.notified();
            if let Some(lease) = self.try_lease()? {
                return Ok(lease);
            }
            returned.await;
        }
    }

    fn try_lease(self: &Arc<Self>) -> Result<Option<Lease>, Failure> {
        let mut state = self.lock();
        match &state.place {
            Place::Here(_) => {}
            Place::Away(_) => return Err(busy(&self.pool.connector.origin)),
            Place::Returning => return Ok(None),
            Place::Gone(failure) => return Err(failure.clone()),
        }
        state.leases += 1;
        let number = state.leases;
        match std::mem::replace(&mut state.place, Place::Away(number)) {
            Place::Here(wire) => Ok(Some(Lease { home: self.clone(), number, wire: Some(wire) })),
            _ => Ok(None),
        }
    }

    /// Nobody uses the lease of this number any more: whoever wants the connection waits for it from now on.
    pub fn let_go(&self, number: u64) {
        let mut state = self.lock();
        if matches!(state.place, Place::Away(away) if away == number) {
            state.place = Place::Returning;
        }
    }

    /// The session is not needed any more.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        if matches!(state.place, Place::Here(_))
            && let Place::Here(wire) = std::mem::replace(&mut state.place, Place::Returning)
        {
            self.pool.clone().release(wire);
        }
    }

    fn put_back(&self, wire: Wire) {
        let mut state = self.lock();
        if wire.broken {
            state.place = Place::Gone(self.lost());
        } else if state.closed {
            self.pool.clone().release(wire);
        } else {
            state.place = Place::Here(wire);
        }
        drop(state);
        self.returned.notify_waiters();
    }

    fn lost(&self) -> Failure {
        let text = "the session is over, for its connection was lost";
        Failure::new(FailureKind::Transient, &codes::SQL_LOST, &self.pool.connector.origin, text)
    }
}

/// The connection, for as long as one thing takes.
pub(super) struct Lease {
    pub home: Arc<Home>,
    pub number: u64,
    wire: Option<Wire>,
}

impl Lease {
    /// The connection. Only a lease that is being dropped has none.
    pub fn wire(&mut self) -> Result<&mut Wire, Failure> {
        match &mut self.wire {
            Some(wire) => Ok(wire),
            None => Err(self.home.lost()),
        }
    }

    /// Gives the connection back after a success.
    pub async fn finish(mut self) -> Result<(), Failure> {
        self.wire()?.settle().await
    }

    /// Gives the connection back after a failure, which is what it answers.
    pub async fn fail(mut self, failure: Failure) -> Failure {
        if let Some(wire) = &mut self.wire
            && wire.settle().await.is_err()
        {
            wire.broken = true;
        }
        failure
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut wire) = self.wire.take() else { return };
        if wire.broken || wire.settle_now() {
            return self.home.put_back(wire);
        }
        self.home.lock().place = Place::Returning;
        let home = self.home.clone();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                recover(&home.pool, &mut wire).await;
                home.put_back(wire);
            })),
            Err(_) => {
                wire.broken = true;
                self.home.put_back(wire);
            }
        }
    }
}

/// Brings the connection back to where the next statement can be sent, or marks it as broken.
async fn recover(pool: &Pool, wire: &mut Wire) {
    if let Ok(settled) = tokio::time::timeout(GRACE, wire.settle()).await {
        wire.broken |= settled.is_err();
        return;
    }
    let key = wire.cancel_key;
    let cancelled = tokio::time::timeout(CANCEL_TIMEOUT, async {
        pool.connector.cancel(key).await;
        wire.settle().await?;
        // The signal may reach the server late: it must not hit the next statement.
        wire.send_sync();
        wire.settle().await
    });
    let settled = matches!(cancelled.await, Ok(Ok(())));
    wire.broken |= !settled;
}
