//! Which version of a chart is meant: by tag, by digest, by a constraint, or the newest.

use semver::Version;

use super::chart::RemoteChart;
use super::error::ClientError;
use super::reference::{ChartReference, Repository, tag_of};
use super::registry::Registry;
use crate::chart::{Constraint, is_strict, lax, precedence, respelled, version_of_tag};
use crate::oci::{Reference, Tag};

/// What a person said beside the reference.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// A version or a constraint.
    pub version: Option<String>,
    /// Pre-releases too, as if the constraint were `>0.0.0-0`.
    pub devel: bool,
}

/// Versions that are looked at before a search for a chart ends: images and charts may share a repository.
const MAX_CANDIDATES: usize = 32;

/// What is asked of the registry.
#[derive(Clone, Debug)]
pub struct Chosen {
    pub reference: Reference,
    /// The tag, when there is one: it stands for the version.
    pub tag: Option<Tag>,
    /// The chart, where it had to be opened to be chosen.
    chart: Option<RemoteChart>,
}

impl Chosen {
    fn named(reference: Reference, tag: Option<Tag>) -> Self {
        Self { reference, tag, chart: None }
    }

    /// The version with `+`, for tags.
    pub fn version(&self) -> Option<String> {
        self.tag.as_ref().map(|tag| version_of_tag(tag.as_str()))
    }

    /// Opens the chart.
    pub async fn open(
        &self,
        registry: &Registry,
        repository: &Repository,
    ) -> Result<RemoteChart, ClientError> {
        match &self.chart {
            Some(chart) => Ok(chart.clone()),
            None => match RemoteChart::open(registry, repository, &self.reference).await {
                Err(error) => Err(self.explain(registry, repository, error).await),
                opened => opened,
            },
        }
    }

    /// Returns the digest of what was chosen.
    ///
    /// # Errors
    /// `Unfit` when the registry does not have it, with the other spelling if it has that.
    pub async fn digest(
        &self,
        registry: &Registry,
        repository: &Repository,
    ) -> Result<crate::oci::Digest, ClientError> {
        if let Some(chart) = &self.chart {
            return Ok(chart.digest.clone());
        }
        match registry.head_manifest(repository, &self.reference).await? {
            Some(head) => Ok(head.digest),
            None => match self.spelled_otherwise(registry, repository).await {
                Some(why) => Err(why),
                None => {
                    let (host, reference) = (registry.host(), &self.reference);
                    Err(ClientError::Unfit(format!("oci://{host}/{repository} has no {reference}")))
                }
            },
        }
    }

    /// Makes more of an error that says that there is no such tag: the other spelling, if the registry has that.
    pub async fn explain(
        &self,
        registry: &Registry,
        repository: &Repository,
        error: ClientError,
    ) -> ClientError {
        match error.is_not_found() {
            true => self.spelled_otherwise(registry, repository).await.unwrap_or(error),
            false => error,
        }
    }

    /// `v1.2.3` beside `1.2.3`: people write both, registries have one.
    async fn spelled_otherwise(&self, registry: &Registry, repository: &Repository) -> Option<ClientError> {
        let tag = self.tag.as_ref().filter(|_| matches!(self.reference, Reference::Tag(_)))?.as_str();
        let how = if tag.starts_with('v') { "without the leading v" } else { "with a leading v" };
        let other = respelled(tag);
        lax(&version_of_tag(&other))?;
        let other = Tag::parse(&other).ok()?;
        // This is about a better message; if it cannot be had, the error at hand is told.
        registry.head_manifest(repository, &Reference::Tag(other.clone())).await.ok()??;
        let host = registry.host();
        Some(ClientError::Unfit(format!(
            "oci://{host}/{repository} has no version {tag}; it has {other}, {how}: ask for that"
        )))
    }
}

