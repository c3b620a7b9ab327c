//! How a system writes a field down where the entity writes it otherwise: other words, another unit, another type. Between the
//! system and its connector values are translated, so that whatever judges them sees one language.

use lockstep::project::{Expression, HubColumn};
use lockstep::record::{LogicalType, Value};

use super::definition::place;
use crate::chance::Chance;
use crate::field::Kind;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    #[default]
    Plain,
    /// A list of values.
    Words,
    /// Behind a mark, which an expression takes away and another adds.
    Marked,
    /// In a hundredth of the unit, likewise.
    Cents,
    /// As text, which is cast.
    Spelled,
}

const YES: &str = "ja";
const NO: &str = "nein";
const MARK: &str = "x:";

impl Dialect {
    fn fitting(kind: Kind) -> &'static [Self] {
        match kind {
            Kind::Active => &[Self::Words],
            Kind::Email | Kind::Phone | Kind::Note | Kind::City => &[Self::Marked],
            Kind::Amount => &[Self::Cents, Self::Spelled],
            Kind::Due => &[Self::Spelled],
            _ => &[],
        }
    }

    pub fn draw(chance: &mut Chance, kind: Kind) -> Self {
        match Self::fitting(kind) {
            [] => Self::Plain,
            fitting if chance.coin() => chance.pick(fitting),
            _ => Self::Plain,
        }
    }

    /// The type of the system's column.
    pub fn logical(self, kind: Kind) -> LogicalType {
        match self {
            Self::Plain => kind.logical(),
            Self::Cents => LogicalType::Int64,
            Self::Words | Self::Marked | Self::Spelled => LogicalType::Text,
        }
    }

    /// What the mapping says about it.
    pub fn map(self, column: &mut HubColumn) {
        let expression = |text: &str| Some(Expression { text: text.to_owned(), place: place() });
        match self {
            Self::Plain | Self::Spelled => {}
            Self::Words => column.values = [(YES, "true"), (NO, "false")].map(|(a, b)| (a.into(), b.into())).to_vec(),
            Self::Marked => {
                column.read = expression("value.substring(2)");
                column.write = expression("\"x:\" + value");
            }
            Self::Cents => {
                column.read = expression("decimal(value) * decimal(\"0.01\")");
                column.write = expression("int(value * 100)");
            }
        }
    }

    /// What the system's column says.
    pub fn encode(self, kind: Kind, value: &Value) -> Value {
        match (self, value) {
            (Self::Words, Value::Bool(is)) => Value::text(if *is { YES } else { NO }),
            (Self::Marked, Value::Text(text)) => Value::text(&format!("{MARK}{text}")),
            (Self::Spelled, value) if !value.is_null() => match value.to_json(kind.logical()) {
                serde_json::Value::String(text) => Value::text(&text),
                other => Value::text(&other.to_string()),
            },
            // Cents are what a decimal of two places is made of.
            (_, value) => value.clone(),
        }
    }

    /// The other way; none if the system's users could not have written this.
    pub fn decode(self, kind: Kind, value: &Value) -> Option<Value> {
        match (self, value) {
            (_, Value::Null) => Some(Value::Null),
            (Self::Words, Value::Text(text)) => match &**text {
                YES => Some(Value::Bool(true)),
                NO => Some(Value::Bool(false)),
                _ => None,
            },
            (Self::Marked, Value::Text(text)) => text.strip_prefix(MARK).map(Value::text),
            (Self::Spelled, Value::Text(text)) => {
                Value::from_json(&serde_json::Value::from(&**text), kind.logical()).ok()
            }
            (Self::Plain | Self::Cents, value) => Some(value.clone()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_is_read_again() {
        let mut chance = Chance::new(1, "test");
        for kind in [Kind::Active, Kind::Email, Kind::Phone, Kind::Note, Kind::City, Kind::Amount, Kind::Due] {
            for dialect in Dialect::fitting(kind) {
                for token in [1, 37, 9_999] {
                    let value = kind.value(token, &mut chance);
                    let written = dialect.encode(kind, &value);
                    assert!(*dialect == Dialect::Cents || written != value, "{dialect:?}");
                    assert_eq!(dialect.decode(kind, &written), Some(value), "{dialect:?}");
                }
            }
        }
    }
}
