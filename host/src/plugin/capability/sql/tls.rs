//! TLS as the databases' own clients understand it: `require` encrypts, `verify-ca` knows the authority, `verify-full` knows
//! the host as well.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::stream::Stream;
use super::url::TlsMode;

/// What makes connections in this mode, or why there cannot be one. `authority`: certificates to trust instead of the system's.
pub(super) fn connector(mode: TlsMode, authority: Option<&Path>) -> Result<TlsConnector, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match mode {
        TlsMode::VerifyFull => trusted(authority, &provider)?,
        TlsMode::VerifyCa => Arc::new(AnyName(trusted(authority, &provider)?)),
        TlsMode::Disable | TlsMode::Prefer | TlsMode::Require => Arc::new(AnyCertificate(provider.clone())),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn trusted(authority: Option<&Path>, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let Some(path) = authority else {
        let verifier = rustls_platform_verifier::Verifier::new(provider.clone()).map_err(|error| error.to_string())?;
        return Ok(Arc::new(verifier));
    };
    let roots = Arc::new(read_authority(path)?);
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build();
    verifier.map(|verifier| verifier as Arc<dyn ServerCertVerifier>).map_err(|error| error.to_string())
}

fn read_authority(path: &Path) -> Result<RootCertStore, String> {
    let place = path.display();
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path)
        .map_err(|error| format!("the certificates in `{place}` (`sslrootcert`) cannot be read: {error}"))?
    {
        let certificate = certificate.map_err(|error| format!("`{place}` (`sslrootcert`) is not PEM: {error}"))?;
        roots.add(certificate).map_err(|error| format!("`{place}` (`sslrootcert`) holds no authority: {error}"))?;
    }
    if roots.is_empty() { Err(format!("`{place}` (`sslrootcert`) holds no certificate")) } else { Ok(roots) }
}

/// Encryption without knowing with whom.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A known authority, whatever name it vouches for.
#[derive(Debug)]
struct AnyName(Arc<dyn ServerCertVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        // The name is looked at after everything else has been found in order.
        match self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// What binds the password's proof to this very connection (`tls-server-end-point`, RFC 5929): the certificate's digest, by
/// the digest of its own signature. None where that is not defined.
pub(super) fn channel_binding(stream: &TlsStream<Stream>) -> Option<Vec<u8>> {
    let (_, connection) = stream.get_ref();
    let certificate = connection.peer_certificates()?.first()?.as_ref();
    Some(match signature_digest(certificate)? {
        256 => Sha256::digest(certificate).to_vec(),
        384 => Sha384::digest(certificate).to_vec(),
        _ => Sha512::digest(certificate).to_vec(),
    })
}

/// Signature algorithms, as DER spells their identifiers, with the bits of the digest to use; MD5 and SHA-1 count as SHA-256.
const SIGNATURE_DIGESTS: &[(&[u8], u16)] = &[
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04", 256),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", 256),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", 256),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c", 384),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d", 512),
    (b"\x2a\x86\x48\xce\x3d\x04\x01", 256),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x02", 256),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x03", 384),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x04", 512),
];

/// Reads `Certificate { tbsCertificate, signatureAlgorithm { algorithm, … }, … }` just far enough.
fn signature_digest(certificate: &[u8]) -> Option<u16> {
    const SEQUENCE: u8 = 0x30;
    const OBJECT_IDENTIFIER: u8 = 0x06;
    let (content, _) = der_element(certificate, SEQUENCE)?;
    let (_, after_signed_part) = der_element(content, SEQUENCE)?;
    let (algorithm, _) = der_element(after_signed_part, SEQUENCE)?;
    let (identifier, _) = der_element(algorithm, OBJECT_IDENTIFIER)?;
    SIGNATURE_DIGESTS.iter().find(|(known, _)| *known == identifier).map(|(_, bits)| *bits)
}

/// The content of the element at the beginning, and what follows it.
fn der_element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    if *found == tag { rest.split_at_checked(length) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag, 0x82];
        bytes.extend_from_slice(&(content.len() as u16).to_be_bytes());
        bytes.extend_from_slice(content);
        bytes
    }

    fn certificate(algorithm: &[u8]) -> Vec<u8> {
        let mut content = element(0x30, &[0; 300]);
        content.extend(element(0x30, &element(0x06, algorithm)));
        content.extend(element(0x03, &[1, 2, 3]));
        element(0x30, &content)
    }

    #[test]
    fn the_digest_follows_from_the_signature() {
        assert_eq!(signature_digest(&certificate(b"\x2a\x86\x48\xce\x3d\x04\x03\x03")), Some(384));
        assert_eq!(signature_digest(&certificate(b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b")), Some(256));
        // Ed25519 has no digest of its own.
        assert_eq!(signature_digest(&certificate(b"\x2b\x65\x70")), None);
    }

    #[test]
    fn broken_certificates_have_none() {
        let whole = certificate(b"\x2a\x86\x48\xce\x3d\x04\x03\x03");
        for length in 0..320 {
            assert_eq!(signature_digest(&whole[..length]), None, "{length}");
        }
    }
}
