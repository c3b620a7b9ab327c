//! Numbers. The common forms are read straight from the bytes; everything else goes through [`Decimal`].

use lockstep_plugin_sdk::batch::ColumnBuilder;
use lockstep_plugin_sdk::values::{Decimal, DecimalShape};

use super::ValueError;

/// So many digits fit 64 bits whatever they are.
const SAFE_DIGITS: usize = 18;

#[cold]
fn not_whole() -> ValueError {
    ValueError::new("not a whole number")
}

#[cold]
fn not_a_number() -> ValueError {
    ValueError::new("not a number")
}

/// A whole number in decimal digits, with an optional sign.
#[inline]
pub fn int64(text: &[u8]) -> Result<i64, ValueError> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > SAFE_DIGITS {
        return long_int64(text);
    }
    let magnitude = digits_value(digits).ok_or_else(not_whole)? as i64;
    Ok(if negative { -magnitude } else { magnitude })
}

#[cold]
fn long_int64(text: &[u8]) -> Result<i64, ValueError> {
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(not_whole());
    }
    let text = std::str::from_utf8(text).map_err(|_| not_whole())?;
    text.parse().map_err(|_| ValueError::new("out of the range of 64 bits"))
}

/// The value of at most [`SAFE_DIGITS`] digits; none if anything is not a digit.
#[inline]
fn digits_value(digits: &[u8]) -> Option<u64> {
    let mut value = 0u64;
    let mut rest = digits;
    while let Some((eight, behind)) = rest.split_first_chunk::<8>() {
        value = value * 100_000_000 + eight_digits(*eight)?;
        rest = behind;
    }
    let mut wrong = false;
    for byte in rest {
        let digit = byte.wrapping_sub(b'0');
        wrong |= digit > 9;
        value = value * 10 + u64::from(digit);
    }
    (!wrong).then_some(value)
}

/// Eight digits at once, in one word (Mula and Lemire, "Faster base64 …" and "Quickly parsing eight digits").
#[inline]
fn eight_digits(bytes: [u8; 8]) -> Option<u64> {
    let word = u64::from_le_bytes(bytes);
    // A byte is a digit if its high nibble is 3, and stays 3 when 6 is added to it.
    let high = 0xf0f0_f0f0_f0f0_f0f0;
    let threes = 0x3030_3030_3030_3030;
    if word & high != threes || word.wrapping_add(0x0606_0606_0606_0606) & high != threes {
        return None;
    }
    let word = word - threes;
    let pairs = (word.wrapping_mul(10) + (word >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100) + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours.wrapping_mul(10_000) + (fours >> 32)) & 0xffff_ffff)
}

/// A binary float. What is too large or too small for one is an error; `NaN`, `Infinity` and `-Infinity` are values.
pub fn float64(text: &[u8]) -> Result<f64, ValueError> {
    let text = std::str::from_utf8(text).map_err(|_| not_a_number())?;
    let value: f64 = text.parse().map_err(|_| not_a_number())?;
    let mut written = text.bytes().take_while(|byte| !matches!(byte, b'e' | b'E'));
    let is_word = text.bytes().all(|byte| !byte.is_ascii_digit());
    let lost = (value.is_infinite() && !is_word) || (value == 0.0 && written.any(|byte| matches!(byte, b'1'..=b'9')));
    if lost { Err(ValueError::new("out of the range of a float")) } else { Ok(value) }
}

/// An exact decimal: scaled where the type has a shape of few digits, else its plain text.
#[inline]
pub(super) fn push_decimal(
    column: &mut ColumnBuilder,
    text: &[u8],
    shape: Option<DecimalShape>,
) -> Result<usize, ValueError> {
    match shape {
        None if is_plain_decimal(text) => {
            column.push_bytes(text);
            Ok(text.len())
        }
        Some(shape) if usize::from(shape.precision) <= SAFE_DIGITS => {
            let value = short_scaled(text, shape).map_or_else(|| long_scaled(text, shape), Ok)?;
            column.push_int64(value);
            Ok(0)
        }
        _ => push_long_decimal(column, text, shape),
    }
}

fn parse_decimal(text: &[u8]) -> Result<Decimal, ValueError> {
    let text = std::str::from_utf8(text).map_err(|_| ValueError::new("not a decimal number"))?;
    Decimal::parse(text).map_err(ValueError::of)
}

fn push_long_decimal(
    column: &mut ColumnBuilder,
    text: &[u8],
    shape: Option<DecimalShape>,
) -> Result<usize, ValueError> {
    let decimal = parse_decimal(text)?;
    let decimal = match shape {
        // Every value of the type has the same number of digits behind the point, as a database writes it.
        Some(shape) => {
            decimal.fits(shape).and_then(|()| decimal.rescale(u32::from(shape.scale))).map_err(ValueError::of)?
        }
        None => decimal,
    };
    let plain = decimal.to_string();
    column.push_text(&plain);
    Ok(plain.len())
}

