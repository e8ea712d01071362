//! Provenance files: whether one is of the package beside it, and, with a keyring, who signed it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Fault, Source};
use crate::chart::provenance::{InvalidProvenance, MAX_PROVENANCE, Provenance, Signer, Untrusted};
use crate::journal::Release;
use crate::oci::{Digest, Namespace, RepositoryName};
use crate::registry::{Error, Registry};

/// For what is remembered, in bytes.
const REMEMBERED: u64 = 4 << 20;
/// Keys expire: after this time it is asked again who signed.
const FRESH: Duration = Duration::from_secs(60);

/// What is to be said of the signature of a version.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// There is no provenance file.
    Unsigned,
    /// The provenance file is of the package; there is no keyring that says who signed it.
    Signed,
    /// It is, and a key of the keyring signed it.
    Verified(Signer),
    /// It is, but its signature does not count.
    Untrusted(Untrusted),
    /// It is malformed or of something else.
    Invalid(InvalidProvenance),
    /// It cannot be read back.
    Lost,
}

/// What a provenance file has to be of.
#[derive(Clone, Copy, Debug)]
pub(in crate::registry) struct Claim<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub package: &'a Digest,
}

/// A provenance file as far as it does not depend on the package.
#[derive(Debug)]
struct Judged {
    file: Result<Provenance, InvalidProvenance>,
    /// Unless there is no keyring.
    signer: Option<Result<Signer, Untrusted>>,
    /// In bytes.
    size: u32,
}

/// Provenance files that were judged lately.
pub(in crate::registry) struct Signatures(moka::future::Cache<Digest, Arc<Judged>>);

impl Signatures {
    pub(in crate::registry) fn new() -> Self {
        let weight = |_: &Digest, judged: &Arc<Judged>| judged.size.saturating_mul(3).saturating_add(1_024);
        let builder = moka::future::Cache::builder().max_capacity(REMEMBERED);
        Self(builder.time_to_live(FRESH).weigher(weight).build())
    }
}

impl Registry {
    /// Whether the signature of a release counts.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn verdict(&self, repository: &RepositoryName, release: &Release) -> Result<Verdict, Error> {
        let chart = &release.chart;
        let claim = Claim { name: &chart.name, version: &chart.version, package: &chart.package };
        let file = chart.provenance.as_ref().map(|digest| (digest, Source::Stored(repository)));
        match self.judge_signature(claim, file).await {
            Err(Error::BlobUnknown(_) | Error::Damaged(_)) => Ok(Verdict::Lost),
            verdict => verdict,
        }
    }

    /// Judges the signature of a version that is pushed, and tells what is wrong where that is no reason to refuse it.
    ///
    /// # Errors
    /// `Chart`; those of the store.
    pub(in crate::registry) async fn vet_signature(
        &self,
        namespace: &Namespace,
        claim: Claim<'_>,
        file: Option<(&Digest, Source<'_>)>,
    ) -> Result<Vec<String>, Error> {
        let is_required = self.policy.requires_signatures(namespace);
        let fault = match self.judge_signature(claim, file).await? {
            Verdict::Unsigned if is_required => Fault::Unsigned,
            Verdict::Unsigned | Verdict::Signed | Verdict::Verified(_) | Verdict::Lost => {
                return Ok(Vec::new());
            }
            Verdict::Untrusted(why) => why.into(),
            Verdict::Invalid(why) => why.into(),
        };
        match self.policy.is_lenient(namespace) && !is_required {
            true => Ok(vec![fault.to_string()]),
            false => Err(fault.into()),
        }
    }

    async fn judge_signature(
        &self,
        claim: Claim<'_>,
        file: Option<(&Digest, Source<'_>)>,
    ) -> Result<Verdict, Error> {
        let Some((digest, source)) = file else { return Ok(Verdict::Unsigned) };
        let judge = self.read_signature(digest, source);
        let judged = self.signatures.0.try_get_with_by_ref(digest, judge).await;
        let judged = judged.map_err(|error| (*error).clone())?;
        let checked = match &judged.file {
            Ok(file) => file.check(claim.name, claim.version, claim.package),
            Err(invalid) => Err(invalid.clone()),
        };
        Ok(match (checked, &judged.signer) {
            (Err(invalid), _) => Verdict::Invalid(invalid),
            (Ok(()), None) => Verdict::Signed,
            (Ok(()), Some(Ok(signer))) => Verdict::Verified(signer.clone()),
            (Ok(()), Some(Err(untrusted))) => Verdict::Untrusted(untrusted.clone()),
        })
    }

    async fn read_signature(&self, digest: &Digest, source: Source<'_>) -> Result<Arc<Judged>, Error> {
        let bytes: Bytes = match source {
            Source::Held(bytes) => bytes.clone(),
            Source::Stored(repository) => {
                let blob = self.blob(repository, digest).await?;
                if blob.size() > MAX_PROVENANCE as u64 {
                    let file = Err(InvalidProvenance::TooLong);
                    return Ok(Arc::new(Judged { file, signer: None, size: 0 }));
                }
                self.body(&blob.wanted, &blob.stored).await?
            }
        };
        let (policy, now) = (Arc::clone(&self.policy), self.clock.now());
        let judged = tokio::task::spawn_blocking(move || {
            let file = Provenance::read(&bytes);
            let signer = match (&file, &policy.keyring) {
                (Ok(file), Some(keyring)) => Some(keyring.verify(file, now)),
                _ => None,
            };
            Arc::new(Judged { file, signer, size: u32::try_from(bytes.len()).unwrap_or(u32::MAX) })
        });
        judged.await.map_err(|_| Error::Panicked)
    }
}
