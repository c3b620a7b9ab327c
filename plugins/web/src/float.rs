//! Floats as text. The standard library's way is exact in every form there is, and 18 kB of a guest.

/// Nine digits.
const LIMB: u64 = 1_000_000_000;
/// So many digits are always enough, and so many always right where the number is not next to nothing.
const DIGITS_MAX: usize = 17;
const DIGITS_SURE: usize = 15;

/// The shortest text that is read as this number again: what `{:?}` gives.
pub fn float(value: f64) -> String {
    let sign = if value.is_sign_negative() { "-" } else { "" };
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return format!("{sign}inf");
    }
    if value == 0.0 {
        return format!("{sign}0.0");
    }
    let (digits, exponent) = shortest(value.abs());
    let digits = digits.trim_end_matches('0');
    let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
    match exponent {
        16.. | ..=-5 if rest.is_empty() => format!("{sign}{first}e{exponent}"),
        16.. | ..=-5 => format!("{sign}{first}.{rest}e{exponent}"),
        ..0 => format!("{sign}0.{}{digits}", zeros(-1 - exponent)),
        0.. => {
            let whole = exponent + 1;
            let at = usize::try_from(whole).unwrap_or_default();
            match digits.split_at_checked(at) {
                Some((before, behind)) if !behind.is_empty() => format!("{sign}{before}.{behind}"),
                _ => {
                    let missing = whole - i32::try_from(digits.len()).unwrap_or_default();
                    format!("{sign}{digits}{}.0", zeros(missing))
                }
            }
        }
    }
}

fn zeros(count: i32) -> String {
    "0".repeat(usize::try_from(count).unwrap_or_default())
}

/// The digits, and the power of ten of the first.
fn shortest(value: f64) -> (String, i32) {
    let (digits, below) = exact(value);
    let length = i32::try_from(digits.len()).unwrap_or_default();
    // A decimal of fifteen digits is the only one of its length near the number it is read as.
    let from = if value.is_normal() { DIGITS_SURE } else { 1 };
    for count in from..=DIGITS_MAX {
        let Some((kept, left)) = digits.split_at_checked(count) else { break };
        let down = kept.parse::<u64>().unwrap_or_default();
        let is_up = left.bytes().next().is_some_and(|digit| digit >= b'5');
        let nearest = if is_up { [down + 1, down] } else { [down, down + 1] };
        for candidate in nearest {
            let shown = candidate.to_string();
            let power = below + length - i32::try_from(count).unwrap_or_default();
            if format!("{shown}e{power}").parse() == Ok(value) {
                let first = power + i32::try_from(shown.len()).unwrap_or_default() - 1;
                return (shown, first);
            }
        }
    }
    (digits, below + length - 1)
}

/// All digits of a number above zero, and the power of ten of the last.
fn exact(value: f64) -> (String, i32) {
    let bits = value.to_bits();
    let exponent = i32::try_from(bits >> 52).unwrap_or_default();
    let fraction = bits & ((1 << 52) - 1);
    let mut mantissa = if exponent == 0 { fraction } else { fraction | (1 << 52) };
    let mut power = exponent.max(1) - 1075;
    while power < 0 && mantissa.is_multiple_of(2) {
        (mantissa, power) = (mantissa / 2, power + 1);
    }
    let mut limbs = vec![mantissa % LIMB, mantissa / LIMB];
    // A half is five tenths.
    let by = if power < 0 { 5 } else { 2 };
    for _ in 0..power.unsigned_abs() {
        let mut carry = 0;
        for limb in &mut limbs {
            let product = *limb * by + carry;
            (*limb, carry) = (product % LIMB, product / LIMB);
        }
        if carry > 0 {
            limbs.push(carry);
        }
    }
    let digits: String = limbs.iter().rev().map(|limb| format!("{limb:09}")).collect();
    (digits.trim_start_matches('0').to_owned(), power.min(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn well_known_numbers_are_written_as_everybody_writes_them() {
        for value in [
            0.0,
            -0.0,
            1.0,
            -1.5,
            0.1,
            0.3,
            100.0,
            1e15,
            1e16,
            1.5e16,
            1e-4,
            9.999e-5,
            1e-5,
            5e-324,
            2.5e-323,
            f64::MAX,
            f64::MIN_POSITIVE,
            f64::EPSILON,
            9_007_199_254_740_993.0,
            5.684_341_886_080_801e-14,
            123_456_789.125,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            9.5,
            2.0e-44,
            8.41e21,
            9.223_372_036_854_776e18,
        ] {
            assert_eq!(float(value), format!("{value:?}"));
        }
    }

    proptest! {
        #[test]
        fn it_is_what_the_standard_library_says(bits in any::<u64>(), short in -1_000_000_i32..1_000_000, scale in 0_i32..9) {
            for value in [f64::from_bits(bits), f64::from(short) / 10_f64.powi(scale)] {
                prop_assert_eq!(float(value), format!("{value:?}"));
            }
        }
    }
}
