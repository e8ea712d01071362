//! What may be pushed, and which tags may move: a released version of a chart keeps its content, unless a rule says
//! otherwise.

use crate::chart::provenance::Keyring;
use crate::chart::{lax, version_of_tag};
use crate::journal::{Firmness, TagPolicy};
use crate::oci::{
    ARTIFACT_HUB_CONFIG, HELM_CONFIG, Manifest, Namespace, NamespacePattern, RepositoryName, Tag, TagPattern,
};

/// The rules of an operator. What none of them names follows the rule above.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Tags that keep their content, whatever they point to.
    pub immutable: Vec<TagPattern>,
    /// Tags that may be moved; these come first.
    pub mutable: Vec<TagPattern>,
    /// Whether tags that keep their content may be removed.
    pub delete_immutable: bool,
    /// Where what is wrong with a chart is told, not refused.
    pub lenient: Vec<NamespacePattern>,
    /// Whether only charts are taken, and what belongs to them.
    pub charts_only: bool,
    /// Where every chart must have a provenance file.
    pub signed: Vec<NamespacePattern>,
    /// Whose signatures count; without it, nobody is asked who signed.
    pub keyring: Option<Keyring>,
    /// The path below which a proxy serves this registry, like `/charts`, empty for none: an index says it, because
    /// `helm cm-push` looks for the API there.
    pub context_path: Box<str>,
}

impl Policy {
    pub(super) fn is_lenient(&self, namespace: &Namespace) -> bool {
        self.lenient.iter().any(|pattern| pattern.matches(namespace))
    }

    pub(super) fn requires_signatures(&self, namespace: &Namespace) -> bool {
        self.signed.iter().any(|pattern| pattern.matches(namespace))
    }

    /// Whether a manifest may be pushed at all, with these tags. What belongs to charts are their signatures and the
    /// like, as referrers or under the tags of clients without those, and what Artifact Hub reads of a repository.
    pub(super) fn takes(&self, manifest: &Manifest, tags: &[Tag]) -> bool {
        let config = manifest.config.as_ref().map(|config| config.media_type.as_str());
        let is_attached = !tags.is_empty() && tags.iter().all(is_attachment);
        let is_of_artifact_hub =
            config == Some(ARTIFACT_HUB_CONFIG) && tags.iter().all(|tag| tag.as_str() == ARTIFACT_HUB_TAG);
        !self.charts_only
            || config == Some(HELM_CONFIG)
            || manifest.subject.is_some()
            || is_attached
            || is_of_artifact_hub
    }
}

/// Where Artifact Hub looks.
pub(super) const ARTIFACT_HUB_TAG: &str = "artifacthub.io";

impl TagPolicy for Policy {
    fn firmness(&self, repository: &RepositoryName, tag: &Tag, artifact_type: Option<&str>) -> Firmness {
        let named = |patterns: &[TagPattern]| {
            patterns.iter().any(|pattern| pattern.matches(repository.as_str(), tag.as_str()))
        };
        let released = || artifact_type == Some(HELM_CONFIG) && is_released(tag);
        let kept = !is_attachment(tag) && !named(&self.mutable) && (named(&self.immutable) || released());
        match (kept, self.delete_immutable) {
            (false, _) => Firmness::Loose,
            (true, true) => Firmness::Kept,
            (true, false) => Firmness::Fixed,
        }
    }
}

/// A version without a pre-release part.
fn is_released(tag: &Tag) -> bool {
    lax(&version_of_tag(tag.as_str())).is_some_and(|version| version.pre.is_empty())
}

/// Signatures and the like under the names that clients without referrers give them; each signature rewrites its tag.
fn is_attachment(tag: &Tag) -> bool {
    tag.as_str().starts_with("sha256-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_charts_and_named_tags_stay() {
        use Firmness::{Fixed, Kept, Loose};
        let patterns = |texts: &[&str]| texts.iter().map(|text| TagPattern::parse(text).unwrap()).collect();
        let plain = Policy::default();
        let ruled = Policy {
            immutable: patterns(&["prod/**", "**:final"]),
            mutable: patterns(&["dev/**", "prod/app:2.*"]),
            ..Policy::default()
        };
        let deletable = Policy { delete_immutable: true, ..Policy::default() };
        let (chart, image) = (Some(HELM_CONFIG), Some("application/vnd.oci.image.config.v1+json"));
        let cases = [
            (&plain, "team/app", "1.2.3", chart, Fixed),
            (&plain, "team/app", "1.2.3_build", chart, Fixed),
            (&plain, "team/app", "v1.2", chart, Fixed),
            (&plain, "team/app", "1.2.3-rc.1", chart, Loose),
            (&plain, "team/app", "latest", chart, Loose),
            (&plain, "team/app", "sha256-0123.sig", chart, Loose),
            (&plain, "team/app", "1.2.3", image, Loose),
            (&plain, "team/app", "1.2.3", None, Loose),
            (&deletable, "team/app", "1.2.3", chart, Kept),
            (&ruled, "team/app", "1.2.3", chart, Fixed),
            (&ruled, "dev/app", "1.2.3", chart, Loose),
            (&ruled, "prod/app", "latest", image, Fixed),
            (&ruled, "prod/app", "sha256-0123.sig", image, Loose),
            (&ruled, "prod/app", "2.0.0", chart, Loose),
            (&ruled, "any/where", "final", None, Fixed),
        ];
        for (policy, repository, tag, artifact_type, expected) in cases {
            let name = RepositoryName::parse(repository).unwrap();
            let firmness = policy.firmness(&name, &Tag::parse(tag).unwrap(), artifact_type);
            assert_eq!(firmness, expected, "{repository}:{tag} {artifact_type:?}");
        }
    }
}
