//! Talking to one org.

use lockstep_json::Document;
use lockstep_plugin_sdk::error::Result;
use lockstep_plugin_sdk::http::{Ask, Reply, Service, ask, ask_all, encode};

use crate::config::Config;
use crate::trouble::refused;

/// The alias a connection grants its origin under.
const ALIAS: &str = "api";

#[derive(Debug)]
pub struct Connection {
    pub config: Config,
    /// Everything of one version of the API lies below it.
    pub service: Service,
}

impl Connection {
    pub fn new(config: Config) -> Self {
        Self { service: Service::new(&format!("/services/data/v{}", config.version)), config }
    }

    /// Reads something below the API's root; anything but a success is an error. `what` was asked, in a sentence.
    pub fn get(&self, below: &str, what: &str) -> Result<Reply> {
        let reply = self.send(Ask::get(self.service.target(below)))?;
        if reply.is_success() { Ok(reply) } else { Err(refused(&reply, what)) }
    }

    /// Where a query is asked. `queryAll` also knows what was deleted, and what was archived, which is there all the same.
    pub fn query_target(&self, soql: &str) -> String {
        self.service.target(&format!("queryAll/?q={}", encode(soql)))
    }

    /// A request with a body, below the API's root.
    pub fn with_body(&self, method: &'static str, below: &str, body: String) -> Ask {
        Ask::new(method, self.service.target(below))
            .header("Content-Type", "application/json; charset=UTF-8")
            .body(body.into_bytes())
    }

    pub fn send(&self, request: Ask) -> Result<Reply> {
        self.send_as(request, "application/json")
    }

    /// A request whose answer shall be of this type.
    pub fn send_as(&self, request: Ask, kind: &str) -> Result<Reply> {
        ask(ALIAS, dressed(request, kind))
    }

    /// Requests that have nothing to do with each other, side by side.
    pub fn send_all(&self, requests: Vec<Ask>) -> Vec<Result<Reply>> {
        ask_all(ALIAS, requests.into_iter().map(|request| dressed(request, "application/json")).collect())
    }
}

/// A request whose answer shall be of this type, and says how many of the day's are left.
fn dressed(request: Ask, kind: &str) -> Ask {
    let mut request = request.header("Accept", kind);
    request.rate_headers = vec![("daily_used".to_owned(), "Sforce-Limit-Info".to_owned())];
    request
}

/// A document of an answer's text.
pub fn document(text: &str) -> Document<'_> {
    Document::new(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_lie_below_the_version() {
        let connection = Connection::new(Config::read("{}").unwrap());
        assert_eq!(
            connection.query_target("SELECT Id FROM A WHERE b = 'c&d'"),
            "/services/data/v62.0/queryAll/?q=SELECT%20Id%20FROM%20A%20WHERE%20b%20%3D%20%27c%26d%27"
        );
        let next = connection.service.follow("/x", "https://org.my.salesforce.com/services/data/v62.0/query/01g-2000");
        assert_eq!(next.unwrap(), "/services/data/v62.0/query/01g-2000");
    }
}