fn long_scaled(text: &[u8], shape: DecimalShape) -> Result<i64, ValueError> {
    parse_decimal(text)?.to_scaled(shape).map_err(ValueError::of)
}

/// The scaled value of plain decimals that surely fit; none for all others, which are not necessarily wrong.
#[inline]
fn short_scaled(text: &[u8], shape: DecimalShape) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let point = digits.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = match point {
        Some(point) => (digits.get(..point)?, digits.get(point + 1..)?),
        None => (digits, &[][..]),
    };
    let missing = usize::from(shape.scale).checked_sub(fraction.len())?;
    let room = usize::from(shape.precision - shape.scale);
    if whole.is_empty() || whole.len() > room || (point.is_some() && fraction.is_empty()) {
        return None;
    }
    let whole = digits_value(whole)? * power_of_ten(shape.scale)?;
    let value = whole + digits_value(fraction)? * power_of_ten(missing as u16)?;
    Some(if negative { -(value as i64) } else { value as i64 })
}

#[inline]
fn power_of_ten(exponent: u16) -> Option<u64> {
    POWERS_OF_TEN.get(usize::from(exponent)).copied()
}

#[rustfmt::skip]
const POWERS_OF_TEN: [u64; SAFE_DIGITS + 1] = [
    1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000,
    10_000_000_000, 100_000_000_000, 1_000_000_000_000, 10_000_000_000_000, 100_000_000_000_000,
    1_000_000_000_000_000, 10_000_000_000_000_000, 100_000_000_000_000_000, 1_000_000_000_000_000_000,
];

/// Longer numbers are checked against the limits of [`Decimal`].
const PLAIN_BYTES_MAX: usize = 100;

/// Whether the text is exactly what [`Decimal`] would write: no sign but a minus, no needless zero in front, digits on both sides
/// of a point, no negative zero.
#[inline]
fn is_plain_decimal(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let starts_well = match digits {
        [b'0', b'.', ..] | [b'1'..=b'9', ..] => true,
        [b'0'] => text.len() == 1,
        _ => false,
    };
    let mut point = false;
    let mut nonzero = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            nonzero |= digit;
        } else if *byte == b'.' && !point {
            point = true;
        } else {
            return false;
        }
    }
    let is_negative_zero = nonzero == 0 && digits.len() < text.len();
    starts_well && !is_negative_zero && digits.last() != Some(&b'.') && text.len() <= PLAIN_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whole_numbers_are_those_of_the_standard_library(text in "[-+]?[0-9]{0,21}|[-+0-9 .e]{0,12}") {
            prop_assert_eq!(int64(text.as_bytes()).ok(), text.parse::<i64>().ok());
        }

        #[test]
        fn any_whole_number_round_trips(value in any::<i64>()) {
            prop_assert_eq!(int64(value.to_string().as_bytes()), Ok(value));
        }

        #[test]
        fn eight_bytes_are_digits_or_not(bytes in prop::array::uniform8(prop_oneof![b'0'..=b'9', any::<u8>()])) {
            let expected = std::str::from_utf8(&bytes).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
            prop_assert_eq!(eight_digits(bytes), expected.map(|text| text.parse().unwrap()));
        }

        #[test]
        fn short_decimals_are_those_of_the_long_way(text in "-?[0-9]{0,9}(\\.[0-9]{0,4})?|[-0-9.e+]{0,10}", precision in 2u16..19) {
            let shape = DecimalShape { precision, scale: 2 };
            if let Some(value) = short_scaled(text.as_bytes(), shape) {
                prop_assert_eq!(Ok(value), long_scaled(text.as_bytes(), shape));
            }
        }

        #[test]
        fn plain_decimals_are_those_that_are_written_as_read(text in "-?0?[0-9]{0,9}(\\.[0-9]{0,4})?|[-0-9.e+]{0,10}|-?0\\.0+") {
            let written = parse_decimal(text.as_bytes()).map(|decimal| decimal.to_string());
            prop_assert_eq!(is_plain_decimal(text.as_bytes()), written.as_deref() == Ok(text.as_str()));
        }
    }

    #[test]
    fn floats_beyond_their_range_are_refused() {
        for (text, expected) in [
            ("1e308", true),
            ("1e309", false),
            ("-1e309", false),
            ("0e-400", true),
            ("4e-324", true),
            ("1e-330", false),
        ] {
            assert_eq!(float64(text.as_bytes()).is_ok(), expected, "{text}");
        }
        assert!(float64(b"-Infinity").is_ok_and(f64::is_infinite));
        assert!(float64(b"NaN").is_ok_and(f64::is_nan));
    }
}
