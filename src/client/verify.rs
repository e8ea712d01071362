//! Whether a package is what a trusted key signed: its provenance file, the digest in it, and the signature over it.

use serde::Serialize;

use super::error::ClientError;
use crate::chart::provenance::{Keyring, Provenance, Signer};
use crate::clock::Clock;
use crate::oci::Digest;

/// A package and what it claims to be.
pub struct Claim<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub package: &'a Digest,
}

/// Who vouches for a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    pub fingerprint: String,
    pub signed_by: Vec<String>,
    pub package: Digest,
}

/// Checks what the provenance file says of the package, and that a key of `keyring` signed it.
///
/// # Errors
/// `Unfit` says what does not hold.
pub fn verify(
    claim: &Claim<'_>,
    provenance: &[u8],
    keyring: &[u8],
    clock: &dyn Clock,
) -> Result<Verified, ClientError> {
    let unfit =
        |why: String| ClientError::Unfit(format!("{} {} is not verified: {why}", claim.name, claim.version));
    let provenance = Provenance::read(provenance).map_err(|why| unfit(why.to_string()))?;
    provenance.check(claim.name, claim.version, claim.package).map_err(|why| unfit(why.to_string()))?;
    let (fingerprint, signed_by) = signer(&provenance, keyring, clock).map_err(unfit)?;
    Ok(Verified { fingerprint, signed_by, package: claim.package.clone() })
}

/// The key and the people of a signature that counts.
fn signer(
    provenance: &Provenance,
    keyring: &[u8],
    clock: &dyn Clock,
) -> Result<(String, Vec<String>), String> {
    let keyring = Keyring::read(keyring).map_err(|why| why.to_string())?;
    let Signer { fingerprint, user_ids } =
        keyring.verify(provenance, clock.now()).map_err(|why| why.to_string())?;
    Ok((fingerprint, user_ids))
}
