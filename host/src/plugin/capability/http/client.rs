//! Clients for HTTP, alike wherever they are used: TLS by rustls with the system's authorities, no proxies from the environment, no
//! redirects followed, and one name of our own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub use reqwest::Certificate;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, ClientBuilder};

use url::Url;

use super::{ORIGIN, address, private, shown};
use crate::connector::{Failure, FailureKind};
use crate::error::codes;

/// Servers close connections nobody uses, many after five seconds. A request sent at that moment may or may not have arrived, so
/// we are sooner.
const IDLE_MAX: Duration = Duration::from_secs(4);

/// What every client of ours has in common.
pub fn builder(connect_timeout: Duration, timeout: Duration) -> ClientBuilder {
    // Somebody may have installed a provider already; either is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        // What is repeated is decided where it is known what a repeat does.
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(connect_timeout)
        .timeout(timeout)
        .pool_idle_timeout(IDLE_MAX)
        .user_agent(concat!("lockstep/", env!("CARGO_PKG_VERSION")))
}

/// The certificates in a file of authorities (PEM). Fails if there is none, or one that makes no sense.
pub fn authorities(pem: &[u8]) -> Result<Vec<Certificate>, String> {
    let certificates = Certificate::from_pem_bundle(pem).map_err(|error| innermost(&error))?;
    if certificates.is_empty() { Err("it holds no certificate in PEM".to_owned()) } else { Ok(certificates) }
}

/// The outer ones repeat the URL or say `error sending request`.
pub fn innermost(error: &reqwest::Error) -> String {
    cause(error).to_string()
}

pub(super) fn cause(error: &reqwest::Error) -> &(dyn std::error::Error + 'static) {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause
}

/// A request that got no answer. `Transient` unless trying again is no use.
pub(super) fn failed(url: &Url, error: &reqwest::Error) -> Failure {
    if cause(error).is::<address::NotPublic>() {
        return private(url);
    }
    let message = format!("`{}`: {}", shown(url), innermost(error));
    if is_about_certificates(error) {
        return Failure::new(FailureKind::Config, &codes::HTTP_FAILED, ORIGIN, message).with(
            "hint",
            "if the server's authority is one of your own, name the file of its certificate beside the origin: `ca = \"authority.pem\"`",
        );
    }
    Failure::new(FailureKind::Transient, &codes::HTTP_FAILED, ORIGIN, message)
}

/// Certificates do not mend themselves.
fn is_about_certificates(error: &reqwest::Error) -> bool {
    std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source()).any(|error| {
        // One of these inside another hides it from the chain.
        let mut inner: &(dyn std::error::Error + 'static) = error;
        while let Some(wrapped) = inner.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            inner = wrapped;
        }
        matches!(inner.downcast_ref(), Some(rustls::Error::InvalidCertificate(_)))
    })
}

/// With names resolved once, and refused if any of their addresses is not public: who controls a name must not choose.
pub(super) fn vetting(builder: ClientBuilder, allow_private: bool) -> ClientBuilder {
    builder.dns_resolver(Arc::new(VettingResolver { allow_private }))
}

struct VettingResolver {
    allow_private: bool,
}

impl Resolve for VettingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if !allow_private && addresses.iter().any(|address| !address::is_public(address.ip())) {
                return Err(address::NotPublic.into());
            }
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_authorities_holds_certificates() {
        for bad in ["", "not pem", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"] {
            assert!(authorities(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
