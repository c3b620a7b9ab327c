//! Talking to one service: the headers both versions want, and metadata.

use std::cell::RefCell;

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::http::{Ask, Reply, Service, ask, ask_all, encode};

use crate::config::{Config, Numbers};
use crate::edm::Version;
use crate::metadata::{Metadata, parse};
use crate::trouble::refused;

const TOKEN: &str = "X-CSRF-Token";
/// The alias a connection grants its origin under.
const ALIAS: &str = "api";

#[derive(Debug)]
pub struct Connection {
    pub config: Config,
    pub service: Service,
    /// What some services want to be shown with every request that writes, against forged requests from browsers.
    token: RefCell<Option<String>>,
}

impl Connection {
    pub fn new(config: Config) -> Self {
        Self { service: Service::new(&config.service), config, token: RefCell::default() }
    }

    pub fn metadata(&self) -> Result<Metadata> {
        let ask = Ask::get(self.service.target("$metadata")).header("Accept", "application/xml");
        let reply = self.send(self.dressed(ask))?;
        if !reply.is_success() {
            return Err(refused(&reply, "describe itself (`$metadata`)"));
        }
        let text = String::from_utf8(reply.body)
            .map_err(|_| Error::permanent("the service's `$metadata` is not UTF-8").with_code("odata.metadata"))?;
        if text.trim_start_matches('\u{feff}').trim_start().get(..9).is_some_and(|start| {
            start.eq_ignore_ascii_case("<!doctype") || start.to_ascii_lowercase().starts_with("<html")
        }) {
            return Err(lockstep_plugin_sdk::http::answer::page(&Reply {
                status: reply.status,
                headers: Vec::new(),
                body: text.into_bytes(),
            }));
        }
        parse(&text)
    }

    /// A target below the service with options of the query, of which the values are not encoded yet.
    pub fn target(&self, path: &str, options: &[(&str, String)]) -> String {
        self.service.target(&self.below(path, options))
    }

    /// The same, relative to the service, as batches want it.
    pub fn below(&self, path: &str, options: &[(&str, String)]) -> String {
        let company = self.config.cross_company.then(|| ("cross-company", "true".to_owned()));
        let own = self.config.query.iter().map(|(name, value)| (name.as_str(), value.clone()));
        let all = options.iter().cloned().chain(company).chain(own);
        let mut target = path.to_owned();
        for (index, (name, value)) in all.enumerate() {
            target.push(if index == 0 { '?' } else { '&' });
            target.push_str(name);
            target.push('=');
            target.push_str(&encode_value(&value));
        }
        target
    }

    /// The headers that a request for records needs, wherever it stands.
    pub fn headers(&self, version: Version) -> Vec<(String, String)> {
        let accept = match (version, self.config.numbers) {
            (Version::V4, Numbers::Strings) => "application/json;odata.metadata=minimal;IEEE754Compatible=true",
            (Version::V4, Numbers::Numbers) => "application/json;odata.metadata=minimal",
            (Version::V2, _) => "application/json",
        };
        let versions = match version {
            Version::V4 => [("OData-Version", "4.0"), ("OData-MaxVersion", "4.0")],
            Version::V2 => [("DataServiceVersion", "2.0"), ("MaxDataServiceVersion", "2.0")],
        };
        let fixed = std::iter::once(("Accept", accept)).chain(versions);
        fixed.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// What a body is said to be.
    pub fn content_type(&self, version: Version) -> &'static str {
        match (version, self.config.numbers) {
            (Version::V4, Numbers::Strings) => "application/json;IEEE754Compatible=true",
            _ => "application/json",
        }
    }

    /// Reads something.
    pub fn get(&self, version: Version, target: &str, prefer: &[String]) -> Result<Reply> {
        self.send(self.asking(version, target, prefer))
    }

    pub fn asking(&self, version: Version, target: &str, prefer: &[String]) -> Ask {
        let mut ask = Ask::get(target);
        ask.headers = self.headers(version);
        if !prefer.is_empty() && version == Version::V4 {
            ask = ask.header("Prefer", prefer.join(","));
        }
        self.dressed(ask)
    }

