//! One API behind one endpoint.

use super::ask::{Ask, Reply, ask, ask_all};
use super::paging::{Pages, Paging};
use super::service::Service;
use crate::error::Result;

/// An API below one path of the origin that the project grants under an alias.
///
/// ```
/// use lockstep_plugin_sdk::http::{Client, encode};
///
/// let crm = Client::new("api").below("/rest/v2").header("accept-language", "en");
/// let ask = crm.get(&format!("contacts/{}", encode("a/b"))).query("fields", "id,name");
/// assert_eq!(ask.target, "/rest/v2/contacts/a%2Fb?fields=id%2Cname");
/// assert_eq!(ask.headers[1], ("accept-language".to_owned(), "en".to_owned()));
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    endpoint: String,
    service: Service,
    headers: Vec<(String, String)>,
}

impl Client {
    /// `endpoint`: the alias, as `plugin.toml` names it.
    pub fn new(endpoint: impl Into<String>) -> Self {
        let headers = vec![("accept".to_owned(), "application/json".to_owned())];
        Self { endpoint: endpoint.into(), service: Service::new(""), headers }
    }

    /// The path below which the API is; no request and no link of an answer leads out of it.
    pub fn below(mut self, root: &str) -> Self {
        self.service = Service::new(root);
        self
    }

    /// A header of every request. Credentials are none of these: the host adds them.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Asks for what is at a path; its parts have to be encoded already, see [`super::encode`].
    pub fn get(&self, path: &str) -> Ask {
        self.ask("GET", path)
    }

    /// Makes something new, usually. Never repeated by the host unless [`Ask::idempotent`] says that it may be.
    pub fn post(&self, path: &str) -> Ask {
        self.ask("POST", path)
    }

    /// Puts something in its place.
    pub fn put(&self, path: &str) -> Ask {
        self.ask("PUT", path)
    }

    /// Changes something.
    pub fn patch(&self, path: &str) -> Ask {
        self.ask("PATCH", path)
    }

    /// Deletes something.
    pub fn delete(&self, path: &str) -> Ask {
        self.ask("DELETE", path)
    }

    fn ask(&self, method: &'static str, path: &str) -> Ask {
        let target = self.service.target(path.trim_start_matches('/'));
        Ask { headers: self.headers.clone(), ..Ask::new(method, target) }
    }

    /// Sends one request.
    pub fn send(&self, request: Ask) -> Result<Reply> {
        ask(&self.endpoint, request)
    }

    /// Sends requests side by side, as far as the connection's budget allows; each is answered in its place.
    pub fn send_all(&self, requests: Vec<Ask>) -> Vec<Result<Reply>> {
        ask_all(&self.endpoint, requests)
    }

    /// A list that comes page by page, beginning with this request.
    pub fn pages(&self, first: Ask, paging: Paging) -> Pages {
        Pages::new(self.clone(), first, paging)
    }

    /// Where a link of an answer to `from` leads: below the API's path, or it is an error.
    pub fn follow(&self, from: &str, link: &str) -> Result<String> {
        self.service.follow(from, link)
    }
}
