//! The seams a simulation replaces: time and chance. Nothing else in the product asks the operating system for either.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

/// Wall clock, monotonic time and waiting.
#[async_trait::async_trait]
pub trait Clock: Send + Sync {
    fn now(&self) -> DateTime<Utc>;

    /// Time since some fixed point; never goes back.
    fn elapsed(&self) -> Duration;

    async fn sleep(&self, duration: Duration);
}

/// Chance. Not for secrets.
pub trait Random: Send + Sync {
    fn next_u64(&self) -> u64;
}

/// What a run needs of the world around it.
#[derive(Clone)]
pub struct World {
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

impl World {
    /// The real one.
    pub fn real() -> Self {
        Self { clock: Arc::new(SystemClock { start: std::time::Instant::now() }), random: Arc::new(SystemRandom) }
    }
}

struct SystemClock {
    start: std::time::Instant,
}

#[async_trait::async_trait]
impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

struct SystemRandom;

impl Random for SystemRandom {
    fn next_u64(&self) -> u64 {
        // The standard library seeds every hasher state from the operating system.
        use std::hash::{BuildHasher, RandomState};
        RandomState::new().hash_one(0u8)
    }
}
