//! Connections that wait for their next session.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::connect::Connector;
use super::wire::{Status, Wire};
use crate::connector::Failure;

/// A plugin rarely has more than one session to read and one to write.
const IDLE_MAX: usize = 2;
const RESET_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct Pool {
    pub connector: Connector,
    idle: Mutex<Vec<Wire>>,
}

impl Pool {
    pub fn new(connector: Connector) -> Self {
        Self { connector, idle: Mutex::new(Vec::new()) }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Wire>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection as good as new.
    pub async fn acquire(&self) -> Result<Wire, Failure> {
        loop {
            let Some(wire) = self.lock().pop() else { return self.connector.connect().await };
            if wire.is_alive() {
                return Ok(wire);
            }
        }
    }

    /// Rolls back and forgets everything the session did, then keeps the connection if there is room for it.
    pub fn release(self: Arc<Self>, mut wire: Wire) {
        // Without a runtime the connection closes here, and the server rolls back.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let reset = tokio::time::timeout(RESET_TIMEOUT, reset(&mut wire)).await;
            let is_clean = matches!(reset, Ok(Ok(()))) && !wire.broken && wire.status == Status::Idle;
            let mut idle = self.lock();
            if is_clean && idle.len() < IDLE_MAX {
                idle.push(wire);
            }
        });
    }
}

async fn reset(wire: &mut Wire) -> Result<(), Failure> {
    if wire.status != Status::Idle {
        wire.send_query("ROLLBACK");
    }
    wire.send_query("DISCARD ALL");
    let mut failure = None;
    while wire.owed > 0 {
        match wire.arrive().await? {
            b'E' => failure = Some(wire.take_failure()),
            _ => wire.consume(),
        }
    }
    failure.map_or(Ok(()), Err)
}
