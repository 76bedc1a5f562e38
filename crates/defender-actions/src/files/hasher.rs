//! The hash of a download.

use defender_model::Sha256;
use sha2::{Digest, digest::Output};

/// SHA-256 of the bytes so far.
#[derive(Clone, Default)]
pub(crate) struct Hasher(sha2::Sha256);

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the hash of the bytes so far.
    pub(crate) fn so_far(&self) -> Sha256 {
        let hash: Output<sha2::Sha256> = self.0.clone().finalize();
        Sha256::from(<[u8; 32]>::from(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_covers_all_updates() {
        let mut hasher = Hasher::default();
        hasher.update(b"ab");
        hasher.update(b"c");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hasher.so_far().to_string(), text);
    }
}
