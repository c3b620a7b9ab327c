//! Proofs of a password.

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use sha2::{Digest as _, Sha256};

pub(super) const NATIVE: &str = "mysql_native_password";
pub(super) const CACHING_SHA2: &str = "caching_sha2_password";
pub(super) const CLEAR: &str = "mysql_clear_password";

/// The proof for `mysql_native_password`: `SHA1(password) XOR SHA1(scramble, SHA1(SHA1(password)))`; empty for no password.
pub(super) fn native(password: &str, scramble: &[u8]) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let sha1 = |parts: &[&[u8]]| digest(&SHA1_FOR_LEGACY_USE_ONLY, &parts.concat()).as_ref().to_vec();
    let once = sha1(&[password.as_bytes()]);
    let twice = sha1(&[&once]);
    xor(&once, &sha1(&[scramble, &twice]))
}

/// The proof for `caching_sha2_password`: `SHA256(password) XOR SHA256(SHA256(SHA256(password)), scramble)`.
pub(super) fn caching_sha2(password: &str, scramble: &[u8]) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let once = Sha256::digest(password.as_bytes());
    let twice = Sha256::digest(once);
    xor(&once, &Sha256::digest([twice.as_slice(), scramble].concat()))
}

fn xor(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter().zip(right).map(|(a, b)| a ^ b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The scramble undoes itself: what is left is the digest of the password.
    #[test]
    fn proofs_hold_the_digest_and_not_the_password() {
        let scramble = b"0123456789abcdefghij";
        let once = digest(&SHA1_FOR_LEGACY_USE_ONLY, b"secret");
        let twice = digest(&SHA1_FOR_LEGACY_USE_ONLY, once.as_ref());
        let mask = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[&scramble[..], twice.as_ref()].concat());
        assert_eq!(hex(&xor(&native("secret", scramble), mask.as_ref())), hex(once.as_ref()));
        assert_eq!((native("secret", scramble).len(), caching_sha2("secret", scramble).len()), (20, 32));
        assert_ne!(native("secret", scramble), native("secret", b"0123456789abcdefghik"));
    }

    #[test]
    fn no_password_is_no_proof() {
        assert!(native("", b"x").is_empty());
        assert!(caching_sha2("", b"x").is_empty());
    }
}
