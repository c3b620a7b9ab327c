//! What a response's headers say about when to ask again. Pure; whatever a server sends gives an answer or none, and no answer is
//! longer than an hour.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::project::RateHeaders;

/// What an upstream may ask us to wait at most: an hour, as for a sync as a whole.
pub const WAIT_MAX: Duration = Duration::from_secs(3600);
/// Where a server says that nothing is left but not until when: most windows are of a second, and the next answer says more.
const WINDOW_UNKNOWN: Duration = Duration::from_secs(1);
/// Greater numbers are not seconds from now but a time since 1970, in seconds: 1973.
const EPOCH_SECONDS_MIN: f64 = 1e8;
/// Greater numbers still are milliseconds since 1970.
const EPOCH_MILLIS_MIN: f64 = 1e11;

/// What a response says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// `Retry-After`; zero if it is in the past.
    pub retry_after: Option<Duration>,
    /// Nothing is left of the present window; it ends in this time.
    pub exhausted_for: Option<Duration>,
    /// How much of the day's quota is used, and how much of it there is where that is said too.
    pub day: Option<Day>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Day {
    Used(u64),
    Left(u64),
}

/// Reads the common headers and those a vendor has of its own.
pub fn read(headers: &[(String, Vec<u8>)], vendor: &RateHeaders, now: DateTime<Utc>) -> Advice {
    let find = |name: &str| {
        let value = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        value.and_then(|value| std::str::from_utf8(value).ok()).map(str::trim)
    };
    let find_named = |name: &Option<String>| name.as_deref().and_then(find);
    let pairs = [
        ("ratelimit-remaining", "ratelimit-reset"),
        ("x-ratelimit-remaining", "x-ratelimit-reset"),
        ("x-rate-limit-remaining", "x-rate-limit-reset"),
    ];
    let common = pairs.iter().filter_map(|(remaining, reset)| window(number(find(remaining)?)?, find(reset), now));
    let vendor_reset = find_named(&vendor.reset);
    let vendor_remaining = find_named(&vendor.remaining).and_then(number);
    let vendor_used = find_named(&vendor.used).and_then(used).map(|(used, limit)| limit.saturating_sub(used));
    let of_vendor = vendor_remaining.into_iter().chain(vendor_used).filter_map(|left| window(left, vendor_reset, now));
    let day_used = find_named(&vendor.daily_used).and_then(used).map(|(used, _)| Day::Used(used));
    let day_left = find_named(&vendor.daily_remaining).and_then(number).map(Day::Left);
    Advice {
        retry_after: find("retry-after").and_then(|value| retry_after(value, now)),
        exhausted_for: common.chain(of_vendor).chain(find("ratelimit").and_then(structured)).max(),
        day: day_used.or(day_left),
    }
}

/// `Retry-After` (RFC 9110, 10.2.3): seconds or a date. Fractions, which some servers send, are understood; what is negative or past
/// is zero; what is absurdly far is an hour; garbage is none.
pub fn retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    match value.parse::<f64>() {
        // `nan` and `inf` are words to the parser.
        Ok(seconds) if value.contains(|c: char| c.is_ascii_digit()) => Some(bounded(seconds)),
        _ => date(value).map(|at| from_now(at, now)),
    }
}

/// The three forms of a date in HTTP (RFC 9110, 5.6.7), and the one everybody else uses.
fn date(value: &str) -> Option<DateTime<Utc>> {
    let naive = |format: &str| NaiveDateTime::parse_from_str(value, format).ok().map(|at| at.and_utc());
    let fixed = DateTime::parse_from_rfc2822(value).or_else(|_| DateTime::parse_from_rfc3339(value)).ok();
    fixed.map(|at| at.to_utc()).or_else(|| naive("%A, %d-%b-%y %H:%M:%S GMT")).or_else(|| naive("%a %b %e %H:%M:%S %Y"))
}

fn from_now(at: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (at - now).to_std().unwrap_or(Duration::ZERO).min(WAIT_MAX)
}

