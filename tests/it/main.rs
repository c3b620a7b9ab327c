//! One integration binary, a module per behaviour.

mod sandbox;
mod sql_driver;