    /// With the headers the project wants in every request; `Prefer` adds up.
    pub fn dressed(&self, mut ask: Ask) -> Ask {
        for (name, value) in &self.config.headers {
            match ask.headers.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                Some((known, present)) if known.eq_ignore_ascii_case("prefer") => {
                    *present = format!("{present},{value}");
                }
                Some((_, present)) => present.clone_from(value),
                None => ask.headers.push((name.clone(), value.clone())),
            }
        }
        ask
    }

    pub fn send(&self, request: Ask) -> Result<Reply> {
        ask(ALIAS, request)
    }

    /// Requests that write, or that look as if they did. Where the service wants a token it is fetched, and what was turned away for
    /// want of it is sent again.
    pub fn write_all(&self, requests: Vec<Ask>) -> Vec<Result<Reply>> {
        let with_token = |requests: &[Ask]| {
            let token = self.token.borrow().clone();
            let with = |ask: &Ask| match &token {
                Some(token) => ask.clone().header(TOKEN, token.as_str()),
                None => ask.clone(),
            };
            requests.iter().map(with).collect::<Vec<Ask>>()
        };
        let mut replies = self.send_all(with_token(&requests));
        let wants_token = |reply: &Result<Reply>| {
            reply.as_ref().is_ok_and(|reply| {
                reply.status == 403 && reply.header(TOKEN).is_some_and(|said| said.eq_ignore_ascii_case("required"))
            })
        };
        let turned_away: Vec<usize> =
            (0..replies.len()).filter(|at| replies.get(*at).is_some_and(wants_token)).collect();
        if turned_away.is_empty() || !self.fetch_token() {
            return replies;
        }
        let again: Vec<Ask> = turned_away.iter().filter_map(|at| requests.get(*at).cloned()).collect();
        for (at, reply) in turned_away.into_iter().zip(self.send_all(with_token(&again))) {
            replies.get_mut(at).into_iter().for_each(|place| place.clone_from(&reply));
        }
        replies
    }

    /// Answers whether there is one now.
    fn fetch_token(&self) -> bool {
        let ask =
            self.dressed(Ask::get(self.target("", &[])).header(TOKEN, "Fetch").header("Accept", "application/json"));
        let token = self.send(ask).ok().and_then(|reply| reply.header(TOKEN).map(str::to_owned));
        let token = token.filter(|token| !token.eq_ignore_ascii_case("required"));
        *self.token.borrow_mut() = token.clone();
        token.is_some()
    }

    pub fn send_all(&self, requests: Vec<Ask>) -> Vec<Result<Reply>> {
        ask_all(ALIAS, requests)
    }
}

/// The value of an option: what need not be encoded stays readable.
fn encode_value(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for piece in value.split_inclusive([',', '(', ')', '\'', '/', ':', '$']) {
        let plain_end =
            piece.len() - piece.chars().next_back().filter(|last| ",()'/:$".contains(*last)).map_or(0, char::len_utf8);
        let (text, mark) = piece.split_at(plain_end);
        encoded.push_str(&encode(text));
        encoded.push_str(mark);
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn targets_are_encoded_and_carry_what_the_project_wants() {
        let config = json!({ "service": "/data", "cross_company": true, "query": { "sap-client": "1&0" } });
        let connection = Connection::new(Config::read(&config.to_string()).unwrap());
        assert_eq!(
            connection.target("Customers", &[("$filter", "name eq 'a+b/c: d' and x gt 1".to_owned())]),
            "/data/Customers?$filter=name%20eq%20'a%2Bb/c:%20d'%20and%20x%20gt%201&cross-company=true&sap-client=1%260"
        );
    }

    #[test]
    fn preferences_add_up_and_other_headers_win() {
        let headers = json!({ "service": "/", "headers": { "Prefer": "a=1", "accept": "x", "Company": "usmf" } });
        let connection = Connection::new(Config::read(&headers.to_string()).unwrap());
        let ask = connection.asking(Version::V4, "/A", &["odata.maxpagesize=5".to_owned()]);
        let header = |name: &str| ask.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!(header("Prefer"), Some("odata.maxpagesize=5,a=1"));
        assert_eq!((header("Accept"), header("Company")), (Some("x"), Some("usmf")));
    }
}
