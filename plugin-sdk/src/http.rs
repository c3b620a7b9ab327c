//! Requests to HTTP APIs: what is asked, what an answer means, and lists that come page by page.
//!
//! The host sends: it adds credentials, keeps the pace, and repeats what may be repeated. What passes (429, 503, a broken connection)
//! arrives as an error to be handed on with `?`; every other status is a [`Reply`], and [`Reply::json`] makes an error of the right
//! kind of one that is no success.
//!
//! ```
//! use lockstep_plugin_sdk::http::{Ask, Client, Reply};
//! use lockstep_plugin_sdk::prelude::*;
//! use lockstep_plugin_sdk::testing;
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Contact {
//!     id: i64,
//!     name: String,
//! }
//!
//! let client = Client::new("api").below("/v2").header("accept", "application/json");
//!
//! // In a plugin the host answers. In a test the test does.
//! let _served = testing::serve(|ask: &Ask| match ask.target.as_str() {
//!     "/v2/contacts/7" => Ok(testing::reply(200, r#"{"id": 7, "name": "Ann"}"#)),
//!     _ => Ok(testing::reply(404, r#"{"message": "there is no such contact"}"#)),
//! });
//! let ann: Contact = client.send(client.get("contacts/7"))?.json()?;
//! assert_eq!((ann.id, ann.name.as_str()), (7, "Ann"));
//!
//! let error = client.send(client.get("contacts/8"))?.json::<Contact>().err().unwrap();
//! assert!(error.is(ErrorKind::NotFound));
//! assert_eq!(error.message, "the service answered 404: there is no such contact");
//! # Ok::<(), Error>(())
//! ```
//!
//! Lists: [`Client::pages`] with a [`Paging`], usually within a [`crate::list::ListReader`].
//!
//! [`Client`], typed answers and lists need the feature `json`. Nothing of all this is in a plugin that does not use it, and neither is
//! the import of the host's `http`.

pub mod answer;
mod ask;
#[cfg(feature = "json")]
mod client;
mod clock;
#[cfg(feature = "json")]
mod paging;
mod service;
#[cfg(feature = "json")]
mod typed;

pub use ask::{Ask, Reply, ask, ask_all};
#[cfg(feature = "json")]
pub use client::Client;
pub use clock::clock;
#[cfg(feature = "json")]
pub(crate) use paging::digest;
#[cfg(feature = "json")]
pub use paging::{Listed, Pages, Paging};
pub use service::{Service, encode};
