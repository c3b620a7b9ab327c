//! Typed configuration.

use std::any::TypeId;

use serde::Deserialize;
use serde::de::value::{MapDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer as _};

use crate::error::{Error, Result};

/// For plugins that take no configuration; any key is an error.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// For plugins that read the JSON of their configuration themselves, because they have a reader of their own: the one that is used
/// otherwise takes as much room as a small plugin.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct RawConfig(pub String);

/// Reads a connection's `config`. The host has checked it against the manifest's schema before. What does not fit is an error of
/// kind `config`.
pub fn parse<C: DeserializeOwned + 'static>(json: &str) -> Result<C> {
    // Decided while compiling: a plugin without configuration carries no JSON parser, which is half of a small plugin.
    if TypeId::of::<C>() == TypeId::of::<NoConfig>() {
        parse_nothing(json)
    } else if TypeId::of::<C>() == TypeId::of::<RawConfig>() {
        parse_not(json)
    } else {
        parse_json(json)
    }
}

fn parse_not<C: DeserializeOwned>(json: &str) -> Result<C> {
    let text: StrDeserializer<'_, serde::de::value::Error> = json.into_deserializer();
    C::deserialize(text).map_err(|error| Error::config(error.to_string()).with_code("config"))
}

fn parse_nothing<C: DeserializeOwned>(json: &str) -> Result<C> {
    let nothing = MapDeserializer::<_, serde::de::value::Error>::new(std::iter::empty::<(&str, &str)>());
    match C::deserialize(nothing) {
        Ok(config) if matches!(json, "" | "{}") => Ok(config),
        _ => Err(Error::config("this plugin takes no configuration").with_code("config")),
    }
}

fn parse_json<C: DeserializeOwned>(json: &str) -> Result<C> {
    let json = if json.is_empty() { "{}" } else { json };
    serde_json::from_str(json)
        .map_err(|error| Error::config(format!("the configuration does not fit: {error}")).with_code("config"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_configuration_means_none() {
        assert!(parse::<NoConfig>("").is_ok());
        assert!(parse::<NoConfig>("{}").is_ok());
        assert!(parse::<NoConfig>("{\"a\":1}").unwrap_err().is(crate::error::ErrorKind::Config));
    }

    #[test]
    fn who_reads_it_gets_it_as_it_is() {
        for text in ["", "{\"a\": [1]}"] {
            assert_eq!(parse::<RawConfig>(text).unwrap().0, text);
        }
    }

    #[test]
    fn a_configuration_is_checked() {
        #[derive(Debug, Default, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        struct Config {
            rows: u8,
        }
        assert_eq!(parse::<Config>("").unwrap(), Config { rows: 0 });
        assert_eq!(parse::<Config>("{\"rows\":3}").unwrap(), Config { rows: 3 });
        let message = parse::<Config>("{\"rwos\":3}").unwrap_err().message;
        assert!(message.starts_with("the configuration does not fit: unknown field `rwos`"), "{message}");
    }
}
