//! Who signed a provenance file. The cryptography is that of the `pgp` crate, which leaves it to its caller which keys
//! may sign: those decisions are here, as Helm's library makes them.

use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, Signature, SignatureType};
use pgp::types::{KeyDetails, Tag};

use super::{Provenance, Signer};
use crate::clock::Timestamp;

/// How far the clock of a signer may be ahead of ours.
const AHEAD: u64 = 24 * 60 * 60;

/// Public keys whose signatures count.
#[derive(Clone, Debug)]
pub struct Keyring {
    keys: Vec<SignedPublicKey>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyring {
    #[error("the keyring is not one of OpenPGP public keys, binary or armored: {0}")]
    Unreadable(String),
    #[error("the keyring has no public key")]
    Empty,
}

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    #[error("the signature of the provenance file cannot be read: {0}")]
    Unreadable(String),
    #[error("the provenance file has {0} signatures instead of one")]
    Signatures(usize),
    #[error("the signature of the provenance file is of another kind than that of a document")]
    Kind,
    #[error(
        "the signature of the provenance file uses a hash that can be forged: sign with SHA-256 or SHA-512"
    )]
    WeakHash,
    #[error("the signature of the provenance file is from the future")]
    FromTheFuture,
    #[error("the signature of the provenance file has expired")]
    Expired,
    #[error("the provenance file is signed by a key that is not in the keyring")]
    UnknownKey,
    #[error("the provenance file is signed by the key {0}, which has expired, was revoked or may not sign")]
    UnfitKey(String),
    #[error("the signature of the provenance file is wrong: text or signature were changed")]
    Wrong,
}

impl Keyring {
    /// Reads public keys, binary (as `gpg --export`) or armored.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Self, InvalidKeyring> {
        let unreadable = |error: pgp::errors::Error| InvalidKeyring::Unreadable(error.to_string());
        let (keys, _) = SignedPublicKey::from_reader_many_buf(bytes).map_err(unreadable)?;
        let keys: Vec<_> = keys.collect::<Result<_, _>>().map_err(unreadable)?;
        if keys.is_empty() { Err(InvalidKeyring::Empty) } else { Ok(Self { keys }) }
    }

    /// Verifies the signature of a provenance file, by a key that may sign at the time `now`.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn verify(&self, provenance: &Provenance, now: Timestamp) -> Result<Signer, Untrusted> {
        let now = u64::try_from(now.micros()).unwrap_or_default() / 1_000_000;
        let signature = signature(provenance)?;
        check(&signature, now)?;
        // Line ends are those of the network, whatever those of the file.
        let text = provenance.signed_text.replace("\r\n", "\n").replace('\n', "\r\n");
        let mut outcome = Untrusted::UnknownKey;
        for certificate in &self.keys {
            match verify_by(certificate, &signature, text.as_bytes(), now) {
                Ok(()) => return Ok(signer(certificate)),
                Err(Untrusted::UnknownKey) => {}
                Err(other) => outcome = other,
            }
        }
        Err(outcome)
    }
}

/// The one signature.
fn signature(provenance: &Provenance) -> Result<Signature, Untrusted> {
    // A message without text: the text that counts is the one that was read already.
    let message = format!("{}\n\n\n{}\n", super::BEGIN_MESSAGE, provenance.signature);
    let (message, _) = CleartextSignedMessage::from_string(&message)
        .map_err(|error| Untrusted::Unreadable(super::shortened(error.to_string())))?;
    match message.signatures() {
        [signature] => Ok(signature.clone()),
        signatures => Err(Untrusted::Signatures(signatures.len())),
    }
}

/// What has to hold for a signature by any key.
fn check(signature: &Signature, now: u64) -> Result<(), Untrusted> {
    if !matches!(signature.typ(), Some(SignatureType::Text | SignatureType::Binary)) {
        return Err(Untrusted::Kind);
    }
    use HashAlgorithm::{Sha3_256, Sha3_512, Sha256, Sha384, Sha512};
    if !matches!(signature.hash_alg(), Some(Sha256 | Sha384 | Sha512 | Sha3_256 | Sha3_512)) {
        return Err(Untrusted::WeakHash);
    }
    let created = created(signature).ok_or(Untrusted::Kind)?;
    if created > now + AHEAD {
        return Err(Untrusted::FromTheFuture);
    }
    if signature.signature_expiration_time().is_some_and(|time| is_over(created, time.as_secs(), now)) {
        return Err(Untrusted::Expired);
    }
    Ok(())
}

