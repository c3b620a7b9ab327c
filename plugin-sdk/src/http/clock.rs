//! What time it is where the answer comes from.

use crate::values::{MICROS_PER_DAY, days_from_civil};

use super::ask::Reply;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The server's clock when it answered: `Date: Sun, 22 Nov 2026 14:17:38 GMT` in microseconds.
pub fn clock(reply: &Reply) -> Option<i64> {
    let mut words = reply.header("date")?.split_ascii_whitespace().skip(1);
    let day: i64 = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|known| *known == month)? as i64 + 1;
    let year: i64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(|number| number.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    Some(days_from_civil(year, month, day)? * MICROS_PER_DAY + ((hour * 60 + minute) * 60 + second) * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::format_timestamp;

    #[test]
    fn the_services_clock_is_read() {
        let at = |date: &str| {
            clock(&Reply { headers: vec![("Date".into(), date.into())], ..Reply::default() }).map(format_timestamp)
        };
        assert_eq!(at("Sun, 22 Nov 2026 14:17:38 GMT").as_deref(), Some("2026-11-22T14:17:38Z"));
        for bad in ["", "soon", "Sun, 31 Foo 2026 14:17:38 GMT", "Sun, 22 Nov 2026"] {
            assert_eq!(at(bad), None);
        }
    }
}
