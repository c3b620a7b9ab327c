//! Reads `[lineage]`: to whom it is told what runs read and wrote.

use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::connection::{path_of, read_reference};
use super::paste::below;
use super::place::Place;
use super::reader::{Entry, Read, Section};
use super::secret::SecretRef;

const EXAMPLE: &str = "openlineage = { file = \"lineage.ndjson\" }";
const URL_EXAMPLE: &str = "url = \"http://127.0.0.1:5000\"";
const KEY_EXAMPLE: &str = "api_key = \"env:OPENLINEAGE_API_KEY\"";
const NAMESPACE_EXAMPLE: &str = "namespace = \"acme\"";

/// How long one request may take, unless the project says otherwise: a healthy consumer answers in milliseconds.
pub const EXPORT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
/// Where OpenLineage's own clients send events on a server whose URL names no path.
const ENDPOINT_DEFAULT: &str = "/api/v1/lineage";
/// The longest namespace: what OpenLineage's best known consumer still stores.
const NAMESPACE_BYTES_MAX: usize = 1024;

/// `lineage.openlineage`: run events as OpenLineage defines them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenLineage {
    pub transport: Transport,
    /// Of the jobs, which are the project's syncs; none = the project's name.
    pub namespace: Option<String>,
    pub place: Place,
}

/// Where events go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One line of JSON per event. Absolute, or relative to the working directory like the project's folder itself.
    File(PathBuf),
    Http(HttpTransport),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTransport {
    /// Whole, without credentials.
    pub url: Url,
    /// Sent as a bearer token.
    pub api_key: Option<SecretRef>,
    /// Per request.
    pub timeout: Duration,
}

/// None if the table says nothing about OpenLineage.
pub(super) fn read_lineage(entry: &Entry<'_>, dir: &Path) -> Read<Option<OpenLineage>> {
    let section = entry.section()?;
    let openlineage = section.optional("openlineage", EXAMPLE).map(|entry| read_openlineage(&entry, dir)).transpose();
    section.close(&[]);
    openlineage
}

fn read_openlineage(entry: &Entry<'_>, dir: &Path) -> Read<OpenLineage> {
    let section = entry.section()?;
    let file = section.optional("file", "file = \"lineage.ndjson\"");
    let url = section.optional("url", URL_EXAMPLE);
    let http = read_http_keys(&section, dir);
    let namespace = section.optional("namespace", NAMESPACE_EXAMPLE).map(|name| read_namespace(&name)).transpose();
    section.close(&[]);
    let transport = match (file, url) {
        (Some(_), Some(_)) => Err(entry.invalid("must have either `file` or `url`, found both")),
        (None, None) => Err(entry.invalid("must have either `file` or `url`, found neither")),
        (Some(file), None) => http.and_then(|http| read_file(&section, &file, http, dir)),
        (None, Some(url)) => read_url(&url).and_then(|url| {
            let (api_key, timeout) = http?;
            Ok(Transport::Http(HttpTransport { url, api_key, timeout: timeout.unwrap_or(EXPORT_TIMEOUT_DEFAULT) }))
        }),
    };
    Ok(OpenLineage { transport: transport?, namespace: namespace?, place: entry.place.clone() })
}

/// What only a transport over HTTP has use for.
type HttpKeys = (Option<SecretRef>, Option<Duration>);

fn read_http_keys(section: &Section<'_>, dir: &Path) -> Read<HttpKeys> {
    let api_key = section.optional("api_key", KEY_EXAMPLE).map(|key| read_reference(&key, dir, key_hints)).transpose();
    let timeout = section.optional("timeout", "timeout = \"5s\"").map(|timeout| read_timeout(&timeout)).transpose();
    Ok((api_key?, timeout?))
}

fn read_file(section: &Section<'_>, file: &Entry<'_>, http: HttpKeys, dir: &Path) -> Read<Transport> {
    if http != (None, None) {
        return Err(section.invalid("has `api_key` or `timeout`, which belong to `url`; a file needs neither", EXAMPLE));
    }
    Ok(Transport::File(below(dir, &path_of(file)?)))
}

fn read_timeout(entry: &Entry<'_>) -> Read<Duration> {
    let timeout = entry.duration()?;
    if timeout.is_zero() { Err(entry.invalid("must be more than nothing")) } else { Ok(timeout) }
}

fn read_namespace(entry: &Entry<'_>) -> Read<String> {
    let text = entry.filled_text()?;
    if text.len() > NAMESPACE_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(entry.invalid(format_args!("must be one line of at most {NAMESPACE_BYTES_MAX} bytes")));
    }
    Ok(text.to_owned())
}

/// The text is not repeated: a URL may hold a password.
fn read_url(entry: &Entry<'_>) -> Read<Url> {
    let text = entry.filled_text()?;
    let Ok(mut url) = Url::parse(text) else { return Err(entry.invalid("is not a URL")) };
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(entry.invalid("must begin with `http://` or `https://`"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(entry.secret_value(key_hints()));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(entry.invalid("must end with the path, without `?` and `#`"));
    }
    if url.path() == "/" {
        url.set_path(ENDPOINT_DEFAULT);
    }
    Ok(url)
}

fn key_hints() -> Vec<String> {
    vec![
        format!("put the key into an environment variable and write `{KEY_EXAMPLE}`"),
        "or into a file only you can read and write `api_key = \"file:secrets/openlineage\"`".to_owned(),
    ]
}
