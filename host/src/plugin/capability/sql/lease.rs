//! Who has the connection of a session: the session itself, or one thing that is under way on it.
//!
//! A [`Lease`] always comes back: finished, or, dropped in the middle, through a task that cancels what is running and waits
//! until the server is ready again. What cannot be brought back is closed, and the session says so from then on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::pool::{Connector, Pool, Wire};
use crate::connector::{Failure, FailureKind};
use crate::error::codes;
use crate::plugin::capability::sql::busy;

/// Rows that nobody wants any more may run out by themselves before the server is asked to stop.
const GRACE: Duration = Duration::from_millis(20);
/// From then on the server has this long.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);

/// A session's connection, wherever it is.
pub(super) struct Home<C: Connector> {
    pub pool: Arc<Pool<C>>,
    pub server: String,
    state: Mutex<State<C::Wire>>,
    returned: Notify,
}

struct State<W> {
    place: Place<W>,
    /// Nobody holds the session any more.
    closed: bool,
    /// Leases so far.
    leases: u64,
}

enum Place<W> {
    Here(W),
    /// With the lease of this number.
    Away(u64),
    /// On its way back, without anybody using it.
    Returning,
    Gone(Failure),
}

impl<C: Connector> Home<C> {
    /// `server` is what the session answers when it is asked where it is.
    pub fn new(wire: C::Wire, server: String, pool: Arc<Pool<C>>) -> Arc<Self> {
        let state = State { place: Place::Here(wire), closed: false, leases: 0 };
        Arc::new(Self { pool, server, state: Mutex::new(state), returned: Notify::new() })
    }

    fn origin(&self) -> &str {
        self.pool.connector.origin()
    }

    fn lock(&self) -> MutexGuard<'_, State<C::Wire>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the connection for one thing to do. Waits for what is being cleaned up, not for what is in use.
    pub async fn lease(self: &Arc<Self>) -> Result<Lease<C>, Failure> {
        loop {
            let returned = self.returned.notified();
            if let Some(lease) = self.try_lease()? {
                return Ok(lease);
            }
            returned.await;
        }
    }

    fn try_lease(self: &Arc<Self>) -> Result<Option<Lease<C>>, Failure> {
        let mut state = self.lock();
        match &state.place {
            Place::Here(_) => {}
            Place::Away(_) => return Err(busy(self.origin())),
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

    fn put_back(&self, wire: C::Wire) {
        let mut state = self.lock();
        if wire.is_broken() {
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
        Failure::new(FailureKind::Transient, &codes::SQL_LOST, self.origin(), text)
    }
}

/// The connection, for as long as one thing takes.
pub(super) struct Lease<C: Connector> {
    pub home: Arc<Home<C>>,
    pub number: u64,
    wire: Option<C::Wire>,
}

impl<C: Connector> Lease<C> {
    /// The connection. Only a lease that is being dropped has none.
    pub fn wire(&mut self) -> Result<&mut C::Wire, Failure> {
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
            wire.give_up();
        }
        failure
    }
}

impl<C: Connector> Drop for Lease<C> {
    fn drop(&mut self) {
        let Some(mut wire) = self.wire.take() else { return };
        if wire.is_broken() || wire.settle_now() {
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
                wire.give_up();
                self.home.put_back(wire);
            }
        }
    }
}

/// Brings the connection back to where the next statement can be sent, or marks it as broken.
async fn recover<C: Connector>(pool: &Pool<C>, wire: &mut C::Wire) {
    let settled = match tokio::time::timeout(GRACE, wire.settle()).await {
        Ok(settled) => settled.is_ok(),
        Err(_) => matches!(tokio::time::timeout(CANCEL_TIMEOUT, pool.connector.cancel(wire)).await, Ok(Ok(()))),
    };
    if !settled {
        wire.give_up();
    }
}
