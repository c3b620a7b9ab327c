//! Real servers for tests: each in its own folder, on its own loopback port, gone when its value is dropped or when the
//! test process ends in whatever way.
//!
//! For tests only: what cannot be set up panics with a sentence that says what to do. It must not know the product.
#![allow(clippy::panic, reason = "a test that has no server fails, and says why")]

mod account;
mod apis;
mod ask;
mod cap;
mod certificate;
mod couch;
mod folder;
mod guardian;
mod mariadb;
mod npm;
mod oidc;
mod postgres;
mod process;
mod pypi;
mod salesforce;
mod soap;
mod spyne;
mod stripe;

pub use apis::Api;
pub use cap::Cap;
pub use certificate::Certificate;
pub use couch::Couch;
pub use folder::Folder;
pub use mariadb::{Mariadb, MariadbOptions};
pub use oidc::Oidc;
pub use postgres::{Options, Postgres, Shutdown};
pub use pypi::componentize_py;
pub use salesforce::Salesforce;
pub use soap::{Soap, WSDL as SOAP_WSDL};
pub use spyne::Spyne;
pub use stripe::Stripe;
