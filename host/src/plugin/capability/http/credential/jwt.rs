//! Signed statements (JSON Web Tokens, RFC 7519) with an RSA key or one of the curve P-256.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::project::JwtAlgorithm;

/// A key that can sign.
pub struct SigningKey(Key);

enum Key {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

/// Why a key cannot be used. Holds nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("it holds no private key in PEM")]
    NotPem,
    #[error("it holds a key in the format SEC 1")]
    Sec1,
    #[error("it holds no RSA key of 2048 bits or more, which `RS256` needs")]
    NotRsa,
    #[error("it holds no key of the curve P-256, which `ES256` needs")]
    NotP256,
}

impl KeyError {
    /// A line that would make the key usable.
    pub fn hint(self) -> &'static str {
        match self {
            Self::NotPem => "a key in PEM begins with `-----BEGIN PRIVATE KEY-----`",
            Self::Sec1 => "`openssl pkcs8 -topk8 -nocrypt -in OLD.pem -out NEW.pem` writes it in the format PKCS #8",
            Self::NotRsa => "if it is a key of the curve P-256, write `algorithm = \"ES256\"`",
            Self::NotP256 => "if it is an RSA key, write `algorithm = \"RS256\"`",
        }
    }
}

impl SigningKey {
    /// Reads PKCS #8, and for RSA also PKCS #1.
    pub fn from_pem(algorithm: JwtAlgorithm, pem: &str) -> Result<Self, KeyError> {
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError::NotPem)?;
        match (algorithm, &key) {
            (JwtAlgorithm::Rs256, PrivateKeyDer::Pkcs8(der)) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der())
                .map(|key| Self(Key::Rsa(key)))
                .map_err(|_| KeyError::NotRsa),
            (JwtAlgorithm::Rs256, PrivateKeyDer::Pkcs1(der)) => RsaKeyPair::from_der(der.secret_pkcs1_der())
                .map(|key| Self(Key::Rsa(key)))
                .map_err(|_| KeyError::NotRsa),
            (JwtAlgorithm::Rs256, _) => Err(KeyError::NotRsa),
            (JwtAlgorithm::Es256, PrivateKeyDer::Pkcs8(der)) => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der(), &SystemRandom::new())
                    .map(|key| Self(Key::Ec(key)))
                    .map_err(|_| KeyError::NotP256)
            }
            (JwtAlgorithm::Es256, PrivateKeyDer::Sec1(_)) => Err(KeyError::Sec1),
            (JwtAlgorithm::Es256, _) => Err(KeyError::NotP256),
        }
    }

    /// The token of these claims. None if the system has no random numbers.
    pub fn sign(&self, key_id: Option<&str>, claims: &Value) -> Option<String> {
        let mut header = json!({ "alg": self.algorithm().name(), "typ": "JWT" });
        if let (Some(object), Some(key_id)) = (header.as_object_mut(), key_id) {
            object.insert("kid".to_owned(), json!(key_id));
        }
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let signature = self.signature(signed.as_bytes())?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn algorithm(&self) -> JwtAlgorithm {
        match self.0 {
            Key::Rsa(_) => JwtAlgorithm::Rs256,
            Key::Ec(_) => JwtAlgorithm::Es256,
        }
    }

    fn signature(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.0 {
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).ok()?;
                Some(signature)
            }
            Key::Ec(key) => Some(key.sign(&random, message).ok()?.as_ref().to_vec()),
        }
    }
}

#[cfg(test)]
mod tests;
