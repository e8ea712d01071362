//! Which version of a chart is meant: by tag, by digest, by a constraint, or the newest.

use semver::Version;

use super::error::ClientError;
use super::reference::{ChartReference, Repository, tag_of};
use super::registry::Registry;
use crate::chart::{Constraint, is_strict, lax, precedence, version_of_tag};
use crate::oci::{Reference, Tag};

/// What a person said beside the reference.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// A version or a constraint.
    pub version: Option<String>,
    /// Pre-releases too, as if the constraint were `>0.0.0-0`.
    pub devel: bool,
}

/// What is asked of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    pub reference: Reference,
    /// The tag, when there is one: it stands for the version.
    pub tag: Option<Tag>,
}

impl Chosen {
    /// The version with `+`, for tags.
    pub fn version(&self) -> Option<String> {
        self.tag.as_ref().map(|tag| version_of_tag(tag.as_str()))
    }
}

/// Finds the one version that is meant, as Helm does: an exact version is a tag, anything else is looked for in the
/// list of tags.
pub async fn choose(
    registry: &Registry,
    chart: &ChartReference,
    wanted: &Wanted,
) -> Result<Chosen, ClientError> {
    let exact = wanted.version.as_deref().filter(|version| lax(version).is_some());
    let named = match (&chart.tag, exact, &wanted.version) {
        (Some(tag), Some(exact), _) if tag_of(exact)? != *tag => {
            return Err(ClientError::Usage(format!("{chart} is another version than --version {exact}")));
        }
        (Some(_), None, Some(constraint)) => {
            return Err(ClientError::Usage(format!(
                "{chart} names a version already, beside --version {constraint}"
            )));
        }
        (Some(tag), ..) => Some(tag.clone()),
        (None, Some(exact), _) => Some(tag_of(exact)?),
        (None, None, _) => None,
    };
    match (&chart.digest, named) {
        (Some(digest), tag) => {
            if let Some(tag) = &tag {
                check_tag(registry, &chart.repository, tag, digest).await?;
            }
            Ok(Chosen { reference: Reference::Digest(digest.clone()), tag })
        }
        (None, Some(tag)) => Ok(Chosen { reference: Reference::Tag(tag.clone()), tag: Some(tag) }),
        (None, None) => by_constraint(registry, chart, wanted).await,
    }
}

/// A tag beside a digest must agree with it, if it is there at all: an old digest stays good when its tag moves on.
async fn check_tag(
    registry: &Registry,
    repository: &Repository,
    tag: &Tag,
    digest: &crate::oci::Digest,
) -> Result<(), ClientError> {
    match registry.head_manifest(repository, &Reference::Tag(tag.clone())).await? {
        Some(head) if head.digest != *digest => {
            let now = head.digest;
            Err(ClientError::Unfit(format!(
                "{repository}:{tag} is {now}, not {digest}; leave one of the two out"
            )))
        }
        _ => Ok(()),
    }
}

async fn by_constraint(
    registry: &Registry,
    chart: &ChartReference,
    wanted: &Wanted,
) -> Result<Chosen, ClientError> {
    let text = match (&wanted.version, wanted.devel) {
        (Some(version), _) => version.as_str(),
        (None, true) => ">0.0.0-0",
        (None, false) => "*",
    };
    let constraint =
        Constraint::parse(text).map_err(|why| ClientError::Usage(format!("--version {text}: {why}")))?;
    let versions = versions(registry, &chart.repository).await?;
    let best = constraint.highest(&versions, |one| &one.version);
    let Some(best) = best else {
        let newest =
            versions.first().map(|one| format!("; the newest of {} is {}", versions.len(), one.version));
        let why = newest.unwrap_or_else(|| "; it has none at all".to_owned());
        return Err(ClientError::Unfit(format!("{chart} has no version that satisfies `{text}`{why}")));
    };
    Ok(Chosen { reference: Reference::Tag(best.tag.clone()), tag: Some(best.tag.clone()) })
}

/// A tag that is a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    pub tag: Tag,
    pub version: Version,
}

/// The versions of a chart, newest first.
pub async fn versions(registry: &Registry, repository: &Repository) -> Result<Vec<Tagged>, ClientError> {
    let missing = || ClientError::Unfit(format!("oci://{}/{repository} is not there", registry.host()));
    let tags = registry.tags(repository).await?.ok_or_else(missing)?;
    Ok(sorted(&tags))
}

/// Those tags that are strict versions, as Helm has it, newest first.
pub fn sorted(tags: &[String]) -> Vec<Tagged> {
    let read = |tag: &String| {
        let version = version_of_tag(tag);
        let strict = is_strict(&version).then(|| Version::parse(&version).ok())??;
        Some(Tagged { tag: Tag::parse(tag).ok()?, version: strict })
    };
    let mut versions: Vec<Tagged> = tags.iter().filter_map(read).collect();
    versions
        .sort_by(|one, other| precedence(&other.version, &one.version).then_with(|| one.tag.cmp(&other.tag)));
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_strict_versions_are_listed_and_the_newest_comes_first() {
        let tags = ["1.2.0", "latest", "v2.0.0", "1.10.0", "1.2", "2.0.0-rc.1", "1.2.0_b", "sha256-00"]
            .map(str::to_owned);
        let sorted: Vec<String> = sorted(&tags).iter().map(|one| one.version.to_string()).collect();
        assert_eq!(sorted, ["2.0.0-rc.1", "1.10.0", "1.2.0", "1.2.0+b"]);
    }
}
