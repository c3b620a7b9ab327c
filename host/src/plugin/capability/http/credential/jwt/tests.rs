use std::path::Path;
use std::process::Command;

use ring::signature::{ECDSA_P256_SHA256_FIXED, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

use super::*;

/// Runs `openssl` in a folder; keys for tests are made by it, and never kept.
fn openssl(folder: &Path, args: &str) {
    let output = Command::new("openssl").current_dir(folder).args(args.split(' ')).output().unwrap();
    assert!(output.status.success(), "openssl {args}: {}", String::from_utf8_lossy(&output.stderr));
}

fn key(algorithm: JwtAlgorithm, folder: &Path, name: &str) -> Result<SigningKey, KeyError> {
    SigningKey::from_pem(algorithm, &std::fs::read_to_string(folder.join(name)).unwrap())
}

fn decode(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The message and the signature.
fn parts(token: &str) -> (&str, Vec<u8>) {
    let (message, signature) = token.rsplit_once('.').unwrap();
    (message, URL_SAFE_NO_PAD.decode(signature).unwrap())
}

#[test]
fn rsa_keys_sign_in_either_format() {
    let folder = tempfile::tempdir().unwrap();
    openssl(folder.path(), "genrsa -traditional -out one.pem 2048");
    openssl(folder.path(), "pkcs8 -topk8 -nocrypt -in one.pem -out eight.pem");
    openssl(folder.path(), "rsa -in one.pem -pubout -out public.pem");
    for name in ["one.pem", "eight.pem"] {
        let key = key(JwtAlgorithm::Rs256, folder.path(), name).unwrap_or_else(|error| panic!("{name}: {error}"));
        let token = key.sign(Some("k1"), &json!({ "iss": "lockstep" })).unwrap();
        let (message, signature) = parts(&token);
        let (header, claims) = message.split_once('.').unwrap();
        assert_eq!(decode(header), json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" }));
        assert_eq!(decode(claims), json!({ "iss": "lockstep" }));
        std::fs::write(folder.path().join("message"), message).unwrap();
        std::fs::write(folder.path().join("signature"), &signature).unwrap();
        openssl(folder.path(), "dgst -sha256 -verify public.pem -signature signature message");
        let Key::Rsa(pair) = &key.0 else { panic!("not RSA") };
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public().as_ref());
        assert!(public.verify(format!("{message}x").as_bytes(), &signature).is_err());
    }
    assert_eq!(key(JwtAlgorithm::Es256, folder.path(), "eight.pem").err(), Some(KeyError::NotP256));
}

#[test]
fn a_key_of_the_curve_signs_with_both_numbers_at_full_length() {
    let folder = tempfile::tempdir().unwrap();
    openssl(folder.path(), "ecparam -name prime256v1 -genkey -noout -out one.pem");
    // The hint, word for word.
    openssl(folder.path(), "pkcs8 -topk8 -nocrypt -in one.pem -out eight.pem");
    assert!(KeyError::Sec1.hint().contains("openssl pkcs8 -topk8 -nocrypt -in OLD.pem -out NEW.pem"));
    assert_eq!(key(JwtAlgorithm::Es256, folder.path(), "one.pem").err(), Some(KeyError::Sec1));
    let signing = key(JwtAlgorithm::Es256, folder.path(), "eight.pem").unwrap_or_else(|error| panic!("{error}"));
    let token = signing.sign(None, &json!({ "iss": "lockstep" })).unwrap();
    let (message, signature) = parts(&token);
    assert_eq!(signature.len(), 64);
    assert_eq!(decode(message.split_once('.').unwrap().0), json!({ "alg": "ES256", "typ": "JWT" }));
    let Key::Ec(pair) = &signing.0 else { panic!("not of the curve") };
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref());
    public.verify(message.as_bytes(), &signature).unwrap();
    assert_eq!(key(JwtAlgorithm::Rs256, folder.path(), "eight.pem").err(), Some(KeyError::NotRsa));
}

#[test]
fn what_is_no_key_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    openssl(folder.path(), "genrsa -out short.pem 1024");
    assert_eq!(key(JwtAlgorithm::Rs256, folder.path(), "short.pem").err(), Some(KeyError::NotRsa));
    for text in ["", "hunter2", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----"] {
        for algorithm in [JwtAlgorithm::Rs256, JwtAlgorithm::Es256] {
            assert!(SigningKey::from_pem(algorithm, text).is_err(), "{text}");
        }
    }
}