fn bounded(seconds: f64) -> Duration {
    if seconds > 0.0 { Duration::try_from_secs_f64(seconds).unwrap_or(WAIT_MAX).min(WAIT_MAX) } else { Duration::ZERO }
}

/// A window that has `left` requests; none if that is more than nothing.
fn window(left: u64, reset: Option<&str>, now: DateTime<Utc>) -> Option<Duration> {
    (left == 0).then(|| reset.and_then(|reset| until(reset, now)).unwrap_or(WINDOW_UNKNOWN))
}

/// The time until a reset: seconds from now, or since 1970 in seconds or milliseconds, or a date.
fn until(reset: &str, now: DateTime<Utc>) -> Option<Duration> {
    let Ok(number) = reset.parse::<f64>() else { return retry_after(reset, now) };
    let since_epoch = now.timestamp_millis() as f64 / 1000.0;
    match number {
        millis if millis >= EPOCH_MILLIS_MIN => Some(bounded(millis / 1000.0 - since_epoch)),
        seconds if seconds >= EPOCH_SECONDS_MIN => Some(bounded(seconds - since_epoch)),
        _ => retry_after(reset, now),
    }
}

/// A whole number, or one with a fraction that nobody needs.
fn number(value: &str) -> Option<u64> {
    let whole = value.split('.').next().unwrap_or_default();
    if whole.starts_with('-') { Some(0) } else { whole.parse().ok() }
}

/// `32/40`, `api-usage=18/5000`, `api-usage=18/5000; per-app-api-usage=17/250`.
fn used(value: &str) -> Option<(u64, u64)> {
    let first = value.split([';', ',']).next().unwrap_or_default();
    let (used, limit) = first.rsplit('=').next()?.split_once('/')?;
    Some((used.trim().parse().ok()?, limit.trim().parse().ok()?))
}

