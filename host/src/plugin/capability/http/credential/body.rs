//! Secrets within the body of a request, for APIs that want them nowhere else.
//!
//! The plugin says which secret it wants and what stands in its place: a string of the JSON that nobody else can know. So whatever a
//! record says, it cannot have a secret written into somebody's data.

use bytes::Bytes;

use super::super::{ORIGIN, denied};
use crate::connector::{Failure, FailureKind};
use crate::error::codes;

/// A secret that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretWish {
    /// What the project calls it.
    pub name: String,
    /// The string that stands for it.
    pub mark: String,
}

/// Shorter marks could be words that stand in the body anyway.
const MARK_BYTES_MIN: usize = 24;

pub fn fill(secrets: &[(String, String)], body: Bytes, wanted: &[SecretWish]) -> Result<Bytes, Failure> {
    if wanted.is_empty() {
        return Ok(body);
    }
    let unfit = || denied("a mark for a secret stands in the body other than once, as a string of its own".to_owned());
    let mut text = String::from_utf8(body.into()).map_err(|_| unfit())?;
    for wish in wanted {
        let found = secrets.iter().find(|(name, _)| *name == wish.name);
        let (_, secret) = found.ok_or_else(|| missing_in_body(&wish.name))?;
        let is_plain = wish.mark.len() >= MARK_BYTES_MIN && wish.mark.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let quoted = format!("\"{}\"", wish.mark);
        if !is_plain || text.matches(&wish.mark).count() != 1 || !text.contains(&quoted) {
            return Err(unfit());
        }
        text = text.replacen(&quoted, &serde_json::Value::from(secret.as_str()).to_string(), 1);
    }
    Ok(text.into())
}

/// Nobody has granted the secret.
pub fn missing_in_body(name: &str) -> Failure {
    let message =
        format!("the plugin wants the secret `{name}` in the body of a request, which the project does not grant");
    Failure::new(FailureKind::Config, &codes::PLUGIN_GRANT, ORIGIN, message)
        .with("hint", format!("write `auth = {{ body = {{ {name} = \"env:CRM_KEY\" }} }}` beside the origin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = "k3jd82kd9s0ak3jd82kd9s0a";

    fn filled(body: &str, name: &str, mark: &str) -> Result<String, &'static str> {
        let secrets = [("key".to_owned(), "hunter\"2".to_owned())];
        let wish = SecretWish { name: name.into(), mark: mark.into() };
        let filled = fill(&secrets, Bytes::from(body.to_owned()), &[wish]);
        filled.map(|body| String::from_utf8(body.into()).unwrap()).map_err(|failure| failure.code.id)
    }

    #[test]
    fn a_mark_becomes_a_secret_where_it_stands_once_and_alone() {
        let body = format!("[1.10,\"{MARK}\"]");
        assert_eq!(filled(&body, "key", MARK).unwrap(), "[1.10,\"hunter\\\"2\"]");
        for body in ["[]".to_owned(), format!("[\"x{MARK}\"]"), format!("[\"{MARK}\",\"{MARK}\"]"), MARK.to_owned()] {
            assert_eq!(filled(&body, "key", MARK).unwrap_err(), "LS0505", "{body}");
        }
        assert_eq!(filled("[\"short\"]", "key", "short").unwrap_err(), "LS0505");
        assert_eq!(filled(&body, "other", MARK).unwrap_err(), "LS0310");
    }
}
