//! Requests of plugins as the host sends them: with credentials no plugin sees, within a budget, repeated where that does no harm.

mod budgets;
mod credentials;
pub mod lab;
pub mod oauth;
mod product;
pub mod records;
mod retries;
pub mod server;
mod tls;
