//! Charts and versions as JSON. Metadata is kept as the JSON that an index lists, and goes out as it is.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::chart::provenance::Signer;
use crate::chart::to_harmless_json;
use crate::journal::Release;
use crate::oci::{Digest, Tag};
use crate::registry::{ListedChart, ListedVersion, UntaggedManifest, Verdict, Version};

/// A version as it is listed.
pub(super) fn release(listed: &ListedVersion) -> String {
    entry(&listed.tag, &listed.release, None)
}

pub(super) fn version(version: &Version, verdict: &Verdict) -> String {
    entry(&version.tag, &version.release, Some((&version.manifest, verdict)))
}

/// A verdict in a word.
pub(super) fn status(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Unsigned => "unsigned",
        Verdict::Signed => "signed",
        Verdict::Verified(_) => "verified",
        Verdict::Untrusted(_) => "untrusted",
        Verdict::Invalid(_) => "invalid",
        Verdict::Lost => "lost",
    }
}

/// Who signed, or why that is not known. What a key says of its owner may be any text.
fn provenance(verdict: &Verdict) -> Value {
    let mut told = json!({"status": status(verdict)});
    match verdict {
        Verdict::Unsigned | Verdict::Signed | Verdict::Lost => {}
        Verdict::Verified(Signer { fingerprint, user_ids }) => {
            told["signer"] = json!({"fingerprint": fingerprint, "userIds": user_ids});
        }
        Verdict::Untrusted(why) => told["reason"] = why.to_string().into(),
        Verdict::Invalid(why) => told["reason"] = why.to_string().into(),
    }
    told
}

/// A chart with its newest version.
pub(super) fn chart(listed: &ListedChart) -> String {
    let ListedChart { repository, chart } = listed;
    let (name, namespace, count) = (repository.base(), repository.namespace(), chart.versions.len());
    let newest = release(&chart.newest);
    format!(
        r#"{{"repository":"{repository}","namespace":"{namespace}","name":"{name}","versions":{count},"newest":{newest}}}"#
    )
}

/// A manifest without tags.
pub(super) fn untagged(found: &UntaggedManifest) -> String {
    let manifest = &found.manifest;
    let mut entry = json!({
        "digest": found.digest,
        "mediaType": manifest.media_type,
        "size": manifest.size,
        "pushed": manifest.time.to_string(),
        "everTagged": found.ever_tagged,
        "listedBy": found.listed_by,
    });
    if let Some(artifact_type) = &manifest.artifact_type {
        entry["artifactType"] = (**artifact_type).into();
    }
    if let Some(subject) = &manifest.subject {
        entry["subject"] = subject.to_string().into();
    }
    // A document of texts and numbers has no way not to be JSON.
    to_harmless_json(&entry).unwrap_or_default()
}

/// `{"<head>"..., "<name>":[entry,...]}`; `head` is what stands before the list, with a comma behind it.
pub(super) fn list(head: &str, name: &str, entries: impl IntoIterator<Item = String>) -> String {
    let mut text = format!("{{{head}\"{name}\":[");
    for (at, entry) in entries.into_iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(&entry);
    }
    text.push_str("]}");
    text
}

/// Versions, tags, digests and times have no character to escape.
fn entry(tag: &Tag, release: &Release, stored: Option<(&Digest, &Verdict)>) -> String {
    let chart = &release.chart;
    let version = &chart.version;
    let mut text = format!(
        r#"{{"version":"{version}","tag":"{tag}","created":"{}","digest":"{}","signed":{}"#,
        release.since,
        chart.package,
        chart.provenance.is_some()
    );
    if let Some((manifest, verdict)) = stored {
        // A text is written without errors.
        let provenance = to_harmless_json(&provenance(verdict)).unwrap_or_default();
        write!(text, r#","manifest":"{manifest}","provenance":{provenance}"#).unwrap_or_default();
    }
    text.push_str(",\"metadata\":");
    text.push_str(&chart.metadata);
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::chart::provenance::InvalidProvenance;
    use crate::chart::{self, Metadata};
    use crate::clock::Timestamp;

    #[test]
    fn a_version_is_json_whatever_its_metadata_says() {
        let description = "\"\\\u{0}\u{1b}[31m\u{202e}\u{2028}\n ü";
        let config = json!({"name": "app", "version": "1.0.0+b", "description": description}).to_string();
        let metadata = Metadata::read(config.as_bytes()).unwrap();
        let package = Digest::sha256(b"package");
        let chart = chart::Release::new(&metadata, package.clone(), Some(Digest::sha256(b""))).unwrap();
        let chart = Arc::new(crate::registry::record_of(chart));
        let stored = Release { chart, seq: 1, since: Timestamp::from_micros(0), yanked: false };
        let listed = ListedVersion { tag: Tag::parse("1.0.0_b").unwrap(), release: stored };
        let read: Value = serde_json::from_str(&release(&listed)).unwrap();
        let expected = json!({
            "version": "1.0.0+b", "tag": "1.0.0_b", "created": "1970-01-01T00:00:00.000000Z", "digest": package,
            "signed": true, "metadata": {"name": "app", "version": "1.0.0+b", "description": description},
        });
        assert_eq!(read, expected);
        let text = release(&listed);
        assert!(text.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{text}");
    }

    #[test]
    fn a_verdict_is_json_whatever_a_key_says_of_its_owner() {
        let user_ids = vec!["\"A\" <a@b>\u{1b}\u{202e}".to_owned()];
        let verified = Verdict::Verified(Signer { fingerprint: "AB".to_owned(), user_ids: user_ids.clone() });
        let text = to_harmless_json(&provenance(&verified)).unwrap();
        assert!(text.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{text}");
        let signer = json!({"fingerprint": "AB", "userIds": user_ids});
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read, json!({"status": "verified", "signer": signer}));
        let invalid = provenance(&Verdict::Invalid(InvalidProvenance::TooLong));
        assert!(invalid["reason"].as_str().is_some_and(|why| why.contains("more than")), "{invalid}");
        assert_eq!(provenance(&Verdict::Unsigned), json!({"status": "unsigned"}));
    }

    #[test]
    fn a_list_has_commas_between_its_entries() {
        assert_eq!(list("", "a", []), r#"{"a":[]}"#);
        assert_eq!(list(r#""b":1,"#, "a", ["1".into(), "2".into()]), r#"{"b":1,"a":[1,2]}"#);
    }
}