/// Whether a key of the certificate made the signature, and may.
fn verify_by(
    certificate: &SignedPublicKey,
    signature: &Signature,
    text: &[u8],
    now: u64,
) -> Result<(), Untrusted> {
    let primary = &certificate.primary_key;
    let unfit = || Untrusted::UnfitKey(fingerprint(certificate));
    let judge = |key: &dyn Fn() -> Result<(), pgp::errors::Error>, may_sign: bool| match (key(), may_sign) {
        (Err(_), _) => Err(Untrusted::Wrong),
        (Ok(()), false) => Err(unfit()),
        (Ok(()), true) => Ok(()),
    };
    let is_usable = is_usable(certificate, now);
    if is_by(signature, primary) {
        let may_sign =
            is_usable && self_signatures(certificate).last().is_some_and(|own| primary_may_sign(own));
        return judge(&|| signature.verify(primary, text), may_sign);
    }
    let subkey = certificate.public_subkeys.iter().find(|subkey| is_by(signature, &subkey.key));
    let Some(subkey) = subkey else { return Err(Untrusted::UnknownKey) };
    let may_sign = is_usable && may_sign(certificate, subkey, now);
    judge(&|| signature.verify(&subkey.key, text), may_sign)
}

/// Whether the signature says that it is by this key.
fn is_by(signature: &Signature, key: &impl KeyDetails) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    match fingerprints.is_empty() {
        true => signature.issuer_key_id().contains(&&key.legacy_key_id()),
        false => fingerprints.contains(&&key.fingerprint()),
    }
}

/// Whether the certificate is vouched for by itself, not revoked, and its primary key not expired.
fn is_usable(certificate: &SignedPublicKey, now: u64) -> bool {
    let primary = &certificate.primary_key;
    let mut revocations = certificate.details.revocation_signatures.iter();
    let is_revoked = revocations.any(|revocation| revocation.verify_key(primary).is_ok());
    let own = self_signatures(certificate);
    !is_revoked && own.last().is_some_and(|own| !is_key_over(own, primary, now))
}

/// What the primary key says of itself and its users, the newest last.
fn self_signatures(certificate: &SignedPublicKey) -> Vec<&Signature> {
    let primary = &certificate.primary_key;
    let direct = certificate.details.direct_signatures.iter().filter(|own| own.verify_key(primary).is_ok());
    let of_users = certificate.details.users.iter().flat_map(|user| {
        let own = user.signatures.iter().filter(|own| own.is_certification());
        own.filter(|own| own.verify_certification(primary, Tag::UserId, &user.id).is_ok())
    });
    let mut own: Vec<&Signature> = direct.chain(of_users).filter(|own| is_strong(own)).collect();
    own.sort_by_key(|own| created(own));
    own
}

/// Whether a subkey is bound to sign, back and forth, and neither revoked nor expired.
fn may_sign(certificate: &SignedPublicKey, subkey: &SignedPublicSubKey, now: u64) -> bool {
    let primary = &certificate.primary_key;
    let bound = |binding: &&Signature| {
        is_strong(binding) && binding.verify_subkey_binding(primary, &subkey.key).is_ok()
    };
    let of_kind = |kind: SignatureType| {
        subkey.signatures.iter().filter(move |signature| signature.typ() == Some(kind)).filter(bound)
    };
    if of_kind(SignatureType::SubkeyRevocation).next().is_some() {
        return false;
    }
    let Some(binding) = of_kind(SignatureType::SubkeyBinding).max_by_key(|binding| created(binding)) else {
        return false;
    };
    let back = binding.embedded_signature();
    binding.key_flags().sign()
        && back.is_some_and(|back| back.verify_primary_key_binding(&subkey.key, primary).is_ok())
        && !is_key_over(binding, &subkey.key, now)
}

/// Keys made long ago do not say what they are for.
fn primary_may_sign(own: &Signature) -> bool {
    let flags = own.key_flags();
    flags.sign() || flags == KeyFlags::default()
}

/// Whether a key that this signature binds has expired.
fn is_key_over(binding: &Signature, key: &impl KeyDetails, now: u64) -> bool {
    let created = u64::from(key.created_at().as_secs());
    binding.key_expiration_time().is_some_and(|time| is_over(created, time.as_secs(), now))
}

/// Zero seconds mean for ever.
fn is_over(from: u64, seconds: u32, now: u64) -> bool {
    seconds != 0 && now >= from + u64::from(seconds)
}

/// Keys made long ago vouch for themselves with SHA-1; MD5 was broken even then.
fn is_strong(signature: &Signature) -> bool {
    !matches!(signature.hash_alg(), None | Some(HashAlgorithm::Md5 | HashAlgorithm::Ripemd160))
}

fn created(signature: &Signature) -> Option<u64> {
    signature.created().map(|created| u64::from(created.as_secs()))
}

fn fingerprint(certificate: &SignedPublicKey) -> String {
    format!("{:X}", certificate.primary_key.fingerprint())
}

fn signer(certificate: &SignedPublicKey) -> Signer {
    let primary = &certificate.primary_key;
    let vouched = certificate.details.users.iter().filter(|user| {
        let mut own = user.signatures.iter().filter(|own| own.is_certification());
        own.any(|own| own.verify_certification(primary, Tag::UserId, &user.id).is_ok())
    });
    let user_ids = vouched.map(|user| String::from_utf8_lossy(user.id.id()).into_owned()).collect();
    Signer { fingerprint: fingerprint(certificate), user_ids }
}
