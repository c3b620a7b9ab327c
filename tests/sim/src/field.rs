//! Fields and their values. Most values carry a token, a number that no other write ever has and that survives everything systems
//! make of a value: so it can be told where a value came from, by looking at it.

use lockstep::record::{LogicalType, Value};

use crate::chance::Chance;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A number people know the record by; never changed.
    Serial,
    Email,
    Name,
    Phone,
    /// With [`Kind::Zip`] a group, if there are groups.
    City,
    Zip,
    /// Money with two decimals.
    Amount,
    /// A counter.
    Visits,
    /// A set.
    Tags,
    Note,
    Due,
    Active,
    /// Another record, by the key the system knows it by; whoever asks a system whose keys are serials gets the serial.
    Boss,
}

/// The tokens of a telephone number and a zip code have so many digits.
const PHONE_DIGITS: usize = 6;

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Serial => "serial",
            Self::Email => "email",
            Self::Name => "name",
            Self::Phone => "phone",
            Self::City => "city",
            Self::Zip => "zip",
            Self::Amount => "amount",
            Self::Visits => "visits",
            Self::Tags => "tags",
            Self::Note => "note",
            Self::Due => "due",
            Self::Active => "active",
            Self::Boss => "boss",
        }
    }

    pub fn logical(self) -> LogicalType {
        match self {
            Self::Amount => "decimal(12,2)".parse().expect("a type"),
            Self::Visits | Self::Boss => LogicalType::Int64,
            Self::Due => LogicalType::Date,
            Self::Active => LogicalType::Bool,
            _ => LogicalType::Text,
        }
    }

    /// Whether a value tells which write it came from.
    pub fn has_token(self) -> bool {
        !matches!(self, Self::Serial | Self::Visits | Self::Tags | Self::Active | Self::Boss)
    }

    pub fn may_be_null(self) -> bool {
        matches!(self, Self::Note | Self::Due | Self::Phone | Self::Boss)
    }

    /// A value nobody has written before.
    pub fn value(self, token: u32, chance: &mut Chance) -> Value {
        let text = |text: String| Value::text(&text);
        match self {
            Self::Serial => text(format!("S{token}")),
            Self::Email if chance.coin() => text(format!("u{token}@x.org")),
            Self::Email => text(format!("U{token}@X.org")),
            Self::Name => {
                let space = chance.pick(&["", "", " ", "  "]);
                let rest = chance.pick(&["Ann", "Bob Marley Junior", "Çelik", "Dee  "]);
                text(format!("{space}w{token} {rest}"))
            }
            Self::Phone => {
                let code = chance.pick(&["+49 (30) ", "0049-30/", "030 "]);
                text(format!("{code}{token:06}"))
            }
            Self::City => text(format!("c{token} {}", chance.pick(&["Berlin", "Rome", "São Paulo"]))),
            Self::Zip => text(format!("{token:06}")),
            Self::Amount => Value::Int(i64::from(token) * 100 + chance.between(1, 49)),
            Self::Visits => Value::Int(chance.between(0, 9)),
            Self::Tags => text(format!("t{token}")),
            Self::Note => text(format!("n{token} {}", chance.pick(&["call back", "VIP", "never on Mondays, please"]))),
            Self::Due => Value::Int(i64::from(token)),
            Self::Active => Value::Bool(chance.coin()),
            // Whom it may be depends on who is there.
            Self::Boss => Value::Null,
        }
    }

    /// A value that a system with validation refuses.
    pub fn poison(self, token: u32) -> Option<Value> {
        match self {
            Self::Name => Some(Value::text(&format!("w{token} <script>"))),
            Self::Note => Some(Value::text(&format!("n{token} <script>"))),
            _ => None,
        }
    }

    /// The token inside a value, whatever a system made of it.
    pub fn token(self, value: &Value) -> Option<u32> {
        match (self, value) {
            (Self::Email | Self::Name | Self::City | Self::Note, Value::Text(text)) => {
                let digits: String =
                    text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
                digits.parse().ok()
            }
            (Self::Phone | Self::Zip, Value::Text(text)) => {
                let digits: String = text.chars().filter(char::is_ascii_digit).collect();
                digits.get(digits.len().checked_sub(PHONE_DIGITS)?..)?.parse().ok()
            }
            (Self::Amount, Value::Int(value)) => u32::try_from(value / 100).ok(),
            (Self::Due, Value::Int(value)) => u32::try_from(*value).ok(),
            _ => None,
        }
    }
}

/// Refused by systems with validation.
pub fn is_poison(value: &Value) -> bool {
    matches!(value, Value::Text(text) if has_poison(text))
}

/// The same of a text with such a value in it.
pub fn has_poison(text: &str) -> bool {
    text.to_lowercase().contains("<script")
}

/// The items of a set.
pub fn items(value: &Value) -> Vec<&str> {
    match value {
        Value::Text(text) => text.split(';').map(str::trim).filter(|item| !item.is_empty()).collect(),
        _ => Vec::new(),
    }
}

/// What two e-mail addresses are compared by.
pub fn email_key(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.trim().to_lowercase()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Normal;

    #[test]
    fn tokens_survive_what_systems_make_of_values() {
        let mut chance = Chance::new(1, "test");
        let kinds = [Kind::Email, Kind::Name, Kind::Phone, Kind::City, Kind::Zip, Kind::Amount, Kind::Note, Kind::Due];
        for token in [1, 37, 9_999, 123_456] {
            for kind in kinds {
                let value = kind.value(token, &mut chance);
                assert_eq!(kind.token(&value), Some(token), "{value:?}");
                for normal in Normal::fitting(kind) {
                    assert_eq!(kind.token(&normal.apply(&value)), Some(token), "{value:?} {normal:?}");
                }
            }
        }
    }

    #[test]
    fn what_systems_make_of_values_they_leave_alone() {
        let mut chance = Chance::new(2, "test");
        for kind in [Kind::Email, Kind::Name, Kind::Phone, Kind::Amount, Kind::Note] {
            for normal in Normal::fitting(kind) {
                let once = normal.apply(&kind.value(42, &mut chance));
                assert_eq!(normal.apply(&once), once, "{normal:?}");
            }
        }
    }
}
