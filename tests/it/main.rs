//! One integration binary, a module per behaviour.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod clean;
mod conformance;
mod contract;
mod demo;
mod documents;
mod examples;
mod guides;
mod http;
mod http_json_plugin;
mod hub;
mod kit;
mod mirror;
mod mysql_plugin;
mod odata_plugin;
mod openlineage;
mod plugins;
mod postgres_plugin;
mod recording;
mod salesforce_plugin;
mod sandbox;
mod soap_plugin;
mod sql_driver;
mod sqlite_plugin;
