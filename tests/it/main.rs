//! One integration binary, a module per behaviour.

mod clean;
mod contract;
mod sandbox;
