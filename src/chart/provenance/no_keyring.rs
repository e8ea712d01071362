//! What stands for keyrings in a build without OpenPGP: there is none, so nothing is ever verified.

use super::{Provenance, Signer};
use crate::clock::Timestamp;

/// Public keys whose signatures count.
#[derive(Clone, Debug)]
pub enum Keyring {}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this build has no OpenPGP (feature `openpgp`) and verifies no signatures")]
pub struct InvalidKeyring;

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {}

impl Keyring {
    /// # Errors
    /// Always: no signature can be verified.
    pub fn read(_: &[u8]) -> Result<Self, InvalidKeyring> {
        Err(InvalidKeyring)
    }

    /// # Errors
    /// None: nobody has a keyring.
    pub fn verify(&self, _: &Provenance, _: Timestamp) -> Result<Signer, Untrusted> {
        match *self {}
    }
}
