//! The UsernameToken of WS-Security: who asks, within the document of a request.
//!
//! A plugin says where the header of its envelope is, by a mark that nobody can know; what is put there is made here, for each attempt
//! anew, and the plugin never sees it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};

use super::body::escaped;

const EXTENSION: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const UTILITY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const TOKEN: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0";
const ENCODING: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary";

/// Nothing in it shows itself.
#[derive(Clone, PartialEq, Eq)]
pub struct UsernameToken {
    pub username: String,
    pub password: String,
    /// The password is proved and not sent.
    pub is_digest: bool,
}

impl UsernameToken {
    /// The header `Security`, for one request.
    pub fn header(&self, now: DateTime<Utc>, nonce: [u8; 16]) -> String {
        let created = now.to_rfc3339_opts(SecondsFormat::Millis, true);
        let (kind, password) = match self.is_digest {
            true => ("PasswordDigest", self.digest(&nonce, &created)),
            false => ("PasswordText", escaped(&self.password)),
        };
        let (username, nonce) = (escaped(&self.username), STANDARD.encode(nonce));
        format!(
            "<wsse:Security xmlns:wsse=\"{EXTENSION}\" xmlns:wsu=\"{UTILITY}\"><wsse:UsernameToken>\
             <wsse:Username>{username}</wsse:Username><wsse:Password Type=\"{TOKEN}#{kind}\">{password}</wsse:Password>\
             <wsse:Nonce EncodingType=\"{ENCODING}\">{nonce}</wsse:Nonce><wsu:Created>{created}</wsu:Created>\
             </wsse:UsernameToken></wsse:Security>"
        )
    }

    /// UsernameToken Profile 1.1, 3.1: nonce, time and password together. The profile knows no other algorithm.
    fn digest(&self, nonce: &[u8], created: &str) -> String {
        let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
        context.update(nonce);
        context.update(created.as_bytes());
        context.update(self.password.as_bytes());
        STANDARD.encode(context.finish().as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(is_digest: bool) -> String {
        let token = UsernameToken { username: "a<b".into(), password: "s3cr&t\"".into(), is_digest };
        token.header("2003-07-16T01:24:32Z".parse().unwrap(), *b"0123456789abcdef")
    }

    #[test]
    fn a_password_is_written_as_xml_has_it() {
        let header = header(false);
        assert!(header.contains("<wsse:Username>a&lt;b</wsse:Username>"), "{header}");
        assert!(header.contains("#PasswordText\">s3cr&amp;t&quot;</wsse:Password>"), "{header}");
    }

    #[test]
    fn a_digest_holds_no_password() {
        let header = header(true);
        assert!(!header.contains("s3cr"), "{header}");
        assert!(header.contains("<wsu:Created>2003-07-16T01:24:32.000Z</wsu:Created>"), "{header}");
        // By another program: base64(sha1(nonce + created + password)).
        assert!(header.contains("#PasswordDigest\">60YKBIeOcsDDA7aswTt5hic9RDM=</wsse:Password>"), "{header}");
    }
}
