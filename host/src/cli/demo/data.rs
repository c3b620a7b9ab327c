//! The demo's customers: the same ones every time, most of them fine.

use std::fmt::Write as _;

/// The file before and after the shop's day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edition {
    First,
    Second,
}

const FIRST_NAMES: &[&str] = &["Anna", "Björn", "Chloé", "Dmitri", "Esra", "Farid", "Grace", "Hiro", "Inés", "Jörg"];
const CITIES: &[&str] = &["Berlin", "Córdoba", "Łódź", "Lyon", "Malmö", "Tromsø", "Wien", "Zürich"];

/// Lines that cannot be right, by the number of the customer they stand for.
const BROKEN: &[(u32, &str)] = &[
    (17, "17,anna.seventeen@example.com,Anna,Berlin,+49 30 1234567,not a number,2025-03-01"),
    (404, "404,chloé.at.example.com,Chloé,Lyon,+33 1 23456789,250.00,2025-03-02"),
    (9_001, "9001,grace@example.com,Grace,Malmö,+46 8 1234567,99.90,2025-02-30"),
    (70_000, "70000,hiro@example.com,Hiro"),
];

/// As CSV with a header.
pub fn customers(count: u32, edition: Edition) -> String {
    let mut text = String::with_capacity(count as usize * 80);
    text.push_str("id,email,name,city,phone,credit,since\n");
    for id in 1..=count {
        if edition == Edition::Second && is_deleted(id) {
            continue;
        }
        match BROKEN.iter().find(|(broken, _)| *broken == id) {
            Some((_, line)) if edition == Edition::First => {
                text.push_str(line);
                text.push('\n');
            }
            _ => push_customer(&mut text, id, edition),
        }
    }
    text
}

fn push_customer(text: &mut String, id: u32, edition: Edition) {
    let first = pick(FIRST_NAMES, id);
    let city = pick(CITIES, scrambled(id));
    let raise = u32::from(edition == Edition::Second && is_changed(id)) * 100;
    let (euros, cents) = (scrambled(id) % 10_000 + raise, scrambled(id) / 7 % 100);
    let (month, day) = (scrambled(id) % 12 + 1, scrambled(id) / 12 % 28 + 1);
    let phone = scrambled(id) % 90_000_000 + 10_000_000;
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{id},{}{id}@Example.COM, {first} Customer,{city},030 {phone},{euros}.{cents:02},2025-{month:02}-{day:02}",
        first.to_lowercase(),
    );
}

fn pick(names: &'static [&'static str], number: u32) -> &'static str {
    names.get(number as usize % names.len()).copied().unwrap_or_default()
}

/// Looks random, is the same every time.
fn scrambled(number: u32) -> u32 {
    number.wrapping_mul(2_654_435_761).rotate_right(11) >> 3
}

fn is_changed(id: u32) -> bool {
    id.is_multiple_of(250)
}

fn is_deleted(id: u32) -> bool {
    id % 6_250 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_editions_differ_by_what_the_story_tells() {
        let (first, second) = (customers(250_000, Edition::First), customers(250_000, Edition::Second));
        assert_eq!(first.lines().count(), 250_001);
        assert_eq!(second.lines().count(), 250_001 - 40);
        let changed = (1..=250_000).filter(|id| is_changed(*id)).count();
        assert_eq!(changed, 1_000);
        assert!(second.lines().all(|line| line.split(',').count() == 7));
    }
}
