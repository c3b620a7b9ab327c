//! Events as requests, one after the other.
//!
//! The consumer is named by the project itself, so it may be anywhere, this machine included. Redirects are not followed: the key is
//! for this consumer and no other.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, StatusCode};

use super::error::ExportError;
use crate::plugin::http_client::{builder, innermost};
use crate::project::{HttpTransport, OpenLineage};

/// A consumer that is there answers a connection at once.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) struct HttpSender {
    client: Client,
    transport: HttpTransport,
    /// Not shown by `Debug`, and never compressed together with anything.
    authorization: Option<HeaderValue>,
}

impl HttpSender {
    pub fn new(settings: &OpenLineage, transport: &HttpTransport) -> Result<Self, ExportError> {
        let authorization = match settings.secret() {
            Some(secret) => Some(bearer(secret.resolve()?.expose())?),
            None => None,
        };
        let client = builder(CONNECT_TIMEOUT.min(transport.timeout), transport.timeout).build();
        let client = client.map_err(|error| ExportError::Client(innermost(&error)))?;
        Ok(Self { client, transport: transport.clone(), authorization })
    }

    pub async fn send(&self, body: &str) -> Result<(), ExportError> {
        let mut request = self.client.post(self.transport.url.clone()).header(CONTENT_TYPE, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let down = |reason: String| ExportError::Down { to: self.transport.url.to_string(), reason };
        let response = request.body(body.to_owned()).send().await.map_err(|error| down(innermost(&error)))?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status if never_takes(status) => {
                Err(ExportError::Refused { to: self.transport.url.to_string(), status: status.as_u16() })
            }
            status => Err(down(format!("it answered {}", status.as_u16()))),
        }
    }
}

/// Answers that are about the event itself. A wrong key or a wrong path can be mended, and then all events are welcome.
fn never_takes(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 413 | 422)
}

fn bearer(key: &str) -> Result<HeaderValue, ExportError> {
    // The reason is left out: it is about the key.
    let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
        .map_err(|_| ExportError::Client("the `api_key` holds a character no header can have".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