/// Finds the one version that is meant, as Helm does: an exact version is a tag, anything else is looked for in the
/// list of tags. There the newest chart counts: a tag on something else, such as an image, is passed over.
pub async fn choose(
    registry: &Registry,
    chart: &ChartReference,
    wanted: &Wanted,
) -> Result<Chosen, ClientError> {
    // Scripts pass an empty text where no version is meant.
    let version = wanted.version.as_deref().map(str::trim).filter(|version| !version.is_empty());
    let exact = version.filter(|version| lax(version).is_some());
    let named = match (&chart.tag, exact, version) {
        (Some(tag), Some(exact), _) if tag_of(exact)? != *tag => {
            return Err(ClientError::Usage(format!("{chart} is another version than --version {exact}")));
        }
        (Some(_), None, Some(constraint)) => {
            return Err(ClientError::Usage(format!(
                "{chart} names a version already, beside --version {constraint}"
            )));
        }
        (Some(tag), ..) => Some(tag.clone()),
        (None, Some(exact), _) if chart.digest.is_none() => return by_version(registry, chart, exact).await,
        (None, Some(exact), _) => Some(tag_of(exact)?),
        (None, None, _) => None,
    };
    match (&chart.digest, named) {
        (Some(digest), tag) => {
            if let Some(tag) = &tag {
                check_tag(registry, &chart.repository, tag, digest).await?;
            }
            Ok(Chosen::named(Reference::Digest(digest.clone()), tag))
        }
        (None, Some(tag)) => Ok(Chosen::named(Reference::Tag(tag.clone()), Some(tag))),
        (None, None) => by_constraint(registry, chart, version, wanted.devel).await,
    }
}

/// An exact version is a tag. Where there is no such tag, the one that differs by a leading `v` is it, if the chart there
/// has this version: mirrors write tags so.
async fn by_version(
    registry: &Registry,
    chart: &ChartReference,
    version: &str,
) -> Result<Chosen, ClientError> {
    let tag = tag_of(version)?;
    let reference = Reference::Tag(tag.clone());
    match RemoteChart::open(registry, &chart.repository, &reference).await {
        Ok(opened) => Ok(Chosen { reference, tag: Some(tag), chart: Some(opened) }),
        Err(error) if error.is_not_found() => {
            let other = under_another_v(registry, &chart.repository, &tag).await;
            Ok(other.unwrap_or_else(|| Chosen::named(reference, Some(tag))))
        }
        // What is no chart may be copied.
        Err(ClientError::Unfit(_)) => Ok(Chosen::named(reference, Some(tag))),
        Err(error) => Err(error),
    }
}

/// The chart under `tag` with a leading `v` more or less, if its version is spelled like `tag`.
async fn under_another_v(registry: &Registry, repository: &Repository, tag: &Tag) -> Option<Chosen> {
    let other = Tag::parse(&respelled(tag.as_str())).ok()?;
    let reference = Reference::Tag(other.clone());
    let opened = RemoteChart::open(registry, repository, &reference).await.ok()?;
    let config = opened.read_config(registry, repository).await.ok()?;
    let is_meant = config.version == version_of_tag(tag.as_str());
    is_meant.then_some(Chosen { reference, tag: Some(other), chart: Some(opened) })
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
    version: Option<&str>,
    devel: bool,
) -> Result<Chosen, ClientError> {
    let text = match (version, devel) {
        (Some(version), _) => version,
        (None, true) => ">0.0.0-0",
        (None, false) => "*",
    };
    let constraint =
        Constraint::parse(text).map_err(|why| ClientError::Usage(format!("--version {text}: {why}")))?;
    let mut versions = versions(registry, &chart.repository).await?;
    let newest = versions.first().map(|one| format!("; the newest of {} is {}", versions.len(), one.version));
    let mut passed_over: Vec<String> = Vec::new();
    while passed_over.len() < MAX_CANDIDATES {
        let Some(tag) = constraint.highest(&versions, |one| &one.version).map(|best| best.tag.clone()) else {
            break;
        };
        let reference = Reference::Tag(tag.clone());
        if let Some(opened) = RemoteChart::open_if_chart(registry, &chart.repository, &reference).await? {
            if !passed_over.is_empty() {
                registry.warn(format!("{chart}: {} passed over: not a chart", enumeration(&passed_over)));
            }
            return Ok(Chosen { reference, tag: Some(tag), chart: Some(opened) });
        }
        versions.retain(|one| one.tag != tag);
        passed_over.push(tag.to_string());
    }
    let why = match passed_over.len() {
        0 => newest.unwrap_or_else(|| "; it has no version at all".to_owned()),
        count => {
            let more = if count == MAX_CANDIDATES { "; name a version to look further" } else { "" };
            format!("; {} passed over: not a chart{more}", enumeration(&passed_over))
        }
    };
    Err(ClientError::Unfit(format!("{chart} has no version that satisfies `{text}`{why}")))
}

/// `0.0.19 is`, `0.0.19 and 0.0.18 are`, `0.0.19, 0.0.18 and 30 others are`.
fn enumeration(tags: &[String]) -> String {
    match tags {
        [one] => format!("{one} is"),
        [one, other] => format!("{one} and {other} are"),
        [one, other, rest @ ..] => format!("{one}, {other} and {} others are", rest.len()),
        [] => "nothing is".to_owned(),
    }
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
