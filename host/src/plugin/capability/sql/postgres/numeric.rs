//! PostgreSQL's binary form of `numeric`: digits to the base of 10,000 with a weight, a sign and a display scale.

use super::super::value::{Fit, Misfit};
use crate::record::{Decimal, DecimalShape};

const BASE: u64 = 10_000;
const BASE_DIGITS: i32 = 4;

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const NEGATIVE_INFINITY: u16 = 0xf000;

/// A numeric as it came.
struct Binary<'a> {
    /// The power of the base of the first digit.
    weight: i32,
    sign: u16,
    /// Digits behind the point that are shown.
    scale: u16,
    /// Two bytes each.
    digits: &'a [u8],
}

impl<'a> Binary<'a> {
    fn read(bytes: &'a [u8]) -> Fit<Self> {
        let (head, digits) =
            bytes.split_first_chunk::<8>().ok_or_else(|| Misfit::malformed("the server sent a broken numeric"))?;
        let [count_high, count_low, weight_high, weight_low, sign_high, sign_low, scale_high, scale_low] = *head;
        if digits.len() != usize::from(u16::from_be_bytes([count_high, count_low])) * 2 {
            return Err(Misfit::malformed("the server sent a broken numeric"));
        }
        Ok(Self {
            weight: i32::from(i16::from_be_bytes([weight_high, weight_low])),
            sign: u16::from_be_bytes([sign_high, sign_low]),
            scale: u16::from_be_bytes([scale_high, scale_low]),
            digits,
        })
    }

    fn digits(&self) -> impl Iterator<Item = u64> + 'a {
        self.digits.chunks_exact(2).map(|pair| match pair {
            [high, low] => u64::from(u16::from_be_bytes([*high, *low])),
            _ => 0,
        })
    }

    /// The digit that stands for this power of the base.
    fn digit_at(&self, power: i32) -> u16 {
        let place =
            usize::try_from(self.weight - power).ok().and_then(|index| self.digits.get(index * 2..index * 2 + 2));
        place.and_then(|pair| pair.first_chunk::<2>()).map_or(0, |pair| u16::from_be_bytes(*pair))
    }

    /// The decimal power of the last digit.
    fn last_power(&self) -> i32 {
        (self.weight - (self.digits.len() / 2) as i32 + 1) * BASE_DIGITS
    }
}

/// The value times `10^scale`, if that is a whole number of 64 bits.
pub(super) fn to_scaled(bytes: &[u8], scale: u16) -> Fit<i64> {
    let numeric = Binary::read(bytes)?;
    let is_negative = match numeric.sign {
        POSITIVE => false,
        NEGATIVE => true,
        NAN => return Err(Misfit::range("`NaN` is not a number of this type")),
        _ => return Err(Misfit::range("infinity is not a number of this type")),
    };
    let shift = numeric.last_power() + i32::from(scale);
    // Four digits are sixteen decimal places: most values need no more, and fit 64 bits on the way.
    let magnitude = if numeric.digits.len() <= 8 && shift <= 18 {
        short_magnitude(numeric.digits().fold(0, |value, digit| value * BASE + digit), shift)?
    } else {
        wide_magnitude(&numeric, shift)?
    };
    let magnitude = i128::try_from(magnitude).map_err(|_| too_big())?;
    i64::try_from(if is_negative { -magnitude } else { magnitude }).map_err(|_| too_big())
}

fn too_big() -> Box<Misfit> {
    Misfit::range("too many digits before the point")
}

fn short_magnitude(value: u64, shift: i32) -> Fit<u128> {
    let power = 10u64.checked_pow(shift.unsigned_abs());
    match power {
        Some(power) if shift >= 0 => Ok(u128::from(value) * u128::from(power)),
        Some(power) if value.is_multiple_of(power) => Ok(u128::from(value / power)),
        _ => divide(u128::from(value), -shift),
    }
}

fn wide_magnitude(numeric: &Binary<'_>, shift: i32) -> Fit<u128> {
    let mut value = 0u128;
    for digit in numeric.digits() {
        let next = value.checked_mul(u128::from(BASE)).and_then(|value| value.checked_add(u128::from(digit)));
        value = next.ok_or_else(too_big)?;
    }
    if shift <= 0 {
        return divide(value, -shift);
    }
    for _ in 0..shift {
        value = value.checked_mul(10).ok_or_else(too_big)?;
    }
    Ok(value)
}

/// Takes away decimal places that must be zeros.
fn divide(mut value: u128, places: i32) -> Fit<u128> {
    for _ in 0..places {
        if value == 0 {
            break;
        }
        if !value.is_multiple_of(10) {
            return Err(Misfit::lossy("more digits behind the point than the type keeps"));
        }
        value /= 10;
    }
    Ok(value)
}

