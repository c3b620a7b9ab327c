//! The data: customers of twelve columns, the same each time.

use std::io::{BufWriter, Write};
use std::path::Path;

/// The target table as a careful person would make it.
pub const TABLE: &str = "CREATE TABLE customers (
    id bigint PRIMARY KEY, name text, email text, street text, city text, country text, quantity bigint,
    amount numeric(12,2), active boolean, birthday date, updated_at timestamptz, note text)";

pub const COLUMNS: &str =
    "id, name, email, street, city, country, quantity, amount, active, birthday, updated_at, note";

/// The types the project says, so that the table above is the one that fits.
pub const TYPES: &str = r#"types = { amount = "decimal(12,2)" }"#;

const FIRST: [&str; 8] = ["Anna", "Björn", "Chloé", "David", "Eva", "Friedrich", "Gül", "Hans-Peter"];
const LAST: [&str; 8] = ["Müller", "Schmidt", "O'Brien", "Nguyen", "García", "Kowalski", "van der Berg", "Li"];
const CITY: [&str; 6] = ["Berlin", "München", "London", "Paris", "Sevilla", "Łódź"];
const COUNTRY: [&str; 4] = ["DE", "GB", "FR", "ES"];

/// Numbers that look like chance and are the same each time (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn of(&mut self, words: &[&'static str]) -> &'static str {
        words[self.below(words.len() as u64) as usize]
    }
}

/// Writes a file of customers. In another edition, every hundredth of them has another city and a later `updated_at`.
pub fn write_csv(path: &Path, rows: u64, edition: u64) {
    let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(path).unwrap());
    writeln!(out, "{}", COLUMNS.replace(' ', "")).unwrap();
    for id in 1..=rows {
        let mut random = Random(id);
        let (first, last) = (random.of(&FIRST), random.of(&LAST));
        let is_changed = edition > 0 && id % 100 == edition % 100;
        let city = if is_changed { "Aachen" } else { random.of(&CITY) };
        let (number, country) = (random.below(200), random.of(&COUNTRY));
        let (quantity, amount) = (random.below(1000), random.below(100_000_000));
        let (year, month, day) = (1950 + random.below(55), 1 + random.below(12), 1 + random.below(28));
        let (hour, minute, second) = (random.below(24), random.below(60), random.below(60));
        let month_of_update = if is_changed { 6 } else { 1 + random.below(5) };
        writeln!(
            out,
            "{id},{first} {last},{}.{id}@mail.example.com,{number} Station Road,{city},{country},{quantity},{}.{:02},{},{year}-{month:02}-{day:02},2026-{month_of_update:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z,\"a note, as people write them; {}\"",
            first.to_lowercase(),
            amount / 100,
            amount % 100,
            random.below(2) == 0,
            random.below(1_000_000),
        )
        .unwrap();
    }
    out.flush().unwrap();
}
