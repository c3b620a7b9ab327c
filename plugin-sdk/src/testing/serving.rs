//! Requests without a host: a test answers them.

use std::cell::RefCell;

use crate::error::{Error, Result};
use crate::http::{Ask, Reply};

type Server = Box<dyn FnMut(&Ask) -> Result<Reply>>;

thread_local! {
    static SERVER: RefCell<Option<Server>> = const { RefCell::new(None) };
}

/// Requests of this thread are answered until this is dropped.
#[derive(Debug)]
#[must_use = "requests are answered only while this lives"]
pub struct Served(());

impl Drop for Served {
    fn drop(&mut self) {
        SERVER.with_borrow_mut(|server| *server = None);
    }
}

/// Answers the requests that this thread sends by [`crate::http`]; an error is what the host tells of requests that got no answer.
///
/// ```
/// use lockstep_plugin_sdk::http::Client;
/// use lockstep_plugin_sdk::prelude::*;
/// use lockstep_plugin_sdk::testing::{reply, serve};
///
/// let _served = serve(|ask| match ask.target.as_str() {
///     "/numbers" => Ok(reply(200, "[1, 2]")),
///     _ => Err(Error::transient("the connection broke")),
/// });
/// let client = Client::new("api");
/// assert_eq!(client.send(client.get("numbers"))?.json::<Vec<i64>>()?, [1, 2]);
/// # Ok::<(), Error>(())
/// ```
pub fn serve(answer: impl FnMut(&Ask) -> Result<Reply> + 'static) -> Served {
    SERVER.with_borrow_mut(|server| *server = Some(Box::new(answer)));
    Served(())
}

/// An answer with this status and body.
pub fn reply(status: u16, body: &str) -> Reply {
    Reply { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
}

pub(crate) fn answer(endpoint: &str, ask: Ask) -> Result<Reply> {
    SERVER.with_borrow_mut(|server| match server {
        Some(server) => server(&ask),
        None => Err(Error::permanent(format!("there is no host to send requests to `{endpoint}`"))),
    })
}