/// Appends plain decimal text with the display scale; `NaN`, `Infinity` and `-Infinity` as such.
pub(super) fn write_text(bytes: &[u8], out: &mut Vec<u8>) -> Fit {
    let numeric = Binary::read(bytes)?;
    let prefix: &[u8] = match numeric.sign {
        POSITIVE => b"",
        NEGATIVE => b"-",
        NAN => b"NaN",
        INFINITY => b"Infinity",
        NEGATIVE_INFINITY => b"-Infinity",
        _ => return Err(Misfit::malformed("the server sent a broken numeric")),
    };
    out.extend_from_slice(prefix);
    if matches!(numeric.sign, NAN | INFINITY | NEGATIVE_INFINITY) {
        return Ok(());
    }
    write_whole(&numeric, out);
    if numeric.scale > 0 {
        out.push(b'.');
        let end = out.len() + usize::from(numeric.scale);
        let mut power = -1;
        while out.len() < end {
            out.extend_from_slice(&four_digits(numeric.digit_at(power)));
            power -= 1;
        }
        out.truncate(end);
    }
    Ok(())
}

fn write_whole(numeric: &Binary<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    for power in (0..=numeric.weight).rev() {
        out.extend_from_slice(&four_digits(numeric.digit_at(power)));
    }
    let zeros = out.iter().skip(start).take_while(|digit| **digit == b'0').count();
    out.drain(start..start + zeros);
    if out.len() == start {
        out.push(b'0');
    }
}

fn four_digits(digit: u16) -> [u8; 4] {
    let place = |unit: u16| b'0' + (digit / unit % 10) as u8;
    [place(1000), place(100), place(10), place(1)]
}

/// Appends the binary form of `value / 10^scale`. Scales go up to 18, as scaled integers do.
pub(super) fn write_scaled(value: i64, scale: u16, out: &mut Vec<u8>) {
    let unit = 10u64.checked_pow(u32::from(scale)).unwrap_or(u64::MAX);
    let magnitude = value.unsigned_abs();
    let (whole, fraction) = (magnitude / unit, magnitude % unit);
    let mut groups = Groups::default();
    groups.push_whole(whole);
    groups.weight = groups.count as i32 - 1;
    groups.push_fraction(fraction, unit);
    groups.write(value < 0, scale, out);
}

/// Digits to the base: five before the point and five behind it are the most 64 bits need.
#[derive(Default)]
struct Groups {
    digits: [u16; 10],
    count: usize,
    weight: i32,
}

impl Groups {
    fn push(&mut self, digit: u64) {
        if let Some(place) = self.digits.get_mut(self.count) {
            *place = digit as u16;
            self.count += 1;
        }
    }

    fn push_whole(&mut self, whole: u64) {
        let mut unit = 1u64;
        while whole / unit >= BASE {
            unit *= BASE;
        }
        while unit > 0 && whole > 0 {
            self.push(whole / unit % BASE);
            unit /= BASE;
        }
    }

    /// `fraction / unit`, where `unit` is a power of ten.
    fn push_fraction(&mut self, mut fraction: u64, mut unit: u64) {
        while fraction > 0 {
            if unit >= BASE {
                unit /= BASE;
                self.push(fraction / unit);
                fraction %= unit;
            } else {
                self.push(fraction * (BASE / unit));
                fraction = 0;
            }
        }
    }

    fn write(&self, is_negative: bool, scale: u16, out: &mut Vec<u8>) {
        let digits = self.digits.get(..self.count).unwrap_or_default();
        write_parts(digits, self.weight, is_negative, scale, out);
    }
}

/// Appends head and digits; zeros at either end are left out, as the server leaves them out.
fn write_parts(digits: &[u16], weight: i32, is_negative: bool, scale: u16, out: &mut Vec<u8>) {
    let leading = digits.iter().take_while(|digit| **digit == 0).count();
    let digits = digits.get(leading..).unwrap_or_default();
    let trailing = digits.iter().rev().take_while(|digit| **digit == 0).count();
    let digits = digits.get(..digits.len() - trailing).unwrap_or_default();
    let weight = if digits.is_empty() { 0 } else { weight - leading as i32 };
    let sign = if is_negative && !digits.is_empty() { NEGATIVE } else { POSITIVE };
    out.extend_from_slice(&(digits.len() as u16).to_be_bytes());
    out.extend_from_slice(&(weight as i16).to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&scale.to_be_bytes());
    for digit in digits {
        out.extend_from_slice(&digit.to_be_bytes());
    }
}

/// Fails if decimal text is not a numeric of this shape.
pub(super) fn check_text(text: &str, shape: Option<DecimalShape>) -> Fit {
    match (text, shape) {
        ("NaN", _) | ("Infinity" | "-Infinity", None) => Ok(()),
        ("Infinity" | "-Infinity", Some(_)) => Err(Misfit::range("infinity is not a number of this type")),
        (text, None) => Ok(Decimal::parse(text).map(|_| ())?),
        (text, Some(shape)) => Ok(Decimal::parse(text)?.fits(shape)?),
    }
}

