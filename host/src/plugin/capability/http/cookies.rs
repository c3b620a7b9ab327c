//! Cookies of an origin (RFC 6265): kept in memory and given back to where they came from, never shown to a plugin.
//!
//! Some services tie what they hand out to a session: the token SAP wants with every write is worth nothing without the cookie that
//! came with it. One jar belongs to one alias of one connection, so that no connection acts in another's session.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, HeaderValue, SET_COOKIE};
use url::Url;

/// Browsers keep that many for one site; more is an attempt to fill our memory.
const COOKIES_MAX: usize = 50;
/// The least that RFC 6265, 6.1 wants kept, and more than any session needs.
const COOKIE_BYTES_MAX: usize = 4096;

#[derive(Default)]
pub(super) struct Cookies(Mutex<Vec<Cookie>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    path: String,
    is_secure: bool,
    /// None = with the process.
    ends: Option<DateTime<Utc>>,
}

impl Cookies {
    fn jar(&self) -> MutexGuard<'_, Vec<Cookie>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what an answer of the origin sets, and forgets what it takes back.
    pub fn take(&self, headers: &HeaderMap, url: &Url, now: DateTime<Utc>) {
        let mut jar = self.jar();
        for cookie in headers.get_all(SET_COOKIE).iter().filter_map(|value| parse(value.to_str().ok()?, url, now)) {
            let lives = cookie.ends.is_none_or(|ends| ends > now);
            match jar.iter().position(|known| known.name == cookie.name && known.path == cookie.path) {
                Some(place) if !lives => _ = jar.remove(place),
                Some(place) => jar.get_mut(place).into_iter().for_each(|known| known.clone_from(&cookie)),
                None if lives && jar.len() < COOKIES_MAX => jar.push(cookie),
                None => {}
            }
        }
    }

    /// What belongs to a request; none if nothing does.
    pub fn of(&self, url: &Url, now: DateTime<Utc>) -> Option<HeaderValue> {
        let mut jar = self.jar();
        jar.retain(|cookie| cookie.ends.is_none_or(|ends| ends > now));
        let mut fitting: Vec<&Cookie> = jar.iter().filter(|cookie| cookie.fits(url)).collect();
        // The longest paths first, as servers expect.
        fitting.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<String> = fitting.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        let mut header = HeaderValue::from_str(&pairs.join("; ")).ok().filter(|_| !pairs.is_empty())?;
        header.set_sensitive(true);
        Some(header)
    }
}

impl Cookie {
    fn fits(&self, url: &Url) -> bool {
        let behind = url.path().strip_prefix(&self.path);
        let is_below = behind.is_some_and(|rest| rest.is_empty() || self.path.ends_with('/') || rest.starts_with('/'));
        is_below && (!self.is_secure || url.scheme() == "https")
    }
}

/// A cookie for another domain than the origin's is none of ours.
fn parse(text: &str, url: &Url, now: DateTime<Utc>) -> Option<Cookie> {
    let mut parts = text.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if name.is_empty() || text.len() > COOKIE_BYTES_MAX || !is_plain(name) || !is_plain(value) {
        return None;
    }
    let folder = url.path().rfind('/').and_then(|at| url.path().get(..at)).filter(|folder| !folder.is_empty());
    let path = folder.unwrap_or("/").to_owned();
    let mut cookie = Cookie { name: name.to_owned(), value: value.to_owned(), path, is_secure: false, ends: None };
    let mut has_age = false;
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
            "secure" => cookie.is_secure = true,
            "domain" if !is_ours(url, value) => return None,
            "max-age" => {
                let seconds = value.parse::<i64>().ok()?;
                let age = Duration::from_secs(u64::try_from(seconds).unwrap_or(0).min(1 << 32));
                cookie.ends = Some(now + age);
                has_age = true;
            }
            "expires" if !has_age => cookie.ends = DateTime::parse_from_rfc2822(value).ok().map(Into::into),
            _ => {}
        }
    }
    Some(cookie)
}

fn is_ours(url: &Url, domain: &str) -> bool {
    let domain = domain.trim_start_matches('.').to_ascii_lowercase();
    let host = url.host_str().unwrap_or_default();
    host == domain || host.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.') && !domain.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn set(cookies: &Cookies, from: &str, text: &str) {
        let mut headers = HeaderMap::new();
        headers.append(SET_COOKIE, HeaderValue::from_str(text).unwrap());
        cookies.take(&headers, &url(from), now());
    }

    fn sent(cookies: &Cookies, to: &str, later: u64) -> Option<String> {
        let header = cookies.of(&url(to), now() + Duration::from_secs(later))?;
        Some(header.to_str().unwrap().to_owned())
    }

    #[test]
    fn cookies_go_back_to_where_they_belong() {
        let cookies = Cookies::default();
        set(&cookies, "https://a.example.com/sap/x", "session=1; Path=/sap; HttpOnly; SameSite=None");
        set(&cookies, "https://a.example.com/sap/x", "own=2");
        set(&cookies, "https://a.example.com/other/x", "deep=3; path=/sap/opu; Secure; Domain=.example.com");
        assert_eq!(sent(&cookies, "https://a.example.com/sap/opu/y", 0).as_deref(), Some("deep=3; session=1; own=2"));
        assert_eq!(sent(&cookies, "http://a.example.com/sap/opu/y", 0).as_deref(), Some("session=1; own=2"));
        assert_eq!(sent(&cookies, "https://a.example.com/sapling", 0), None);
        set(&cookies, "https://a.example.com/sap/x", "session=9; Path=/sap");
        assert_eq!(sent(&cookies, "https://a.example.com/sap", 0).as_deref(), Some("session=9; own=2"));
    }

    #[test]
    fn cookies_end() {
        let cookies = Cookies::default();
        set(&cookies, "https://a/x", "a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
        set(&cookies, "https://a/x", "b=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(sent(&cookies, "https://a/", 59).as_deref(), Some("a=1"));
        assert_eq!(sent(&cookies, "https://a/", 61), None);
        set(&cookies, "https://a/x", "a=1");
        set(&cookies, "https://a/x", "a=; Max-Age=0");
        assert_eq!(sent(&cookies, "https://a/", 0), None);
    }

    #[test]
    fn what_is_not_ours_or_too_much_is_left_out() {
        let cookies = Cookies::default();
        for text in ["a=1; Domain=evil.com", "a=1; Domain=com.evil", "=1", "a", "a=1; Max-Age=soon"] {
            set(&cookies, "https://a.example.com/", text);
        }
        set(&cookies, "https://a.example.com/", &format!("big={}", "x".repeat(COOKIE_BYTES_MAX)));
        assert_eq!(sent(&cookies, "https://a.example.com/", 0), None);
        for number in 0..200 {
            set(&cookies, "https://a/", &format!("c{number}=1"));
        }
        assert_eq!(sent(&cookies, "https://a/", 0).unwrap().matches("=1").count(), COOKIES_MAX);
    }
}
