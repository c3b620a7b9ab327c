//! Floats as text. What the standard library prints them with can do more, and is 18 kB of a guest.

/// The shortest text that is read as this number again.
pub fn float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    zmij::Buffer::new().format_finite(value).replace("e+", "e")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_written_as_everybody_writes_them() {
        let written = [0.0, -0.0, 1.0, -1.5, 0.1, 100.0, 1e16, -2.5e-44, f64::NAN, f64::NEG_INFINITY].map(float);
        assert_eq!(written, ["0.0", "-0.0", "1.0", "-1.5", "0.1", "100.0", "1e16", "-2.5e-44", "NaN", "-inf"]);
    }

    /// The digits that count.
    fn digits(text: &str) -> String {
        let mantissa = text.split('e').next().unwrap_or_default();
        mantissa.chars().filter(char::is_ascii_digit).collect::<String>().trim_matches('0').to_owned()
    }

    proptest! {
        #[test]
        fn they_are_read_as_what_they_were_and_no_text_is_shorter(bits in any::<u64>(), short in any::<i32>(), scale in 0_i32..9) {
            for value in [f64::from_bits(bits), f64::from(short) / 10_f64.powi(scale)] {
                let text = float(value);
                prop_assert!(value.is_nan() || text.parse::<f64>().map(f64::to_bits) == Ok(value.to_bits()), "{text}");
                prop_assert!(!value.is_finite() || digits(&text) == digits(&format!("{value:e}")), "{text}");
            }
        }
    }
}