/// Appends the binary form of text that [`check_text`] has found in order.
pub(super) fn write_parsed(text: &str, out: &mut Vec<u8>) {
    let special = match text {
        "NaN" => Some(NAN),
        "Infinity" => Some(INFINITY),
        "-Infinity" => Some(NEGATIVE_INFINITY),
        _ => None,
    };
    if let Some(sign) = special {
        let [high, low] = sign.to_be_bytes();
        return out.extend_from_slice(&[0, 0, 0, 0, high, low, 0, 0]);
    }
    let plain = Decimal::parse(text).map(|decimal| decimal.to_string()).unwrap_or_default();
    let (is_negative, digits) = plain.strip_prefix('-').map_or((false, plain.as_str()), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut groups = Vec::with_capacity(digits.len() / 4 + 2);
    let short = whole.len() % 4;
    groups.extend(whole.get(..short).filter(|head| !head.is_empty()).map(group));
    groups.extend(whole.as_bytes().get(short..).unwrap_or_default().chunks(4).map(group_of_bytes));
    let weight = groups.len() as i32 - 1;
    groups.extend(fraction.as_bytes().chunks(4).map(|chunk| group_of_bytes(chunk) * 10u16.pow(4 - chunk.len() as u32)));
    write_parts(&groups, weight, is_negative, fraction.len() as u16, out);
}

fn group(digits: &str) -> u16 {
    group_of_bytes(digits.as_bytes())
}

fn group_of_bytes(digits: &[u8]) -> u16 {
    digits.iter().fold(0, |value, digit| value * 10 + u16::from(digit.wrapping_sub(b'0') % 10))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn binary(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_parsed(text, &mut bytes);
        bytes
    }

    fn text(bytes: &[u8]) -> String {
        let mut text = Vec::new();
        write_text(bytes, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn known_bytes() {
        // As `select numeric_send(…)` prints them.
        assert_eq!(binary("12345.678"), [0, 3, 0, 1, 0, 0, 0, 3, 0, 1, 0x09, 0x29, 0x1a, 0x7c]);
        assert_eq!(binary("-0.05"), [0, 1, 0xff, 0xff, 0x40, 0, 0, 2, 0x01, 0xf4]);
        assert_eq!(binary("0.00"), [0, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(binary("10000"), [0, 1, 0, 1, 0, 0, 0, 0, 0, 1]);
        assert_eq!(binary("NaN"), [0, 0, 0, 0, 0xc0, 0, 0, 0]);
    }

    #[test]
    fn text_is_kept_with_its_zeros() {
        for value in ["0", "0.00", "1.50", "-0.05", "100000000", "0.00010000", "NaN", "Infinity", "-Infinity"] {
            assert_eq!(text(&binary(value)), value);
        }
    }

    #[test]
    fn scaling_is_exact_or_refused() {
        let scaled = |text: &str, scale| to_scaled(&binary(text), scale).map_err(|_| ());
        assert_eq!(scaled("12.5", 2), Ok(1250));
        assert_eq!(scaled("-0.01", 2), Ok(-1));
        assert_eq!(scaled("0.001", 2), Err(()));
        assert_eq!(scaled("1000000", 6), Ok(1_000_000_000_000));
        assert_eq!(scaled("9223372036854775807", 0), Ok(i64::MAX));
        assert_eq!(scaled("-9223372036854775808", 0), Ok(i64::MIN));
        assert_eq!(scaled("9223372036854775808", 0), Err(()));
        assert_eq!(scaled(&"9".repeat(100), 0), Err(()));
        assert_eq!(scaled("NaN", 0), Err(()));
        assert_eq!(scaled("Infinity", 0), Err(()));
        assert_eq!(scaled("0.00000000000000000000", 0), Ok(0));
    }

    #[test]
    fn broken_bytes_are_refused() {
        for bytes in [&b""[..], &[0; 7], &[0, 1, 0, 0, 0, 0, 0, 0], &[0, 0, 0, 0, 0x12, 0x34, 0, 0]] {
            assert!(write_text(bytes, &mut Vec::new()).is_err());
        }
    }

    proptest! {
        #[test]
        fn plain_text_round_trips(value in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?") {
            let expected = Decimal::parse(&value).unwrap().to_string();
            prop_assert_eq!(text(&binary(&value)), expected);
        }

        #[test]
        fn scaled_integers_round_trip(value in any::<i64>(), scale in 0u16..=18) {
            let mut bytes = Vec::new();
            write_scaled(value, scale, &mut bytes);
            prop_assert_eq!(to_scaled(&bytes, scale), Ok(value));
            prop_assert_eq!(&bytes, &binary(&Decimal::from_scaled(value, scale).to_string()));
        }

        #[test]
        fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..40), scale in 0u16..19) {
            let _ = to_scaled(&bytes, scale);
            let _ = write_text(&bytes, &mut Vec::new());
        }
    }
}
