//! Secrets within the body of a request, for APIs that want them nowhere else.
//!
//! The plugin says which secret it wants and what stands in its place: a string of the JSON, or the text of an element, that nobody else
//! can know. So whatever a record says, it cannot have a secret written into somebody's data.

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
    let mut text = text(body)?;
    let is_xml = text.trim_start().starts_with('<');
    for wish in wanted {
        let found = secrets.iter().find(|(name, _)| *name == wish.name);
        let (_, secret) = found.ok_or_else(|| missing_in_body(&wish.name))?;
        text = match is_xml {
            true => replaced(&text, &wish.mark, (">", "<"), &format!(">{}<", escaped(secret)))?,
            false => {
                let written = serde_json::Value::from(secret.as_str()).to_string();
                replaced(&text, &wish.mark, ("\"", "\""), &written)?
            }
        };
    }
    Ok(text.into())
}

/// A document with the header that stands for the credentials, or without one, where its mark is.
pub fn with_security(body: Bytes, mark: &str, header: &str) -> Result<Bytes, Failure> {
    Ok(replaced(&text(body)?, mark, (">", "<"), &format!(">{header}<"))?.into())
}

fn text(body: Bytes) -> Result<String, Failure> {
    String::from_utf8(body.into()).map_err(|_| unfit())
}

/// The mark has to stand in it once, between these; `written` takes the place of all three.
fn replaced(text: &str, mark: &str, (before, behind): (&str, &str), written: &str) -> Result<String, Failure> {
    let is_plain = mark.len() >= MARK_BYTES_MIN && mark.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let place = format!("{before}{mark}{behind}");
    if !is_plain || text.matches(mark).count() != 1 || !text.contains(&place) {
        return Err(unfit());
    }
    Ok(text.replacen(&place, written, 1))
}

fn unfit() -> Failure {
    denied("a mark for a secret stands in the body other than once, as a string or a text of its own".to_owned())
}

/// A text as it stands in an element.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\r', "&#13;")
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

    fn shown(filled: Result<Bytes, Failure>) -> Result<String, &'static str> {
        filled.map(|body| String::from_utf8(body.into()).unwrap()).map_err(|failure| failure.code.id)
    }

    fn filled(body: &str, name: &str, mark: &str) -> Result<String, &'static str> {
        let secrets = [("key".to_owned(), "hunter\"<\"".to_owned())];
        let wish = SecretWish { name: name.into(), mark: mark.into() };
        shown(fill(&secrets, Bytes::from(body.to_owned()), &[wish]))
    }

    #[test]
    fn a_mark_becomes_a_secret_where_it_stands_once_and_alone() {
        let body = format!("[1.10,\"{MARK}\"]");
        assert_eq!(filled(&body, "key", MARK).unwrap(), "[1.10,\"hunter\\\"<\\\"\"]");
        let xml = format!("<a><b>{MARK}</b></a>");
        assert_eq!(filled(&xml, "key", MARK).unwrap(), "<a><b>hunter&quot;&lt;&quot;</b></a>");
        for body in [
            "[]".to_owned(),
            format!("[\"x{MARK}\"]"),
            format!("[\"{MARK}\",\"{MARK}\"]"),
            MARK.to_owned(),
            format!("<a>x{MARK}</a>"),
            format!("<a b=\"{MARK}\"/>"),
        ] {
            assert_eq!(filled(&body, "key", MARK).unwrap_err(), "LS0505", "{body}");
        }
        assert_eq!(filled("[\"short\"]", "key", "short").unwrap_err(), "LS0505");
        assert_eq!(filled(&body, "other", MARK).unwrap_err(), "LS0310");
    }

    #[test]
    fn a_header_stands_where_its_mark_is_and_nowhere_else() {
        let put = |body: &str| shown(with_security(Bytes::from(body.to_owned()), MARK, "<x/>"));
        assert_eq!(put(&format!("<a><b>{MARK}</b></a>")).unwrap(), "<a><b><x/></b></a>");
        for body in [format!("<a b='{MARK}'/>"), format!("<a>{MARK}</a><b>{MARK}</b>"), "<a/>".to_owned()] {
            assert_eq!(put(&body).unwrap_err(), "LS0505", "{body}");
        }
    }
}
