//! Where a service is: targets below its root, and the links it sends that lead on.

use std::fmt::Write as _;

use crate::error::{Error, Result};

/// A service below one path of an origin. The origin is the host's business.
///
/// ```
/// use lockstep_plugin_sdk::http::Service;
///
/// let service = Service::new("/api/v2");
/// let next = service.follow("/api/v2/contacts", "https://inner.example/api/v2/contacts?page=2")?;
/// assert_eq!(next, "/api/v2/contacts?page=2");
/// assert!(service.follow("/api/v2/contacts", "https://inner.example/logout").is_err());
/// # Ok::<(), lockstep_plugin_sdk::error::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    root: String,
}

impl Service {
    /// `root`: the path of the service, `/odata/v4/sales`.
    pub fn new(root: &str) -> Self {
        let root = root.trim_matches('/');
        Self { root: if root.is_empty() { String::new() } else { format!("/{root}") } }
    }

    /// The path with which every target begins; without a slash at its end.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// A target below the root. What is given has to be encoded already.
    pub fn target(&self, below: &str) -> String {
        format!("{}/{below}", self.root)
    }

    /// Where a link of an answer leads. Servers name themselves as they please (`localhost`, a name behind a proxy), so only path and
    /// query count; a path that leaves the service is an error. `from`: the target that was answered.
    pub fn follow(&self, from: &str, link: &str) -> Result<String> {
        let outside = |reason: &str| {
            Error::permanent(format!("the service sends a link that cannot be followed: `{}` {reason}", short(link)))
                .with_code("http.link")
                .with_hint("compare the link's path with the path of the service in the connection's config")
        };
        if link.is_empty() || link.contains(|character: char| character.is_control() || character == '\\') {
            return Err(outside("is not a URL"));
        }
        let link = link.split_once('#').map_or(link, |(link, _)| link);
        let (path, query) = link.split_once('?').map_or((link, None), |(path, query)| (path, Some(query)));
        let path = resolve(from, without_origin(path).ok_or_else(|| outside("names another protocol"))?)
            .ok_or_else(|| outside("leads above the root"))?;
        let is_below = path.strip_prefix(&self.root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if !is_below {
            return Err(outside(&format!("is not below `{}/`", self.root)));
        }
        Ok(query.map_or_else(|| path.clone(), |query| format!("{path}?{}", query.replace(' ', "%20"))))
    }
}

/// The path of `https://host/path`, `//host/path` and of a path; none for another scheme.
fn without_origin(path: &str) -> Option<&str> {
    let scheme = path.split_once("://").map(|(scheme, _)| scheme);
    let behind = match scheme {
        Some(scheme) if !scheme.contains('/') => {
            let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
            path.get(scheme.len() + 3..).filter(|_| is_web)?
        }
        _ => match path.strip_prefix("//") {
            Some(behind) => behind,
            None => return is_without_scheme(path).then_some(path),
        },
    };
    Some(behind.find('/').and_then(|at| behind.get(at..)).unwrap_or("/"))
}

/// RFC 3986, 4.2: a colon before the first slash is the end of a scheme, unless it stands inside of a key's parentheses.
fn is_without_scheme(path: &str) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    first.split_once(':').is_none_or(|(before, _)| before.contains('('))
}

/// RFC 3986, 5.2: a relative path begins in the folder of the path it is sent from. None if it leads above the root, or does so
/// in disguise.
fn resolve(from: &str, path: &str) -> Option<String> {
    let mut segments: Vec<&str> = Vec::new();
    let from = from.split('?').next().unwrap_or_default();
    // Nothing but a query is one of the same path.
    if path.is_empty() {
        return Some(from.to_owned());
    }
    if !path.starts_with('/') {
        segments.extend(from.split('/').skip(1));
        segments.pop();
    }
    for segment in path.strip_prefix('/').unwrap_or(path).split('/') {
        match segment {
            "." => {}
            ".." => {
                segments.pop()?;
            }
            disguised
                if disguised.to_ascii_lowercase().replace("%2e", ".").trim_matches('.').is_empty()
                    && disguised.contains('%') =>
            {
                return None;
            }
            segment => segments.push(segment),
        }
    }
    Some(format!("/{}", segments.join("/")))
}

/// Enough of a text to recognise it.
fn short(text: &str) -> String {
    text.chars().take(200).collect()
}

/// Everything that is not plain in every part of a URL as `%xx`.
///
/// ```
/// assert_eq!(lockstep_plugin_sdk::http::encode("a/b c"), "a%2Fb%20c");
/// ```
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FROM: &str = "/odata/v4/sales/Customers?$top=2";

    fn check(link: &str, expected: &str) {
        assert_eq!(Service::new("/odata/v4/sales/").follow(FROM, link).unwrap(), expected, "{link}");
    }

    #[test]
    fn links_lead_on_whatever_the_server_calls_itself() {
        check("Customers?$skiptoken=2", "/odata/v4/sales/Customers?$skiptoken=2");
        check("?$skiptoken=2", "/odata/v4/sales/Customers?$skiptoken=2");
        check("/odata/v4/sales/Customers?a=b c", "/odata/v4/sales/Customers?a=b%20c");
        check("http://localhost:4004/odata/v4/sales/Customers?$skip=2#x", "/odata/v4/sales/Customers?$skip=2");
        check("//inner/odata/v4/sales/Customers", "/odata/v4/sales/Customers");
        check("../sales/./Customers", "/odata/v4/sales/Customers");
        check("https://crm.example.com/odata/v4/sales?x=https://a/../b", "/odata/v4/sales?x=https://a/../b");
        check("Customers('a:b')/Orders", "/odata/v4/sales/Customers('a:b')/Orders");
    }

    #[test]
    fn links_that_leave_the_service_are_errors() {
        for link in [
            "https://evil.example.com/steal",
            "/odata/v4/salesforce/x",
            "../other",
            "../../../../x",
            "/odata/v4/sales/%2e%2E/x",
            "javascript:alert(1)",
            "ftp://a/odata/v4/sales/x",
            "/odata/v4/sales\\..\\x",
            "a\nb",
            "",
        ] {
            let error = Service::new("/odata/v4/sales").follow(FROM, link).unwrap_err();
            assert_eq!(error.code, "http.link", "{link}");
        }
    }

    #[test]
    fn a_service_may_be_the_whole_origin() {
        let service = Service::new("/");
        assert_eq!(service.target("$metadata"), "/$metadata");
        assert_eq!(service.follow("/A", "B?x").unwrap(), "/B?x");
    }

    proptest! {
        #[test]
        fn no_link_leads_out(link in "[a-z./:%2eE?#\\\\]{0,24}") {
            if let Ok(target) = Service::new("/a/b").follow("/a/b/C", &link) {
                prop_assert!(target == "/a/b" || target.starts_with("/a/b/") || target.starts_with("/a/b?"), "{}", target);
            }
        }

        #[test]
        fn what_is_encoded_is_plain(text in any::<String>()) {
            prop_assert!(encode(&text).bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
        }
    }
}
