//! What is looked at before a manifest gets a tag: whether its package can be unpacked without harm, and
//! whether package, config, tags, annotations and provenance file tell of the same chart
//! (docs/internals/helm.md#chart-validity).
//!
//! What was looked at is remembered by its digest, so the same package again costs nothing. Content that is not there
//! yet is refused here: what came between this look and the commit would have been seen by nobody.

mod fault;
mod packages;
mod provenance;

use std::sync::Arc;

use bytes::Bytes;

pub use fault::Fault;
pub(super) use packages::Inspections;
pub use provenance::Verdict;
pub(super) use provenance::{Claim, Signatures};

use super::charts::ReadChart;
use super::{Error, Registry};
use crate::chart::archive::{Disagreement, verify, verify_annotations};
use crate::chart::{
    InvalidMetadata, Metadata, Unlisted, is_strict, package_of, provenances_of, version_of_tag,
};
use crate::journal::Refusal;
use crate::oci::{HELM_CONFIG, Manifest, RepositoryName, Tag};

/// Where the bytes of a package or of a provenance file are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'a> {
    Held(&'a Bytes),
    /// As a blob of this repository.
    Stored(&'a RepositoryName),
}

/// What was found in a place where faults are refused, or told as warnings.
struct Findings {
    lenient: bool,
    warnings: Vec<String>,
}

impl Findings {
    fn fault(&mut self, fault: Fault) -> Result<(), Error> {
        match self.lenient {
            true => self.warnings.push(fault.to_string()),
            false => return Err(fault.into()),
        }
        Ok(())
    }
}

impl Registry {
    /// Judges a manifest that is to get `tags`, and tells what of it is odd.
    ///
    /// # Errors
    /// `NotAChart`, `Chart`; `Refused` with a reference that the repository lacks.
    pub(super) async fn vet(
        self: &Arc<Self>,
        repository: &RepositoryName,
        manifest: &Manifest,
        chart: Option<&ReadChart>,
        tags: &[Tag],
    ) -> Result<Vec<String>, Error> {
        if !self.policy.takes(manifest, tags) {
            let found = manifest.effective_artifact_type().unwrap_or(manifest.media_type.as_str());
            return Err(Error::NotAChart(found.chars().take(100).collect()));
        }
        match chart.filter(|_| !tags.is_empty()) {
            Some(chart) => self.vet_chart(repository, manifest, chart, tags).await,
            None if tags.is_empty() => Ok(Vec::new()),
            None => Ok(other_config(manifest).into_iter().collect()),
        }
    }

    async fn vet_chart(
        self: &Arc<Self>,
        repository: &RepositoryName,
        manifest: &Manifest,
        chart: &ReadChart,
        tags: &[Tag],
    ) -> Result<Vec<String>, Error> {
        let lenient = self.policy.is_lenient(&repository.namespace());
        let (config, package) = match (&chart.config, package_of(manifest)) {
            (Ok(config), Ok(package)) => (config, package),
            (Err(Unlisted::ConfigLost), _) => {
                return Err(Refusal::ReferenceUnknown(chart.digest.clone()).into());
            }
            // That the index does not list it was told.
            (Err(_), _) | (_, Err(_)) if lenient => return Ok(Vec::new()),
            (Err(unlisted), _) => return Err(Fault::Manifest(unlisted.clone()).into()),
            (_, Err(unlisted)) => return Err(Fault::Manifest(unlisted).into()),
        };
        let mut findings = Findings { lenient, warnings: Vec::new() };
        if chart.record.is_none() && matches!(config.render(), Err(InvalidMetadata::TooLarge)) {
            findings.fault(Fault::MetadataTooLarge)?;
        }
        let inspected = self.inspect(&package.digest, Source::Stored(repository)).await;
        match inspected.map_err(as_reference)? {
            Err(invalid) => findings.fault(Fault::Package(invalid))?,
            Ok(inspection) => {
                findings.warnings.extend(inspection.oddities.iter().cloned());
                let found = disagreements(&inspection.metadata, config, manifest, tags);
                if !found.is_empty() {
                    findings.fault(Fault::Disagreements(found))?;
                }
            }
        }
        let provenances: Vec<_> = provenances_of(manifest).collect();
        if provenances.len() > 1 {
            findings.fault(Fault::Provenances(provenances.len()))?;
        }
        let provenance = provenances.first().map(|layer| (&layer.digest, Source::Stored(repository)));
        let claim = Claim { name: &config.name, version: &config.version, package: &package.digest };
        let told = self.vet_signature(&repository.namespace(), claim, provenance).await;
        findings.warnings.extend(told.map_err(as_reference)?);
        Ok(findings.warnings)
    }
}

/// Tells of a manifest that has the package of a chart and a config that Helm does not know, as `oras push` makes it.
fn other_config(manifest: &Manifest) -> Option<String> {
    package_of(manifest).ok()?;
    let config = manifest.config.as_ref().map_or("none", |config| config.media_type.as_str());
    let shown: String =
        config.chars().take(100).filter(|character| !matches!(character, '"' | '\\')).collect();
    Some(format!(
        "the manifest has the package of a chart, but its config is of the type {shown} instead of {HELM_CONFIG}, so that \
         no index lists it and Helm does not pull it: push the package with helm push or charthouse push"
    ))
}

/// In what the package says other than its config, the versions that its tags stand for, and its annotations. A tag that
/// is no strict version stands for none: it may be a channel, like `stable` or `1.2`. A `v` more or less is told as a
/// warning.
fn disagreements(
    package: &Metadata,
    config: &Metadata,
    manifest: &Manifest,
    tags: &[Tag],
) -> Vec<Disagreement> {
    let versions = tags.iter().map(|tag| version_of_tag(tag.as_str()));
    let is_other = |version: &String| !is_same_but_for_v(version, &package.version);
    let other = versions.filter(|version| is_strict(version)).find(is_other);
    let mut found = verify(package, config, other.as_deref());
    found.extend(verify_annotations(package, &manifest.annotations));
    found
}

/// Whether two versions differ by no more than a `v` before one of them, as mirrors write tags.
fn is_same_but_for_v(tag: &str, version: &str) -> bool {
    tag == version || version.strip_prefix('v') == Some(tag) || tag.strip_prefix('v') == Some(version)
}

/// What a manifest refers to has to be there.
fn as_reference(error: Error) -> Error {
    match error {
        Error::BlobUnknown(digest) => Refusal::ReferenceUnknown(digest).into(),
        other => other,
    }
}