/// `RateLimit` as the drafts of its specification have it: `limit=100, remaining=0, reset=30`, later `"name";r=0;t=30, …`.
fn structured(value: &str) -> Option<Duration> {
    let parameters = |text: &str| -> (Option<u64>, Option<f64>) {
        let mut found = (None, None);
        for (name, value) in text.split([';', ',']).filter_map(|part| part.trim().split_once('=')) {
            match name {
                "r" | "remaining" => found.0 = number(value),
                "t" | "reset" => found.1 = value.parse().ok(),
                _ => {}
            }
        }
        found
    };
    // In the later form each item of the list is a policy of its own.
    let items: Vec<&str> = if value.contains("remaining=") { vec![value] } else { value.split(',').collect() };
    let exhausted = items.into_iter().map(parameters).filter(|(left, _)| *left == Some(0));
    exhausted.map(|(_, reset)| reset.map_or(WINDOW_UNKNOWN, bounded)).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(784_111_777, 0).unwrap() // Sun, 06 Nov 1994 08:49:37 GMT
    }

    fn check(value: &str, expected: Option<u64>) {
        assert_eq!(retry_after(value, now()).map(|wait| wait.as_secs()), expected, "{value}");
    }

    #[test]
    fn every_form_of_retry_after() {
        check("120", Some(120));
        check(" 7 ", Some(7));
        check("0", Some(0));
        check("-1", Some(0));
        check("-1e300", Some(0));
        check("1000000000", Some(3600));
        check("99999999999999999999999999", Some(3600));
        check("1e400", Some(3600));
        check("Sun, 06 Nov 1994 08:50:37 GMT", Some(60));
        check("Sunday, 06-Nov-94 08:50:37 GMT", Some(60));
        check("Sun Nov  6 08:50:37 1994", Some(60));
        check("1994-11-06T08:50:37Z", Some(60));
        check("Sun, 06 Nov 1994 08:00:00 GMT", Some(0));
        check("Fri, 31 Dec 9999 23:59:59 GMT", Some(3600));
        for garbage in ["", "soon", "nan", "inf", "infinity", "12 monkeys", "0x10", "Sun, 99 Nov 1994 08:50:37 GMT"] {
            check(garbage, None);
        }
        assert_eq!(retry_after("1.5", now()), Some(Duration::from_millis(1500)));
    }

    fn advice(headers: &[(&str, &str)], vendor: &RateHeaders) -> Advice {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        read(&headers, vendor, now())
    }

    fn exhausted(headers: &[(&str, &str)]) -> Option<u64> {
        advice(headers, &RateHeaders::default()).exhausted_for.map(|wait| wait.as_secs())
    }

    #[test]
    fn the_common_headers() {
        assert_eq!(exhausted(&[("RateLimit-Remaining", "0"), ("RateLimit-Reset", "30")]), Some(30));
        assert_eq!(exhausted(&[("RateLimit-Remaining", "1"), ("RateLimit-Reset", "30")]), None);
        assert_eq!(exhausted(&[("RateLimit-Remaining", "0")]), Some(1));
        assert_eq!(exhausted(&[("RateLimit-Remaining", "none")]), None);
        assert_eq!(exhausted(&[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "784111787")]), Some(10));
        assert_eq!(exhausted(&[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "784111787000")]), Some(10));
        assert_eq!(exhausted(&[("X-RateLimit-Remaining", "-3"), ("X-RateLimit-Reset", "1e300")]), Some(3600));
        assert_eq!(exhausted(&[("RateLimit", "limit=100, remaining=0, reset=30")]), Some(30));
        assert_eq!(exhausted(&[("RateLimit", "limit=100, remaining=9, reset=30")]), None);
        assert_eq!(exhausted(&[("RateLimit", r#""burst";r=5;t=1, "day";r=0;t=40"#)]), Some(40));
        assert_eq!(exhausted(&[("RateLimit", "\"x\";r=;t=")]), None);
    }

    #[test]
    fn a_vendors_own_headers() {
        let shopify = RateHeaders { used: Some("X-Shopify-Shop-Api-Call-Limit".into()), ..RateHeaders::default() };
        let limit = |value| advice(&[("x-shopify-shop-api-call-limit", value)], &shopify).exhausted_for;
        assert_eq!(limit("39/40"), None);
        assert_eq!(limit("40/40"), Some(WINDOW_UNKNOWN));
        let salesforce = RateHeaders { daily_used: Some("sforce-limit-info".into()), ..RateHeaders::default() };
        let day = |value| advice(&[("Sforce-Limit-Info", value)], &salesforce).day;
        assert_eq!(day("api-usage=18/5000"), Some(Day::Used(18)));
        assert_eq!(day("api-usage=18/5000; per-app-api-usage=17/250(appName=x)"), Some(Day::Used(18)));
        assert_eq!(day("api-usage"), None);
        let hubspot = RateHeaders { daily_remaining: Some("x-left".into()), ..RateHeaders::default() };
        assert_eq!(advice(&[("X-Left", "249")], &hubspot).day, Some(Day::Left(249)));
    }

    proptest! {
        #[test]
        fn whatever_a_server_sends_is_bounded(name in prop::sample::select(vec![
            "retry-after", "ratelimit", "ratelimit-remaining", "ratelimit-reset", "x-ratelimit-reset",
        ]), value in "[ -~]{0,40}", left in "-?[0-9]{0,22}") {
            let headers = [(name.to_owned(), value.into_bytes()), ("x-ratelimit-remaining".to_owned(), left.into_bytes())];
            let vendor = RateHeaders { used: Some(name.to_owned()), ..RateHeaders::default() };
            let advice = read(&headers, &vendor, now());
            prop_assert!(advice.retry_after.unwrap_or_default() <= WAIT_MAX);
            prop_assert!(advice.exhausted_for.unwrap_or_default() <= WAIT_MAX);
        }

        #[test]
        fn seconds_are_obeyed_to_the_second(seconds in 0u64..=3600) {
            prop_assert_eq!(retry_after(&seconds.to_string(), now()), Some(Duration::from_secs(seconds)));
            let at = now() + chrono::Duration::seconds(seconds as i64);
            let date = at.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
            prop_assert_eq!(retry_after(&date, now()), Some(Duration::from_secs(seconds)));
        }
    }
}
